"""Reading an object by ranges: a few requests where a file has many small reads."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from obstore.store import ObjectStore

FIRST_BYTES = 1 << 16
MOST_BYTES = 8 << 20


class ObjectReader(io.RawIOBase):
    """A binary file to seek in and read from.

    Nothing is asked before the first read, which brings 64 kB or what was read, whichever is more, so one request is
    enough for a small file or for one sample. Whoever reads on gets twice as much with each request, up to 8 MB; a
    jump starts small again. All of it is of one version of the object.

    Args:
        guard: gives a context that turns errors of the client into errors for the user.

    Raises:
        FileNotFoundError: at the first read, if there is no such object.
    """

    def __init__(self, store: ObjectStore, name: str, guard: Callable[[], AbstractContextManager[None]]) -> None:
        self._store, self._name, self._guard = store, name, guard
        self._held, self._start, self._ahead, self._position = b"", 0, 0, 0
        self._meta: Mapping[str, Any] | None = None

    def read(self, size: int | None = -1) -> bytes:
        left = sys.maxsize if size is None or size < 0 else size
        pieces = []
        while left and (self._meta is None or self._position < self._meta["size"]):
            offset = self._position - self._start
            if not 0 <= offset < len(self._held):
                self._fetch(min(left, MOST_BYTES) if size != -1 else FIRST_BYTES)
                continue
            piece = self._held[offset : offset + left]
            pieces.append(piece)
            self._position += len(piece)
            left -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _fetch(self, wanted: int) -> None:
        import obstore

        goes_on = self._held and self._position == self._start + len(self._held)
        self._ahead = min(2 * self._ahead, MOST_BYTES) if goes_on else FIRST_BYTES
        end = self._position + max(self._ahead, wanted)
        options: Any = {"range": (self._position, end)}
        if self._meta is not None:
            options = {"range": (self._position, min(end, self._meta["size"])), "if_match": self._meta["e_tag"]}
        with self._guard():
            try:
                found = obstore.get(self._store, self._name, options=options)
                self._meta, self._held = self._meta or cast(Mapping[str, Any], found.meta), bytes(found.bytes())
            except obstore.exceptions.PreconditionError:
                raise OSError(f"{self._name} was replaced while it was read") from None
            except obstore.exceptions.GenericError as error:
                if self._meta is not None or "416" not in str(error):
                    raise
                self._held = b""  # there is no such byte
                self._meta = cast(Mapping[str, Any], obstore.head(self._store, self._name))
        self._start = self._position

    def readinto(self, buffer: Any) -> int:
        found = self.read(memoryview(buffer).nbytes)
        memoryview(buffer).cast("B")[: len(found)] = found
        return len(found)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END and self._meta is None:
            self._fetch(0)
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position}.get(whence)
        start = self._meta["size"] if start is None and self._meta else start or 0
        if start + offset < 0:
            raise ValueError("negative seek position")
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
