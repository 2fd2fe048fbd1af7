"""HTTP as every channel here uses it: one bounded client, nothing followed, nothing kept, nothing told.

wreq, since its work is done outside the interpreter: a small POST costs half of what it cost with aiohttp, and a burst
of breaches is thousands.
"""

import asyncio
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from string import punctuation
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import SplitResult, quote, urlsplit

from reporter import __version__
from reporter.channels.contract import ChannelError
from reporter.timesource import SystemTime

if TYPE_CHECKING:
    import wreq

IDLE_MAX: Final = 32
"""Connections kept for the next request, whatever their hosts."""
KEPT_S: Final = 4.0
"""How long an idle connection is kept: many servers end theirs after five seconds, and a request may meet that."""
ANSWER_BYTES_MAX: Final = 64 * 1024
RETRY_AFTER_S_MAX: Final = 3600.0
WORTH_TRYING_AGAIN: Final = {408, 425, 429}
NO_ADDRESS: Final = "not an address that can be posted to"
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_AS_WRITTEN: Final = re.compile(r"[!-~]+")
_NO_PLACE: Final = re.compile(r'[\s\x00-\x1f"<>\\^`{|}]|%(?![0-9A-Fa-f]{2})')
"""What no address has before its path, however it is written: wreq builds no request to such a one."""
_HOST: Final = re.compile(r"[a-z0-9._:-]+")


class Answer(NamedTuple):
    """What the other side answered; of the body no more than `ANSWER_BYTES_MAX`."""

    status: int
    body: bytes
    retry_after: str = ""
    """The header `Retry-After`, where there is one."""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def refusal(self) -> ChannelError:
        """The status as an error: 4xx is for good, except those that say `later`; all else may pass."""
        permanent = 400 <= self.status < 500 and self.status not in WORTH_TRYING_AGAIN
        return ChannelError(
            f"HTTP {self.status}",
            permanent=permanent,
            retry_after_s=_seconds(self.retry_after),
        )


class Poster:
    """Sends requests. One client for all: connections are kept and bounded.

    Redirects are not followed, cookies not kept, and proxies of the environment not used: the address in the
    roster or the settings is where a notice goes. Private certificate authorities are named by
    `SSL_CERT_FILE` or `SSL_CERT_DIR`.
    """

    def __init__(self) -> None:
        self._client: wreq.Client | None = None
        self._opening = asyncio.Lock()

    async def send(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float
    ) -> Answer:
        """One request within `timeout_s` seconds, whatever the status. Errors: ChannelError."""
        from wreq import Method, exceptions

        try:
            client = self._client or await self._open()
        except _unreadable() as error:
            msg = f"the certificates to believe cannot be read: {type(error).__name__}"
            raise ChannelError(msg, permanent=False) from error
        try:
            answer = await client.request(
                getattr(Method, method),
                postable(url),
                headers=headers,
                body=body or None,
                timeout=timedelta(seconds=timeout_s),
            )
            said = await _beginning(answer)
            retry_after = answer.headers.get("retry-after")
            after = "" if retry_after is None else bytes(retry_after).decode("latin-1")
            return Answer(answer.status.as_int(), said, after)
        except exceptions.TimeoutError as error:
            msg = f"no answer within {timeout_s:g} s"
            raise ChannelError(msg, permanent=False) from error
        except (exceptions.BuilderError, ValueError):
            raise ChannelError(NO_ADDRESS, permanent=True) from None
        except _troubles() as error:
            # The type only: the message may quote the address, which may hold a password.
            raise ChannelError(type(error).__name__, permanent=False) from None

    async def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None  # what idles is ended with it

    async def _open(self) -> "wreq.Client":
        async with self._opening:
            if self._client is None:
                self._client = _client(await asyncio.to_thread(_trust))
            return self._client


