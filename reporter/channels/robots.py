"""What the robots of chat groups have in common: HTTP 200 is no success, the number in the body says.

They are noticed in a group, by a token in the address; whom to mention follows in the roster's address:
`dingtalk:ops-group@13800000000`. Without a name there, the person on duty is mentioned by mobile number.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import quote

from pydantic import SecretStr

from reporter.channels.accounts import scrubbed, shown
from reporter.channels.contract import ChannelError, Message, Receipt
from reporter.channels.posting import Answer
from reporter.core.terms import NoticeState

T = TypeVar("T", int, str)
ALL: Final = "all"
AT_ONCE: Final = 8
JSON: Final = {"content-type": "application/json; charset=utf-8"}
_MOBILE = re.compile(r"(?:(?:\+|00)?86)?(1[0-9]{10})")
_BETWEEN = re.compile(r"[\s\u2010-\u2015-]")
"""What people write between the digits of a number."""
_MEANINGFUL: Final = str.maketrans("<>[]*_`~\\|", "＜＞［］＊＿｀～＼｜")
_AT_START = re.compile(r"^\s*([#+=!-]|\d+[.)])")
_WIDE: Final = str.maketrans("#+=!-.)0123456789", "＃＋＝！－．）０１２３４５６７８９")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one maker's robots answer: where number and text stand, and which numbers mean what.

    `busy`: too fast, or not now, with the seconds to wait. `never`: trying again cannot help. Of any other
    number nobody knows, so the message is tried again: rather twice than not at all.
    """

    codes: tuple[str, ...]
    texts: tuple[str, ...]
    busy: Mapping[int, float]
    never: frozenset[int]

    def receipt(self, answer: Answer, secrets: tuple[SecretStr, ...]) -> Receipt:
        """What the answer means. Errors: ChannelError."""
        document = _document(answer.body)
        code = _first(document, self.codes, int)
        if code is None:
            if not answer.is_success:
                raise answer.refusal()
            msg = "HTTP 200, but no answer of a robot"
            raise ChannelError(msg, permanent=False)
        if code == 0 and answer.is_success:
            return Receipt(NoticeState.ACCEPTED, detail="errcode 0")
        said = scrubbed(_first(document, self.texts, str) or "", secrets)
        refusal = answer.refusal()
        raise ChannelError(
            f"{code} {said}".strip(),
            permanent=code in self.never or (refusal.permanent and code not in self.busy),
            retry_after_s=max(self.busy.get(code, 0.0), refusal.retry_after_s),
        )


def _document(body: bytes) -> dict[str, object]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _first(document: Mapping[str, object], keys: tuple[str, ...], kind: type[T]) -> T | None:
    return next((value for key in keys if isinstance(value := document.get(key), kind)), None)


def split(target: str) -> tuple[str, list[str]]:
    """`ops-group@138…@139…` → the account's name, and whom to mention."""
    account, *named = target.split("@")
    return account, [name for name in named if name]


def part(address: str) -> tuple[str, int]:
    """The account, and how many sendings it carries at once: whomever they mention, they go to one group."""
    account, _ = split(address)
    return account, AT_ONCE


def account_of(address: str) -> str:
    """The account's name, as people may see it."""
    account, _ = split(address)
    return shown(account)


def mobiles(message: Message, named: list[str]) -> list[str]:
    """Whom to mention by number: those the address names, else the person on duty.

    The robots know mobile numbers of the mainland in eleven digits; rosters hold them as people write them.
    """
    if named:
        return [_mobile(name) or name for name in named if name != ALL]
    mobile = _mobile(message.phone or "")
    return [] if mobile is None else [mobile]


def _mobile(written: str) -> str | None:
    """The eleven digits of `+86 138-0000-0000`; None for what is no mobile number of the mainland."""
    found = _MOBILE.fullmatch(_BETWEEN.sub("", written))
    return None if found is None else found[1]


def cut(text: str, bytes_max: int) -> str:
    """The text in at most so many bytes of UTF-8: its end may be missing, never half a character."""
    encoded = text.encode()
    if len(encoded) <= bytes_max:
        return text
    return encoded[: bytes_max - 3].decode(errors="ignore") + "…"


def harmless(text: str) -> str:
    """The text with no character that markdown would read as more than itself.

    Nothing says how these dialects escape, so what could act is written full-width: it looks the same to a
    reader and cannot be a link, a mention or a heading, whatever title an event carries.
    """
    text = text.translate(_MEANINGFUL)
    return _AT_START.sub(lambda found: found[0].translate(_WIDE), text)


def markdown(message: Message, newline: str) -> str:
    """The message as markdown: the subject as a heading, then the lines; only our own links are links."""
    ours = [url for url in (message.ack_url, message.link) if url]
    lines = [f"### {harmless(message.subject)}"]
    for line in message.text.splitlines():
        if not line.strip():
            continue
        url = next((url for url in ours if url in line), None)
        before, _, after = line.partition(url) if url else (line, "", "")
        link = f"[{harmless(url)}]({quote(url, safe=':/?&=%#+,;@~.-_')})" if url else ""
        lines.append(harmless(before) + link + harmless(after))
    return newline.join(lines)
