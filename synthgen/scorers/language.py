"""`use: language`: whether texts are in the language that they should be in."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field as Setting

from synthgen.base.packages import version_of
from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Columns, Field, Number, Schema, Translation
from synthgen.models.folders import file_sha256
from synthgen.parts import field_texts
from synthgen.parts.field_texts import FieldText
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source
from synthgen.parts.registry import unknown

SAME = {"nb": "no", "iw": "he", "in": "id", "fil": "tl", "cmn": "zh", "gug": "gn"}
"""Tags that the package calls otherwise."""
MODEL = Path("data") / "model.npz.xz"
DIGITS = 6


class Language:
    """Adds, for `name: language`, `language_probability` and `language_matches`.

    probability: of the language that is asked for among those that are known, 0 to 1. matches: 1 if it is the most
    likely one, else 0. Of a translation, both are of its worse side, and each side has scores of its own, such as
    `language_probability.de`. A text without letters is as likely in one language as in another.

    Short texts are often in several languages: `among` names those that samples can be in at all, and makes
    probabilities of short texts far surer.

    Source: Lui and Baldwin 2012, "langid.py: an off-the-shelf language identification tool", in the package py3langid.
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: language`."""

        text: str = Setting(
            default="",
            description="The text, or the translation, of which all sides are looked at; by default all that is "
            "generated, if that is one text or one translation.",
        )
        language: str = Setting(
            default="",
            description="The language of a text, as `en`; the sides of a translation have languages of their own.",
        )
        among: list[str] = Setting(
            default=[], description="Languages that texts can be in; by default all that the package knows."
        )
        name: FieldName = Setting(default="language", description="Start of the names of the scores.")

    def __init__(self, config: Config) -> None:
        self.config = config
        self._version = version_of("py3langid", "py3langid", "texts", "language")
        self.fields: Mapping[str, Field] = {}
        self._asked: list[tuple[FieldText, str]] = []
        self._names: list[str] = []
        self._model: Any = None

    def identity(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json") | {"model": self.sources[0].sha256}

    @property
    def sources(self) -> list[Source]:
        return [Source("model", f"py3langid {self._version}", file_sha256(_model_file()), "bsd-3-clause")]

    def bind(self, columns: Schema) -> list[Problem]:
        texts, problems = field_texts.chosen(columns, [self.config.text] if self.config.text else [], "text")
        if not problems and len({text.field for text in texts}) > 1:
            listed = ", ".join(dict.fromkeys(text.field for text in texts))
            problems = [Problem(f"which one? There are {listed}; set `text`")]
        if problems:
            return problems
        field = columns[texts[0].field]
        if isinstance(field, Translation):
            asked = [(text, text.part) for text in texts]
            if self.config.language:
                problems.append(Problem("the sides of a translation have languages of their own", (), ("language",)))
        else:
            asked = [(text, self.config.language) for text in texts]
            if not self.config.language:
                problems.append(Problem(f"`{texts[0].name}`: set the language that it should be in, as `language: en`"))
        problems += self._unknown([tag for _, tag in asked if tag])
        if problems:
            return problems
        self._asked = asked
        start, sides = self.config.name, [f".{text.part}" for text, _ in asked] if len(asked) > 1 else []
        self._names = [f"{start}_{what}{side}" for what in ("probability", "matches") for side in ("", *sides)]
        self.fields = {name: Number() for name in self._names}
        return []

    def _unknown(self, asked: Sequence[str]) -> list[Problem]:
        """What is wrong with the tags of languages."""
        known = languages()
        among = [(tag, ("among",)) for tag in self.config.among]
        place: tuple[str, ...] = ("language",) if self.config.language else ()
        problems = [
            Problem(unknown(tag, known, "language"), place=where)
            for tag, where in [*among, *((tag, place) for tag in asked)]
            if code(tag) not in known
        ]
        if problems or not self.config.among:
            return problems
        allowed = set(map(code, self.config.among))
        return [Problem(f"must have {tag} too", place=("among",)) for tag in asked if code(tag) not in allowed]

    def setup(self, device: str) -> None:
        self._model = identifier()
        if self.config.among:
            self._model.set_languages(sorted(set(map(code, self.config.among))))

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        sides = [
            [self._scores(text, code(language)) for text in column.column(columns)] for column, language in self._asked
        ]
        found: list[Sequence[float]] = []
        for what in (0, 1):
            each = [[scores[what] for scores in side] for side in sides]
            found += [[min(values) for values in zip(*each, strict=True)], *(each if len(each) > 1 else [])]
        return dict(zip(self._names, found, strict=True))

    def _scores(self, text: str, language: str) -> tuple[float, float]:
        """The probability of a language, and whether no other is likelier."""
        ranked = dict(self._model.rank(text))
        likely = round(float(ranked[language]), DIGITS)
        others = [value for name, value in ranked.items() if name != language]
        return likely, float(likely > round(max(others, default=0.0), DIGITS))


def code(tag: str) -> str:
    """What the package calls a language: `pt` for `pt-BR`."""
    short = tag.replace("_", "-").partition("-")[0].lower()
    return SAME.get(short, short)


@cache
def languages() -> tuple[str, ...]:
    """The codes of all languages that the package knows, sorted."""
    return tuple(sorted(set(identifier().labels) - {"zxx"}))


def identifier() -> Any:
    """An identifier of one's own that gives probabilities among all languages, until its languages are set."""
    return copy.copy(_loaded())


@cache
def _loaded() -> Any:
    """The identifier that all share, whose weights are read once in a process."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _model_file() -> Path:
    spec = find_spec("py3langid")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / MODEL
