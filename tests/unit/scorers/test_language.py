"""The scorer that finds languages."""

from __future__ import annotations

from typing import Any

import pytest

import helpers
from synthgen.fields import Schema, Text, Translation
from synthgen.scorers.language import Language, code

TEXT: Schema = {"condition.source": Text(), "text": Text()}
PAIR: Schema = {"translation": Translation(("en", "pt-BR"))}


def scored(schema: Schema, columns: dict[str, list[Any]], **settings: Any) -> dict[str, list[float]]:
    part = Language(Language.Config(**settings))
    assert part.bind(schema) == []
    part.setup("cpu")
    found = dict(part.annotate(columns, [0] * len(next(iter(columns.values())))))
    assert list(found) == list(part.fields)
    return found


def test_a_text_in_the_right_language_and_in_others() -> None:
    texts = ["Could you book a table for tonight?", "Können Sie einen Tisch reservieren?", "", "我想去北京玩"]
    found = scored(TEXT, {"text": texts}, language="en")
    assert found["language_matches"] == [1, 0, 0, 0]
    assert found["language_probability"][0] > 0.9 and max(found["language_probability"][1:]) < 0.1
    assert scored(TEXT, {"text": texts}, language="zh")["language_matches"] == [0, 0, 0, 1]


def test_short_texts_are_surer_among_few_languages() -> None:
    texts = {"text": ["das rote Haus"]}
    few = scored(TEXT, texts, language="de", among=["de", "en"])["language_probability"][0]
    assert few > 0.5 > scored(TEXT, texts, language="de")["language_probability"][0]


def test_both_sides_of_a_translation_and_the_worse_one() -> None:
    good = {"en": "Where is the train station?", "pt-BR": "Onde fica a estação de trem?"}
    swapped = {"en": good["pt-BR"], "pt-BR": good["en"]}
    copied = {"en": good["en"], "pt-BR": good["en"]}
    found = scored(PAIR, {"translation": [good, swapped, copied]})
    assert found["language_matches"] == [1, 0, 0]
    assert found["language_matches.en"] == [1, 0, 1] and found["language_matches.pt-BR"] == [1, 0, 0]
    worse = zip(found["language_probability.en"], found["language_probability.pt-BR"], strict=True)
    assert found["language_probability"] == list(map(min, worse))


def test_tags_of_languages() -> None:
    assert [code(tag) for tag in ("pt-BR", "nb_NO", "EN")] == ["pt", "no", "en"]


@pytest.mark.parametrize(
    ("schema", "settings", "message"),
    [
        (TEXT, {}, "`text`: set the language that it should be in, as `language: en`"),
        (TEXT, {"language": "xx"}, "language: unknown language `xx`; accepted: "),
        (TEXT, {"language": "en", "among": ["de", "fr"]}, "among: must have en too"),
        (PAIR, {"language": "en"}, "language: the sides of a translation have languages of their own"),
        ({**TEXT, **PAIR}, {}, "which one? There are text, translation; set `text`"),
        ({"translation": Translation(("en", "tlh"))}, {}, "unknown language `tlh`; "),
        ({}, {"text": "query"}, "text: unknown text `query`; accepted: none"),
    ],
)
def test_what_it_cannot_use(schema: Schema, settings: dict[str, Any], message: str) -> None:
    (found,) = helpers.bind_messages(Language(Language.Config(**settings)), schema)
    assert found.startswith(message)


def test_the_model_is_a_source() -> None:
    (source,) = Language(Language.Config()).sources
    assert source.name.startswith("py3langid ") and source.licence == "bsd-3-clause"
