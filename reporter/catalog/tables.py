"""Reading a table of a schedule file: each value is asked for by key and kind, each problem has its place.

Reading never stops at a problem. What nobody asked for is a problem too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, TypeVar, overload

_T = TypeVar("_T")

_KINDS: Final[Mapping[type, str]] = {
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    date: "a date such as 2021-02-05",
    datetime: "an instant with offset such as 2021-03-01T14:00:00+08:00",
    dict: "a table",
    list: "an array",
}
_YEAR_MIN: Final = 1970
_YEAR_MAX: Final = 2199


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file is refused. `table` is a path such as `edition[2021-02-05].obligation[initial]`."""

    file: str
    table: str
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.table, self.key, self.message) if part)


class Table:
    """A table with its place, the table around it, and the list of problems they share."""

    def __init__(
        self,
        values: Mapping[str, object],
        file: str,
        path: str,
        problems: list[Problem],
        around: "Table | None" = None,
    ) -> None:
        self.path = path
        self.is_sound = True
        """Nothing in this table, or in those inside it, has been refused so far."""
        self._values = values
        self._file = file
        self._problems = problems
        self._around = around
        self._asked: set[str] = set()

    def refuse(self, key: str, message: str) -> None:
        """Notes a problem with `key` of this table."""
        self._problems.append(Problem(self._file, self.path, key, message))
        table: Table | None = self
        while table is not None:
            table.is_sound = False
            table = table._around

    def close(self) -> None:
        """Refuses every key that was not asked for."""
        for key in self._values:
            if key not in self._asked:
                self.refuse(key, f"unknown key; this table knows {', '.join(sorted(self._asked))}")

    def has(self, key: str) -> bool:
        """Whether the key stands in the table at all."""
        self._asked.add(key)
        return key in self._values

    def names(self) -> Iterator[str]:
        """The keys, for tables whose keys are names; each counts as asked for."""
        self._asked.update(self._values)
        yield from self._values

    @overload
    def value(self, key: str, kind: type[_T]) -> _T | None: ...
    @overload
    def value(self, key: str, kind: type[_T], default: _T) -> _T: ...
    def value(self, key: str, kind: type[_T], default: _T | None = None) -> _T | None:
        """The value of exactly that kind; without a default, the key is required."""
        if not self.has(key):
            if default is None:
                self.refuse(key, f"missing; expected {_KINDS[kind]}")
            return default
        value = self._values[key]
        # Exactly: `true` is no number, and a date with a time of day is no date.
        if type(value) is not kind:
            self.refuse(key, f"expected {_KINDS[kind]}, not {value!r}")
            return default
        return value

    def text(self, key: str) -> str:
        """A required string that is not blank, stripped; empty where it could not be read."""
        value = self.value(key, str)
        if value is not None and not value.strip():
            self.refuse(key, "must not be blank")
        return (value or "").strip()

    def instant(self, key: str) -> datetime | None:
        """A required instant with offset, in the years 1970 to 2199, in UTC."""
        value = self.value(key, datetime)
        if value is None:
            return None
        if value.tzinfo is None:
            self.refuse(key, f"needs an offset, as in {value.isoformat()}+08:00")
            return None
        if not _YEAR_MIN <= value.year <= _YEAR_MAX:
            self.refuse(key, f"lies outside the years {_YEAR_MIN} to {_YEAR_MAX}")
            return None
        return value.astimezone(UTC)

    def words(self, key: str, allowed: Sequence[str]) -> tuple[str, ...]:
        """A required array of distinct words out of `allowed`, at least one."""
        values = self.value(key, list)
        if values is None:
            return ()
        if not values:
            self.refuse(key, f"must name at least one of {', '.join(allowed)}")
        for place, word in enumerate(values):
            if word not in allowed:
                self.refuse(key, f"{word!r} is not one of {', '.join(allowed)}")
            elif word in values[:place]:
                self.refuse(key, f"{word!r} stands there twice")
        return tuple(word for word in values if word in allowed)

    def table(self, key: str) -> "Table | None":
        """A required table inside this one."""
        values = self.value(key, dict)
        return None if values is None else self._inner(key, values)

    def tables(self, key: str, *, named_by: str = "", required: bool = True) -> list["Table"]:
        """An array of tables, each called by its `named_by` key where that is readable, else its number."""
        values = self.value(key, list) if required else self.value(key, list, default=[])
        if required and values == []:
            self.refuse(key, "must not be empty")
        inner = []
        for number, each in enumerate(values or (), start=1):
            place = f"{key}[#{number}]"
            if type(each) is not dict:
                self.refuse(key, f"number {number} is not a table")
                continue
            name = each.get(named_by)
            if isinstance(name, str | date) and str(name):
                place = f"{key}[{name}]"
            inner.append(self._inner(place, each))
        return inner

    def _inner(self, place: str, values: Mapping[str, object]) -> "Table":
        return Table(values, self._file, f"{self.path}.{place}" if self.path else place, self._problems, self)
