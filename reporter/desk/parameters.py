"""Reading query parameters as strictly as bodies: all that is wrong is named at once.

A misspelt filter is an error, since an audit that silently ignored `untill=` would be believed.
"""

import base64
import re
from collections.abc import Collection
from datetime import date, datetime

from fastapi import Request

from reporter.core.command import Problem
from reporter.core.instants import EXPECTED_ZH, parse
from reporter.desk.auth import Caller
from reporter.desk.problems import forbidden, not_found, unfit
from reporter.store.queries import Scope
from reporter.timesource import from_micros, micros

_MONTH = re.compile(r"(?:19[7-9]\d|2[01]\d\d)-(?:0[1-9]|1[0-2])", re.ASCII)
_YEARS = (1970, 2199)
_TEXT_CHARS_MAX = 200
_DIGITS_MAX = 15


class Parameters:
    """One request's query parameters. An empty value counts as absent. Read them all, then `done()`."""

    def __init__(self, request: Request, *valid: str) -> None:
        self._given = {name: value for name, value in request.query_params.items() if value}
        self._problems: list[Problem] = []
        for name in request.query_params:
            if name not in valid:
                self._refuse(name, f"未知参数 / unknown; valid: {', '.join(valid) or '(none)'}")
            elif len(request.query_params.getlist(name)) > 1:
                self._refuse(name, "只能出现一次 / may be given once only")

    def done(self) -> None:
        """Errors: 422 with everything that was wrong."""
        if self._problems:
            raise unfit(list(dict.fromkeys(self._problems)))

    def word(self, name: str, valid: Collection[str]) -> str | None:
        """One of a few words."""
        value = self._given.get(name)
        if value is not None and value not in valid:
            self._refuse(name, f"取值 / must be one of {', '.join(valid)}")
        return value

    def text(self, name: str) -> str | None:
        """Any text of bounded length."""
        value = self._given.get(name)
        if value is not None and (len(value) > _TEXT_CHARS_MAX or "\0" in value):
            self._refuse(
                name, f"文本最多 {_TEXT_CHARS_MAX} 字 / text of at most {_TEXT_CHARS_MAX} characters"
            )
        return value

    def instant(self, name: str) -> datetime | None:
        """RFC 3339 with offset; the space that an unescaped `+` has become is forgiven."""
        value = self._given.get(name)
        if value is None:
            return None
        try:
            return parse(re.sub(r" (\d\d:\d\d)$", r"+\1", value) if value.count(":") > 2 else value)
        except ValueError as error:
            self._refuse(name, f"{EXPECTED_ZH} / {error}")
            return None

    def count(self, name: str, default: int, most: int) -> int:
        """A whole number from 1 to `most`."""
        value = self._given.get(name)
        if value is None:
            return default
        if value.isascii() and value.isdecimal() and len(value) < 10 and 1 <= int(value) <= most:
            return int(value)
        self._refuse(name, f"整数 1–{most} / must be a whole number from 1 to {most}")
        return default

    def month(self, name: str, default: str = "") -> str:
        """`YYYY-MM`, required where there is no default."""
        value = self._given.get(name, default)
        if not is_month(value):
            self._refuse(name, "必填，格式 YYYY-MM / required, as YYYY-MM")
        return value

    def day(self, name: str) -> date | None:
        """A day, as ISO 8601 has it."""
        value = self._given.get(name)
        if value is None:
            return None
        try:
            found = date.fromisoformat(value)
        except ValueError:
            found = date.min
        if not _YEARS[0] <= found.year <= _YEARS[1]:
            self._refuse(name, "格式 YYYY-MM-DD / must be a day, as YYYY-MM-DD")
            return None
        return found

    def units(self, name: str, caller: Caller) -> Scope:
        """The subtree of the unit named, within the caller's; without one None: all that the caller may see.

        Errors: 403 for a unit that is not the caller's to see.
        """
        code = self._given.get(name)
        if code is None:
            return None
        unit = caller.tree.resolve(code)
        if unit is None:
            self._refuse(name, "没有这个单位 / no such unit")
            return None
        if unit not in caller.tree.subtree(caller.unit):
            raise forbidden("该单位不在您的管辖范围 / that unit is not within yours")
        return None if unit == caller.tree.root else caller.within(unit)

    def place(self, name: str) -> tuple[datetime, str] | None:
        """A cursor of a list of incidents, as `cursor` made it."""
        value = self._given.get(name)
        if value is None:
            return None
        at, _, incident_id = _decoded(value).partition(":")
        if not (at.isascii() and at.isdecimal() and len(at) < 18 and incident_id):
            self._refuse(name, "不是有效的游标 / not a cursor from an earlier answer")
            return None
        return from_micros(int(at)), incident_id

    def _refuse(self, name: str, message: str) -> None:
        self._problems.append(Problem(name, message))


def is_month(text: str) -> bool:
    """Whether it is a month of the years in which instants are read, as `YYYY-MM`."""
    return _MONTH.fullmatch(text) is not None


def path_number(text: str) -> int:
    """The number in a path. Errors: 404."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX):
        raise not_found()
    return int(text)


def cursor(at: datetime, incident_id: str) -> str:
    """The place after an incident in the list, opaque to clients."""
    return base64.urlsafe_b64encode(f"{micros(at)}:{incident_id}".encode()).decode().rstrip("=")


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
    except ValueError:
        return ""
