"""Where this machine keeps what was fetched from object stores, and what messages call the files there."""

from __future__ import annotations

import os
import re
from pathlib import Path

VARIABLE = "SYNTHGEN_CACHE"
SCHEMES = ("s3", "gs", "az")


def folder() -> Path:
    """`SYNTHGEN_CACHE`, or `synthgen` in the user's folder of caches; links in it are resolved.

    An object of s3://bucket/name is in `<32 hexadecimal digits>/s3/bucket/name` of it.
    """
    named = os.environ.get(VARIABLE) or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "synthgen")
    return Path(os.path.realpath(Path(named).expanduser()))


def with_addresses(text: str) -> str:
    """The text with addresses of objects in place of the paths that they are kept at."""
    return re.sub(rf"{re.escape(str(folder()))}/[0-9a-f]{{32}}/({'|'.join(SCHEMES)})/", r"\1://", text)
