"""Binding: the parts of a recipe are made and shown to each other, and every problem of that is found at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from synthgen.base import disk
from synthgen.errors import RecipeError, SynthgenError
from synthgen.fields import Field, Schema
from synthgen.parts.problem import Location, Problem
from synthgen.parts.protocols import Annotator, Condition, Part, Sampler, Source, Writer
from synthgen.parts.registry import Plugins
from synthgen.recipe import rules
from synthgen.recipe.reading import Draft
from synthgen.recipe.recipe import MAX_SAMPLES, DatasetRecipe, PartSpec

MAX_SHARDS = 1_000_000
RESERVED = {"key", "split", "meta", "index", "try", "seed", "condition", "json"}
"""Names that a stored sample has besides its fields."""

MAX_FIELD = 60
"""Characters of a field's name: member names in tar files have 100, key and ending included."""
MAX_CLASS = 200
"""Characters of a class's name: it becomes the name of a folder, which may have 255 bytes."""


@dataclass(frozen=True)
class Parts:
    """The parts of one dataset, bound to each other; `setup` loads their weights."""

    condition: Condition
    sampler: Sampler
    labelers: tuple[tuple[str, Annotator], ...]
    scorers: tuple[tuple[str, Annotator], ...]
    writers: tuple[tuple[str, Writer], ...]

    @property
    def annotators(self) -> tuple[tuple[str, Annotator], ...]:
        """Labelers, then scorers, in recipe order, each with the name of its random stream."""
        return self.labelers + self.scorers

    def setup(self, device: str) -> None:
        """Loads all weights on `device`."""
        self.sampler.setup(device)
        for _, annotator in self.annotators:
            annotator.setup(device)

    def sources(self) -> list[Source]:
        """The models and data behind the dataset, each once."""
        everything: list[Part] = [self.condition, self.sampler, *(part for _, part in self.annotators)]
        found = {(source.kind, source.name, source.sha256): source for part in everything for source in part.sources}
        return [found[key] for key in sorted(found)]


class Asked(dict[str, Field]):
    """Fields, with a note of the names that a part asks for."""

    def __init__(self, fields: Schema) -> None:
        super().__init__(fields)
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Field:
        self.names.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return super().__contains__(name)

    @property
    def missed(self) -> set[str]:
        return self.names - set(self.keys())


