"""A labeler or scorer that has Ray actors of its own, as the loop of a worker sees it: batches go there and back."""

from __future__ import annotations

import copy
import logging
import random
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from synthgen.errors import PartLostError
from synthgen.fields import Columns
from synthgen.generate.executors.cluster import import_ray
from synthgen.generate.plan import Plan
from synthgen.parts.protocols import Annotator

LOG = logging.getLogger(__name__)
LOST_BATCHES = 2
"""How many actors in a row may die under the same batch before its shard is blamed."""
ANSWER_S = 1.0
LOOK_EVERY_S = 0.5


class Sent(Mapping[str, Sequence[Any]]):
    """Columns in Ray's object store, each fetched when it is first read: a part reads few of them.

    What Ray hands out are views of memory that all processes share. Copies can be written to, as in one process.
    """

    def __init__(self, references: Mapping[str, Any]) -> None:
        self.references = references
        self._values: dict[str, Sequence[Any]] = {}

    @classmethod
    def of(cls, ray: Any, columns: Columns) -> Sent:
        return cls({name: ray.put(list(values)) for name, values in columns.items()})

    def __getitem__(self, name: str) -> Sequence[Any]:
        if name not in self._values:
            self._values[name] = copy.deepcopy(import_ray().get(self.references[name]))
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.references)

    def __len__(self) -> int:
        return len(self.references)


class Pooled:
    """Annotates by the actors of these names, whichever has the least to do; loads no weights here.

    An actor is asked how much that is before each batch, which also tells whether it is there. One that dies is started
    again by Ray, and its batches go to others, or to it once it is back. `environments` collects where batches were
    annotated, `gpu_s` how long GPUs were at work.
    """

    def __init__(self, part: Annotator, stream: str, names: Sequence[str], gpus: float | None) -> None:
        self._part, self.stream, self._names, self._gpus = part, stream, names, gpus
        self._ray = import_ray()
        self.environments: set[str] = set()
        self.gpu_s = 0.0

    def __getattr__(self, name: str) -> Any:
        """All that the part knows without its weights."""
        return getattr(self._part, name)

    def setup(self, device: str) -> None:
        """Its actors have loaded it, each for itself."""

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        """What the part itself returns or raises.

        Raises:
            PartLostError: actors die under this batch, one after the other.
        """
        sent = Sent.of(self._ray, columns)
        n_lost = 0
        while True:
            actor, node = self._idlest()
            begun, call = False, uuid.uuid4().hex
            try:
                answers = actor.annotate.remote(call, sent.references, seeds)
                self._ray.get(next(answers))
                begun = True
                actor.begin.remote(call)
                added, seconds, environment, on_gpu = self._ray.get(next(answers))
            except self._ray.exceptions.RayTaskError as error:
                raise error.cause from error
            except StopIteration:  # it has not heard this caller
                continue
            except self._ray.exceptions.RaySystemError:  # the cluster is gone, and the driver says so
                raise
            except self._ray.exceptions.RayError as error:
                LOG.info("%s: a batch is annotated again: %s", self.stream, error)
                n_lost += begun and any(each["NodeID"] == node and each["Alive"] for each in self._ray.nodes())
                if n_lost >= LOST_BATCHES:
                    raise PartLostError(
                        f"actors of {shown(self.stream)} die under a batch of it (often the system's answer to too "
                        "little memory)"
                    ) from error
                continue
            self.environments.add(environment)
            if on_gpu:
                self.gpu_s += seconds * (1.0 if self._gpus is None else self._gpus)
            found: Columns = copy.deepcopy(added)
            return found

    def _idlest(self) -> tuple[Any, str]:
        """Of two actors, chosen by chance among those that answer, the one with the fewest batches; and its node.

        Two are enough to balance any number. Source: Mitzenmacher, "The Power of Two Choices in Randomized Load
        Balancing", IEEE TPDS 12(10), 2001.
        """
        while True:
            asked = {}
            for name in random.sample(self._names, min(2, len(self._names))):
                try:
                    actor = self._ray.get_actor(name)
                except ValueError:  # it died for good, and the driver has not made another yet
                    continue
                asked[actor.state.remote()] = actor
            answered, _ = self._ray.wait([*asked], num_returns=len(asked), timeout=ANSWER_S) if asked else ([], [])
            found = []
            for reference in answered:
                try:
                    state = self._ray.get(reference)
                except self._ray.exceptions.RayError:
                    continue
                if not state.problem:
                    found.append((state.n_waiting, random.random(), asked[reference], state.node))
            if found:
                _, _, actor, node = min(found, key=lambda each: each[:2])
                return actor, node
            time.sleep(LOOK_EVERY_S)


def shown(stream: str) -> str:
    """`labeler segment-anything` for the random stream `labeler:segment-anything:0`."""
    role, use, _ = stream.split(":")
    return f"{role} {use}"


def with_pools(plan: Plan, pools: Mapping[str, Sequence[str]]) -> Plan:
    """The plan with the parts that have actors of their own replaced; `pools` has their names by the part's stream."""
    if not pools:
        return plan
    asked = plan.recipe.pools()

    def placed(stream: str, part: Annotator) -> Any:
        return Pooled(part, stream, pools[stream], asked[stream].gpus) if stream in pools else part

    labelers = tuple((stream, placed(stream, part)) for stream, part in plan.parts.labelers)
    scorers = tuple((stream, placed(stream, part)) for stream, part in plan.parts.scorers)
    return replace(plan, parts=replace(plan.parts, labelers=labelers, scorers=scorers))
