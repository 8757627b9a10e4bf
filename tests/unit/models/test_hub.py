"""Models of a hub: what the user is told when one cannot be had. A server on this machine answers as the hub does."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import helpers
import tiny
from synthgen.errors import ModelError
from synthgen.models import hub

COMMIT = "0123456789" * 4
ANSWERS = {
    "nobody/nothing": (401, "RepoNotFound"),
    "owner/gated": (403, "GatedRepo"),
    "owner/changed": (404, "RevisionNotFound"),
    "owner/empty": (404, "EntryNotFound"),
}
TRY = """
import json, sys
from synthgen.errors import ModelError
from synthgen.models import hub
told = {}
for kind, name in json.loads(sys.argv[1]):
    settings = hub.ModelSettings(model=name)
    try:
        if kind == "pipeline":
            hub.load_pipeline(hub.pipeline_reference(settings), "Text2Image", "auto")
        elif kind == "config":
            hub.read_config(hub.reference(settings))
        else:
            hub.load(hub.reference(settings, "sam2"), "Sam2Model")
    except ModelError as error:
        told[f"{kind} {name}"] = str(error)
print(json.dumps(told))
"""


class Hub(BaseHTTPRequestHandler):
    """Refuses every request for the reason that its repository has."""

    def do_GET(self) -> None:
        name = next((name for name in ANSWERS if name in self.path), "nobody/nothing")
        status, code = ANSWERS[name]
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    wanted = [("pipeline", f"{name}@{COMMIT}") for name in ANSWERS]
    wanted += [("network", f"owner/gated@{COMMIT}"), ("config", f"owner/gated@{COMMIT}")]
    words = [sys.executable, "-c", TRY, json.dumps(wanted)]
    more = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HOME": str(tmp_path_factory.mktemp("hub"))}
    answer = helpers.call(words, **more)
    server.shutdown()
    assert answer.returncode == 0, answer.stderr
    yield json.loads(answer.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("pipeline nobody/nothing", "the hub has no model nobody/nothing, or a private one; check the name"),
        (
            "pipeline owner/gated",
            "its licence must be accepted first: open the page of owner/gated on the hub signed in",
        ),
        (
            "network owner/gated",
            "its licence must be accepted first: open the page of owner/gated on the hub signed in",
        ),
        ("config owner/gated", "its licence must be accepted first: open the page of owner/gated on the hub"),
        ("pipeline owner/changed", f"the hub has owner/changed, but not the commit {COMMIT}"),
        ("pipeline owner/empty", "the hub has owner/empty, but without the files of such a model"),
    ],
)
def test_why_a_model_cannot_be_had_and_what_helps(told: dict[str, str], name: str, way_out: str) -> None:
    assert way_out in told[f"{name}@{COMMIT}"]
    assert "\n" not in told[f"{name}@{COMMIT}"]


@pytest.mark.slow
def test_without_a_network_the_download_is_named(tmp_path: Path) -> None:
    name = f"owner/name@{COMMIT}"
    words = [sys.executable, "-c", TRY, json.dumps([("pipeline", name), ("network", name)])]
    more = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    answer = helpers.call(words, **more)
    for text in json.loads(answer.stdout.splitlines()[-1]).values():
        assert f"`hf download owner/name --revision {COMMIT}`" in text


def test_a_model_is_loaded_once_for_all_parts(tmp_path: Path) -> None:
    reference = hub.reference(hub.ModelSettings(model=tiny.sam2()), "sam2")
    again = hub.reference(hub.ModelSettings(model=tiny.sam2()), "sam2")
    assert hub.load(reference, "Sam2Model")[0] is hub.load(again, "Sam2Model")[0]


def test_a_licence_is_the_recipes_or_the_cards() -> None:
    found = hub.reference(hub.ModelSettings(model=tiny.sam2()), "sam2").source
    assert found.licence == "cc0-1.0"
    stated = hub.reference(hub.ModelSettings(model=f"owner/name@{COMMIT}", licence="openrail++"), "sam2").source
    assert stated.licence == "openrail++"


def test_a_folder_without_the_right_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "sam2"}')
    with pytest.raises(ModelError, match="cannot be loaded as a Sam2Model"):
        hub.load(hub.reference(hub.ModelSettings(model=str(tmp_path)), "sam2"), "Sam2Model")
