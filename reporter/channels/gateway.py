"""The templates of an SMS gateway's account: what stands between `{{` and `}}` is escaped for where it stands.

`{"to": "{{ phone }}", "content": "{{ text }}"}` stays JSON whatever the text holds, an address stays an
address, a header one line. Signatures are made by functions: `hmac_sha256(key, text)` and its kin answer
bytes, and `hex(…)` or `base64(…)` write them out.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache
from typing import Final
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Medium(StrEnum):
    """Where a text is put, and so how it is escaped."""

    URL = "url"
    HEADER = "header"
    JSON = "json"
    FORM = "form"
    XML = "xml"
    PLAIN = "plain"


CONTENT_TYPES: Final = {
    Medium.JSON: "application/json; charset=utf-8",
    Medium.FORM: "application/x-www-form-urlencoded; charset=utf-8",
    Medium.XML: "application/xml; charset=utf-8",
    Medium.PLAIN: "text/plain; charset=utf-8",
}


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _digest(name: str) -> Callable[[object], bytes]:
    return lambda text: hashlib.new(name, _bytes(text), usedforsecurity=False).digest()


def _mac(name: str) -> Callable[[object, object], bytes]:
    return lambda key, text: hmac.digest(_bytes(key), _bytes(text), name)


FUNCTIONS: Final[dict[str, Callable[..., object]]] = {
    "hex": lambda value: _bytes(value).hex(),
    "base64": lambda value: base64.b64encode(_bytes(value)).decode(),
    "percent": lambda value: quote(str(value), safe="-_.~"),
    **{name: _digest(name) for name in ("md5", "sha1", "sha256", "sm3")},
    **{f"hmac_{name}": _mac(name) for name in ("md5", "sha1", "sha256", "sm3")},
}
"""What a template may call. `sm3` (GB/T 32905) works where this machine's OpenSSL has it."""


def _header(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


ESCAPES: Final[dict[Medium, Callable[[str], str]]] = {
    Medium.URL: lambda text: quote(text, safe=""),
    Medium.HEADER: _header,
    Medium.JSON: lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    Medium.FORM: quote_plus,
    Medium.XML: lambda text: escape(text, {'"': "&quot;", "'": "&apos;"}),
    Medium.PLAIN: str,
}


@lru_cache(maxsize=len(Medium))
def _environment(medium: Medium) -> ImmutableSandboxedEnvironment:
    escaped = ESCAPES[medium]
    environment = ImmutableSandboxedEnvironment(
        autoescape=False,  # nothing here is HTML; each medium has its own escape
        undefined=StrictUndefined,
        finalize=lambda value: value if medium is Medium.PLAIN else escaped(str(value)),
        keep_trailing_newline=True,
    )
    environment.globals = dict(FUNCTIONS)
    return environment


@lru_cache(maxsize=256)
def template(source: str, medium: Medium) -> Template:
    """The template. Errors: ValueError for one that is none."""
    try:
        return _environment(medium).from_string(source)
    except TemplateError as error:
        msg = f"not a template: {error}"
        raise ValueError(msg) from None