class Binding:
    """The parts of a recipe, made one after the other, each seeing the fields of those before it.

    A part that is wrong does not stop those after it, and what only follows from it is not said:
    that a field is missing which it might have added, or that one of its fields does not fit.

    Attributes:
        parts: the bound parts, None if one could not be made or uses a model that is not trained yet.
        schema: the stored fields: the sampler's, the labelers' and the scorers', as far as they are known.
        rules: the keep rules that could be read.
        n_samples: size of the dataset, None if the condition decides it and is not known.
    """

    def __init__(self, draft: Draft, plugins: Plugins, earlier: Binding | None = None) -> None:
        """Makes and binds the parts. Those that `earlier` made with equal settings are taken from it.

        Raises:
            RecipeError: all problems at once, those of the draft included; none that only follows from another.
        """
        assert isinstance(draft.recipe, DatasetRecipe)
        self.recipe: DatasetRecipe = draft.recipe
        self._draft, self._plugins = draft, plugins
        self._specs = [part for part in self.recipe.parts() if part[0] != "trainers"]
        self._problems: list[Problem] = []
        self._doubtful: set[str] = set()  # fields whose type may be another once the problems are solved
        self._open: set[Location] = set()  # parts of which it is not known what they add
        self._made: dict[Location, Any] = {}
        for role, place, spec in self._specs:
            self._made[place] = (earlier and earlier._made_of(place, spec)) or self._make(role, place, spec)
        self.schema = self._bind_all()
        self.rules = self._parsed_rules()
        condition = self._made["condition",]
        self.n_samples: int | None = self.recipe.samples or (condition.samples if condition else None)
        self._note_size()
        if error := draft.refusal(self._problems):
            raise error
        self.parts = None if any(part is None for part in self._made.values()) else self._bound()

    def _made_of(self, place: Location, spec: PartSpec) -> Any:
        """The part at a place if it has these settings, else None."""
        return self._made[place] if any(here == place and mine == spec for _, here, mine in self._specs) else None

    @property
    def condition(self) -> Condition | None:
        """The condition, which is known before a model is trained."""
        found: Condition | None = self._made["condition",]
        return found

    def _make(self, role: str, place: Location, spec: PartSpec) -> Any:
        if place in self._draft.broken | self._draft.untrained:
            return None
        try:
            cls: Any = self._plugins.find(role, spec.use)
            with disk.named_paths():
                return cls(cls.Config.model_validate(spec.settings))
        except RecipeError:
            raise
        except SynthgenError as error:
            self._note(place, [Problem(message, error.names) for message in error.messages])
            return None

    def _bind_all(self) -> dict[str, Field]:
        """Shows the parts to each other; returns the stored fields."""
        self._open |= {(role,) for role in ("labelers", "scorers") if (role,) in self._draft.wrong}
        condition, sampler = self._made["condition",], self._made["sampler",]
        if condition is None:
            self._open.add(("condition",))
        elif self._dropped(("condition",)):
            self._doubtful |= {*condition.fields, *(f"condition.{name}" for name in condition.fields)}
        given = dict(condition.fields) if condition else {}
        self._note(("condition",), [*self._wrong_names(("condition",), given, ()), *_long_classes(given)])
        self._bind(("sampler",), self.recipe.sampler, given)
        image_format = self.recipe.output.image_format
        stored: dict[str, Any] = {
            name: field.with_image_format(image_format) for name, field in (sampler.fields if sampler else {}).items()
        }
        seen = {f"condition.{name}": field for name, field in given.items()} | stored
        for role, place, spec in self._specs:
            if role in ("labelers", "scorers"):
                stored |= self._bind(place, spec, seen)
                seen |= stored
        self._note_suffixes()
        return stored

    def _bound(self) -> Parts:
        def of(wanted: str, name: str) -> tuple[tuple[str, Any], ...]:
            return tuple(
                (name.format(use=spec.use, number=place[-1]), self._made[place])
                for role, place, spec in self._specs
                if role == wanted
            )

        return Parts(
            self._made["condition",],
            self._made["sampler",],
            of("labelers", "labeler:{use}:{number}"),
            of("scorers", "scorer:{use}:{number}"),
            of("writers", "{use}"),
        )

    def _bind(self, place: Location, spec: PartSpec, fields: Schema) -> dict[str, Field]:
        """Shows `fields` to a part, and notes what is wrong with it; returns the fields that it adds."""
        part = self._made[place]
        if part is None:
            self._open.add(place)
            return {}
        seen = Asked(fields)
        problems = list(part.bind(seen))
        self._note(place, [problem for problem in problems if self._is_cause(place, spec, seen, problem)])
        if place == ("sampler",) and not problems:
            unread = getattr(self._made["condition",], "unread_problems", None)
            self._note(("condition",), unread(seen.names) if unread else [])
        if problems and not part.fields:
            self._open.add(place)
        if problems or self._dropped(place) or seen.names & self._doubtful:
            self._doubtful |= set(part.fields)
        self._note(place, self._wrong_names(place, part.fields, () if place == ("sampler",) else fields))
        return dict(part.fields)

    def _is_cause(self, place: Location, spec: PartSpec, seen: Asked, problem: Problem) -> bool:
        """Whether a problem would be there if all problems before it were solved."""
        if any(self._may_be_added(name, place) for name in seen.missed):
            return False
        if missed := seen.missed.intersection(problem.names):
            return not self._dropped(place) or bool(missed & set(map(str, spec.settings.values())))
        return not seen.names & self._doubtful

    def _may_be_added(self, name: str, place: Location) -> bool:
        """Whether a field that is missing at `place` might come from a part that is not understood yet."""
        if place == ("sampler",) or name.startswith("condition."):
            return ("condition",) in self._open
        return bool(self._open - {("condition",)} - ({("scorers",)} if place[0] == "labelers" else set()))

    def _dropped(self, place: Location) -> set[str]:
        """Settings of a part that were left out because they are wrong, and those that were meant by them."""
        keys = {
            str(wrong[-1]) for wrong in self._draft.wrong if len(wrong) > len(place) and wrong[: len(place)] == place
        }
        part = self._made.get(place)
        known = list(type(part).Config.model_fields) if part else []
        return keys | {near for key in keys for near in difflib.get_close_matches(key, known, n=1)}

    def _wrong_names(self, place: Location, new: Schema, seen: Iterable[str]) -> Sequence[Problem]:
        if self._dropped(place):
            return []
        messages = [
            *(
                f"adds a field whose name has {len(name)} characters; {MAX_FIELD} fit into every file"
                for name in new
                if len(name) > MAX_FIELD
            ),
            *(
                f"adds the field `{name}`, a name that stored samples use themselves"
                for name in sorted(set(new) & RESERVED)
            ),
            *(f"adds the field `{name}`, which exists already" for name in sorted(set(new) & set(seen))),
            *(
                f"adds the field `{name}`, which is about a field `{of}` that samples do not have"
                for name, of in ((name, field.refers_to) for name, field in new.items())
                if of and (of not in {*new, *seen} or "." in of) and not self._may_be_added(of, place)
            ),
        ]
        return [Problem(message) for message in messages]

    def _note_suffixes(self) -> None:
        seen: dict[str, str] = {}
        for role, place, spec in self._specs:
            part = self._made[place]
            if role == "writers" and part and seen.setdefault(part.suffix, spec.use) != spec.use:
                self._note(place, [Problem(f"writes .{part.suffix} files, as `{seen[part.suffix]}` does")])

    def _parsed_rules(self) -> tuple[rules.Rule, ...]:
        found, scores = [], self._scores()
        for i, rule in enumerate([] if ("keep",) in self._draft.wrong else self.recipe.keep):
            try:
                found.append(rules.parse(rule, scores))
            except ValueError as error:
                self._note(("keep", i), [Problem(str(error))])
        return tuple(found)

    def _scores(self) -> list[str] | None:
        """Names of the scores, None if it is not known which there are."""
        places = [place for role, place, _ in self._specs if role == "scorers"]
        if ("scorers",) in self._open or any(place in self._open or self._dropped(place) for place in places):
            return None
        return [name for place in places for name in self._made[place].fields]

    def _note_size(self) -> None:
        n_samples, size = self.n_samples, self.recipe.shard_size
        if n_samples is None:
            known = self._made["condition",] is not None and not self._dropped(("condition",))
            if known and ("samples",) not in self._draft.wrong:
                self._note(("samples",), [Problem("is required, because the condition has no size of its own")])
        elif n_samples > MAX_SAMPLES:
            text = f"at most {MAX_SAMPLES:,} samples have keys (nine digits); the condition makes {n_samples:,}"
            self._note(("samples",), [Problem(text)])
        elif (n_shards := -(-n_samples // size)) > MAX_SHARDS:
            text = (
                f"{n_samples:,} samples in shards of {size} are {n_shards:,} shards, each with its own files; at most "
                f"{MAX_SHARDS:,} are made: set it to {-(-n_samples // MAX_SHARDS)} or more"
            )
            self._note(("shard_size",), [Problem(text)])

    def _note(self, place: Location, problems: Iterable[Problem]) -> None:
        """Notes problems of what stands at `place`, unless they are about a setting that is wrong anyhow."""
        dropped = self._dropped(place)
        self._problems += [
            problem.below(place) for problem in problems if dropped.isdisjoint([*problem.names, *problem.place])
        ]


def _long_classes(fields: Schema) -> list[Problem]:
    start = "has a class whose name has {n} characters, which is too long for the name of a folder: {shown} ..."
    return [
        Problem(start.format(n=len(cls), shown=cls[:40]))
        for field in fields.values()
        for cls in getattr(field, "classes", ())
        if len(cls) > MAX_CLASS
    ]
