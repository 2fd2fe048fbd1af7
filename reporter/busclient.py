"""The client under FastStream's broker: one that no message can break, and that keeps header blocks as they came.

nats-py's reader stops for good, without a word, when a header block or a subject cannot be decoded: anyone who may
publish could silence the intake with eight bytes. Here such a message is handed on like any other.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any  # what the broker hands on is the client's own

import nkeys
from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.aio.msg import Msg

from reporter.settings import Settings, SettingsError

SERVICE_INBOX = "_INBOX._reporter"
"""Where the service hears answers once it has an account of its own: no unit's code has an underscore."""


@dataclass(frozen=True, slots=True)
class Access:
    """What the service shows the broker, and what it asks of it. `seed` is never shown by `repr`."""

    seed: str | None = field(default=None, repr=False)
    credentials: Path | None = None
    tls: ssl.SSLContext | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The client's arguments."""
        options: dict[str, Any] = {}
        if self.seed is not None:
            options["nkeys_seed_str"] = self.seed
        if self.credentials is not None:
            options["user_credentials"] = str(self.credentials)
        if options:
            options["inbox_prefix"] = SERVICE_INBOX.encode()
        if self.tls is not None:
            options["tls"] = self.tls
        return options


def access_of(settings: Settings) -> Access:
    """What the settings say, with the files read. Errors: SettingsError for one that cannot be."""
    problems: list[str] = []
    seed = None
    for name in ("nats_seed_file", "nats_credentials"):
        file: Path | None = getattr(settings, name)
        try:
            text = file.read_text(encoding="ascii").strip() if file is not None else None
        except (OSError, UnicodeDecodeError) as reason:
            problems.append(f"{name}: {file} cannot be read ({type(reason).__name__})")
            continue
        if name == "nats_seed_file" and text is not None:
            seed = text
            if not _is_seed(seed):
                problems.append(f"{name}: {file} holds no seed of a user (SU…)")
    tls = None
    if settings.nats_tls_ca or settings.nats_tls_cert:
        try:
            tls = ssl.create_default_context(cafile=settings.nats_tls_ca)
            if settings.nats_tls_cert:
                tls.load_cert_chain(settings.nats_tls_cert, settings.nats_tls_key)
        except (OSError, ssl.SSLError) as reason:
            problems.append(f"nats_tls_…: the certificates cannot be used ({type(reason).__name__})")
    if problems:
        raise SettingsError(problems)
    return Access(seed, settings.nats_credentials, tls)


def _is_seed(text: str) -> bool:
    try:
        return text.startswith("SU") and bool(nkeys.from_seed(bytearray(text.encode())).public_key)
    except (nkeys.NkeysError, ValueError):
        return False


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
    """FastStream's broker on that client, with `access` to it."""

    def __init__(self, servers: Sequence[str], access: Access, **options: Any) -> None:
        super().__init__(servers, **options)
        self._access = access

    async def _connect(self) -> Client:
        client = WholeClient()
        options: dict[str, Any] = {**self._connection_kwargs, **self._access.options}
        await client.connect(**options)
        self.config.connect(client)
        return client
