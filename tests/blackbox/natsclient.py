"""A bare NATS client: the wire protocol over one socket, no library, nothing of ours.

It can do what well-behaved clients cannot: send any header block byte for byte, see messages that
clients swallow, and wait for nothing. JetStream is only a request whose answer is JSON.
"""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urlsplit

from .moments import Json

CRLF = b"\r\n"


class NatsError(Exception):
    """The broker refused something, or is gone."""


@dataclass(frozen=True, slots=True)
class Message:
    """One delivered message; `header` is the raw block, empty when there was none."""

    subject: str
    reply: str
    header: bytes
    data: bytes

    @property
    def headers(self) -> dict[str, str]:
        """The header lines as a mapping (a repeated name: the last wins)."""
        lines = self.header.decode("utf-8", "replace").split("\r\n")[1:]
        return {
            name.strip(): value.strip() for name, colon, value in (x.partition(":") for x in lines) if colon
        }

    @property
    def json(self) -> Json:
        return json.loads(self.data)


def header_block(headers: Mapping[str, str]) -> bytes:
    """The block a well-behaved client sends for these headers."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return b"NATS/1.0\r\n" + lines.encode() + CRLF


class Subscription:
    """What arrives on one subject, in order."""

    def __init__(self, client: Nats, sid: int) -> None:
        self._client, self._sid = client, sid
        self.inbox: queue.Queue[Message | None] = queue.Queue()

    def next(self, within: float = 5.0) -> Message:
        """The next message. NatsError when none came in time or the connection ended."""
        try:
            message = self.inbox.get(timeout=within)
        except queue.Empty:
            raise NatsError(f"no message within {within} s") from None
        if message is None:
            self.inbox.put(None)
            raise NatsError("the connection is closed")
        return message

    def waiting(self) -> Iterator[Message]:
        """What has arrived so far, without waiting."""
        while not self.inbox.empty():
            message = self.inbox.get_nowait()
            if message is None:
                self.inbox.put(None)
                return
            yield message

    def close(self) -> None:
        self._client.unsubscribe(self._sid)


class Nats:
    """One connection. Use as a context manager. `url` may carry `user:password@` or `token@`."""

    def __init__(self, url: str, *, timeout: float = 5.0) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 4222), timeout)
        self._socket.settimeout(None)
        self._file = self._socket.makefile("rb")
        self._send_lock = threading.Lock()
        self._subscriptions: dict[int, Subscription] = {}
        self._sids = 0
        self._pongs: queue.Queue[bool] = queue.Queue()
        self.errors: list[str] = []
        self.info: Json = json.loads(self._file.readline().removeprefix(b"INFO "))
        hello: dict[str, object] = {
            "verbose": False, "pedantic": False, "headers": True, "no_responders": True,
            "lang": "bare", "version": "0", "protocol": 1,
        }  # fmt: skip
        if parts.password:
            hello |= {"user": parts.username, "pass": parts.password}
        elif parts.username:
            hello |= {"auth_token": parts.username}
        self._send(b"CONNECT " + json.dumps(hello).encode() + CRLF)
        self._reader = threading.Thread(target=self._read, name="bare-nats", daemon=True)
        self._reader.start()
        self.flush(timeout)

    def __enter__(self) -> Nats:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- the protocol -------------------------------------------------------------------------

    def publish(
        self,
        subject: str,
        data: bytes = b"",
        headers: Mapping[str, str] | bytes | None = None,
        reply: str = "",
    ) -> None:
        """Sends and waits for nothing. Headers given as bytes are the block itself, sent as they are."""
        to = f"{subject} {reply}".rstrip()
        if headers is None:
            self._send(f"PUB {to} {len(data)}\r\n".encode() + data + CRLF)
            return
        block = headers if isinstance(headers, bytes) else header_block(headers)
        self._send(f"HPUB {to} {len(block)} {len(block) + len(data)}\r\n".encode() + block + data + CRLF)

    def subscribe(self, subject: str) -> Subscription:
        """Subscribes, and returns once the broker has the subscription."""
        self._sids += 1
        subscription = Subscription(self, self._sids)
        self._subscriptions[self._sids] = subscription
        self._send(f"SUB {subject} {self._sids}\r\n".encode())
        self.flush()
        return subscription

    def unsubscribe(self, sid: int) -> None:
        if self._subscriptions.pop(sid, None) is not None and not self.closed:
            self._send(f"UNSUB {sid}\r\n".encode())

    def flush(self, within: float = 5.0) -> None:
        """Returns when the broker has taken everything sent so far. NatsError if it does not answer."""
        self._send(b"PING\r\n")
        try:
            alive = self._pongs.get(timeout=within)
        except queue.Empty:
            raise NatsError(f"no PONG within {within} s; errors: {self.errors}") from None
        if not alive:
            self._pongs.put(False)
            raise NatsError(f"the connection is closed; errors: {self.errors}")

    def inbox(self) -> str:
        return f"_INBOX.{uuid.uuid4().hex}"

    def request(
        self,
        subject: str,
        data: bytes = b"",
        headers: Mapping[str, str] | bytes | None = None,
        within: float = 5.0,
    ) -> Message:
        """One answer to one question. NatsError when nobody listens there or nobody answers in time."""
        inbox = self.inbox()
        answers = self.subscribe(inbox)
        try:
            self.publish(subject, data, headers, inbox)
            answer = answers.next(within)
        finally:
            answers.close()
        if answer.header.startswith(b"NATS/1.0 503"):
            raise NatsError(f"no responders on {subject}")
        return answer

    @property
    def ended(self) -> bool:
        """Whether the broker has closed the connection, or we have."""
        return not self._reader.is_alive()

    @property
    def closed(self) -> bool:
        return self._socket.fileno() == -1

    def close(self) -> None:
        if not self.closed:
            with contextlib.suppress(OSError):  # the broker may be gone already
                self._socket.shutdown(socket.SHUT_RDWR)
            self._reader.join(2)
            self._file.close()
            self._socket.close()

    def _send(self, data: bytes) -> None:
        try:
            with self._send_lock:
                self._socket.sendall(data)
        except OSError as gone:
            raise NatsError(f"the broker is gone: {gone}; errors: {self.errors}") from gone

    def _read(self) -> None:
        try:
            while line := self._file.readline():
                self._take(line.rstrip(CRLF))
        except (OSError, ValueError):
            pass  # closed under us
        for subscription in list(self._subscriptions.values()):
            subscription.inbox.put(None)
        self._pongs.put(False)

    def _take(self, line: bytes) -> None:
        verb, *words = line.decode().split(" ")
        match verb.upper():
            case "MSG" | "HMSG":
                header_bytes = int(words[-2]) if verb.upper() == "HMSG" else 0
                body = self._file.read(int(words[-1]) + 2)[:-2]
                named = words[: -2 if header_bytes else -1]
                reply = named[2] if len(named) > 2 else ""
                if subscription := self._subscriptions.get(int(named[1])):
                    subscription.inbox.put(Message(named[0], reply, body[:header_bytes], body[header_bytes:]))
            case "PING":
                self._send(b"PONG\r\n")
            case "PONG":
                self._pongs.put(True)
            case "-ERR":
                self.errors.append(" ".join(words))
            case _:
                pass  # INFO updates and +OK say nothing a test needs
