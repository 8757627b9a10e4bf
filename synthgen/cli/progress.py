"""Progress of a run: a live bar, a plain line now and then, or JSON lines. It moves with every batch."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import click
from rich.console import Group
from rich.live import Live as RichLive
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from synthgen.base import terminal
from synthgen.base.pace import Pace
from synthgen.cli import formatting
from synthgen.fields import classes_of
from synthgen.generate import driver
from synthgen.generate.executors.outcome import Executor, Failure
from synthgen.generate.executors.worker import ShardProgress, ShardReport
from synthgen.generate.plan import Plan
from synthgen.generate.survey import Survey

EVERY_S = 10.0
BAR_WIDTH = 30


class Lines:
    """An observer for pipes and logs: one plain line on stderr every ten seconds and at the end."""

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.snapshot: Mapping[str, Any] = {}
        self._said_at = 0.0
        self._said = ""

    def note(self, text: str) -> None:
        click.echo(text, err=True)

    def begin(self, plan: Plan, survey: Survey, executor: Executor) -> None:
        self.plan, self.executor, self.n_shards = plan, executor, (survey.n_done, plan.n_shards)
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.gpu_seconds = 0.0
        self.accepted, self.tries, self.n_short = survey.accepted, survey.tries, survey.n_short
        # Samples are counted by their label; a class that stays in the condition is not.
        self.classes = Counter(dict.fromkeys(classes_of(plan.schema), 0) | dict(survey.classes))
        self.rejected = Counter(survey.rejected)
        self._rendering: dict[int, ShardProgress] = {}
        self._before = (survey.accepted, survey.tries)
        batch = plan.recipe.batch_size if isinstance(plan.recipe.batch_size, int) else 1
        self._pace = Pace(executor.n_workers * batch)
        self._said_at = time.monotonic()
        self.snapshot = self.facts()
        if survey.n_done:
            self.note(f"going on: {survey.n_done} of {plan.n_shards} shards are done")
        self.note(f"rendering {formatting.plural(len(survey.pending), 'shard')} {executor.description}")

    def batch_done(self, progress: ShardProgress) -> None:
        self._rendering[progress.shard] = progress
        self._moved()

    def shard_done(self, report: ShardReport) -> None:
        self._rendering.pop(report.shard, None)
        self.accepted += report.accepted
        self.tries += report.tries
        self.n_short += report.n_short
        self.n_shards = self.n_shards[0] + 1, self.n_shards[1]
        for stage, seconds in report.seconds.items():
            self.seconds[stage] += seconds
        if self.plan and report.device.startswith("cuda"):
            self.gpu_seconds += report.seconds.get("total", 0.0) * (self.plan.recipe.resources.gpus or 1.0)
        self.gpu_seconds += report.pools_gpu_s
        self.classes.update(report.classes)
        self.rejected.update(report.rejected)
        self._moved()

    def shard_failed(self, failure: Failure, again: bool) -> None:
        self._rendering.pop(failure.shard, None)
        then = "trying it again" if again else "giving it up for this run"
        self.note(f"shard {failure.shard} failed: {failure.message}; {then}")

    def end(self) -> None:
        if self.plan is not None:
            self._rendering.clear()  # what was not committed is not there
            if (text := ", ".join(self.parts())) != self._said:
                self.note(text)

    def _moved(self) -> None:
        self._pace.add(self.tries + sum(each.tries for each in self._rendering.values()))
        self.snapshot = self.facts()
        self.update()

    def update(self) -> None:
        now = time.monotonic()
        if now - self._said_at >= EVERY_S:
            self._said_at, self._said = now, ", ".join(self.parts())
            self.note(self._said)

    def facts(self) -> dict[str, Any]:
        """All that is known of the run, as JSON values; what is not known yet is None."""
        assert self.plan is not None
        rejected = sum((Counter(each.rejected) for each in self._rendering.values()), self.rejected.copy())
        n_accepted, n_tries = self._in_this_run()
        rate, left = self._pace.rate, self.seconds_left()
        stages = {stage: round(seconds, 3) for stage, seconds in sorted(self.seconds.items()) if stage != "total"}
        n_finished = self.accepted - self._before[0]
        return {
            "samples": self.n_accepted,
            "planned": self.plan.n_samples,
            "tries": self._before[1] + n_tries,
            "rejected": dict(sorted(rejected.items())),
            "short": self.n_short,
            "shards": {"done": self.n_shards[0], "planned": self.n_shards[1]},
            "samples_per_s": round(rate * n_accepted / n_tries, 3) if rate and n_tries else None,
            "left_s": None if left is None else round(left, 1),
            "workers": {name: getattr(self.executor, f"n_{name}") for name in ("workers", "alive", "lost")},
            "seconds": stages,
            "slowest": max(stages, key=lambda stage: stages[stage], default=None),
            "gpu_s_per_sample": round(self.gpu_seconds / n_finished, 4) if self.gpu_seconds and n_finished else None,
            "classes": dict(self.classes),
        }

    @property
    def n_accepted(self) -> int:
        """Samples that are kept, those of shards that are being rendered included."""
        return self.accepted + sum(each.accepted for each in self._rendering.values())

    def seconds_left(self) -> float | None:
        """Time for what is left, tries that will be rejected included; None while nothing is known of it.

        That is: how many tries a sample has cost in this run, at the speed of the last minute.
        """
        assert self.plan is not None
        n_accepted, n_tries = self._in_this_run()
        n_left = self.plan.n_samples - self.n_accepted - self.n_short
        rate = self._pace.rate
        if rate is None or not n_accepted or n_left <= 0:
            return None
        return n_left * n_tries / n_accepted / rate

    def parts(self) -> list[str]:
        """`450 of 1000 samples`, `12.1/s`, `45 s left`, `31 tries rejected (agreement >= 0.7: 31)`, `rarest Shirt 44`.

        The rarest class is counted in finished shards, whose labels are known, once there is one.
        """
        assert self.plan is not None
        parts = [f"{self.n_accepted} of {self.plan.n_samples} samples", *self._speed()]
        if (left := self.seconds_left()) is not None:
            parts.append(f"about {formatting.duration(left)} left")
        rejected = sum((Counter(each.rejected) for each in self._rendering.values()), self.rejected.copy())
        if rejected:
            by_rule = ", ".join(f"{rule}: {n}" for rule, n in sorted(rejected.items()))
            parts.append(f"{rejected.total()} tries rejected ({by_rule})")
        if self.accepted and self.classes:
            rarest = min(self.classes, key=lambda name: (self.classes[name], name))
            parts.append(f"rarest {rarest} {self.classes[rarest]}")
        return [*parts, *self._machinery()]

    def _machinery(self) -> list[str]:
        """`3 of 4 workers, 1 lost`, `83 % of the time in sample`, `2.1 GPU-s a sample`: whatever there is to say."""
        parts, executor = [], self.executor
        if executor.n_workers > 1 or executor.n_lost:
            lost = f", {executor.n_lost} lost" if executor.n_lost else ""
            parts.append(f"{executor.n_alive} of {formatting.plural(executor.n_workers, 'worker')}{lost}")
        stages = {stage: seconds for stage, seconds in self.seconds.items() if stage != "total"}
        if total := sum(stages.values()):
            slowest = max(stages, key=lambda stage: stages[stage])
            parts.append(f"{100 * stages[slowest] / total:.0f} % of the time in {slowest}")
        n_finished = self.accepted - self._before[0]
        if self.gpu_seconds and n_finished:
            parts.append(f"{self.gpu_seconds / n_finished:.2g} GPU-s a sample")
        return parts

    def _speed(self) -> list[str]:
        rate, (n_accepted, n_tries) = self._pace.rate, self._in_this_run()
        if rate is None or not n_tries:
            return []
        kept = rate * n_accepted / n_tries
        return [f"{kept:.1f}/s" if kept >= 1 else f"{60 * kept:.1f}/min"]

    def _in_this_run(self) -> tuple[int, int]:
        """Samples that were kept, and tries."""
        tries = self.tries + sum(each.tries for each in self._rendering.values())
        return self.n_accepted - self._before[0], tries - self._before[1]


class Quiet(Lines):
    """Counts, and says nothing."""

    def note(self, text: str) -> None:
        pass


class JsonLines(Lines):
    """An observer for programs: one JSON object a line on stderr. `event` says what: note, progress, failed or end."""

    def note(self, text: str) -> None:
        self._say("note", {"text": text})

    def begin(self, plan: Plan, survey: Survey, executor: Executor) -> None:
        super().begin(plan, survey, executor)
        self._say("progress", self.facts())

    def update(self) -> None:
        now = time.monotonic()
        if now - self._said_at >= EVERY_S:
            self._said_at = now
            self._say("progress", self.snapshot)

    def shard_failed(self, failure: Failure, again: bool) -> None:
        self._rendering.pop(failure.shard, None)
        facts = {"shard": failure.shard, "cause": failure.cause, "message": failure.message, "again": again}
        self._say("failed", facts)

    def end(self) -> None:
        if self.plan is not None:
            self._rendering.clear()
            self._say("end", self.facts())

    def _say(self, event: str, facts: Mapping[str, Any]) -> None:
        click.echo(json.dumps({"event": event, "time": driver.timestamp(), **facts}), err=True)


class Live(Lines):
    """An observer for terminals: a bar that stays in place, on two lines that fit the terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._console = terminal.console()
        self._live: RichLive | None = None

    def note(self, text: str) -> None:
        self._console.print(terminal.escape(text), highlight=False, markup=False, soft_wrap=True)

    def begin(self, plan: Plan, survey: Survey, executor: Executor) -> None:
        super().begin(plan, survey, executor)
        self._live = RichLive(self._view(), console=self._console, refresh_per_second=4)
        self._live.start()

    def update(self) -> None:
        if self._live is not None:
            self._live.update(self._view())

    def end(self) -> None:
        if self._live is not None:
            self._rendering.clear()
            self._live.update(self._view())
            self._live.stop()

    def _view(self) -> Group:
        assert self.plan is not None
        share = min(1.0, self.n_accepted / self.plan.n_samples)
        left = self.seconds_left()
        note = f"about {formatting.duration(left)} left" if left is not None else ""
        bar = Table.grid(padding=(0, 1))
        bar.add_row(ProgressBar(total=1.0, completed=share, width=BAR_WIDTH), f"{int(100 * share):3} %", note)
        text = fitting((part for part in self.parts() if part != note), self._console.width - 1)
        return Group(bar, Text(terminal.escape(text), no_wrap=True, overflow="ellipsis"))


def fitting(parts: Iterable[str], width: int) -> str:
    """The parts in one line of at most `width` characters; of one that is too long what stands in brackets is cut."""
    line = ""
    for part in parts:
        for text in dict.fromkeys((part, part.partition(" (")[0])):
            if len(line) + 2 * bool(line) + len(text) <= width:
                line += ", " * bool(line) + text
                break
    return line
