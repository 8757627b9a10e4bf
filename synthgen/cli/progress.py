"""Progress of a run: a live line on a terminal, a plain line now and then on a pipe."""

from __future__ import annotations

import time
from collections import Counter

import click
from rich.console import Console
from rich.live import Live as RichLive
from rich.progress_bar import ProgressBar
from rich.table import Table

from synthgen.cli import terminal, words
from synthgen.driver import Survey
from synthgen.executors.outcome import Executor, Failure
from synthgen.executors.worker import ShardReport
from synthgen.fields import Label
from synthgen.plan import Plan

EVERY_S = 10.0


class Lines:
    """An observer for pipes and logs: one plain line on stderr every ten seconds and at the end."""

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self._said = 0.0
        self._told = -1

    def note(self, text: str) -> None:
        click.echo(text, err=True)

    def begin(self, plan: Plan, survey: Survey, executor: Executor) -> None:
        self.plan = plan
        self.accepted, self.tries = survey.accepted, survey.tries
        # Samples are counted by their label; a class that stays in the condition is not.
        names = next((field.classes for field in plan.schema.values() if isinstance(field, Label)), ())
        self.classes = Counter(dict.fromkeys(names, 0) | dict(survey.classes))
        self.rejected = Counter(survey.rejected)
        self.done, self.n_shards = survey.n_done, plan.n_shards
        self._started, self._before = time.monotonic(), survey.accepted
        self._said = self._started
        if survey.n_done:
            self.note(f"going on: {survey.n_done} of {plan.n_shards} shards are done")
        self.note(f"rendering {words.plural(len(survey.pending), 'shard')} {executor.description}")

    def shard_done(self, report: ShardReport) -> None:
        self.done += 1
        self.accepted += report.accepted
        self.tries += report.tries
        self.classes.update(report.classes)
        self.rejected.update(report.rejected)
        self.update()

    def shard_failed(self, failure: Failure, again: bool) -> None:
        then = "trying it again" if again else "giving it up for this run"
        self.note(f"shard {failure.shard} failed: {failure.message}; {then}")

    def end(self) -> None:
        if self.plan is not None and not (self.done == self.n_shards and self._told == self.done):
            self.note(self.text())

    def update(self) -> None:
        now = time.monotonic()
        if now - self._said >= EVERY_S:
            self._said, self._told = now, self.done
            self.note(self.text())

    def text(self) -> str:
        """`450 of 1000 samples, 31 rejected (agreement >= 0.7: 31), 12.1/s, 45 s left, rarest Shirt 44`."""
        assert self.plan is not None
        elapsed = max(time.monotonic() - self._started, 1e-9)
        rate = (self.accepted - self._before) / elapsed
        parts = [f"{self.accepted} of {self.plan.n_samples} samples"]
        if self.rejected:
            by_rule = ", ".join(f"{rule}: {n}" for rule, n in sorted(self.rejected.items()))
            parts.append(f"{self.tries - self.accepted} tries rejected ({by_rule})")
        parts.append(f"{rate:.1f}/s")
        if rate and self.accepted < self.plan.n_samples:
            parts.append(f"{words.duration((self.plan.n_samples - self.accepted) / rate)} left")
        if self.classes:
            rarest = min(self.classes, key=lambda name: (self.classes[name], name))
            parts.append(f"rarest {rarest} {self.classes[rarest]}")
        return ", ".join(parts)


class Live(Lines):
    """An observer for terminals: a bar that stays in place."""

    def __init__(self) -> None:
        super().__init__()
        self._console = Console(stderr=True)
        self._live: RichLive | None = None

    def note(self, text: str) -> None:
        self._console.print(terminal.escape(text), highlight=False, markup=False)

    def begin(self, plan: Plan, survey: Survey, executor: Executor) -> None:
        super().begin(plan, survey, executor)
        self._live = RichLive(self._view(), console=self._console, refresh_per_second=4)
        self._live.start()

    def update(self) -> None:
        if self._live is not None:
            self._live.update(self._view())

    def end(self) -> None:
        if self._live is not None:
            self._live.update(self._view())
            self._live.stop()

    def _view(self) -> Table:
        view = Table.grid(padding=(0, 1))
        view.add_row(ProgressBar(total=self.n_shards, completed=self.done, width=30), terminal.escape(self.text()))
        return view
