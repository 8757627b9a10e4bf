"""Recipe text: safe YAML that remembers on which line every key stands."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from synthgen.errors import RecipeError, UsageError
from synthgen.parts.problem import Location

MAX_BYTES = 1 << 20
MAX_NODES = 100_000
MAX_PURE = 1 << 17
MAX_DEPTH = 40
MAX_DIGITS = 1000

QUOTED = ("'", '"', "|", ">")
_PURE = yaml.SafeLoader
_FAST: Any = getattr(yaml, "CSafeLoader", _PURE)
"""libyaml's loader, equally safe and some twenty times faster; it reads no pairs of surrogates, as JSON writes them."""
_SURROGATES = re.compile(r"\\u[dD][89a-fA-F]")
_INT = re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = {".inf": float("inf"), "+.inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan")}


@dataclass
class RecipeText:
    """Parsed YAML and the place of every key: `lines[("sampler", "steps")]` is where its value was given.

    `problems` are those of the text itself, as place (`file:line`), key and message. What stands
    at or below a key of `twice` was given twice, and the last value counts here.
    """

    file: str
    data: Any
    lines: dict[Location, str] = field(default_factory=dict)
    problems: list[tuple[str, str, str]] = field(default_factory=list)
    twice: set[Location] = field(default_factory=set)

    def where(self, location: Location) -> str:
        """`file:line` of the key, or of its nearest ancestor that was written."""
        while location not in self.lines and location:
            location = location[:-1]
        return self.lines.get(location, f"{self.file}:1")


def parse(text: str, file: str) -> RecipeText:
    """Parses one YAML document, as `read` does.

    Raises:
        RecipeError: with `file:line` and the reason.
    """
    found = read(text, file)
    if found.problems:
        raise RecipeError(listed(found.problems))
    return found


def read(text: str, file: str) -> RecipeText:
    """Parses one YAML document; keys that were given twice and tags are noted in `problems`.

    Scalars are YAML 1.2's core schema: `1e-4` is a number, `no` and `2026-01-01` are strings.
    Several documents and alias bombs are refused.

    Raises:
        RecipeError: the text is no YAML, with `file:line` and the reason.
    """
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise RecipeError([f"{file}:1: larger than {MAX_BYTES >> 10} KiB; a recipe is a short text"])
    try:
        node = _composed(text, file)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = min(mark.line, text.rstrip().count("\n")) + 1 if mark else 1  # libyaml names the line after the end
        raise RecipeError([f"{file}:{line}: not valid YAML: {error.problem or error.context}"]) from None
    except yaml.YAMLError as error:
        raise RecipeError([f"{file}:1: not valid YAML: {error}"]) from None
    except UnicodeEncodeError:
        raise RecipeError([f"{file}:1: holds half a surrogate pair, which is no character"]) from None
    if node is None:
        raise RecipeError([f"{file}:1: the file is empty"])
    result = RecipeText(file, None)
    reader = _Reader(result)
    result.data = reader.read(node, ())
    return result


def _composed(text: str, file: str) -> yaml.Node | None:
    """The document's nodes. Depth and number are bounded first, event by event: composing them is recursive."""
    loader = _PURE if _SURROGATES.search(text) else _FAST
    if loader is _PURE and len(text) > MAX_PURE:
        raise RecipeError([f"{file}:1: larger than {MAX_PURE >> 10} KiB and with escapes of surrogates (\\ud83d ...)"])
    depth = n_nodes = 0
    for event in yaml.parse(text, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        n_nodes += isinstance(event, yaml.NodeEvent)
        here = f"{file}:{event.start_mark.line + 1}" if event.start_mark else file
        if depth > MAX_DEPTH:
            raise RecipeError([f"{here}: nested more than {MAX_DEPTH} levels deep"])
        if n_nodes > MAX_NODES:
            raise RecipeError([f"{here}: more than {MAX_NODES} values; a recipe is a short text"])
    found: yaml.Node | None = yaml.compose(text, Loader=loader)
    return found


def built(recipe: Mapping[str, Any]) -> RecipeText:
    """A recipe that was built in Python, as text without lines.

    Raises:
        UsageError: it holds something that YAML does not.
        RecipeError: it is larger or deeper than a recipe may be.
    """
    try:
        text = json.dumps(recipe, default=os.fspath, allow_nan=False)  # JSON is YAML, and read under the same limits
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"a recipe holds mappings, lists, texts, numbers and paths, as YAML does: {error}") from None
    found = read(text, "recipe")
    found.lines = {(): "recipe"}
    return found


