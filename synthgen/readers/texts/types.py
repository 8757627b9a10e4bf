"""How a recipe says where texts come from: the section `data` with the setting `texts`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from synthgen.base.settings import Settings

Kind = Literal["utterances", "pairs", "questions", "dialogues", "facts", "passages"]
Split = Literal["train", "validation", "test"]
Unit = Literal["auto", "paragraph", "line", "file"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

VALIDATION = 0.1
"""The share that is held out for validation where data have no such split and no setting says another."""

Column = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]
"""The name of a column; of a file without a header its number, from 1."""


class TextColumns(Settings):
    """Names of columns (keys of JSON objects) by what they are used as; those left out are found by their names."""

    text: Column | None = Field(default=None, description="utterances, passages: the text.")
    label: Column | None = Field(
        default=None, description="utterances: the class. Other kinds have classes only where this names a column."
    )
    slots: Column | None = Field(
        default=None,
        description="utterances: a list of objects with `start`, `end` (characters, the end not included) and `label`, "
        "or of parts with `text` and, for a slot, `entity`, which are the whole text one after another.",
    )
    source: Column | None = Field(default=None, description="pairs: the text that is translated.")
    target: Column | None = Field(default=None, description="pairs: its translation.")
    context: Column | None = Field(default=None, description="questions: the passage that is asked about.")
    question: Column | None = Field(default=None, description="questions, facts: the question.")
    answers: Column | None = Field(
        default=None,
        description="questions: a text, a list of texts, or as SQuAD has them (`text` with `answer_start`); an empty "
        "list is a question that cannot be answered.",
    )
    messages: Column | None = Field(default=None, description="dialogues: the list of messages.")
    prompt: Column | None = Field(default=None, description="dialogues of one exchange: what the user says.")
    completion: Column | None = Field(default=None, description="dialogues of one exchange: the reply.")
    subject: Column | None = Field(default=None, description="facts: whom or what a fact is about.")
    relation: Column | None = Field(default=None, description="facts: what is said of it.")
    answer: Column | None = Field(default=None, description="facts: the other end of the relation.")
    id: Column | None = Field(default=None, description="A name: of equal names all records stay in one split.")
    split: Column | None = Field(default=None, description="The split of each record: train, validation or test.")

    @property
    def named(self) -> dict[str, str]:
        """Columns by role, of those that are set."""
        return {role: name for role, name in self.model_dump().items() if name is not None}


class TextData(Settings):
    """Where texts come from, what their columns mean, and how they are divided into splits."""

    texts: str = Field(
        description="A file (.tsv, .csv, .jsonl, .json, .parquet, .tmx, .conll, .txt) or a folder: of such files, of "
        "files called train, validation and test, or of a folder of .txt files a class."
    )
    kind: Kind | None = Field(
        default=None, description="What the records are; by default found from the columns, where they leave no doubt."
    )
    columns: TextColumns = TextColumns()
    languages: tuple[str, str] | None = Field(
        default=None,
        description="pairs: the languages of source and target, as [en, de]; columns or TMX variants of these names "
        "are found by them.",
    )
    encoding: str = Field(default="utf-8", description="Of text files; UTF-16 with a byte-order mark is seen.")
    delimiter: str | None = Field(
        default=None, min_length=1, max_length=1, description="What separates the columns of a CSV; by default found."
    )
    header: bool | None = Field(
        default=None,
        description="Whether the first line of .csv and .tsv files names the columns. By default it does in a CSV; in "
        "a TSV if one of the names is known.",
    )
    quotes: bool | None = Field(
        default=None,
        description="Whether double quotes around a cell of a TSV are marks of the format. By default if all cells "
        "that begin with one need it.",
    )
    unit: Unit = Field(
        default="auto",
        description="What one text of a .txt file is: a paragraph (blank lines are between them), a line or the whole "
        "file. auto: the file in folders of classes, else the paragraph.",
    )
    validation: float | str | None = Field(
        default=None,
        description="Share of the records held out for validation, or a file or folder of its own. By default the "
        f"data's own split of this name, else {VALIDATION}.",
    )
    test: float | str | None = Field(
        default=None,
        description="Share held out for tests, or a file or folder of its own. By default the data's own split of "
        "this name, else nothing.",
    )
    group: Column | None = Field(default=None, description="Column whose equal values stay in one split.")
    seed: int = Field(default=0, ge=0, description="Another seed holds other records out.")
    max_characters: int | None = Field(
        default=None, ge=1, description="Records with a longer text are left out, and counted."
    )
    licence: str = Field(default="unknown", description="Licence of the data, for the model card.")
    source: str = Field(default="", description="Where the data come from, for the model card.")

    @property
    def path(self) -> str:
        """`texts`, as other data call it."""
        return self.texts

    @property
    def shares(self) -> dict[Split, float]:
        """The shares of validation and test that are set as numbers."""
        given: dict[Split, Any] = {"validation": self.validation, "test": self.test}
        return {split: float(value) for split, value in given.items() if isinstance(value, (int, float))}

    @property
    def own_files(self) -> dict[Split, str]:
        """The files of validation and test that are set."""
        given: dict[Split, Any] = {"validation": self.validation, "test": self.test}
        return {split: value for split, value in given.items() if isinstance(value, str)}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for name, share in self.shares.items():
            if not 0 <= share < 1:
                raise ValueError(f"`{name}` must be a share from 0 up to, not including, 1, or a path (got {share:g})")
        if sum(self.shares.values()) >= 1:
            raise ValueError("`validation` and `test` must leave something to train on: their sum must be less than 1")
        try:
            "".encode(self.encoding)
        except LookupError:
            raise ValueError(
                f"`encoding` {self.encoding!r}: is none that Python knows; utf-8, utf-16, windows-1252, latin-1, "
                "shift_jis and others are accepted"
            ) from None
        if self.languages and self.languages[0] == self.languages[1]:
            raise ValueError(f"`languages` are both {self.languages[0]!r}")
        if self.languages and self.kind not in (None, "pairs"):
            raise ValueError(f"`languages` belong to the kind `pairs`, not to `{self.kind}`")
        if self.delimiter and self.delimiter in '"\r\n':
            raise ValueError("`delimiter` cannot be a double quote or a line end")
        return self
