"""Passwords: which are refused, how they are kept, and that checking them tells nobody who has an account.

Length is asked for, no mixture of characters: a sentence is easier to keep in mind, and harder to guess.
"""

import asyncio
import secrets
import unicodedata
from functools import cache
from typing import Final

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

CHARS_MIN: Final = 10
CHARS_MAX: Final = 256
HASHING_MAX: Final = 2
"""How many are hashed at a time: each takes 64 MiB and a tenth of a second."""

_HASHER: Final = PasswordHash((Argon2Hasher(time_cost=3, memory_cost=65536, parallelism=4),))
_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"
"""Without l, o, 0 and 1, which are mistaken for one another when read out."""

_COMMON: Final = frozenset(
    """
    0123456789 1234567890 12345678910 1234567891 123456789a a123456789 a1234567890 aa123456789 abc123456789
    0987654321 9876543210 987654321a 1122334455 1111122222 1234554321 1231231231 123123123123 123456123456
    1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx3edc 1qaz@wsx3edc 1qazxsw23edc qazwsxedcrfv zaq12wsxcde3 q1w2e3r4t5
    qwertyuiop qwerty1234 qwerty12345 qwerty123456 qwertyuiop123 asdfghjkl1 asdfghjkl; zxcvbnm123 asdf123456
    password12 password123 password1234 password12345 passw0rd123 p@ssw0rd123 p@ssword123 mypassword letmein123
    welcome123 welcome1234 administrator admin12345 admin123456 admin1234567 admin@1234 admin@12345
    admin@123456 root123456 test123456 user123456 guest12345 changeme123 iloveyou123 iloveyou1314 woaini1314
    woaini520 5201314520 woaini1314520 woaini123456 wang123456 zhang123456 zhongguo123 beijing2008 yingjiguanli
    zhibanshi123 reporter123 reporter1234 reporter12345 abcdefghij abcdefghijk abcd123456 abcd1234567
    aaa123456789 qq123456789 q123456789
    """.split()  # noqa: SIM905 - a list of them would be a page long
)


class PasswordRefused(ValueError):
    """A password that will not do; `str` says why, in Chinese and in English."""


def check(password: str, *names: str) -> None:
    """Errors: PasswordRefused for one that is too short, too long, among the commonest, or one of the `names`."""
    text = unicodedata.normalize("NFC", password)
    if len(text) < CHARS_MIN:
        raise PasswordRefused(f"口令至少 {CHARS_MIN} 个字符 / a password has at least {CHARS_MIN} characters")
    if len(text) > CHARS_MAX:
        raise PasswordRefused(f"口令至多 {CHARS_MAX} 个字符 / a password has at most {CHARS_MAX} characters")
    folded = text.casefold()
    is_worn = folded in _COMMON or len(set(folded)) < 4 or folded in {name.casefold() for name in names}
    if is_worn:
        raise PasswordRefused("这个口令太常见，请换一个 / this password is too common: take another")


def made_up() -> str:
    """A password to be handed to somebody: 16 characters that can be read out, 80 bits."""
    text = "".join(secrets.choice(_ALPHABET) for _ in range(16))
    return "-".join(text[at : at + 4] for at in range(0, 16, 4))


class Passwords:
    """Hashes and checks, in threads, a few at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(HASHING_MAX)

    async def hashed(self, password: str) -> str:
        """What is kept of a password."""
        async with self._turn:
            return await asyncio.to_thread(hash_now, password)

    async def matches(self, password: str, kept: str | None) -> bool:
        """Whether it is the password. `kept` None (nobody of that name): takes as long, and is False."""
        text = unicodedata.normalize("NFC", password[: CHARS_MAX + 1])
        async with self._turn:
            decoy = await asyncio.to_thread(_decoy)
            is_right = await asyncio.to_thread(_HASHER.verify, text, kept or decoy)
        return is_right and kept is not None


def hash_now(password: str) -> str:
    """The same, at once: for verbs, which have nobody to keep waiting."""
    return _HASHER.hash(unicodedata.normalize("NFC", password))


@cache
def _decoy() -> str:
    return hash_now(secrets.token_hex(16))
