"""Pairs: translations as TMX, which translation tools exchange, and as tables with a column for each language."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar
from xml.sax.saxutils import escape, quoteattr

from pydantic import Field

from synthgen.base.settings import Settings
from synthgen.errors import UsageError
from synthgen.exporters.text_samples import TextSamples, left_out
from synthgen.fields import Translation

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_QUOTED = re.compile('["\t\r\n]')
_BREAKS = re.compile("\r\n|[\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


class _Pairs:
    """What both formats share: the field of translations and its languages."""

    roles: ClassVar[Sequence[str]] = ("translation",)

    def samples(self, folder: str, split: str | None, fields: Mapping[str, str], allow_incomplete: bool) -> TextSamples:
        found = TextSamples(folder, split, allow_incomplete, fields)
        self._field = found.need("translation", (Translation,), "this format is of translations")
        kind = found.fields[self._field]
        assert isinstance(kind, Translation)
        self._languages = kind.languages
        return found


class Tmx(_Pairs):
    """A translation unit for each sample, its key as `tuid`, with a variant for each language.

    Texts that no XML can hold, because of a control character, are left out and named.

    Source: TMX 1.4b Specification, OSCAR Recommendation, 2005.
    """

    description: ClassVar[str] = "<split>.tmx of TMX 1.4, with a unit for each sample"

    class Config(Settings):
        """Options of `--to tmx`."""

        source: str | None = Field(None, description="Language that was translated from; by default the first one.")

    def __init__(self, config: Config) -> None:
        self._source = config.source

    def samples(self, folder: str, split: str | None, fields: Mapping[str, str], allow_incomplete: bool) -> TextSamples:
        found = super().samples(folder, split, fields, allow_incomplete)
        if self._source not in (None, *self._languages):
            raise UsageError(f"--option source: must be one of {', '.join(self._languages)} (got {self._source})")
        return found

    def write(self, samples: TextSamples, out: Path, tick: Callable[[int], Any]) -> list[str]:
        refused = []
        language = quoteattr(self._source or self._languages[0])
        with ExitStack() as stack:
            files = samples.files(stack, out, "tmx")
            for file in files.values():
                file.write(
                    '<?xml version="1.0" encoding="UTF-8"?>\n<tmx version="1.4">\n<header creationtool="synthgen" '
                    'creationtoolversion="1" segtype="block" o-tmf="synthgen" adminlang="en" datatype="plaintext" '
                    f"srclang={language}/>\n<body>\n"
                )
            for sample in samples:
                texts = sample[self._field]
                if any(_NOT_XML.search(text) for text in texts.values()):
                    refused.append(sample["key"])
                else:
                    files[sample["split"]].write(_unit(sample["key"], texts))
                tick(1)
            for file in files.values():
                file.write("</body>\n</tmx>\n")
        return left_out(refused, "having a control character, which XML cannot hold")


class Tsv(_Pairs):
    """A row for each sample under a heading of languages, with quotes as pandas and spreadsheets read them.

    `plain` is for tools that read lines: no heading, no quotes, and what breaks a line or a column becomes one space.
    """

    description: ClassVar[str] = "<split>.tsv with a column for each language"

    class Config(Settings):
        """Options of `--to tsv`."""

        plain: bool = Field(False, description="Without heading and quotes; line ends and tabs become spaces.")

    def __init__(self, config: Config) -> None:
        self._plain = config.plain

    def write(self, samples: TextSamples, out: Path, tick: Callable[[int], Any]) -> list[str]:
        n_changed = 0
        with ExitStack() as stack:
            files = samples.files(stack, out, "tsv")
            for file in () if self._plain else files.values():
                file.write(_row(self._languages))
            for sample in samples:
                texts = [sample[self._field][language] for language in self._languages]
                if self._plain:
                    lines = [_BREAKS.sub(" ", text) for text in texts]
                    n_changed += lines != texts
                    files[sample["split"]].write("\t".join(lines) + "\n")
                else:
                    files[sample["split"]].write(_row(texts))
                tick(1)
        return [f"{n_changed} samples had line ends or tabs, which are spaces now"] if n_changed else []


def _row(texts: Sequence[str]) -> str:
    """A line of tabs. What ends a line anywhere is in quotes, a lone carriage return too, which `csv` leaves bare."""
    cells = ['"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text for text in texts]
    return "\t".join(cells) + "\n"


def _unit(key: str, texts: Mapping[str, str]) -> str:
    variants = "".join(
        f"<tuv xml:lang={quoteattr(language)}><seg>{escape(text, {chr(13): '&#13;'})}</seg></tuv>\n"
        for language, text in texts.items()
    )
    return f"<tu tuid={quoteattr(key)}>\n{variants}</tu>\n"
