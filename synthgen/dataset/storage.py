"""Storage: named bytes, and the few steps that a dataset needs of the place that keeps it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from io import BufferedReader
from typing import Any, BinaryIO, Protocol

from synthgen.dataset.records import Lease
from synthgen.errors import RecordError


class Storage(Protocol):
    """A folder, or a bucket of an object store. Names are relative, their parts divided by `/`.

    Each step happens as a whole or not at all, is durable when it returns, and no reader ever sees half a file. Nothing
    here needs a rename or an append of the store itself: `put` and `replace` are conditional puts, `move` may be a copy
    and a delete, and a lease may be an object. Values of this kind are pickled and sent to workers.

    Every step that writes raises StoreError if the place refuses: full, read-only, broken or gone.
    """

    @property
    def place(self) -> str:
        """What people call it: the path of a folder, or an address."""
        ...

    @property
    def held(self) -> Lease | None:
        """The lease that this value writes under; None for readers and for tools beside a run."""
        ...

    @property
    def remote(self) -> bool:
        """Whether each step is a request, so that readers take the word of the manifest for what it names."""
        ...

    def check(self) -> None:
        """Raises UsageError if there is no such place, StoreError if it is not to be trusted."""
        ...

    def create(self) -> None:
        """Makes the place. Raises StoreError if that, or writing to it, is not possible."""
        ...

    def read(self, name: str) -> bytes | None:
        """A whole file; None if there is none. Raises RecordError if something of that name cannot be read."""
        ...

    def read_folder(
        self, folder: str, changed: Collection[str] | None = None
    ) -> Iterator[tuple[str, bytes | RecordError | None]]:
        """Names and contents of a folder's files, shorter names first and then in order, as `read` gives or raises.

        Args:
            changed: the only names that others may have written since the folder was last read under this lease, by
                this value; by default any may have been.
        """
        ...

    def read_log(self, name: str) -> bytes:
        """All that was added to a log; empty if there is none. Raises RecordError."""
        ...

    def reader(self, name: str) -> BufferedReader:
        """A file to read ranges of, by `seek` and `read`.

        Raises FileNotFoundError, here or at the first read, if there is none.
        """
        ...

    def size(self, name: str) -> int:
        """Size in bytes of a file; -1 if there is none, which a folder or a link is not."""
        ...

    def token(self, name: str) -> str | None:
        """What changes whenever `name` gets another content; None while there is nothing of that name."""
        ...

    def list(self, folder: str) -> list[str]:
        """Full names of what is directly in a folder, sorted; those of folders end with `/`. "" is the place itself."""
        ...

    def sizes(self, folder: str) -> dict[str, int]:
        """Sizes in bytes of all files at any depth below a folder, by full name; "" is the place itself.

        That of a link is -1. A file that is moved out of `.synthgen` meanwhile is not missed.
        """
        ...

    def put(self, name: str, content: bytes) -> bool:
        """Writes a file unless there is one of that name; False if there is. Of several writers one wins.

        What was staged under this lease before is at least as durable as what is put.
        """
        ...

    def replace(self, name: str, content: bytes | Iterable[bytes], token: str | None) -> bool:
        """Writes or replaces a file if `token(name)` is still `token`; False, and nothing is changed, if it is not."""
        ...

    def append(self, name: str, content: bytes) -> None:
        """Adds to the end of a log. For one writer at a time, and not atomic: a crash may cost the last lines."""
        ...

    def stage(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A new file to write to, stored under `name` when the block ends; nothing is stored if it raises."""
        ...

    def copy(self, source: str, target: str) -> None:
        """Gives a file that is never written to again a second name, unless that is taken."""
        ...

    def move(self, source: str, target: str) -> bool:
        """Gives a file another name, over whatever has that one; False if there is no `source` any more."""
        ...

    def delete(self, name: str) -> None:
        """Removes a file or, if `name` ends with `/`, all below it. What is not there or will not go is no error."""
        ...

    def free_bytes(self) -> int | None:
        """How much more it can hold; None if it does not say."""
        ...

    def lease(self) -> AbstractContextManager[Storage]:
        """The same place, `held` under a new lease of its only driver while the block runs.

        The lease beats, so that a live driver differs from a dead one, whose lease the next one takes over. A driver
        that was taken over while it slept does not notice: whoever writes compares `held` with `last_lease` first.

        Raises:
            StoreError: another driver is alive; the message names it.
        """
        ...

    def last_lease(self) -> Lease | None:
        """The lease that was given last, whether or not it is still held; None if none can be read."""
        ...

    def holder(self) -> Mapping[str, Any]:
        """Who holds a lease: `host`, `pid`, `age_s` since its last beat; empty if no live driver does."""
        ...
