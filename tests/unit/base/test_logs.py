"""Log lines: who asks for them, in this process and in workers; tracebacks of errors that are handled."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

import helpers
from synthgen.base import logs


def words(recipe: Path, out: Path, *more: object) -> tuple[object, ...]:
    return ("run", recipe, "--plugin", helpers.TOY, "--device", "cpu", "--workers", 1, "-o", out, *more)


@pytest.mark.parametrize("asked", [("-v",), ("--verbose",), ("--log-level", "info")])
def test_verbose_logs_every_shard(cli, recipe: Path, tmp_path: Path, asked: tuple[str, ...]) -> None:
    answer = cli(*words(recipe, tmp_path / "out", *asked))
    assert answer.code == 0
    assert answer.err.count('synthgen.generate.driver: {"time": ') == 4
    assert "INFO" in answer.err and "DEBUG" not in answer.err
    assert "synthgen.generate.driver" not in answer.out


def test_it_may_stand_before_the_command_and_is_over_with_it(cli, recipe: Path, tmp_path: Path) -> None:
    assert "synthgen.generate.driver" in cli("-v", *words(recipe, tmp_path / "a")).err
    assert "synthgen.generate.driver" not in cli(*words(recipe, tmp_path / "b")).err
    assert logs.VARIABLE not in os.environ
    assert logging.getLogger("synthgen").level == logging.NOTSET


def test_the_environment_sets_it(cli, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(logs.VARIABLE, "INFO")
    assert "synthgen.generate.driver" in cli(*words(recipe, tmp_path / "a")).err
    monkeypatch.setenv(logs.VARIABLE, "loud")
    answer = cli("plan", recipe)
    assert answer.code == 2
    assert answer.err == "error: SYNTHGEN_LOG=loud: is no log level; there are debug, info, warning, error\n"


def test_the_traceback_of_an_error_is_shown_to_those_who_ask(cli) -> None:
    assert cli("plan", "nowhere.yaml").err.count("\n") == 1
    asked = cli("plan", "nowhere.yaml", "-v").err
    assert "Traceback (most recent call last)" in asked
    assert asked.splitlines()[-1].startswith("error: nowhere.yaml: no such recipe")


def test_the_traceback_of_a_shard_as_well(cli, tmp_path: Path) -> None:
    recipe = helpers.write(tmp_path, helpers.toy(sampler={"use": "smooth", "size": 4, "fail_shard_at": 15}))
    assert "Traceback" not in cli(*words(recipe, tmp_path / "a")).err
    assert "ValueError: a broken slot\n" in cli(*words(recipe, tmp_path / "b", "-v")).err


@pytest.mark.slow
def test_workers_log_too(recipe: Path, tmp_path: Path) -> None:
    done = helpers.call(helpers.run_command(recipe, tmp_path / "out", "--workers", 2, "-v"))
    logged = [line.split() for line in done.stderr.splitlines() if " INFO " in line]
    workers, driver = (
        {line[2] for line in logged if line[3] == f"synthgen.generate.{name}:"}
        for name in ("executors.worker", "driver")
    )
    assert workers and len(driver) == 1 and not workers & driver, "of processes of their own"
