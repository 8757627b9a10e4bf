"""Shard files: the writer that made a file, by the file's kind, reads it back."""

from __future__ import annotations

import hashlib
from typing import Any

from synthgen.errors import PluginError
from synthgen.parts.protocols import Encoded, Writer
from synthgen.parts.registry import of_process


def writer_of(kind: str) -> type[Writer]:
    """The writer whose files have the suffix `kind`.

    Raises:
        PluginError: no plug-in brings one.
    """
    plugins = of_process()
    for name in plugins.names("writers"):
        writer: Any = plugins.find("writers", name)
        if writer.suffix == kind:
            found: type[Writer] = writer
            return found
    raise PluginError(
        f"holds files of kind `.{kind}`, which no installed writer makes; name the file of the one that does with "
        "--plugin FILE, or synthgen.load(..., plugins=[FILE])"
    )


def content_sha256(sample: Encoded) -> str:
    """sha256 over a sample's stored values, whatever file they stand in."""
    digest = hashlib.sha256()
    for name, value in sample.values.items():
        payload = value if isinstance(value, bytes) else repr(value).encode()
        digest.update(f"{name}\0{len(payload)}\0".encode())
        digest.update(payload)
    return digest.hexdigest()
