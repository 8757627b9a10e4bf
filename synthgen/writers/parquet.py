"""`use: parquet`: Parquet files whose schema tells HF datasets to decode images and class names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, ClassVar

from synthgen.base.settings import Settings
from synthgen.fields import Schema, Text
from synthgen.parts.plain import PlainPart
from synthgen.parts.protocols import Encoded, Member, Record


class Parquet(PlainPart):
    """A row for each sample: `key`, every field, `split`, and under `meta` the JSON text of how it came to be."""

    version: ClassVar[int] = 1
    suffix: ClassVar[str] = "parquet"
    media_type: ClassVar[str] = "application/x-parquet"
    is_table: ClassVar[bool] = True
    has_features: ClassVar[bool] = True
    card: ClassVar[str] = (
        '`datasets.load_dataset("<this folder>")` and `pandas.read_parquet("<this folder>/{folder}")` read it as well.'
    )

    class Config(Settings):
        """`use: parquet` has no settings."""

    def write(self, file: BinaryIO, samples: Sequence[Encoded], schema: Schema) -> list[Member]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        keys = [s.key for s in samples]
        around = {"key": keys, "split": [s.split for s in samples]}
        around["meta"] = [json.dumps(s.meta, sort_keys=True) for s in samples]
        columns = {name: Text() for name in ("key",)} | dict(schema) | {name: Text() for name in ("split", "meta")}
        features = {name: kind.hf_feature() for name, kind in columns.items()}
        table = pa.table(
            [
                kind.to_cells(around.get(name) or [s.values[name] for s in samples], keys)
                for name, kind in columns.items()
            ],
            schema=pa.schema(
                [pa.field(name, kind.arrow(), metadata=kind.column_metadata()) for name, kind in columns.items()],
                metadata={"huggingface": json.dumps({"info": {"features": features}}, sort_keys=True)},
            ),
        )
        pq.write_table(table, file, compression="zstd", row_group_size=1000)
        return [Member(key, row, 1) for row, key in enumerate(keys)]

    @staticmethod
    def records(file: BinaryIO, schema: Schema, skip: int = 0, count: int | None = None) -> Iterator[Record]:
        """One row group is in memory."""
        import pyarrow.parquet as pq

        stop = None if count is None else skip + count
        row = 0
        with pq.ParquetFile(file) as table:
            for group in range(table.num_row_groups):
                n_rows = table.metadata.row_group(group).num_rows
                if row + n_rows > skip and (stop is None or row < stop):
                    first, last = max(skip - row, 0), n_rows if stop is None else min(n_rows, stop - row)
                    yield from _records(
                        table.read_row_group(group, columns=["key", *schema, "meta"]).slice(first, last - first), schema
                    )
                row += n_rows

    @staticmethod
    def keys(file: BinaryIO) -> list[str]:
        """The keys of all samples in order, without reading anything else."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(file) as table:
            found: list[str] = table.read(["key"])["key"].to_pylist()
        return found


def _records(table: Any, schema: Schema) -> Iterator[Record]:
    """The rows of a table as samples in stored form."""
    cells = {name: kind.from_cells(table[name].combine_chunks()) for name, kind in schema.items()}
    around = zip(table["key"].to_pylist(), table["meta"].to_pylist(), strict=True)
    for row, (key, meta) in enumerate(around):
        yield {"key": key, **{name: values[row] for name, values in cells.items()}, "meta": json.loads(meta)}
