"""The webhook: the notice as JSON, posted to an address. The next hop's 2xx is `accepted`, no more.

Headers follow Standard Webhooks 1.0: `webhook-id` is the notice's id, the same at every attempt,
`webhook-timestamp` the second of this one, and `webhook-signature`, where there is a secret, one signature
per secret, so that secrets can be changed without a gap.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import Annotated, Final

import orjson
from pydantic import AfterValidator, SecretStr

from reporter.channels.accounts import DEFAULT, Account, Accounts, WebAddress, accounts, shown
from reporter.channels.contract import UNNAMED, ChannelError, Message, Receipt, refusal_of
from reporter.channels.posting import NO_ADDRESS, Poster, pointed, postable
from reporter.core.roster import WEBHOOK
from reporter.core.terms import NoticeState
from reporter.settings import Settings
from reporter.timesource import SystemTime

_PREFIX = "whsec_"
_KEY_BYTES = range(24, 65)


def _key(secret: SecretStr) -> SecretStr:
    try:
        size = len(_bytes(secret))
    except binascii.Error:
        size = 0
    if size not in _KEY_BYTES:
        msg = "must be whsec_ and 24 to 64 bytes in base64"
        raise ValueError(msg)
    return secret


def _bytes(secret: SecretStr) -> bytes:
    return base64.b64decode(secret.get_secret_value().removeprefix(_PREFIX), validate=True)


class Hook(Account):
    """A receiver by name, or, called `default` and without `url`, what holds for addresses in the roster."""

    url: WebAddress | None = None
    secrets: tuple[Annotated[SecretStr, AfterValidator(_key)], ...] = ()


_NO_ACCOUNT: Final = Hook()


def signature(secrets: Sequence[SecretStr], id_: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: of each secret `v1,` and base64, blanks between."""
    signed = f"{id_}.{timestamp}.".encode() + body
    macs = (hmac.digest(_bytes(secret), signed, "sha256") for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(mac).decode()}" for mac in macs)


class Webhook:
    """Posts to any http(s) address. `timeout_s` is for those whose account says nothing of its own."""

    name = WEBHOOK
    at_once = 32

    def __init__(self, timeout_s: float, hooks: Accounts[Hook] | None = None) -> None:
        self._hooks = hooks if hooks is not None else Accounts(WEBHOOK, {})
        self._timeout_s = timeout_s
        self.timeout_s = max([timeout_s, *map(self._limit_s, self._hooks.values())])
        self.accounts = [name for name, hook in self._hooks.items() if hook.url is not None]
        self._poster = Poster()

    async def send(self, message: Message) -> Receipt:
        url, hook = self._receiver(message.address)
        document = {**message.payload, "subject": message.subject, "text": message.text}
        if message.link:
            document["link"] = message.link
        if message.ack_url:
            document["ack_url"] = message.ack_url
        body = orjson.dumps(document)
        timestamp = int(SystemTime().now().timestamp())
        headers = {
            "content-type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(timestamp),
        }
        if hook.secrets:
            headers["webhook-signature"] = signature(hook.secrets, message.id, timestamp, body)
        answer = await self._poster.send("POST", url, body, headers, self._limit_s(hook))
        if not answer.is_success:
            raise answer.refusal()
        return Receipt(NoticeState.ACCEPTED, detail=f"HTTP {answer.status}")

    def flaw_of(self, address: str) -> str | None:
        return refusal_of(self._receiver, address)

    def account_of(self, address: str) -> str:
        if "://" not in address:
            return shown(address)
        try:
            return pointed(address)
        except ValueError:
            return UNNAMED

    async def close(self) -> None:
        await self._poster.close()

    def _receiver(self, address: str) -> tuple[str, Hook]:
        """Where to post, and the account that says how. Errors: ChannelError, permanent."""
        if "://" in address:
            return postable(address), self._hooks.get(DEFAULT, _NO_ACCOUNT)
        hook = self._hooks.of(address)
        if hook.url is None:
            raise ChannelError(NO_ADDRESS, permanent=True)
        return postable(hook.url), hook

    def _limit_s(self, hook: Hook) -> float:
        return hook.timeout_s if "timeout_s" in hook.model_fields_set else self._timeout_s


def make(settings: Settings) -> Webhook:
    return Webhook(settings.webhook_timeout_s, accounts(settings, WEBHOOK, Hook))


CHANNEL = make
