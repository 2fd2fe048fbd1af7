"""Many rows in one call, on the paths that arm and judge.

Rows go to the driver as they are, already in the form that is stored (microseconds, JSON text): preparing parameters
one by one took as long as everything else together.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any  # what a driver takes

from sqlalchemy import Table
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection

Row = tuple[Any, ...]
ROWS_A_STATEMENT = 500
"""Rows that SQLite inserts by one statement: it runs without the interpreter's lock, so that others go on meanwhile."""
PARAMETERS_MAX = 32_766
"""SQLite takes no more in one statement."""


async def insert_rows(
    connection: AsyncConnection, table: Table, columns: tuple[str, ...], rows: Sequence[Row]
) -> None:
    """Inserts rows, each a tuple in the order of `columns`, in the form that is stored."""
    dialect = connection.dialect
    at_once = (
        min(ROWS_A_STATEMENT, PARAMETERS_MAX // len(columns)) if dialect.name == "sqlite" else len(rows) + 1
    )
    done = 0
    while len(rows) - done >= at_once:
        group = rows[done : done + at_once]
        await connection.exec_driver_sql(
            _insert(table, columns, dialect, at_once), tuple(chain.from_iterable(group))
        )
        done += at_once
    if done < len(rows):
        await connection.exec_driver_sql(_insert(table, columns, dialect), list(rows[done:]))


async def update_rows(
    connection: AsyncConnection,
    table: Table,
    changed: tuple[str, ...],
    keys: tuple[str, ...],
    rows: Sequence[Row],
) -> None:
    """Updates rows by key: each a tuple of the changed columns, then the keys, in the form that is stored."""
    if rows:
        await connection.exec_driver_sql(_update(table, changed, keys, connection.dialect), list(rows))


@lru_cache(maxsize=64)
def _insert(table: Table, columns: tuple[str, ...], dialect: Dialect, rows: int = 1) -> str:
    quote = dialect.identifier_preparer.quote
    names = ", ".join(quote(table.c[name].name) for name in columns)
    marks = "(" + ", ".join([_mark(dialect)] * len(columns)) + ")"
    values = ", ".join([marks] * rows)
    return f"INSERT INTO {quote(table.name)} ({names}) VALUES {values}"  # noqa: S608 - names of our own tables


@lru_cache(maxsize=64)
def _update(table: Table, changed: tuple[str, ...], keys: tuple[str, ...], dialect: Dialect) -> str:
    quote, mark = dialect.identifier_preparer.quote, _mark(dialect)
    values = ", ".join(f"{quote(table.c[name].name)} = {mark}" for name in changed)
    where = " AND ".join(f"{quote(table.c[name].name)} = {mark}" for name in keys)
    return f"UPDATE {quote(table.name)} SET {values} WHERE {where}"  # noqa: S608


def _mark(dialect: Dialect) -> str:
    return "?" if dialect.paramstyle == "qmark" else "%s"
