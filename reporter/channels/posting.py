"""HTTP as every channel here uses it: one bounded client, nothing followed, nothing kept, nothing told.

aiohttp, since its parser is C: a small POST costs it a tenth of a millisecond, and a burst of breaches is thousands.
It costs a fifth of a second to import: it is at first use.
"""

import asyncio
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Final

from reporter import __version__
from reporter.channels.contract import ChannelError
from reporter.timesource import SystemTime

if TYPE_CHECKING:
    import aiohttp
    import yarl

CONNECTIONS_MAX: Final = 64
ANSWER_BYTES_MAX: Final = 64 * 1024
RETRY_AFTER_S_MAX: Final = 3600.0
WORTH_TRYING_AGAIN: Final = {408, 425, 429}
KEPT_S: Final = 4.0
"""How long an idle connection is kept: many servers end theirs after five seconds, and a request may meet that."""
HOSTS_KEPT_MAX: Final = 8
"""Hosts whose connections are kept; where there are more, the others' are ended at once: aiohttp bounds what is in use,
not what idles."""
_AS_WRITTEN: Final = re.compile(r"[!-~]+")
"""An address that goes out as it stands: a gateway may have signed its very letters."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side answered; of the body no more than `ANSWER_BYTES_MAX`."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def refusal(self) -> ChannelError:
        """The status as an error: 4xx is for good, except those that say `later`; all else may pass."""
        permanent = 400 <= self.status < 500 and self.status not in WORTH_TRYING_AGAIN
        return ChannelError(
            f"HTTP {self.status}",
            permanent=permanent,
            retry_after_s=_seconds(self.headers.get("retry-after")),
        )


@dataclass(frozen=True, slots=True)
class _Clients:
    """One that keeps connections, and one that ends each."""

    keeping: "aiohttp.ClientSession"
    ending: "aiohttp.ClientSession"


class Poster:
    """Sends requests. One client for all: connections are kept and bounded.

    Redirects are not followed, cookies not kept, and proxies of the environment not used: the address in the
    roster or the settings is where a notice goes. Private certificate authorities are named by
    `SSL_CERT_FILE`.
    """

    def __init__(self) -> None:
        self._clients: _Clients | None = None
        self._hosts: dict[str, float] = {}
        """Whose connections are kept, and until when (monotonic) there may be one."""
        self._opening = asyncio.Lock()

    async def send(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float
    ) -> Answer:
        """One request within `timeout_s` seconds, whatever the status. Errors: ChannelError."""
        try:
            clients = self._clients or await self._open()
        except OSError as error:
            msg = f"the certificates to believe cannot be read: {type(error).__name__}"
            raise ChannelError(msg, permanent=False) from error
        from aiohttp import ClientError, InvalidURL

        try:
            address = _address(url)
            client = clients.keeping if self._is_kept(address.authority, timeout_s) else clients.ending
            async with asyncio.timeout(timeout_s):
                return await _send(client, method, address, body, headers)
        except TimeoutError as error:
            msg = f"no answer within {timeout_s:g} s"
            raise ChannelError(msg, permanent=False) from error
        except InvalidURL:
            msg = "not an address that can be posted to"
            raise ChannelError(msg, permanent=True) from None
        except (ClientError, OSError, ValueError) as error:
            # The type only: the message may quote the address, which may hold a password.
            raise ChannelError(type(error).__name__, permanent=False) from None

    async def close(self) -> None:
        if self._clients is not None:
            await self._clients.keeping.close()
            await self._clients.ending.close()

    async def _open(self) -> _Clients:
        async with self._opening:
            if self._clients is None:
                trust = await asyncio.to_thread(_trust)
                self._clients = _Clients(_client(trust, is_keeping=True), _client(trust, is_keeping=False))
            return self._clients

    def _is_kept(self, host: str, timeout_s: float) -> bool:
        now_s = monotonic()
        if host not in self._hosts and len(self._hosts) >= HOSTS_KEPT_MAX:
            # Until then a request may have been under way, and its connection idle.
            self._hosts = {name: until_s for name, until_s in self._hosts.items() if until_s > now_s}
            if len(self._hosts) >= HOSTS_KEPT_MAX:
                return False
        self._hosts[host] = max(self._hosts.get(host, 0.0), now_s + timeout_s + 2 * KEPT_S)
        return True


def _trust() -> ssl.SSLContext:
    """Whom to believe; also imports what takes long."""
    import aiohttp  # noqa: F401 - so that the loop does not stand still for it
    import certifi

    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file or folder:
        return ssl.create_default_context(cafile=file or None, capath=folder or None)
    return ssl.create_default_context(cafile=certifi.where())


def _client(trust: ssl.SSLContext, *, is_keeping: bool) -> "aiohttp.ClientSession":
    import aiohttp

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=CONNECTIONS_MAX,
            ssl=trust,
            **({"keepalive_timeout": KEPT_S} if is_keeping else {"force_close": True}),
        ),
        timeout=aiohttp.ClientTimeout(),  # of its own none: each request has one for the whole of it
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"user-agent": f"reporter/{__version__}", "accept": "*/*", "accept-encoding": "identity"},
    )


@lru_cache(maxsize=1024)
def _address(url: str) -> "yarl.URL":
    """The address. Errors: aiohttp's InvalidURL."""
    from aiohttp import InvalidURL
    from yarl import URL

    try:
        address = URL(url, encoded=_AS_WRITTEN.fullmatch(url) is not None)
    except ValueError:
        raise InvalidURL(url) from None
    if address.scheme not in ("http", "https") or not address.host:
        raise InvalidURL(url)
    return address


async def _send(
    client: "aiohttp.ClientSession", method: str, address: "yarl.URL", body: bytes, headers: Mapping[str, str]
) -> Answer:
    sending = client.request(method, address, data=body or None, headers=headers, allow_redirects=False)
    async with sending as answer:
        read = bytearray()
        while len(read) <= ANSWER_BYTES_MAX and (chunk := await answer.content.readany()):
            read += chunk
        return Answer(answer.status, answer.headers, bytes(read[:ANSWER_BYTES_MAX]))


def _seconds(retry_after: str | None) -> float:
    """A `Retry-After` of seconds or of a date as seconds from now; 0 for none, or one that cannot be read."""
    if not retry_after:
        return 0.0
    if retry_after.strip().isdecimal():
        return min(RETRY_AFTER_S_MAX, float(retry_after.strip()[:9]))
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    span = (at if at.tzinfo else at.replace(tzinfo=UTC)) - SystemTime().now()
    return min(RETRY_AFTER_S_MAX, max(0.0, span.total_seconds()))
