"""Clients of object stores: S3, stores that speak its protocol, Google Cloud and Azure; what they refuse, in words."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from synthgen.errors import StoreError, UnreachableError, UsageError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

RETRY: RetryConfig = {
    "max_retries": 10,
    "retry_timeout": timedelta(seconds=120),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=10), "base": 2},
}
"""Of one request that is answered by 5xx or 429, not at all, or too late."""
TIMEOUT = timedelta(seconds=60)
"""Of one request with its answer, of which the largest is a part of a file."""
PART_BYTES = 16 << 20
N_AT_ONCE = 16
THROTTLES = ("SlowDown", "ServerBusy")
NO_ANSWER = (
    "the store does not answer, however often it was asked. Is the endpoint right (AWS_ENDPOINT_URL), and the "
    "network there? What was finished is kept; give the command again"
)
"""What S3, stores like it, and Azure say with a 503 to more requests than they take; others answer 429."""

_first_process: int | None = None  # the one whose threads the client of all stores runs on


def check_process(address: str) -> None:
    """Raises StoreError in a process that was forked from one that has used a client."""
    global _first_process
    if (_first_process := _first_process or os.getpid()) != os.getpid():
        raise StoreError(
            f"{address} cannot be read in a process that was forked from one that has read it: the client's "
            'threads are not copied. Start new processes instead: DataLoader(..., multiprocessing_context="spawn")'
        )


def client(address: str) -> ObjectStore:
    """A client for an address, with what the environment says of credentials and endpoints."""
    from obstore import exceptions
    from obstore.store import from_url

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    options: ClientConfig = {"timeout": TIMEOUT, "allow_http": endpoint.startswith("http://")}
    try:
        return from_url(address, client_options=options, retry_config=RETRY)
    except (exceptions.BaseError, ValueError) as error:
        raise UsageError(f"{address}: is no address of a place in a store: {reason(str(error))}") from None


@contextlib.contextmanager
def refusals(address: str, name: str = "") -> Iterator[None]:
    """Turns what the store of an address refuses into a message for the user, without what a credential may be in.

    That an object is not there, or not as a condition wants it, passes.
    """
    from obstore import exceptions

    try:
        yield
    except FileNotFoundError as error:
        if "NoSuchBucket" not in str(error):
            raise
        raise _no_bucket(address) from None
    except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
        raise
    except (exceptions.BaseError, ValueError) as error:
        if "NoSuchBucket" in str(error):
            raise _no_bucket(address) from None
        said = reason(str(error))
        kind = UnreachableError if said == NO_ANSWER else StoreError
        raise kind(f"{address}/{name}".rstrip("/") + f": {said}") from None


def _no_bucket(address: str) -> UsageError:
    return UsageError(f"{address}: there is no such bucket at this store; make it, or name another")


def reason(text: str) -> str:
    """What a store says, without addresses, request ids and keys."""
    status = re.search(r"status code: (\d{3}[ A-Za-z]*)", text)
    code, message = (re.search(f"<{tag}>([^<]*)</{tag}>", text) for tag in ("Code", "Message"))
    if "169.254." in text or "metadata.google" in text:
        return (
            "no credentials were found: the environment of this process has none (AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY for s3://), and the machine has no role that gives them"
        )
    if status:
        said = f" ({': '.join(found[1] for found in (code, message) if found)})" if code or message else ""
        answer = f"{status[1].strip()}{said}"
        go_on = "What was finished is kept; give the command again"
        nameless = status[1].startswith("503") and not code  # as every answer to HEAD is
        if status[1].startswith("429") or nameless or (code and code[1] in THROTTLES):
            return (
                f"the store {'is down or ' * nameless}throttles: it answers {answer}, however often it was asked. "
                f"{go_on} with fewer workers (--workers), or have the store allow more requests"
            )
        again = "; it was asked again and again" if status[1].startswith("5") else ""
        return f"the store answers {answer}{again}. {go_on}"
    if "HTTP error" in text:
        return NO_ANSWER
    first = re.sub(r"\S+://\S+", "...", text.partition("\n")[0])
    return first.removeprefix("Generic URL error: ")[:300]
