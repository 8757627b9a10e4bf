"""Melodies: a kind of data of one's own, in one file: a field, a sampler, a writer, an exporter and a measure.

synthgen run melodies.yaml --plugin melodies.py
synthgen preview DIR --plugin melodies.py
synthgen export DIR --to midi --plugin melodies.py
synthgen evaluate DIR --real played.jsonl --plugin melodies.py
"""

from __future__ import annotations

import base64
import itertools
import json
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from synthgen import seeds as streams
from synthgen.dataset.loading import load
from synthgen.errors import DataError
from synthgen.exporters.options import NoOptions
from synthgen.exporters.samples import Samples
from synthgen.fields import Columns, Field, Label, Schema
from synthgen.fields.shown import Picture, Shown
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Comparison, Encoded, Member, Record, Slot, Source

NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
PITCHES = range(48, 85)


@dataclass(frozen=True, slots=True)
class Notes(Field):
    """A melody of `length` steps: int64 array (N, 3) of start and duration in steps and MIDI pitch, by start.

    Stored as a JSON list of `[start, duration, pitch]`.
    """

    type: ClassVar[str] = "notes"
    croissant_type: ClassVar[str] = "sc:StructuredValue"
    repeated: ClassVar[bool] = True
    ragged: ClassVar[bool] = True
    length: int

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, np.ndarray) or value.dtype != np.int64 or value.ndim != 2 or value.shape[1] != 3:
            raise DataError(f"field `{name}`: must be an int64 array of shape (N, 3)")
        if (value[:, 1] < 1).any() or (value[:, 0] < 0).any() or (value[:, :2].sum(1) > self.length).any():
            raise DataError(f"field `{name}`: a note must last a step or longer, within {self.length} steps")

    def encode(self, value: np.ndarray) -> list[list[int]]:
        notes: list[list[int]] = value.tolist()
        return notes

    def decode(self, stored: Any) -> np.ndarray:
        return np.array(stored, dtype=np.int64).reshape(-1, 3)

    def arrow(self) -> Any:
        import pyarrow as pa

        return pa.list_(pa.list_(pa.int64(), 3))

    def hf_feature(self) -> dict[str, Any]:
        note = {"_type": "List", "length": 3, "feature": {"dtype": "int64", "_type": "Value"}}
        return {"_type": "List", "feature": note}

    def text(self, quote: Callable[[str], str]) -> str:
        return f"notes, each with start and duration in steps (of {self.length}) and MIDI pitch"

    @property
    def object_classes(self) -> tuple[str, ...]:
        return NAMES

    def objects(self, stored: Any) -> list[str]:
        return [NAMES[pitch % 12] for _, _, pitch in stored]

    @property
    def shown(self) -> Shown:
        return Picture()

    def show(self, value: np.ndarray) -> np.ndarray:
        """A piano roll: time from left to right, high notes at the top."""
        roll = np.full((len(PITCHES), self.length, 3), 255, dtype=np.uint8)
        for start, duration, pitch in value:
            roll[PITCHES.stop - 1 - pitch, start : start + duration] = (9, 105, 218)
        return roll


