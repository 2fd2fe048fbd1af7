"""Reading the fields of a posted object that is no command: all that is wrong is named at once, by path."""

from collections.abc import Collection, Mapping
from datetime import datetime

from reporter.core.command import Problem
from reporter.core.instants import EXPECTED_ZH, parse
from reporter.desk.auth import Caller
from reporter.desk.problems import forbidden, unfit

TEXT_CHARS_MAX = 2000


class Fields:
    """One body's fields. Null counts as absent. Read them all, then `done()`; until then a bad one reads as absent.

    What no caller reads is refused: a misspelt field would else be believed to be kept.
    """

    def __init__(self, body: Mapping[str, object], *valid: str) -> None:
        self._given = {name: value for name, value in body.items() if value is not None}
        self._problems = [
            Problem(name, f"未知字段 / unknown; valid: {', '.join(valid)}")
            for name in body
            if name not in valid
        ]

    def done(self) -> None:
        """Errors: 422 with everything that was wrong."""
        if self._problems:
            raise unfit(self._problems)

    def text(self, name: str, *, required: bool = False) -> str | None:
        """Text without blanks around it; blank text is absent."""
        value = self._given.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            self._missing(name, required=required)
            return None
        if not isinstance(value, str) or len(value) > TEXT_CHARS_MAX:
            self._refuse(
                name, f"文本，最多 {TEXT_CHARS_MAX} 字 / text of at most {TEXT_CHARS_MAX} characters"
            )
            return None
        return value.strip()

    def word(self, name: str, valid: Collection[str], *, required: bool = False) -> str | None:
        """One of a few words."""
        value = self._given.get(name)
        if value is None:
            self._missing(name, required=required)
            return None
        if not isinstance(value, str) or value not in valid:
            self._refuse(name, f"取值 / must be one of {', '.join(valid)}")
            return None
        return value

    def flag(self, name: str, *, required: bool = False) -> bool | None:
        """True or false."""
        value = self._given.get(name)
        if value is None:
            self._missing(name, required=required)
        elif isinstance(value, bool):
            return value
        else:
            self._refuse(name, "true 或 false / must be true or false")
        return None

    def count(self, name: str, most: int) -> int | None:
        """A whole number from 0 to `most`."""
        value = self._given.get(name)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
            return value
        self._refuse(name, f"整数 0–{most} / must be a whole number from 0 to {most}")
        return None

    def instant(self, name: str, *, required: bool = False) -> datetime | None:
        """RFC 3339 with offset."""
        value = self._given.get(name)
        if value is None:
            self._missing(name, required=required)
            return None
        try:
            return parse(value)
        except ValueError as error:
            self._refuse(name, f"{EXPECTED_ZH} / {error}")
            return None

    def texts(self, name: str) -> tuple[str, ...] | None:
        """A list of texts."""
        value = self._given.get(name)
        if value is None:
            return None
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return tuple(value)
        self._refuse(name, "文本列表 / must be a list of texts")
        return None

    def unit(self, name: str, caller: Caller) -> str:
        """A registered, active unit within the caller's subtree; required. Errors: 403 for one outside of it."""
        value = self._given.get(name)
        unit = caller.tree.resolve(value) if isinstance(value, str) else None
        if unit is None or not caller.tree.node(unit).is_active:
            self._refuse(name, "必填，须为已登记的单位 / required: a registered unit")
            return caller.unit
        if unit not in caller.tree.subtree(caller.unit):
            raise forbidden("该单位不在您的管辖范围 / that unit is not within yours")
        return unit

    def _missing(self, name: str, *, required: bool) -> None:
        if required:
            self._refuse(name, "必填 / required")

    def _refuse(self, name: str, message: str) -> None:
        self._problems.append(Problem(name, message))
