"""infra/compose.yaml: keys of the Compose specification, services that find each other, and no secret."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from typing import Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict

import helpers

FILE = helpers.ROOT / "infra" / "compose.yaml"


class Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Healthcheck(Keys):
    test: list[str]
    interval: str
    timeout: str
    retries: int


class Condition(Keys):
    condition: Literal["service_started", "service_healthy", "service_completed_successfully"]


class Deploy(Keys):
    replicas: int


class Service(Keys):
    image: str
    environment: dict[str, str]
    volumes: list[str]
    restart: Literal["no", "always", "on-failure", "unless-stopped"]
    command: str | None = None
    entrypoint: list[str] | None = None
    ports: list[str] = []
    depends_on: list[str] | dict[str, Condition] = []
    healthcheck: Healthcheck | None = None
    deploy: Deploy | None = None
    shm_size: str | None = None


def load() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return found


def services() -> dict[str, Service]:
    content = load()
    assert {key for key in content if not key.startswith("x-")} == {"name", "services", "volumes"}
    return {name: Service.model_validate(each) for name, each in content["services"].items()}


def test_services_name_what_is_there() -> None:
    found, volumes = services(), load()["volumes"]
    for service in found.values():
        assert set(service.depends_on) <= set(found)
        assert {volume.partition(":")[0] for volume in service.volumes} <= set(volumes)
    assert found["worker"].deploy is not None and found["worker"].deploy.replicas == 2
    assert found["head"].image == found["worker"].image
    command = shlex.split(found["worker"].command or "")
    (address,) = (word.partition("=")[2] for word in command if word.startswith("--address="))
    assert address.partition(":")[0] in found
    assert f"--port={address.partition(':')[2]}" in shlex.split(found["head"].command or "")
    store = found["worker"].environment["AWS_ENDPOINT_URL"]
    assert re.fullmatch("http://store:9000", store) and "store" in found


def test_ports_are_open_to_this_machine_only() -> None:
    ports = [port for service in services().values() for port in service.ports]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_secrets_come_from_the_environment() -> None:
    for service in services().values():
        for name, value in service.environment.items():
            if re.search("TOKEN|SECRET|PASSWORD", name):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), name


@pytest.mark.skipif(not shutil.which("docker"), reason="needs Docker")
def test_docker_compose_accepts_it() -> None:
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("needs the compose plug-in of Docker")
    words = ["docker", "compose", "-f", str(FILE), "config", "--quiet"]
    given = {**os.environ, "RAY_AUTH_TOKEN": "a", "S3_PASSWORD": "b"}
    done = subprocess.run(words, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lacking = subprocess.run(words, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert lacking.returncode and "RAY_AUTH_TOKEN" in lacking.stderr
