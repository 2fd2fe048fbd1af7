"""The long tail: any service the library Apprise knows, by its address. Its word is weak: `accepted` at best.

Some of its plugins call a message sent that the other side refused, because they look at the HTTP status
only; for DingTalk, WeCom and Feishu there are channels of our own. It works in threads that cannot be ended
from outside: a few of them, of its own, and who finds all busy waits no longer than one's own time. Its log,
which quotes addresses, is not kept.
"""

import asyncio
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from typing import Final

from pydantic import SecretStr

from reporter.channels.accounts import Account, Accounts, accounts, shown
from reporter.channels.contract import UNNAMED, ChannelError, Message, Receipt, refusal_of
from reporter.core.roster import APPRISE
from reporter.core.terms import NoticeState
from reporter.settings import Settings

THREADS: Final = 8
REFUSED_SCHEMES: Final = frozenset(
    {"dbus", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows", "dingtalk", "feishu", "wecombot"}
)
"""What would only show on the server's own screen, and what has a channel of its own here."""
NO_ADDRESS: Final = "not an address of Apprise"
_SCHEME = re.compile(r"([a-z][a-z0-9]{0,31})://\S+", re.IGNORECASE)


class Service(Account):
    """One service: an address as Apprise writes it, which holds secrets."""

    url: SecretStr


class Apprise:
    """Sends through Apprise."""

    name = APPRISE
    at_once = THREADS

    def __init__(self, services: Accounts[Service], timeout_s: float = 10.0) -> None:
        self._services = self.accounts = services
        self.timeout_s = max(timeout_s, services.timeout_s)
        self._threads = ThreadPoolExecutor(THREADS, "apprise")
        self._free = asyncio.Semaphore(THREADS)
        self._loading = asyncio.Lock()
        self._is_loaded = False
        for name in ("apprise", "urllib3", "requests", "requests_oauthlib"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)

    async def send(self, message: Message) -> Receipt:
        url = self._receiver(message.address)
        await self._load()
        try:
            async with asyncio.timeout(self.timeout_s):
                is_sent = await self._in_thread(url, message)
        except TimeoutError:
            msg = f"no answer within {self.timeout_s:g} s"
            raise ChannelError(msg, permanent=False) from None
        if is_sent is None:
            raise ChannelError(NO_ADDRESS, permanent=True)
        if not is_sent:
            raise ChannelError("Apprise says that it was not sent", permanent=False)
        return Receipt(NoticeState.ACCEPTED, detail="by Apprise, unproved")

    def flaw_of(self, address: str) -> str | None:
        """Not all that it will fail with: whether a plugin takes the address, only the library knows, once loaded."""
        return refusal_of(self._receiver, address)

    def account_of(self, address: str) -> str:
        """Of a URL no more than the scheme, since even its host may be a token."""
        if "://" not in address:
            return shown(address)
        found = _SCHEME.fullmatch(address)
        return f"{found[1].lower()}://{UNNAMED}" if found else UNNAMED

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _receiver(self, address: str) -> str:
        """The service's address. Errors: ChannelError, permanent."""
        url = address if "://" in address else self._services.of(address).url.get_secret_value()
        found = _SCHEME.fullmatch(url)
        if found is None:
            raise ChannelError(NO_ADDRESS, permanent=True)
        if found[1].lower() in REFUSED_SCHEMES:
            raise ChannelError(f"{found[1].lower()}:// has no place here", permanent=True)
        return url

    async def _load(self) -> None:
        """Imports the library, which takes a second."""
        async with self._loading:
            if not self._is_loaded:
                await asyncio.to_thread(import_module, "apprise")
                self._is_loaded = True

    async def _in_thread(self, url: str, message: Message) -> bool | None:
        """A thread counts as taken until it has ended, also when nobody waits for it any more."""
        loop = asyncio.get_running_loop()
        await self._free.acquire()

        def done(_: object) -> None:
            with suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(self._free.release)

        try:
            sending = self._threads.submit(_send, url, message.subject, message.text, self.timeout_s)
        except RuntimeError as error:  # closed
            self._free.release()
            raise ChannelError("the channel has been closed", permanent=False) from error
        sending.add_done_callback(done)
        return await asyncio.wrap_future(sending)


def _send(url: str, subject: str, text: str, timeout_s: float) -> bool | None:
    """In a thread: whether it was sent; None for an address that no plugin takes. Raises nothing that tells."""
    import apprise

    try:
        asset = apprise.AppriseAsset(
            app_id="Reporter", app_desc="Reporter", app_url="", async_mode=False, plugin_paths=[]
        )
        service = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
        if service is None:
            return None
        service.socket_connect_timeout = min(4.0, timeout_s)
        service.socket_read_timeout = timeout_s
        return bool(service.notify(body=text, title=subject, body_format=apprise.NotifyFormat.TEXT))
    except Exception:  # whatever a plugin raises may quote its address
        return False


def make(settings: Settings) -> Apprise:
    return Apprise(accounts(settings, APPRISE, Service), settings.webhook_timeout_s)


CHANNEL = make
