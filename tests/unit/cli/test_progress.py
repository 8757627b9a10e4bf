"""The bar and the lines of a run: what they count, how wide they are, what time they say is left."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import helpers
from synthgen.base.pace import Pace
from synthgen.cli import progress
from synthgen.cli.progress import Lines, Live, fitting
from synthgen.generate.executors.local import InProcess
from synthgen.generate.executors.outcome import Failure
from synthgen.generate.executors.worker import ShardProgress, ShardReport
from synthgen.generate.plan import Plan
from synthgen.generate.survey import Survey

RULE = "brightness >= 0.3"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return helpers.plan_of(tmp_path)


def begin(observer: Lines, plan: Plan, clock: Clock, **survey: int) -> Lines:
    """The observer of a run of 40 samples in 4 shards by one worker, on a clock of the test's own."""
    found = Survey(pending=[0, 1, 2, 3], **survey)  # type: ignore[arg-type]
    observer.begin(plan, found, InProcess.__new__(InProcess))
    observer._pace = Pace(4, clock)
    return observer


def report(shard: int, accepted: int, tries: int) -> ShardReport:
    rejected = {RULE: tries - accepted} if tries > accepted else {}
    classes = {"dark": accepted // 2, "bright": accepted - accepted // 2}
    return ShardReport(shard, accepted, tries, rejected, classes, 10 - accepted, 100, {}, "here", "abc")


def test_time_left_counts_tries_that_will_be_rejected(plan: Plan) -> None:
    clock = Clock()
    lines = begin(Lines(), plan, clock)
    clock.now = 100  # start-up
    lines.batch_done(ShardProgress(0, 2, 4, {RULE: 2}))
    assert lines.parts() == ["2 of 40 samples", f"2 tries rejected ({RULE}: 2)"]
    clock.now = 102
    lines.batch_done(ShardProgress(0, 4, 8, {RULE: 4}))
    assert lines.seconds_left() == 36 * 2 / 2  # 36 samples, 2 tries each, 2 tries a second
    assert lines.parts()[:3] == ["4 of 40 samples", "1.0/s", "about 36 s left"]


def test_a_finished_shard_is_counted_once_and_short_slots_are_not_waited_for(plan: Plan) -> None:
    clock = Clock()
    lines = begin(Lines(), plan, clock)
    lines.batch_done(ShardProgress(0, 4, 4, {}))
    clock.now = 4
    lines.batch_done(ShardProgress(0, 8, 8, {}))
    lines.shard_done(report(0, 8, 8))
    assert lines.n_accepted == 8
    assert lines.seconds_left() == 30  # of 40, 8 are there and 2 will never be
    assert lines.parts()[-1] == "rarest bright 4"


def test_a_failed_shard_is_taken_back(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    lines = begin(Lines(), plan, Clock())
    lines.batch_done(ShardProgress(0, 8, 8, {}))
    lines.shard_failed(Failure(0, "code", "broken"), True)
    assert lines.n_accepted == 0
    assert "shard 0 failed: broken; trying it again" in capsys.readouterr().err
    assert lines.parts() == ["0 of 40 samples"]


def test_what_was_there_before_says_nothing_of_the_speed(plan: Plan) -> None:
    clock = Clock()
    lines = begin(Lines(), plan, clock, accepted=20, tries=2000, n_done=2)
    lines.batch_done(ShardProgress(2, 4, 4, {}))
    clock.now = 1
    lines.batch_done(ShardProgress(2, 8, 8, {}))
    assert lines.seconds_left() == 3


@pytest.mark.parametrize("columns", [60, 80])
def test_the_bar_fits_the_terminal(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    clock = Clock()
    live = Live()
    begin(live, plan, clock)
    live.batch_done(ShardProgress(0, 2, 4, {RULE: 2}))
    clock.now = 5000
    live.batch_done(ShardProgress(0, 4, 1000, {RULE: 996}))
    live.shard_done(report(1, 10, 100000))
    live.end()
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err).splitlines()
    assert max(map(len, lines)) <= columns
    assert any(" 25 %" in line for line in lines)
    assert any(line.startswith("10 of 40 samples") for line in lines)


def test_a_line_is_cut_between_parts() -> None:
    parts = ["450 of 1000 samples", "12.1/s", "31 tries rejected (agreement >= 0.7: 31)", "rarest Shirt 44"]
    assert fitting(parts, 60) == "450 of 1000 samples, 12.1/s, 31 tries rejected"
    assert fitting(parts, 120) == ", ".join(parts)


def test_a_log_hears_within_a_shard(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 0.0)
    lines = begin(Lines(), plan, Clock())
    lines.batch_done(ShardProgress(0, 4, 4, {}))
    lines.batch_done(ShardProgress(0, 8, 8, {}))
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(",")[0] for line in said[-2:]] == ["4 of 40 samples", "8 of 40 samples"]
