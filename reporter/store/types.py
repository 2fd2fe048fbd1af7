"""Column types that keep what they are given: instants to the microsecond, and compact JSON text."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any  # JSON has no narrower type at a driver's edge

import orjson
from sqlalchemy import BigInteger, Boolean, ColumnElement, Integer, Row, Table, Text, type_coerce
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine, UserDefinedType

from reporter.timesource import from_micros, micros

AnyRow = Row[*tuple[Any, ...]]
"""A row of any columns."""


class UtcDateTime(UserDefinedType[datetime]):
    """An aware instant, kept as microseconds since 1970 UTC: exact, ordered and equal on every database.

    A naive datetime is refused: SQLite would silently drop an offset, and a deadline with it.
    """

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "BIGINT"

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], int | None]:  # noqa: ARG002
        return _bound_instant

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[int | None], datetime | None]:  # noqa: ARG002
        return _read_instant


class JsonText(UserDefinedType[Any]):
    """A JSON document as compact text, the same on every database."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "TEXT"

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str | None]:  # noqa: ARG002
        return document

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | None], Any]:  # noqa: ARG002
        return read_document


def binder(table: Table, columns: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Makes rows of these columns, in the form that is stored, out of mappings of their values."""
    kinds: dict[type[object], Callable[[Any], Any]] = {UtcDateTime: _bound_instant, JsonText: document}
    binds = [(name, kinds.get(type(table.c[name].type))) for name in columns]

    def bound(values: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple([bind(values[name]) if bind else values[name] for name, bind in binds])

    return bound


def as_stored(columns: Iterable[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    """The columns without their types: rows come in the form that is stored, which is half the cost of reading many."""
    plain: dict[type[object], TypeEngine[Any]] = {
        UtcDateTime: BigInteger(),
        JsonText: Text(),
        Boolean: Integer(),
    }
    return [
        type_coerce(column, plain.get(type(column.type), column.type)).label(column.key) for column in columns
    ]


def _bound_instant(value: datetime | None) -> int | None:
    if value is None:
        return None
    if value.tzinfo is None:
        msg = f"a naive datetime cannot be stored: {value!r}"
        raise ValueError(msg)
    return micros(value)


def _read_instant(value: int | None) -> datetime | None:
    return None if value is None else from_micros(value)


def document(value: Any) -> str | None:
    """A value as `JsonText` stores it."""
    return None if value is None else orjson.dumps(value).decode()


def read_document(value: str | None) -> Any:
    """The value that `JsonText` stored."""
    return None if value is None else orjson.loads(value)
