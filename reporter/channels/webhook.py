"""The webhook: the notice as JSON, posted to an address. The next hop's 2xx is `accepted`, no more.

Headers follow Standard Webhooks 1.0: `webhook-id` is the notice's id, the same at every attempt,
`webhook-timestamp` the second of this one, and `webhook-signature`, where there is a secret, one signature
per secret, so that secrets can be changed without a gap.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import Annotated

import orjson
from pydantic import AfterValidator, SecretStr

from reporter.channels.accounts import DEFAULT, Account, Accounts, WebAddress, accounts, shown
from reporter.channels.contract import UNNAMED, ChannelError, Message, Receipt
from reporter.channels.posting import Poster, pointed
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
    """A receiver by name, or, called `default` and without `url`, the secrets for addresses in the roster."""

    url: WebAddress | None = None
    secrets: tuple[Annotated[SecretStr, AfterValidator(_key)], ...] = ()


def signature(secrets: Sequence[SecretStr], id_: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: of each secret `v1,` and base64, blanks between."""
    signed = f"{id_}.{timestamp}.".encode() + body
    macs = (hmac.digest(_bytes(secret), signed, "sha256") for secret in secrets)
    return " ".join(f"v1,{base64.b64encode(mac).decode()}" for mac in macs)


class Webhook:
    """Posts to any http(s) address."""

    name = WEBHOOK
    at_once = 32

    def __init__(self, timeout_s: float, hooks: Accounts[Hook] | None = None) -> None:
        self.timeout_s = timeout_s
        self._hooks = hooks if hooks is not None else Accounts(WEBHOOK, {})
        self.accounts = [name for name, hook in self._hooks.items() if hook.url is not None]
        self._poster = Poster()

    async def send(self, message: Message) -> Receipt:
        url, secrets = self._receiver(message.address)
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
        if secrets:
            headers["webhook-signature"] = signature(secrets, message.id, timestamp, body)
        answer = await self._poster.send("POST", url, body, headers, self.timeout_s)
        if not answer.is_success:
            raise answer.refusal()
        return Receipt(NoticeState.ACCEPTED, detail=f"HTTP {answer.status}")

    def account_of(self, address: str) -> str:
        if "://" not in address:
            return shown(address)
        try:
            return pointed(address)
        except ValueError:
            return UNNAMED

    async def close(self) -> None:
        await self._poster.close()

    def _receiver(self, address: str) -> tuple[str, tuple[SecretStr, ...]]:
        """Where to post, and what to sign with."""
        if "://" in address:
            hook = self._hooks.get(DEFAULT)
            return address, hook.secrets if hook is not None else ()
        hook = self._hooks.of(address)
        if hook.url is None:
            msg = "not an address that can be posted to"
            raise ChannelError(msg, permanent=True)
        return hook.url, hook.secrets


def make(settings: Settings) -> Webhook:
    return Webhook(settings.webhook_timeout_s, accounts(settings, WEBHOOK, Hook))


CHANNEL = make
