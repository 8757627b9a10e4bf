"""Spans of a text as a label for each token, in BIO form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

OUTSIDE = "O"


def bio(
    places: Sequence[tuple[int, int]], spans: Sequence[Mapping[str, int]], classes: Sequence[str]
) -> tuple[list[str], list[Mapping[str, int]]]:
    """The label of each token, and the spans that begin or end within one or have none.

    White space at the ends of a span does not matter.

    Source: Ramshaw and Marcus, "Text chunking", 1995 (`B-` begins a span, `I-` goes on, `O` is outside).
    """
    labels, odd = [OUTSIDE] * len(places), []
    for span in spans:
        inside = [i for i, (start, end) in enumerate(places) if start < span["end"] and end > span["start"]]
        whole = inside and places[inside[0]][0] >= span["start"] and places[inside[-1]][1] <= span["end"]
        if not whole:
            odd.append(span)
            continue
        for i in inside:
            labels[i] = f"{'B' if i == inside[0] else 'I'}-{classes[span['label']]}"
    return labels, odd
