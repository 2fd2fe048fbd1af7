"""HTTP as every channel here uses it: one bounded client, nothing followed, nothing kept, nothing told.

httpx costs a tenth of a second to import: it is at first use.
"""

import asyncio
import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from reporter import __version__
from reporter.channels.contract import ChannelError
from reporter.timesource import SystemTime

if TYPE_CHECKING:
    import httpx

CONNECTIONS_MAX: Final = 64
ANSWER_BYTES_MAX: Final = 64 * 1024
RETRY_AFTER_S_MAX: Final = 3600.0
WORTH_TRYING_AGAIN: Final = {408, 425, 429}


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


class Poster:
    """Sends requests. One client for all: connections are kept and bounded.

    Redirects are not followed, cookies not kept, and proxies of the environment not used: the address in the
    roster or the settings is where a notice goes. Private certificate authorities are named by
    `SSL_CERT_FILE`.
    """

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def send(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float
    ) -> Answer:
        """One request within `timeout_s` seconds, whatever the status. Errors: ChannelError."""
        client = await self._open()
        from httpx import HTTPError, InvalidURL, UnsupportedProtocol

        try:
            async with asyncio.timeout(timeout_s):
                return await _send(client, method, url, body, headers, timeout_s)
        except TimeoutError as error:
            msg = f"no answer within {timeout_s:g} s"
            raise ChannelError(msg, permanent=False) from error
        except (InvalidURL, UnsupportedProtocol) as error:
            msg = "not an address that can be posted to"
            raise ChannelError(msg, permanent=True) from error
        except HTTPError as error:
            # The type only: an httpx message may quote the address, which may hold a password.
            raise ChannelError(type(error).__name__, permanent=False) from None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _open(self) -> "httpx.AsyncClient":
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(_client)
            return self._client


def _client() -> "httpx.AsyncClient":
    import httpx

    for name in ("httpx", "httpcore"):  # they log every address, and addresses hold tokens
        logging.getLogger(name).setLevel(logging.WARNING)
    if find_spec("sniffio") is None:
        # httpcore asks for it at every lock of every request, and an import that fails is searched for anew each
        # time: a third of all the time that a burst of notices took. None says once that it is not there.
        sys.modules["sniffio"] = None  # type: ignore[assignment]
    return httpx.AsyncClient(
        limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX),
        follow_redirects=False,
        trust_env=False,
        verify=httpx.create_ssl_context(),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"user-agent": f"reporter/{__version__}", "accept-encoding": "identity"},
    )


async def _send(
    client: "httpx.AsyncClient",
    method: str,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    timeout_s: float,
) -> Answer:
    sending = client.stream(method, url, content=body or None, headers=dict(headers), timeout=timeout_s)
    async with sending as answer:
        read = bytearray()
        async for chunk in answer.aiter_raw():
            read += chunk
            if len(read) > ANSWER_BYTES_MAX:
                break
        return Answer(answer.status_code, answer.headers, bytes(read[:ANSWER_BYTES_MAX]))


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
