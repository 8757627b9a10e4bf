"""`use: personal-data`: how many addresses and numbers of persons a text has, and how much profanity."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field as Setting

from synthgen.base.packages import version_of
from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Columns, Number, Schema
from synthgen.language import personal_data
from synthgen.parts import field_texts
from synthgen.parts.field_texts import FieldText
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source
from synthgen.parts.registry import unknown

LISTS: Mapping[str, str] = {
    "ar": "arabic",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "en": "english",
    "eo": "esperanto",
    "es": "spanish",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "hi": "hindi",
    "hu": "hungarian",
    "it": "italian",
    "ja": "japanese",
    "ko": "korean",
    "nl": "dutch",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ru": "russian",
    "sv": "swedish",
    "th": "thai",
    "tr": "turkish",
    "zh": "chinese",
}
"""Lists of words by language, as the package calls them."""


class PersonalData:
    """Adds counts: for `name: personal`, `personal_emails`, `_ibans`, `_cards`, `_phones` and `personal_profanity`.

    IBANs and numbers of payment cards count if their check digits are right, telephone numbers if such numbers are in
    use, with the code of the country or those of `regions`. Profanity is what lists of words have, also with signs
    between its letters; lists know neither irony nor hate without rude words. Names, postal addresses and other
    personal data are not found, and an address that is found may be nobody's.
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: personal-data`."""

        texts: list[str] = Setting(
            default=[], description="The texts that are looked at, added up; by default all that is generated."
        )
        regions: list[str] = Setting(
            default=[], description="Countries whose telephone numbers are found without a code, as [DE, US]."
        )
        languages: list[str] = Setting(default=["en"], description="Languages of the profanity, as [en, de].")
        name: FieldName = Setting(default="personal", description="Start of the names of the scores.")

    def __init__(self, config: Config) -> None:
        self.config = config
        versions = {
            package: version_of(module, package, "texts", "personal-data")
            for module, package in (
                ("phonenumbers", "phonenumbers"),
                ("stdnum", "python-stdnum"),
                ("glin_profanity", "glin-profanity"),
            )
        }
        self._versions: Mapping[str, str] = versions
        self.fields: Mapping[str, Number] = {
            f"{config.name}_{kind}": Number(kind) for kind in (*personal_data.KINDS, "profanity")
        }
        self._texts: list[FieldText] = []
        self._filter: Any = None

    def identity(self) -> dict[str, Any]:
        numbers = {name: self._versions[name] for name in ("phonenumbers", "python-stdnum")}
        return self.config.model_dump(mode="json") | numbers | {"profanity": self.sources[0].sha256}

    @property
    def sources(self) -> list[Source]:
        return [Source("data", f"glin-profanity {self._versions['glin-profanity']}", _lists_sha256(), "mit")]

    def bind(self, columns: Schema) -> list[Problem]:
        import phonenumbers

        self._texts, problems = field_texts.chosen(columns, self.config.texts, "texts")
        regions, known = self.config.regions, sorted(phonenumbers.SUPPORTED_REGIONS)
        problems += [Problem(unknown(r, known, "region"), place=("regions",)) for r in regions if r not in known]
        languages = self.config.languages
        problems += [
            Problem(unknown(name, LISTS, "language"), place=("languages",)) for name in languages if name not in LISTS
        ]
        return problems

    def setup(self, device: str) -> None:
        from glin_profanity import Filter

        names: Any = [LISTS[language] for language in self.config.languages]
        self._filter = Filter({"languages": names}) if names else None

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        rows = zip(*(text.column(columns) for text in self._texts), strict=True)
        counts = [[self._counts(text) for text in row] for row in rows]
        return {
            f"{self.config.name}_{kind}": [float(sum(found[kind] for found in row)) for row in counts]
            for kind in (*personal_data.KINDS, "profanity")
        }

    def _counts(self, text: str) -> dict[str, int]:
        found = personal_data.count(text, self.config.regions)
        return found | {"profanity": self._n_profane(text)}

    def _n_profane(self, text: str) -> int:
        """How many places of a text are profane."""
        if self._filter is None:
            return 0
        matches = self._filter.check_profanity(text).get("matches") or []
        ends = 0
        found = 0
        for start, length in sorted((match["index"], -len(match["word"])) for match in matches):
            if start >= ends:
                found, ends = found + 1, start - length
        return found


def _lists_sha256() -> str:
    """sha256 over the names and bytes of all lists of words."""
    spec = find_spec("glin_profanity")
    assert spec is not None and spec.origin is not None
    digest = hashlib.sha256()
    for path in sorted((Path(spec.origin).parent / "data" / "dictionaries").glob("*.json")):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()
