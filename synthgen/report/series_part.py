"""What a page shows of series beside the samples of every kind: real ones, charts of channels, and their table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthgen.dataset.ledger import Ledger
from synthgen.dataset.records import Compared as Evaluated
from synthgen.errors import SynthgenError
from synthgen.report import channels as channel_table
from synthgen.report import compared, real_data
from synthgen.report.channels import Channels
from synthgen.report.compared import Compared
from synthgen.report.real_data import Real


@dataclass(frozen=True, slots=True)
class SeriesPart:
    """The series of a dataset for a page.

    Attributes:
        real: where the real windows in `about` come from, None if it has none.
        lack: why those of the last evaluation cannot be shown, in words; empty if they are, or none was asked for.
        charted: numbers of the channels that are shown, the worst ones if `worst`.
        table: of all channels, None if the dataset was not evaluated.
    """

    about: Compared
    real: Real | None
    lack: str
    charted: Sequence[int]
    worst: bool
    table: Channels | None

    @property
    def shown(self) -> Sequence[str]:
        """Names of the channels that are shown, if they are not all."""
        names = [channel.name for channel in self.about.channels]
        return [names[i] for i in self.charted] if len(self.charted) < len(names) else ()

    @property
    def windows(self) -> dict[str, Sequence[Mapping[str, Any]]]:
        """A few real windows of each class."""
        return {group.name: group.windows for group in self.about.groups}


def series_part(
    book: Ledger, known: Evaluated | None, recipe: str | None, channels: Sequence[str], with_real: bool
) -> SeriesPart:
    """The series of a dataset beside real ones of `recipe`, or else of its last evaluation `known`.

    Args:
        channels: those that are shown, all if empty; of very many the worst or first.
        with_real: False to leave out the real ones of the evaluation.

    Raises:
        UsageError: `recipe` names no real series.
        DataError: those of `recipe` cannot be read, or are not like the generated ones.
    """
    about, real, lack = _compare(book, recipe, known.asked if known and with_real else {})
    found = known.found if known else {}
    values = found.get("values") if found.get("kind") == "series" else None
    names = [channel.name for channel in about.channels]
    asked = [i for i, name in enumerate(names) if not channels or name in channels]
    charted = channel_table.choose(asked, names, values)
    table = channel_table.table(values, {names[i]: i for i in charted}) if values else None
    return SeriesPart(about, real, lack, charted, table is not None and len(charted) < len(asked), table)


def _compare(book: Ledger, recipe: str | None, asked: Mapping[str, Any]) -> tuple[Compared, Real | None, str]:
    if recipe is not None:
        real = real_data.named(recipe)
        return compared.compare(book, real), real, ""
    try:
        remembered = real_data.of_evaluation(asked)
        return compared.compare(book, remembered), remembered, ""
    except SynthgenError as error:
        return compared.compare(book, None), None, str(error)
