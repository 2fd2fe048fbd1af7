"""One-tap links: `/a/<token>` acknowledges one notice's incident for one person, for two hours, and nothing else.

The token is the notice's id and an expiry, signed; whoever holds it is taken for the person that the notice went to.
It opens no page of the desk. A message is on phones and in mail servers, so it must not be worth stealing.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

VALID_FOR: Final = timedelta(hours=2)
PATH: Final = "/a/"
_PURPOSE: Final = b"reporter acknowledge\n"
_ID, _EXPIRY, _MAC = 16, 5, 16
TOKEN_CHARS: Final = 4 * -(-(_ID + _EXPIRY + _MAC) // 3)


def token(key: bytes, notice_id: str, now: datetime) -> str | None:
    """The token of a notice, good until `VALID_FOR` after `now`; None for an id that is no UUID."""
    try:
        id_ = UUID(notice_id).bytes
    except ValueError:
        return None
    expires_s = int((now + VALID_FOR).timestamp())
    said = id_ + expires_s.to_bytes(_EXPIRY, "big")
    return urlsafe_b64encode(said + _mac(key, said)).rstrip(b"=").decode()


def read(key: bytes, text: str) -> tuple[str, datetime] | None:
    """The notice's id and until when the link holds, which may be past; None for what this key has not signed."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    said, mac = raw[: _ID + _EXPIRY], raw[_ID + _EXPIRY :]
    if len(raw) != _ID + _EXPIRY + _MAC or not hmac.compare_digest(mac, _mac(key, said)):
        return None
    expires_s = int.from_bytes(said[_ID:], "big")
    return str(UUID(bytes=said[:_ID])), datetime.fromtimestamp(expires_s, UTC)


def url(public_url: str, key: bytes, notice_id: str, now: datetime) -> str | None:
    """The link of a notice at the address where people reach the desk."""
    signed = token(key, notice_id, now)
    return None if signed is None else f"{public_url.rstrip('/')}{PATH}{signed}"


def _mac(key: bytes, said: bytes) -> bytes:
    return hmac.digest(key, _PURPOSE + said, sha256)[:_MAC]
