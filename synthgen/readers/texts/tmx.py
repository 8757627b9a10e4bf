"""TMX 1.4: translation units, read without entities of the file's own and without fetching anything."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.parsers import expat

from synthgen.errors import DataError
from synthgen.readers.problems import read_bytes
from synthgen.readers.texts.table import Table
from synthgen.readers.texts.types import TextData

CODES = frozenset(("bpt", "ept", "it", "ph", "ut"))
"""Elements in a segment that hold a format's codes, no text."""

BLANKS = re.compile("[ \t\r\n]+")
"""Those of XML's layout; a no-break space is a character of the text."""

MOST_LANGUAGES = 20

Unit = tuple[int, dict[str, str], int]
"""The line of a <tu>, its first segment in each language, and how many further ones it has."""


class _Units:
    """Collects the units of a file while expat reads it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.units: list[Unit] = []
        self.origin = ""
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.SkippedEntityHandler = self._entity
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._depth = 0
        self._language = ""
        self._segment: list[str] | None = None
        self._codes = 0
        self.n_codes = 0

    def parse(self, raw: bytes) -> None:
        try:
            self._parser.Parse(raw, True)
        except expat.ExpatError as error:
            raise DataError(f"{self.name}:{error.lineno}: is no XML from here on: {error}") from None
        except (ValueError, LookupError) as error:  # an encoding that there is not
            raise DataError(f"{self.name}: is no XML: {error}") from None

    def _doctype(self, name: str, system: str | None, public: str | None, own: int) -> None:
        """A document type that names TMX's is let pass, and not fetched; one with declarations is not."""
        if own:
            raise DataError(
                f"{self.name}:{self._parser.CurrentLineNumber}: its document type has declarations of its own "
                "(<!DOCTYPE tmx [...]>), which could define entities; remove them"
            )

    def _entity(self, name: str, _: bool) -> None:
        raise DataError(
            f"{self.name}:{self._parser.CurrentLineNumber}: the entity &{name[:40]}; is not one of XML's own; write "
            "the character itself"
        )

    def _start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth == 1 and tag != "tmx":
            raise DataError(f"{self.name}: is no TMX: it begins with <{tag[:40]}>, not <tmx>")
        if tag == "header":
            self.origin = attributes.get("srclang", "").strip()
        elif tag == "tu":
            self.units.append((self._parser.CurrentLineNumber, {}, 0))
        elif tag == "tuv":
            self._language = (attributes.get("xml:lang") or attributes.get("lang") or "").strip()
            if not self._language:
                raise DataError(f"{self.name}:{self._parser.CurrentLineNumber}: a <tuv> names no language (xml:lang)")
        elif tag == "seg" and self.units:
            self._segment = []
        elif tag in CODES and self._segment is not None:
            self._codes += 1
            self.n_codes += 1

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if tag in CODES and self._segment is not None:
            self._codes -= 1
        elif tag == "seg" and self._segment is not None:
            line, found, more = self.units[-1]
            text, self._segment = BLANKS.sub(" ", "".join(self._segment)).strip(" "), None
            if self._language in found:
                self.units[-1] = (line, found, more + 1)
            else:
                found[self._language] = text

    def _text(self, text: str) -> None:
        if self._segment is not None and not self._codes:
            self._segment.append(text)


def load(path: Path, data: TextData) -> Table:
    """The units of a .tmx file in two languages: those of `languages`, else the two that it has, `srclang` first.

    Line ends and runs of blanks in a segment are one blank, as XML's layout has no meaning. Units that lack one of
    the languages are left out.

    Raises:
        DataError: it is no TMX, its document type declares anything, or two languages of several must be chosen.
    """
    read = _Units(str(path))
    read.parse(read_bytes(path))
    counts = Counter(language for _, found, _ in read.units for language in found)
    source, target = _pair(path, counts, read.origin, data)
    pairs = [(line, found[source], found[target]) for line, found, _ in read.units if {source, target} <= found.keys()]
    if not pairs:
        raise DataError(f"{path}: has no unit in both {source} and {target}")
    lacking = len(read.units) - len(pairs)
    more = sum(n for _, _, n in read.units)
    notes = [f"of segments in the same language of one unit, the first is used ({more} more)"] * bool(more)
    notes += [f"codes of a format in segments are left out ({read.n_codes:,})"] * bool(read.n_codes)
    columns: dict[str, Sequence[Any]] = {"source": [a for _, a, _ in pairs], "target": [b for _, _, b in pairs]}
    lines = [line for line, _, _ in pairs]
    left_out = {f"units without {source} or {target}": lacking} if lacking else {}
    return Table(path, columns, lines, "pairs", languages=(source, target), left_out=left_out, notes=tuple(notes))


def _pair(path: Path, counts: Mapping[str, int], origin: str, data: TextData) -> tuple[str, str]:
    """Source and target language, as the file calls them."""
    there = ", ".join(sorted(counts)[:MOST_LANGUAGES]) or "none"
    if data.languages:
        found = [_matching(language, counts) for language in data.languages]
        for language, matches in zip(data.languages, found, strict=True):
            if len(matches) != 1:
                what = f"has several variants of {language}" if matches else f"has no segments in {language}"
                raise DataError(f"{path}: {what}; `languages` must name two of its languages: {there}")
        return found[0][0], found[1][0]
    if len(counts) != 2:
        raise DataError(f"{path}: set `languages: [source, target]` to two of its languages: {there}")
    first = _matching(origin, counts)
    source = first[0] if len(first) == 1 else min(counts)
    return source, next(language for language in counts if language != source)


def _matching(language: str, counts: Mapping[str, int]) -> list[str]:
    """The languages of a file that are this one: of this name, else its regional variants."""
    small = language.casefold()
    same = [name for name in counts if name.casefold() == small]
    return same or [name for name in counts if small and name.casefold().replace("_", "-").startswith(f"{small}-")]
