"""Which executor is chosen, and why."""

from __future__ import annotations

import pytest

from synthgen.errors import UsageError
from synthgen.generate.executors.choose import Choice
from synthgen.generate.executors.local import signal_name


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_ADDRESS", "RAY_JOB_ID"):
        monkeypatch.delenv(name, raising=False)


def test_alone_it_is_local() -> None:
    assert Choice().name == "local"


@pytest.mark.parametrize("name", ["RAY_ADDRESS", "RAY_JOB_ID"])
def test_in_a_cluster_it_is_ray(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "x")
    choice = Choice()
    assert choice.name == "ray"
    assert not choice.own_cluster
    assert "RAY_ADDRESS" in choice.reason
    assert Choice("local").name == "local"


def test_an_address_means_ray() -> None:
    assert Choice(address="auto").name == "ray"
    assert not Choice(address="auto").own_cluster
    with pytest.raises(UsageError):
        Choice("local", address="auto")


def test_asked_for_without_a_cluster_it_starts_one() -> None:
    assert Choice("ray").own_cluster


def test_signals_are_named() -> None:
    assert "SIGKILL" in signal_name(-9)
    assert "memory" in signal_name(-9)
    assert signal_name(1) == signal_name(None) == ""