def listed(problems: Iterable[tuple[str, str, str]]) -> list[str]:
    """Problems (place, key, message) as `file:line: key: message`, in the order of the file."""
    lines = sorted(dict.fromkeys(problems), key=lambda line: (_line_of(line[0]), line[1]))
    return [f"{where}: {key}: {message}" if key else f"{where}: {message}" for where, key, message in lines]


def _line_of(place: str) -> int:
    """The line of `file:line`, 0 for an override."""
    _, colon, line = place.rpartition(":")
    return int(line) if colon and line.isdecimal() else 0


class _Reader:
    """Turns composed nodes into plain values; keeps lines, counts nodes, collects problems."""

    def __init__(self, result: RecipeText) -> None:
        self.result = result
        self.n_nodes = 0
        self.resolver = yaml.SafeLoader("")

    def read(self, node: yaml.Node, location: Location) -> Any:
        here = f"{self.result.file}:{node.start_mark.line + 1}"
        self.result.lines.setdefault(location, here)
        self.n_nodes += 1
        if self.n_nodes > MAX_NODES:
            raise RecipeError([f"{here}: more than {MAX_NODES} values once aliases are expanded"])
        if len(location) > MAX_DEPTH:
            raise RecipeError([f"{here}: nested more than {MAX_DEPTH} levels deep"])
        if self._tagged(node):
            self.result.problems.append((here, "", f"tags such as `{node.tag[:80]}` are not accepted"))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*location, i)) for i, child in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        text = self._unicode(node.value, here)
        return text if node.style in QUOTED else scalar(text)

    def _unicode(self, text: str, here: str) -> str:
        """Joins pairs of surrogates, as JSON writes them for rare characters; half a pair is no text."""
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self.result.problems.append((here, "", "holds half a surrogate pair, which is no character"))
            return ""

    def _tagged(self, node: yaml.Node) -> bool:
        """Whether the tag was written, and not given by the parser."""
        plain = isinstance(node, yaml.ScalarNode) and node.style not in QUOTED
        implied: str = self.resolver.resolve(type(node), node.value, (plain, not plain))  # type: ignore[no-untyped-call]
        return node.tag not in (implied, "!")

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            here = f"{self.result.file}:{key_node.start_mark.line + 1}"
            if not isinstance(key_node, yaml.ScalarNode):
                self.result.problems.append((here, "", "a key must be a plain text"))
                continue
            key = self._unicode(key_node.value, here)
            place = (*location, key)
            if key in values:
                first = self.result.lines[place].rpartition(":")[2]
                self.result.problems.append((here, dotted(place), f"given twice, first in line {first}"))
                self.result.twice.add(place)
            self.result.lines[place] = here
            values[key] = self.read(value_node, place)
        return values


def scalar(text: str) -> Any:
    """A plain scalar by YAML 1.2's core schema: null, bool, int, float or str."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    if _INT.fullmatch(text) and len(text) <= MAX_DIGITS:
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return _SPECIAL.get(text.lower(), text)


def dotted(location: Location) -> str:
    """`("scorers", 0, "model")` as `scorers.0.model`."""
    return ".".join(str(step) for step in location)


def _position(step: str) -> int | None:
    """The place in a list that a step of a path may be, None if it is a key."""
    return int(step) if step.isdecimal() and len(step) <= 9 else None


def override(text: RecipeText, assignment: str) -> None:
    """Applies one `a.b=value` to the parsed data; the value is read as YAML.

    Raises:
        RecipeError: if there is no `=`, or the path runs through something that is not a mapping or list.
    """
    path, equals, value = assignment.partition("=")
    where = f"--set {path}"
    if not equals or not path:
        raise RecipeError([f"--set {assignment}: must have the form key=value, such as sampler.steps=20"])
    steps = path.split(".")
    parsed = parse(value, where).data if value.strip() else None
    target = text.data
    for i, step in enumerate(steps):
        location: Location = tuple(s if (n := _position(s)) is None else n for s in steps[: i + 1])
        last = i == len(steps) - 1
        if isinstance(target, list):
            if _position(step) is None or int(step) >= len(target):
                accepted = f"a position from 0 to {len(target) - 1}" if target else "left out: the list is empty"
                raise RecipeError([f"{where}: `{step}` must be {accepted}"])
            if last:
                target[int(step)] = parsed
            target = target[int(step)]
        elif isinstance(target, dict):
            if last:
                target[step] = parsed
            elif not isinstance(target.get(step), dict | list):
                target[step] = {}
            target = target[step]
        else:
            raise RecipeError([f"{where}: `{dotted(location[:-1])}` is a single value and has no keys"])
        if last or location not in text.lines:
            text.lines[location] = where
    for place in [place for place in text.lines if place[: len(steps)] == location and place != location]:
        del text.lines[place]
