"""A receiver of notices: a small HTTP server that keeps what is posted to it."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .moments import now


@dataclass(frozen=True, slots=True)
class Posted:
    """One request as it came."""

    at: datetime
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body with JSON escapes undone, so that a test can look for Chinese words."""
        try:
            return json.dumps(json.loads(self.body), ensure_ascii=False)
        except ValueError:
            return self.body.decode("utf-8")


@dataclass
class Receiver:
    """Listens on a free port of loopback. `answers` is the status given next; the last one stays."""

    posted: list[Posted] = field(default_factory=list)
    answers: list[int] = field(default_factory=lambda: [200])

    def __post_init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                receiver.posted.append(Posted(now(), self.path, dict(self.headers), body))
                answers = receiver.answers
                self.send_response(answers.pop(0) if len(answers) > 1 else answers[0])
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Says nothing: the test looks at `posted`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    def address(self, path: str = "/") -> str:
        """How a roster names this receiver."""
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def about(self, words: str) -> list[Posted]:
        """What was posted that mentions these words."""
        return [x for x in list(self.posted) if words in x.text]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
