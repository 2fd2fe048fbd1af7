"""The client under FastStream's broker: one that no message can break, and that keeps header blocks as they came.

nats-py's reader stops for good, without a word, when a header block or a subject cannot be decoded: anyone who may
publish could silence the intake with eight bytes. Here such a message is handed on like any other.
"""

from typing import Any  # what the broker hands on is the client's own

from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.aio.msg import Msg


class Headers(dict[str, str]):
    """The headers as far as they can be read, and `raw`: the whole block, byte for byte."""

    def __init__(self, read: dict[str, str] | None, raw: bytes) -> None:
        super().__init__(read or {})
        self.raw = raw


class WholeClient(Client):
    """Reads every message, whatever it holds."""

    async def _process_headers(self, headers: bytes) -> dict[str, str] | None:
        if not headers:
            return None
        try:
            read = await super()._process_headers(headers)
        except (
            Exception
        ):  # whatever the block holds: the message is judged by its reader, not by the connection
            read = None
        return Headers(read, headers)

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg:
        readable = subject.decode("utf-8", "replace").encode()
        message: Msg = super()._build_message(sid, readable, reply, data, headers)
        return message


class Broker(NatsBroker):
    """FastStream's broker on that client."""

    async def _connect(self) -> Client:
        client = WholeClient()
        options: dict[str, Any] = dict(self._connection_kwargs)
        await client.connect(**options)
        self.config.connect(client)
        return client
