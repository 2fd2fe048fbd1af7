"""Text messages through an HTTP gateway, whatever its interface: address, headers and body are templates.

The settings hold them, with the secrets they sign with; success is told by the status and by a value of the
answer (`ok_path` in JSON with `ok_values`, or a pattern). The text is the short form: one line, one language.
"""

import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC
from typing import Annotated, Final, Literal

from jinja2 import TemplateError
from pydantic import AfterValidator, Field, SecretStr, model_validator

from reporter.channels.accounts import Account, Accounts, accounts, scrubbed
from reporter.channels.contract import ChannelError, Message, Receipt, refusal_of
from reporter.channels.gateway import CONTENT_TYPES, Medium, template
from reporter.channels.posting import Answer, Poster
from reporter.core.terms import NoticeState
from reporter.settings import Settings
from reporter.timesource import SystemTime

NAME: Final = "sms"
_NUMBER = re.compile(r"\+?[0-9][0-9 -]{2,30}")


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        msg = f"not a pattern: {error}"
        raise ValueError(msg) from None
    return value


class Gateway(Account):
    """One gateway. Templates know `phone`, `text` (short), `long_text`, `subject`, `id`, `now` and its forms
    `timestamp`, `timestamp_ms`, `timestamp_iso`, a `nonce`, what `secrets` names, and, in headers, `body`.
    """

    url: Annotated[str, Field(pattern=r"^https?://[^\s/{]+")]
    method: Literal["POST", "GET", "PUT"] = "POST"
    form: Medium = Medium.JSON
    headers: Mapping[str, str] = {}
    body: str = ""
    secrets: Mapping[str, SecretStr] = {}
    ok_status: tuple[int, ...] = (200,)
    ok_path: str | None = None
    ok_values: tuple[str, ...] = ()
    ok_pattern: Annotated[str, AfterValidator(_pattern)] | None = None
    never_values: tuple[str, ...] = ()
    id_path: str | None = None
    message_path: str | None = None
    at_once: Annotated[int, Field(ge=1, le=32)] = 32

    @property
    def places(self) -> int:
        return self.at_once

    @model_validator(mode="after")
    def _fits(self) -> "Gateway":
        if self.form not in CONTENT_TYPES:
            msg = f"form: one of {', '.join(CONTENT_TYPES)}"
            raise ValueError(msg)
        if bool(self.ok_path) != bool(self.ok_values):
            msg = "ok_path and ok_values belong together"
            raise ValueError(msg)
        template(self.url, Medium.URL)
        template(self.body, self.form)
        for value in self.headers.values():
            template(value, Medium.HEADER)
        return self


class Sms:
    """Sends text messages, through each gateway no more at once than it takes."""

    name = NAME

    def __init__(self, gateways: Accounts[Gateway]) -> None:
        self._gateways = self.accounts = gateways
        self._poster = Poster()
        self.timeout_s = gateways.timeout_s
        self.at_once = gateways.at_once
        self.part = gateways.part
        self.account_of = gateways.account_of

    async def send(self, message: Message) -> Receipt:
        gateway, number = self._receiver(message.address)
        async with self._gateways.place(gateway):
            # Only now: a signature holds for as long as the gateway likes.
            url, headers, body = _request(gateway, number, message)
            answer = await self._poster.send(gateway.method, url, body, headers, gateway.timeout_s)
        return _receipt(gateway, answer)

    def flaw_of(self, address: str) -> str | None:
        return refusal_of(self._receiver, address)

    async def close(self) -> None:
        await self._poster.close()

    def _receiver(self, address: str) -> tuple[Gateway, str]:
        """Through whom, and the number in digits. Errors: ChannelError, permanent."""
        gateway, number = self._gateways.split(address)
        if not _NUMBER.fullmatch(number):
            msg = "not a telephone number"
            raise ChannelError(msg, permanent=True)
        return gateway, re.sub("[ -]", "", number)


def _request(gateway: Gateway, phone: str, message: Message) -> tuple[str, dict[str, str], bytes]:
    """Address, headers and body. Errors: ChannelError, permanent, for a template that asks for what there
    is not."""
    now = SystemTime().now().astimezone(UTC)
    known: dict[str, object] = {
        **{name: secret.get_secret_value() for name, secret in gateway.secrets.items()},
        "phone": phone,
        "text": message.short,
        "long_text": message.text,
        "subject": message.subject,
        "id": message.id,
        "now": now,
        "timestamp": str(int(now.timestamp())),
        "timestamp_ms": str(int(now.timestamp() * 1000)),
        "timestamp_iso": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "nonce": secrets.token_hex(16),
    }
    try:
        body = template(gateway.body, gateway.form).render(known)
        known["body"] = body
        url = template(gateway.url, Medium.URL).render(known)
        headers = {
            name: template(value, Medium.HEADER).render(known) for name, value in gateway.headers.items()
        }
    except (TemplateError, ValueError, TypeError) as error:
        # The type only: the text may quote what the template was given.
        msg = f"the gateway's templates cannot be filled: {type(error).__name__}"
        raise ChannelError(msg, permanent=True) from None
    if body and not any(name.lower() == "content-type" for name in headers):
        headers["content-type"] = CONTENT_TYPES[gateway.form]
    return url, headers, body.encode()


def _receipt(gateway: Gateway, answer: Answer) -> Receipt:
    """What the gateway answered. Errors: ChannelError."""
    known = tuple(gateway.secrets.values())
    said = answer.body.decode("utf-8", "replace")
    value = _at(said, gateway.ok_path)
    because = scrubbed(" ".join(filter(None, [value, _at(said, gateway.message_path)])), known)
    if value is not None and value in gateway.never_values:
        raise ChannelError(because, permanent=True)
    if answer.status not in gateway.ok_status:
        refusal = answer.refusal()
        # A success (2xx) that is not the one expected tells nothing for good.
        raise ChannelError(
            f"{refusal} {because}".strip(), permanent=refusal.permanent, retry_after_s=refusal.retry_after_s
        )
    is_ok = gateway.ok_path is None or value in gateway.ok_values
    if is_ok and gateway.ok_pattern is not None:
        is_ok = re.search(gateway.ok_pattern, said) is not None
    if not is_ok:
        raise ChannelError(because or "the gateway's answer is not the one of success", permanent=False)
    return Receipt(
        NoticeState.ACCEPTED,
        provider_id=scrubbed(_at(said, gateway.id_path) or "", known) or None,
        detail=f"HTTP {answer.status}",
    )


def _at(said: str, path: str | None) -> str | None:
    """The value at `data.0.code` of a JSON text, as text; None where there is none."""
    if path is None:
        return None
    try:
        found: object = json.loads(said)
        for part in path.split("."):
            if isinstance(found, list):
                found = found[int(part)]
            elif isinstance(found, dict):
                found = found[part]
            else:
                return None
    except (ValueError, LookupError, RecursionError):
        return None
    if isinstance(found, dict | list) or found is None:
        return None
    return found if isinstance(found, str) else json.dumps(found)


def make(settings: Settings) -> Sms | None:
    gateways = accounts(settings, NAME, Gateway)
    return Sms(gateways) if gateways else None


CHANNEL = make