@lru_cache(maxsize=1024)
def postable(url: str) -> str:
    """The address as it stands, since a gateway may have signed its very letters; encoded, what cannot go out so.

    Errors: ChannelError, permanent, for what is no address that can be posted to.
    """
    try:
        return _encoded(url)
    except ValueError:  # its text may quote the address, which may hold a password
        raise ChannelError(NO_ADDRESS, permanent=True) from None


def _encoded(url: str) -> str:
    parts, host = _parts(url)
    if _NO_PLACE.search(parts.netloc):
        raise ValueError(NO_ADDRESS)
    if _AS_WRITTEN.fullmatch(url):
        return url
    scheme, _, rest = url.partition("://")
    where, *path = re.split(r"(?=[/?#])", rest, maxsplit=1)
    user, at, place = where.rpartition("@")
    if not host.isascii():
        place = host.encode("idna").decode() + (f":{parts.port}" if parts.port else "")
    return f"{scheme}://{quote(user, safe=punctuation)}{at}{place}{quote(''.join(path), safe=punctuation)}"


@lru_cache(maxsize=1024)
def pointed(url: str) -> str:
    """Where an address points, `https://host` with the port that it names: of what may hold secrets, what may be shown.

    Errors: ValueError for none that can be posted to.
    """
    parts, host = _parts(url)
    host = host.encode("idna").decode() if not host.isascii() else host
    if not _HOST.fullmatch(host):
        raise ValueError(NO_ADDRESS)
    place = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{place}" + (f":{parts.port}" if parts.port else "")


def _parts(url: str) -> tuple[SplitResult, str]:
    """An address in parts, and its host. Errors: ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError(NO_ADDRESS)
    return parts, parts.hostname


def _trust() -> bytes:
    """Whom to believe, as PEM. Errors: OSError."""
    import certifi

    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    found = []
    if file or not folder:
        found.append(Path(file or certifi.where()).read_bytes())
    for path in sorted(Path(folder).iterdir()) if folder else ():
        with suppress(OSError):  # a folder, or what is not for us
            found.append(path.read_bytes())
    trusted = [each for each in found if _CERTIFICATE in each]
    if not trusted:
        raise FileNotFoundError("no certificate is there")
    return b"\n".join(trusted)


def _client(trust: bytes) -> "wreq.Client":
    from wreq import CertStore, Client, Runtime, redirect

    return Client(
        runtime=Runtime(workers=1),  # more would only wait for each other, and for the interpreter
        user_agent=f"reporter/{__version__}",
        headers={"accept": "*/*", "accept-encoding": "identity"},
        redirect=redirect.Policy.none(),
        cookie_store=False,
        no_proxy=True,
        http1_only=True,
        gzip=False,
        brotli=False,
        deflate=False,
        zstd=False,
        tls_verify=CertStore.from_pem_stack(trust),
        pool_idle_timeout=timedelta(seconds=KEPT_S),
        pool_max_idle_per_host=IDLE_MAX,
        pool_max_size=IDLE_MAX,
    )


def _unreadable() -> tuple[type[Exception], ...]:
    """What reading certificates may fail with."""
    return OSError, *_troubles()


def _troubles() -> tuple[type[Exception], ...]:
    """All that a request may fail with: wreq's errors have no ancestor of their own."""
    from wreq import exceptions

    return tuple(getattr(exceptions, name) for name in exceptions.__all__)


async def _beginning(answer: "wreq.Response") -> bytes:
    """The body, no more of it than `ANSWER_BYTES_MAX`."""
    length = answer.content_length
    if length == 0:  # to ask for it would be nearly a fifth of what sending a notice costs
        return b""
    if length is not None and length <= ANSWER_BYTES_MAX:
        return bytes(await answer.bytes())
    read = bytearray()
    async with answer.stream() as stream:
        async for chunk in stream:
            if isinstance(chunk, memoryview):  # and no trailers
                read += chunk
            if len(read) > ANSWER_BYTES_MAX:
                break
    return bytes(read[:ANSWER_BYTES_MAX])


def _seconds(retry_after: str) -> float:
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
