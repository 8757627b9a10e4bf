"""`use: parquet`: Parquet files whose schema tells HF datasets to decode images and class names."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, ClassVar

from pydantic import BaseModel, ConfigDict

from synthgen.fields import ARRAYS, Schema, to_cell
from synthgen.parts.protocols import Encoded, Member, Source


class Parquet:
    """One row a sample: `key`, every field, `split`, and under `meta` the JSON text of how it came to be."""

    version: ClassVar[int] = 1
    suffix: ClassVar[str] = "parquet"
    sources: Sequence[Source] = ()

    class Config(BaseModel):
        """`use: parquet` has no settings."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, config: Config) -> None:
        pass

    def identity(self) -> dict[str, Any]:
        return {}

    def write(self, file: BinaryIO, samples: Sequence[Encoded], schema: Schema) -> list[Member]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        text = {"dtype": "string", "_type": "Value"}
        columns: list[tuple[str, Any, list[Any], Mapping[str, Any]]] = [
            ("key", pa.string(), [s.key for s in samples], text)
        ]
        for name, kind in schema.items():
            columns.append(
                (name, kind.arrow(), [to_cell(kind, s.values[name], s.key) for s in samples], kind.hf_feature())
            )
        columns.append(("split", pa.string(), [s.split for s in samples], text))
        columns.append(("meta", pa.string(), [json.dumps(s.meta, sort_keys=True) for s in samples], text))
        features = {name: feature for name, _, _, feature in columns}
        table = pa.table(
            [pa.array(values, type=kind) for _, kind, values, _ in columns],
            schema=pa.schema(
                [pa.field(name, kind, metadata=_units(schema.get(name))) for name, kind, _, _ in columns],
                metadata={"huggingface": json.dumps({"info": {"features": features}}, sort_keys=True)},
            ),
        )
        pq.write_table(table, file, compression="zstd", row_group_size=1000)
        return [Member(s.key, row, 1) for row, s in enumerate(samples)]


def _units(kind: Any) -> dict[str, str] | None:
    """What a column of series says of itself: channels and units, as JSON texts."""
    if not isinstance(kind, ARRAYS):
        return None
    return {name: json.dumps(value) for name, value in kind.describe().items() if name not in ("type", "length")}
