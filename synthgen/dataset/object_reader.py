"""Reading an object by ranges: a few requests where a file has many small reads."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from obstore.store import ObjectStore

FIRST_BYTES = 1 << 16
MOST_BYTES = 8 << 20


class ObjectReader(io.RawIOBase):
    """A binary file to seek in and read from.

    The first request says how large the object is and brings its first 64 kB, which is all of a small one. Whoever
    reads on gets twice as much with each request, up to 8 MB; a jump starts small again.

    Args:
        guard: gives a context that turns errors of the client into errors for the user.

    Raises:
        FileNotFoundError: there is no such object.
    """

    def __init__(self, store: ObjectStore, name: str, guard: Callable[[], AbstractContextManager[None]]) -> None:
        import obstore

        self._store, self._name, self._guard = store, name, guard
        self._start, self._ahead, self._position = 0, FIRST_BYTES, 0
        self._tag: str | None = None
        try:
            first = obstore.get(store, name, options={"range": (0, FIRST_BYTES)})
            self.size, self._tag, self._held = int(first.meta["size"]), first.meta["e_tag"], bytes(first.bytes())
        except obstore.exceptions.GenericError as error:
            if "416" not in str(error):  # there is no first byte of an empty object
                raise
            self.size, self._held = 0, b""

    def read(self, size: int | None = -1) -> bytes:
        wanted = self.size - self._position if size is None or size < 0 else size
        wanted = max(0, min(wanted, self.size - self._position))
        pieces = []
        while wanted:
            offset = self._position - self._start
            if not 0 <= offset < len(self._held):
                self._fetch(wanted)
                offset = 0
            piece = self._held[offset : offset + wanted]
            pieces.append(piece)
            self._position += len(piece)
            wanted -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _fetch(self, wanted: int) -> None:
        import obstore

        goes_on = self._position == self._start + len(self._held)
        self._ahead = min(2 * self._ahead, MOST_BYTES) if goes_on else FIRST_BYTES
        n = min(max(self._ahead, min(wanted, MOST_BYTES)), self.size - self._position)
        span = (self._position, self._position + n)
        with self._guard():
            # of the object that was opened: another one may have taken its name
            found = obstore.get(self._store, self._name, options={"range": span, "if_match": self._tag})
            self._held = bytes(found.bytes())
        self._start = self._position

    def readinto(self, buffer: Any) -> int:
        found = self.read(memoryview(buffer).nbytes)
        memoryview(buffer).cast("B")[: len(found)] = found
        return len(found)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
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
