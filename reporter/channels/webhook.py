"""The webhook: the notice as JSON, posted to an address. The next hop's 2xx is `accepted`, no more.

Headers follow Standard Webhooks: `webhook-id` is the notice's id, the same at every attempt, and
`webhook-timestamp` the second of this one. httpx costs a tenth of a second to import: it is at first use.
"""

import asyncio
import json
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Final

from reporter import __version__
from reporter.channels.contract import ChannelError, Message, Receipt
from reporter.core.roster import WEBHOOK
from reporter.core.terms import NoticeState
from reporter.settings import Settings
from reporter.timesource import SystemTime

if TYPE_CHECKING:
    import httpx

CONNECTIONS_MAX: Final = 64
ANSWER_BYTES_MAX: Final = 64 * 1024
WORTH_TRYING_AGAIN: Final = {408, 425, 429}


class Webhook:
    """Posts to any http(s) address. One client for all: connections are kept and bounded.

    Redirects are not followed, cookies not kept, and proxies of the environment not used: the address in the
    roster is where a notice goes. Private certificate authorities are named by `SSL_CERT_FILE`.
    """

    name = WEBHOOK

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._client: httpx.AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def send(self, message: Message) -> Receipt:
        client = await self._open()
        from httpx import HTTPError, InvalidURL, UnsupportedProtocol

        document = {**message.payload, "subject": message.subject, "text": message.text}
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            "content-type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(int(SystemTime().now().timestamp())),
        }
        try:
            async with asyncio.timeout(self._timeout_s):
                status = await _post(client, message.address, body, headers)
        except TimeoutError as error:
            msg = f"no answer within {self._timeout_s:g} s"
            raise ChannelError(msg, permanent=False) from error
        except (InvalidURL, UnsupportedProtocol) as error:
            msg = "not an address that can be posted to"
            raise ChannelError(msg, permanent=True) from error
        except HTTPError as error:
            # The type only: an httpx message may quote the address, which may hold a password.
            raise ChannelError(type(error).__name__, permanent=False) from error
        if 200 <= status < 300:
            return Receipt(NoticeState.ACCEPTED, detail=f"HTTP {status}")
        permanent = 400 <= status < 500 and status not in WORTH_TRYING_AGAIN
        raise ChannelError(f"HTTP {status}", permanent=permanent)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _open(self) -> "httpx.AsyncClient":
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(_client, self._timeout_s)
            return self._client


def _client(timeout_s: float) -> "httpx.AsyncClient":
    import httpx

    return httpx.AsyncClient(
        timeout=timeout_s,
        limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX),
        follow_redirects=False,
        trust_env=False,
        verify=httpx.create_ssl_context(),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"user-agent": f"reporter/{__version__}", "accept-encoding": "identity"},
    )


async def _post(client: "httpx.AsyncClient", url: str, body: bytes, headers: dict[str, str]) -> int:
    """The status of the answer. The rest is read up to a limit, so that the connection can be kept."""
    async with client.stream("POST", url, content=body, headers=headers) as answer:
        size = 0
        async for chunk in answer.aiter_raw():
            size += len(chunk)
            if size > ANSWER_BYTES_MAX:
                break
        return answer.status_code


def make(settings: Settings) -> Webhook:
    return Webhook(settings.webhook_timeout_s)


CHANNEL = make
