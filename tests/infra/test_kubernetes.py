"""The RayJob of infra/kuberay: keys as KubeRay's API (ray.io/v1) has them, in each overlay, and what a run needs."""

from __future__ import annotations

import copy
import shlex
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field

import helpers
from synthgen.recipe.reading import load_recipe

KUBERAY = helpers.ROOT / "infra" / "kuberay"
OVERLAYS = ("cpu", "gpu", "kueue")
Quantities = dict[Literal["cpu", "memory", "nvidia.com/gpu"], str]


class Keys(BaseModel):
    """Keys that are not known are refused: Kubernetes drops them without a word."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Resources(Keys):
    requests: Quantities
    limits: Quantities


class Mount(Keys):
    name: str
    mountPath: str = Field(pattern="^/")


class Container(Keys):
    name: str
    image: str
    resources: Resources
    volumeMounts: list[Mount]


class Volume(Keys):
    name: str
    persistentVolumeClaim: dict[Literal["claimName"], str] | None = None
    configMap: dict[Literal["name"], str] | None = None
    emptyDir: dict[str, str] | None = None


class Toleration(Keys):
    key: str
    operator: Literal["Exists", "Equal"]
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]


class Pod(Keys):
    containers: list[Container] = Field(min_length=1)
    volumes: list[Volume]
    terminationGracePeriodSeconds: int = 30
    tolerations: list[Toleration] = []


class Template(Keys):
    spec: Pod


class Head(Keys):
    rayStartParams: dict[str, str]
    template: Template


class Workers(Keys):
    groupName: str
    replicas: int = Field(ge=0)
    minReplicas: int = Field(ge=0)
    maxReplicas: int = Field(ge=0)
    rayStartParams: dict[str, str]
    template: Template


class Cluster(Keys):
    rayVersion: str
    authOptions: dict[Literal["mode"], Literal["token"]]
    enableInTreeAutoscaling: bool
    autoscalerOptions: dict[Literal["idleTimeoutSeconds"], int] | None = None
    headGroupSpec: Head
    workerGroupSpecs: list[Workers]


class Spec(Keys):
    entrypoint: str
    submissionMode: Literal["K8sJobMode", "HTTPMode", "SidecarMode", "InteractiveMode"]
    shutdownAfterJobFinishes: Literal[True]
    ttlSecondsAfterFinished: int
    backoffLimit: int
    suspend: bool = False
    rayClusterSpec: Cluster


class Metadata(Keys):
    name: str
    labels: dict[str, str] = {}


class RayJob(Keys):
    apiVersion: Literal["ray.io/v1"]
    kind: Literal["RayJob"]
    metadata: Metadata
    spec: Spec


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def patched(content: Any, operations: list[dict[str, Any]]) -> Any:
    """JSON Patch (RFC 6902), as far as the overlays use it: what is replaced or removed must be there."""
    content = copy.deepcopy(content)
    for operation in operations:
        *steps, last = operation["path"].removeprefix("/").split("/")
        place = content
        for step in steps:
            place = place[int(step) if isinstance(place, list) else step]
        assert (last in place) == (operation["op"] != "add"), operation
        if operation["op"] == "remove":
            del place[last]
        else:
            place[last] = operation["value"]
    return content


def built(folder: Path) -> dict[str, Any]:
    """The RayJob that kustomize makes of a folder."""
    page = load(folder / "kustomization.yaml")
    assert set(page) <= {"apiVersion", "kind", "resources", "patches", "configMapGenerator", "generatorOptions"}
    job: dict[str, Any] = {}
    for name in page["resources"]:
        place = folder / name
        found = built(place) if place.is_dir() else load(place)
        job = found if found.get("kind") == "RayJob" else job
    for patch in page.get("patches", []):
        assert patch["target"] == {"kind": "RayJob", "name": job["metadata"]["name"]}
        job = patched(job, yaml.safe_load(patch["patch"]))
    return job


def job_of(overlay: str) -> RayJob:
    return RayJob.model_validate(built(KUBERAY / "overlays" / overlay))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_overlay_is_a_job_that_renders_the_recipe(overlay: str) -> None:
    job = job_of(overlay)
    cluster = job.spec.rayClusterSpec
    (workers,) = cluster.workerGroupSpecs
    assert cluster.headGroupSpec.rayStartParams["num-cpus"] == "0"
    assert workers.minReplicas <= workers.replicas <= workers.maxReplicas
    words = shlex.split(job.spec.entrypoint)
    out, recipe = words[words.index("-o") + 1], words[2]
    assert int(words[words.index("--workers") + 1]) == workers.maxReplicas
    for pod in (cluster.headGroupSpec.template.spec, workers.template.spec):
        (container,) = pod.containers
        mounted = {mount.mountPath: mount.name for mount in container.volumeMounts}
        claims = {volume.name: volume.persistentVolumeClaim for volume in pod.volumes}
        assert set(mounted.values()) == set(claims)
        shared = next(claims[name] for path, name in mounted.items() if Path(out).is_relative_to(path))
        assert shared == {"claimName": load(KUBERAY / "base" / "storage.yaml")["metadata"]["name"]}
    (head,) = cluster.headGroupSpec.template.spec.containers
    assert any(Path(recipe).is_relative_to(mount.mountPath) for mount in head.volumeMounts)
    assert (KUBERAY / "base" / Path(recipe).name).is_file()


def test_gpus_are_on_workers_only() -> None:
    for overlay, wanted in (("cpu", None), ("gpu", "1"), ("kueue", "1")):
        cluster = job_of(overlay).spec.rayClusterSpec
        head, worker = cluster.headGroupSpec.template.spec, cluster.workerGroupSpecs[0].template.spec
        assert "nvidia.com/gpu" not in head.containers[0].resources.limits
        assert worker.containers[0].resources.limits.get("nvidia.com/gpu") == wanted
        assert bool(worker.tolerations) == bool(wanted)
        assert ("--device cuda" in job_of(overlay).spec.entrypoint) == bool(wanted), "asked for while no node has one"
        assert head.containers[0].image == worker.containers[0].image, "one Python and one Ray on all nodes"


def test_kueue_starts_a_job_of_a_fixed_size() -> None:
    job = job_of("kueue")
    assert job.spec.suspend and "kueue.x-k8s.io/queue-name" in job.metadata.labels
    assert not job.spec.rayClusterSpec.enableInTreeAutoscaling
    assert all(group.minReplicas == group.maxReplicas for group in job.spec.rayClusterSpec.workerGroupSpecs)
    assert not job_of("gpu").spec.suspend


def test_the_recipe_is_valid_and_its_config_map_is_mounted() -> None:
    assert load_recipe(KUBERAY / "base" / "recipe.yaml").name == "clothes"
    base = load(KUBERAY / "base" / "kustomization.yaml")
    (made,) = base["configMapGenerator"]
    assert made["files"] == ["recipe.yaml"] and base["generatorOptions"]["disableNameSuffixHash"]
    volumes = job_of("cpu").spec.rayClusterSpec.headGroupSpec.template.spec.volumes
    assert {"name": made["name"]} in [volume.configMap for volume in volumes]


def test_an_unknown_key_is_refused() -> None:
    wrong = built(KUBERAY / "overlays" / "cpu")
    wrong["spec"]["shutdownAfterJobFinish"] = True
    with pytest.raises(ValueError, match="shutdownAfterJobFinish"):
        RayJob.model_validate(wrong)
