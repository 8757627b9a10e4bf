"""Samples that are texts, in scripts of all kinds, for tests of fields, files, exports and pages."""

from __future__ import annotations

from typing import Any

from synthgen.fields import Acts, Answers, Chat, Field, Label, Spans, Text, Translation

SCRIPTS = (
    "Book a table in Lyon, please.",
    "احجز لي طاولة في ليون من فضلك",
    "请帮我在里昂订一张桌子。",
    "Réserve\u202fune table\r\nà Lyon\tce soir\n",
    "👩‍👩‍👧 à deux 🇫🇷 \U0001f44d\U0001f3fd",
    'He said "no" \\ & <b>left</b>\u2028then\u2029came\x85back',
    "",
)
SLOTS = ("city", "time")

FIELDS: dict[str, Field] = {
    "utterance": Text(),
    "text": Text(own_file=True),
    "intent": Label(("book", "cancel")),
    "slots": Spans("utterance", SLOTS),
    "pair": Translation(("fr", "en")),
    "chat": Chat(),
    "acts": Acts("chat", ("greet", "inform", "request"), ("city",)),
    "answers": Answers("text"),
}


def sample(i: int) -> dict[str, Any]:
    """Values of sample `i` for all of `FIELDS`."""
    said, other = SCRIPTS[i % len(SCRIPTS)], SCRIPTS[(i + 1) % len(SCRIPTS)]
    return {
        "utterance": said,
        "text": other,
        "intent": i % 2,
        "slots": [{"start": 0, "end": 2, "label": 1}, {"start": 2, "end": 5, "label": 0}] if len(said) > 4 else [],
        "pair": {"fr": other, "en": said},
        "chat": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": said}],
        "acts": [[], [{"act": "inform", "slot": "city", "value": "Lyon"}, {"act": "greet", "slot": "", "value": ""}]],
        "answers": {"text": [other[3:6]], "answer_start": [3]} if len(other) > 5 else {"text": [], "answer_start": []},
    }
