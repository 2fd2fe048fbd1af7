"""A service that answers what a test puts in its mouth, and the command line to speak to it with."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any  # documents of JSON

import pytest
from typer.testing import CliRunner, Result

from reporter.cli import app

ID = "8a5f0f3e-6d3c-5f0e-9a3e-0d8e2b6f4c11"


@dataclass
class Scripted:
    """An HTTP server. `answers` maps "METHOD path" to status and document; `heard` is what it was asked.

    With `deaf` above 0, so many requests are cut off without an answer first.
    """

    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    heard: list[dict[str, Any]] = field(default_factory=list)
    deaf: int = 0
    url: str = ""


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    script = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            heard = {"method": self.command, "path": self.path, "headers": dict(self.headers)}
            script.heard.append(heard | {"body": json.loads(body) if body else None})
            if script.deaf > 0 and self.command == "POST":
                script.deaf -= 1
                self.close_connection = True
                return
            status, document = script.answers.get(f"{self.command} {path}", (404, {"title": "Not Found"}))
            text = json.dumps(document).encode()
            self.send_response(status)
            self.send_header(
                "Content-Type", "application/json" if status < 400 else "application/problem+json"
            )
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    script.answers["GET /readyz"] = (200, {"status": "ok", "now": "2026-11-23T06:10:00.000000Z"})
    yield script
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a verb against the scripted service."""
    monkeypatch.setenv("REPORTER_URL", scripted.url)
    monkeypatch.setenv("REPORTER_TOKEN", "rpt_secret")

    def invoke(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, arguments, input=stdin)

    return invoke


def a_clock(**changes: Any) -> dict[str, Any]:
    """A running initial clock, from 06:00 to 06:20 UTC."""
    clock: dict[str, Any] = {
        "obligation": "initial",
        "starts_at": "2026-11-23T06:00:00.000000Z",
        "due_at": "2026-11-23T06:20:00.000000Z",
        "due_latest_at": None,
        "state": "running",
        "met_at": None,
        "met_by": None,
        "verdict": None,
        "late_by_s": None,
        "complete": None,
        "undeclared": [],
        "aware_due_at": None,
        "aware_verdict": None,
    }
    return clock | changes


def an_incident(**changes: Any) -> dict[str, Any]:
    """An open incident as the API shows it."""
    incident: dict[str, Any] = {
        "id": ID,
        "code": "1123-7KQF",
        "title": "化工园区爆燃",
        "unit": "yi-xian",
        "mode": "actual",
        "state": "open",
        "category": "accident",
        "grade": "II",
        "aware_at": None,
        "received_at": "2026-11-23T06:01:00.000000Z",
        "occurred": {
            "earliest": "2026-11-23T06:00:00.000000Z",
            "latest": "2026-11-23T06:00:00.000000Z",
            "provisional": False,
        },
        "recorded_at": "2026-11-23T06:01:00.004000Z",
        "schedule": "cn-zaozhuang-hitech-2021-9",
        "edition": "2021-02-05",
        "anomalies": [],
        "version": 1,
        "clocks": [a_clock()],
        "notices": [],
        "reports": [],
    }
    return incident | changes


def a_notice(**changes: Any) -> dict[str, Any]:
    """A reminder to a duty officer."""
    notice: dict[str, Any] = {
        "id": "n1",
        "obligation": "initial",
        "step": "-PT10M",
        "repeat": 1,
        "reason": "reminder",
        "to": "unit.duty_officer",
        "person": "周三",
        "channel": "desk",
        "state": "queued",
        "due_at": "2026-11-23T06:20:00.000000Z",
        "recorded_at": "2026-11-23T06:10:00.000000Z",
        "attempts": 0,
        "note": None,
    }
    return notice | changes