class Melody:
    """A random walk on the scale that the class names; sample i depends on its slot and seed alone."""

    version: ClassVar[int] = 1
    sources: Sequence[Source] = ()

    class Config(BaseModel):
        """Settings of `use: melody`."""

        model_config = ConfigDict(extra="forbid", frozen=True)
        length: int = 32

    def __init__(self, config: Config) -> None:
        self.config = config
        self.fields: Schema = {"notes": Notes(config.length)}
        self._classes: tuple[str, ...] = ()

    def identity(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json")

    def bind(self, condition: Schema) -> list[Problem]:
        label = condition.get("label")
        self._classes = label.classes if isinstance(label, Label) else ()
        odd = [name for name in self._classes if name not in SCALES]
        wrong = Problem(f"knows the scales {', '.join(SCALES)}", ("label",))
        return [wrong] if odd or not self._classes else []

    def setup(self, device: str) -> None:
        """Nothing to load."""

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        return {"notes": [self._melody(slot, seed) for slot, seed in zip(slots, seeds, strict=True)]}

    def _melody(self, slot: Slot, seed: int) -> np.ndarray:
        scale = SCALES[self._classes[slot.condition["label"]]]
        random, notes, start, place = streams.generator(seed), [], 0, 7
        while start < self.config.length:
            duration = min(int(random.integers(1, 5)), self.config.length - start)
            place = int(np.clip(place + random.integers(-2, 3), 0, 20))
            notes.append((start, duration, PITCHES.start + 12 * (place // 7) + scale[place % 7]))
            start += duration
        return np.array(notes, dtype=np.int64)


class JsonLines:
    """A line of JSON for each sample; bytes, as of images, in base64."""

    version: ClassVar[int] = 1
    suffix: ClassVar[str] = "ndjson"
    media_type: ClassVar[str] = "application/x-ndjson"
    is_table: ClassVar[bool] = True
    trailer: ClassVar[int] = 0
    card: ClassVar[str] = '`datasets.load_dataset("json", data_files="<this folder>/{folder}/**")` reads it as well.'
    sources: Sequence[Source] = ()
    Config = NoOptions

    def __init__(self, config: NoOptions) -> None:
        pass

    def identity(self) -> dict[str, Any]:
        return {}

    def write(self, file: BinaryIO, samples: Sequence[Encoded], schema: Schema) -> list[Member]:
        members, offset = [], 0
        for sample in samples:
            texts = {k: base64.b64encode(v).decode() if isinstance(v, bytes) else v for k, v in sample.values.items()}
            coded = [k for k, v in sample.values.items() if isinstance(v, bytes)]
            line = json.dumps({"key": sample.key, **texts, "meta": sample.meta, "base64": coded}).encode() + b"\n"
            file.write(line)
            members.append(Member(sample.key, offset, len(line)))
            offset += len(line)
        return members

    @staticmethod
    def record(raw: bytes, schema: Schema) -> Record:
        found = json.loads(raw)
        values = {k: base64.b64decode(found[k]) if k in found["base64"] else found[k] for k in schema}
        return {"key": found["key"], **values, "meta": found["meta"]}

    @staticmethod
    def records(file: BinaryIO, schema: Schema, skip: int = 0, count: int | None = None) -> Iterator[Record]:
        lines = itertools.islice(file, skip, None if count is None else skip + count)
        return (JsonLines.record(line, schema) for line in lines)


class Midi:
    """A Standard MIDI File for each sample, in folders by split."""

    description: ClassVar[str] = "<split>/*.mid, four steps to a quarter note"
    roles: ClassVar[Sequence[str]] = ()
    Config = NoOptions

    def __init__(self, config: NoOptions) -> None:
        pass

    def samples(self, folder: str, split: str | None, fields: Mapping[str, str], allow_incomplete: bool) -> Samples:
        return Samples(folder, split, allow_incomplete)

    def write(self, samples: Samples, out: Path, tick: Callable[[int], Any]) -> list[str]:
        name = next(name for name, kind in samples.fields.items() if isinstance(kind, Notes))
        for sample in samples:
            (out / sample["split"]).mkdir(exist_ok=True)
            (out / sample["split"] / f"{sample['key']}.mid").write_bytes(midi(sample[name].tolist()))
            tick(1)
        return []


def midi(notes: Iterable[Sequence[int]]) -> bytes:
    """Notes as a MIDI file of one track. Source: Standard MIDI Files 1.0, format 0."""
    changes = sorted(
        (at, on, pitch) for start, n, pitch in notes for at, on, pitch in ((start, 1, pitch), (start + n, 0, pitch))
    )
    track, now = b"", 0
    for at, on, pitch in changes:
        track += bytes([at - now, 0x90 if on else 0x80, pitch, 64])  # steps since the last change fit into one byte
        now = at
    track += b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 4) + b"MTrk" + struct.pack(">I", len(track)) + track


class PitchClasses:
    """How far the shares of the twelve pitch classes are from those of real melodies, a file of JSON lines."""

    version: ClassVar[int] = 1
    needs: ClassVar[str] = "melodies (a field of type `notes`)"
    Config = NoOptions

    def __init__(self, config: NoOptions) -> None:
        pass

    @staticmethod
    def fits(fields: Schema) -> bool:
        return any(isinstance(kind, Notes) for kind in fields.values())

    def measure(self, comparison: Comparison) -> dict[str, Any]:
        dataset = load(comparison.folder, allow_incomplete=comparison.allow_incomplete)
        name = next(name for name, kind in dataset.fields.items() if isinstance(kind, Notes))
        with open(comparison.data["path"], encoding="utf-8") as file:
            real = shares(json.loads(line)["notes"] for line in file)
        made = shares(sample[name] for sample in dataset)
        return {"pitch classes": {"total variation": round(0.5 * sum(abs(made[n] - real[n]) for n in NAMES), 6)}}

    @staticmethod
    def text(found: Mapping[str, Any]) -> str:
        part = found.get("pitch classes")
        return f"pitch classes: total variation {part['total variation']:.3f} from the real melodies" if part else ""


def shares(melodies: Iterable[Iterable[Sequence[int]]]) -> dict[str, float]:
    """The share of all notes that each pitch class has."""
    counts = Counter(NAMES[pitch % 12] for melody in melodies for _, _, pitch in melody)
    return {name: counts[name] / max(counts.total(), 1) for name in NAMES}


SYNTHGEN_PLUGINS = {
    "fields": {"notes": Notes},
    "samplers": {"melody": Melody},
    "writers": {"json-lines": JsonLines},
    "exporters": {"midi": Midi},
    "measures": {"pitch-classes": PitchClasses},
}
