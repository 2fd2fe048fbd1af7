"""A web server that answers as it is told: for everything that a webhook may meet."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def status(code: int, *headers: str, body: bytes = b"") -> bytes:
    """An answer with that status."""
    lines = [f"HTTP/1.1 {code} Whatever", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def said(document: object, code: int = 200) -> bytes:
    """An answer in JSON."""
    return status(code, "content-type: application/json", body=json.dumps(document).encode())


@dataclass
class Asked:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))

    @property
    def document(self) -> dict[str, object]:
        document: dict[str, object] = json.loads(self.body)
        return document


@dataclass
class Hooks:
    """Answers `answers[path]`, with or without its query, else 200; where that is None, nothing for ever;
    where empty, it hangs up; a function is asked."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    answers: dict[str, bytes | Callable[[Asked], bytes] | None] = field(default_factory=dict)
    connections: int = 0

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def bodies(self, *path: str) -> str:
        """All that was posted, or what stands at that path of its JSON, as one text."""
        found = ""
        for asked in self.asked:
            value: object = asked.document if path else asked.body.decode()
            for part in path:
                assert isinstance(value, dict)
                value = value[part]
            found += str(value)
        return found

    def about(self, path: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.path == path]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().split("\r\n")
                headers = {
                    name.lower(): value for name, _, value in (line.partition(": ") for line in lines) if name
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                path = first.split()[1]
                asked = Asked(path, headers, body)
                self.asked.append(asked)
                answer = self.answers.get(path, self.answers.get(path.partition("?")[0], OK))
                if answer is None:
                    await reader.read()  # until the other side has had enough
                    return
                answer = answer(asked) if callable(answer) else answer
                writer.write(answer)
                if not answer:
                    return
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(trust: ssl.SSLContext | None = None) -> AsyncIterator[Hooks]:
    """Hooks on a free port of loopback, by TLS where there is a context for it."""
    hooks = Hooks()
    server = await asyncio.start_server(hooks.serve, "127.0.0.1", 0, ssl=trust)
    hooks.port = server.sockets[0].getsockname()[1]
    try:
        yield hooks
    finally:
        server.close()
