"""A real S3 server on a free port of this machine, which counts what it is asked and can be made to fail."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

KEY, SECRET = "AKIAPLANTEDKEY000000", "planted-secret-that-must-be-nowhere"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
BUCKET = "datasets"

Answer = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Server:
    """The server. `requests` are those it was sent, such as `GET commits/shard-00000.json`.

    Attributes:
        conditions: whether it heeds the conditions of puts, as stores should.
        faults: each is called with a request, and answers it or, with None, leaves it to the next one.
    """

    def __init__(self) -> None:
        self.app: Answer = DomainDispatcherApplication(create_backend_app)
        self.requests: list[str] = []
        self.conditions = True
        self.faults: list[Callable[[str, dict[str, Any], Callable[..., Any]], Iterable[bytes] | None]] = []
        self.endpoint = ""

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO'].removeprefix(f'/{BUCKET}/')}"
        if environ["PATH_INFO"].rstrip("/") == f"/{BUCKET}":
            query = environ["QUERY_STRING"]
            request = "LIST" if "list-type" in query else f"{environ['REQUEST_METHOD']}?{query}"
        self.requests.append(request)
        if not self.conditions:
            environ.pop("HTTP_IF_NONE_MATCH", None)
            environ.pop("HTTP_IF_MATCH", None)
        for fault in self.faults:
            if (answer := fault(request, environ, start)) is not None:
                return answer
        return self.app(environ, start)

    def place(self) -> str:
        """An address where nothing is yet."""
        return f"s3://{BUCKET}/{uuid.uuid4().hex}"

    def objects(self, place: str) -> dict[str, bytes]:
        """All that is stored at an address, by name, without a request."""
        found = {}
        for name, key in self._keys(place):
            with contextlib.suppress(ValueError):  # replaced or deleted meanwhile
                found[name] = key.value
        return found

    def clear(self, place: str) -> None:
        """Forgets what is stored at an address: lists take longer, the more there is anywhere in the bucket."""
        for _, key in self._keys(place):
            self._bucket.keys.pop(key.name)

    def _keys(self, place: str) -> list[tuple[str, Any]]:
        prefix = place.removeprefix(f"s3://{BUCKET}/") + "/"
        keys = self._bucket.keys.items()
        return [(name.removeprefix(prefix), key) for name, key in keys if name.startswith(prefix)]

    @property
    def _bucket(self) -> Any:
        return s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[BUCKET]

    @contextlib.contextmanager
    def counted(self) -> Iterator[Counter[str]]:
        """Requests by method while the block runs; filled at its end."""
        before, found = len(self.requests), Counter[str]()
        yield found
        found.update(re.split(r"[ ?]", request)[0] for request in self.requests[before:])

    @contextlib.contextmanager
    def failing(self, pattern: str, times: int, status: str, after: bool = False, code: str = "Busy") -> Iterator[None]:
        """Requests that match `pattern` are answered by an error, so many times; `after` they have had their effect."""
        left = [times]

        def fault(request: str, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes] | None:
            if not left[0] or not re.search(pattern, request):
                return None
            left[0] -= 1
            if after:
                list(self.app(environ, lambda *_: None))
            said = f"<Code>{code}</Code><Message>Please try again.</Message><AWSAccessKeyId>{KEY}</AWSAccessKeyId>"
            text = f"<Error>{said}</Error>".encode()
            start(status, [("Content-Length", str(len(text)))])
            return [text]

        self.faults.append(fault)
        try:
            yield
        finally:
            self.faults.remove(fault)


def upload(server: Server, files: Mapping[str, bytes], address: str = "") -> str:
    """Puts files below an address, by default one where nothing is yet; names may end with a slash, as of consoles."""
    address = address or server.place()
    bucket, _, prefix = address.partition("://")[2].partition("/")
    client = boto3.client("s3", endpoint_url=server.endpoint)
    for name, content in files.items():
        client.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=content)
    return address


def upload_folder(server: Server, folder: Path, address: str = "") -> str:
    """The same of all files of a folder."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return upload(server, found, address)


@contextlib.contextmanager
def serve(host: str = "127.0.0.1") -> Iterator[Server]:
    """A server with an empty bucket; the environment names it and its credentials while the block runs."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = Server()
    listening = make_server(host, 0, server, True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    server.endpoint = f"http://{host}:{listening.server_port}"
    urllib.request.urlopen(urllib.request.Request(f"{server.endpoint}/{BUCKET}", method="PUT")).close()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": server.endpoint}.items():
            patch.setenv(name, value)
        yield server
    listening.shutdown()
    thread.join()
