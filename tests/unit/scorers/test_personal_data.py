"""The scorer that counts personal data and profanity."""

from __future__ import annotations

import pytest

import helpers
from synthgen.fields import Text, Translation
from synthgen.scorers.personal_data import PersonalData


def test_counts_over_all_texts() -> None:
    part = PersonalData(PersonalData.Config(languages=["en", "de"], regions=["DE"]))
    assert part.bind({"text": Text(), "pair": Translation(("en", "de"))}) == []
    part.setup("cpu")
    columns = {
        "text": ["Mail a@example.com or call 030 901820", "What the f.u.c.k is this shit"],
        "pair": [{"en": "b@example.com", "de": "Hallo"}, {"en": "Scunthorpe, a classic", "de": "du Arschloch"}],
    }
    assert part.annotate(columns, [0, 0]) == {
        "personal_emails": [2, 0],
        "personal_ibans": [0, 0],
        "personal_cards": [0, 0],
        "personal_phones": [1, 0],
        "personal_profanity": [0, 3],
    }


def test_without_languages_there_is_no_profanity() -> None:
    part = PersonalData(PersonalData.Config(languages=[], name="found"))
    assert part.bind({"text": Text()}) == []
    part.setup("cpu")
    assert part.annotate({"text": ["fuck"]}, [0])["found_profanity"] == [0]


def test_what_it_cannot_use_and_its_sources() -> None:
    part = PersonalData(PersonalData.Config(languages=["xx"], regions=["Germany"]))
    first, second = helpers.bind_messages(part, {"text": Text()})
    assert first.startswith("regions: unknown region `Germany`") and second.startswith("languages: unknown language")
    (source,) = part.sources
    assert source.name.startswith("glin-profanity ") and source.licence == "mit"
    assert {"phonenumbers", "python-stdnum"} <= set(part.identity())


@pytest.mark.parametrize("language", ["ar", "zh", "tr", "pl"])
def test_lists_of_other_languages_are_there(language: str) -> None:
    part = PersonalData(PersonalData.Config(languages=[language]))
    assert part.bind({"text": Text()}) == []
    part.setup("cpu")
    assert part.annotate({"text": ["a nice day"]}, [0])["personal_profanity"] == [0]
