"""Samples that are texts, in scripts of all kinds, for tests of fields, files, exports and pages."""

from __future__ import annotations

from collections.abc import Callable
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
    "ding\x07 dong",
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
    answer = [{"role": "assistant", "content": other}, {"role": "user", "content": "Thanks!"}] if i % 2 else []
    return {
        "utterance": said,
        "text": other,
        "intent": i % 2,
        "slots": [{"start": 0, "end": 2, "label": 1}, {"start": 2, "end": 5, "label": 0}] if len(said) > 4 else [],
        "pair": {"fr": other, "en": said},
        "chat": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": said}, *answer],
        "acts": [
            [],
            [{"act": "inform", "slot": "city", "value": "Lyon"}, {"act": "greet", "slot": "", "value": ""}],
            *([{"act": "request", "slot": "city", "value": ""}] for _ in answer),
        ],
        "answers": {"text": [other[3:6]], "answer_start": [3]} if len(other) > 5 else {"text": [], "answer_start": []},
    }


MORE: dict[str, Callable[[int], str]] = {
    "question": lambda i: f"What stands in text {i}?",
    "title": lambda i: f"Article {i // 4}",
    "prompt": lambda i: f"Say {i}.",
    "completion": lambda i: f"{i}.",
    "chosen": lambda i: f"{i}, with pleasure.",
    "rejected": lambda i: "no",
    "note": lambda i: "a note",
}
"""Further fields, all texts, that some exports need."""
