"""CoNLL: a token in each line with its label in BIO form, an empty line behind each sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from synthgen.exporters.options import NoOptions
from synthgen.exporters.text_samples import TextSamples, left_out
from synthgen.fields import Spans
from synthgen.language.bio import bio
from synthgen.language.tokens import tokens


class Conll:
    """`token<TAB>label`: `B-` for the first token of a span, `I-` for the others, `O` outside.

    Tokens are found by `language.tokens`. A span that begins or ends within a token is left out and named, and its
    tokens are outside; so is a sample without a token.

    Source: Tjong Kim Sang and De Meulder, CoNLL-2003; Ramshaw and Marcus, "Text chunking", 1995 (IOB2 form).
    """

    description: ClassVar[str] = "<split>.conll with a token and its BIO label in each line"
    roles: ClassVar[Sequence[str]] = ("spans",)

    Config = NoOptions

    def __init__(self, config: NoOptions) -> None:
        pass

    def samples(self, folder: str, split: str | None, fields: Mapping[str, str], allow_incomplete: bool) -> TextSamples:
        found = TextSamples(folder, split, allow_incomplete, fields)
        self._spans = found.need("spans", (Spans,), "CoNLL is of texts with labelled spans")
        kind = found.fields[self._spans]
        assert isinstance(kind, Spans)
        self._text, self._classes = kind.of, [_in_one_column(name) for name in kind.classes]
        return found

    def write(self, samples: TextSamples, out: Path, tick: Callable[[int], Any]) -> list[str]:
        cut, empty = [], []
        with ExitStack() as stack:
            files = samples.files(stack, out, "conll")
            for sample in samples:
                text, spans = sample[self._text], sample[self._spans]
                places = list(tokens(text))
                labels, odd = bio(places, spans, self._classes)
                cut += [f"{sample['key']} ({text[span['start'] : span['end']]!r})" for span in odd]
                lines = [f"{text[start:end]}\t{label}\n" for (start, end), label in zip(places, labels, strict=True)]
                if lines:
                    files[sample["split"]].write("".join(lines) + "\n")
                else:
                    empty.append(sample["key"])
                tick(1)
        return [*left_out(cut, "because they cut a token, the spans"), *left_out(empty, "having no token")]


def _in_one_column(name: str) -> str:
    """The name of a class without white space, which ends a column."""
    return "_".join(name.split())
