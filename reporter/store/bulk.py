"""Many rows in one call, on the paths that arm and judge.

Rows go to the driver as they are, already in the form that is stored (microseconds, JSON text): preparing parameters
one by one took as long as everything else together. SQLite gets many rows in one statement, which runs without the
interpreter's lock, so that others go on meanwhile; a row at a time, it would have to get the lock back for each.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain

from sqlalchemy import Table
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.store import onevisit
from reporter.store.onevisit import Row, Statement

ROWS_A_STATEMENT = (500, 50)
"""Rows that SQLite takes by one statement; what is left goes row by row. Few sizes: each is compiled once."""
PARAMETERS_MAX = 32_766
"""SQLite takes no more in one statement."""


class Writing:
    """Rows to be written, in the order in which they are given, by one visit to the database: `done` makes it.

    SQLite's thread is visited once for all; PostgreSQL gets all in one pipeline, and answers once.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._statements: list[Statement] = []

    def insert(
        self, table: Table, columns: tuple[str, ...], rows: Sequence[Row], *, unless_there: bool = False
    ) -> None:
        """Inserts rows, each a tuple in the order of `columns`, in the form that is stored.

        `unless_there`: a row whose key is taken is left as it is.
        """
        dialect = self._connection.dialect
        self._add(rows, lambda count: _insert(table, columns, dialect, count, unless_there))

    def update(
        self, table: Table, changed: tuple[str, ...], keys: tuple[str, ...], rows: Sequence[Row]
    ) -> None:
        """Updates rows by key: each a tuple of the changed columns, then the keys, in the form that is stored."""
        dialect = self._connection.dialect
        self._add(rows, lambda count: _update(table, changed, keys, dialect, count))

    async def done(self) -> None:
        """Writes them. Errors: the database's, as SQLAlchemy says them."""
        statements, self._statements = self._statements, []
        if statements:
            await onevisit.visit(self._connection, statements)

    def delete(self, table: Table, keys: tuple[str, ...], rows: Sequence[Row]) -> None:
        """Deletes what has these keys, each a tuple in the order of `keys`, in the form that is stored."""
        dialect = self._connection.dialect
        if rows:
            self._statements.append((_delete(table, keys, dialect), rows))

    def _add(self, rows: Sequence[Row], statement: Callable[[int], str]) -> None:
        """Adds what writes all rows; `statement` is asked for the one that takes so many at once."""
        done = 0
        for count in ROWS_A_STATEMENT if self._connection.dialect.name == "sqlite" else ():
            if (whole := (len(rows) - done) // count) and count * len(rows[0]) <= PARAMETERS_MAX:
                ends = done + whole * count
                values = [
                    tuple(chain.from_iterable(rows[at : at + count])) for at in range(done, ends, count)
                ]
                self._statements.append((statement(count), values))
                done = ends
        if done < len(rows):
            self._statements.append((statement(1), rows[done:]))


async def insert_rows(
    connection: AsyncConnection, table: Table, columns: tuple[str, ...], rows: Sequence[Row]
) -> None:
    """Inserts rows into one table: see `Writing.insert`."""
    writing = Writing(connection)
    writing.insert(table, columns, rows)
    await writing.done()


@lru_cache(maxsize=64)
def _insert(table: Table, columns: tuple[str, ...], dialect: Dialect, count: int, unless_there: bool) -> str:
    quote = dialect.identifier_preparer.quote
    names = ", ".join(quote(table.c[name].name) for name in columns)
    ending = " ON CONFLICT DO NOTHING" if unless_there else ""
    return f"INSERT INTO {quote(table.name)} ({names}) VALUES {_values(dialect, len(columns), count)}{ending}"  # noqa: S608 - names of our own tables


@lru_cache(maxsize=64)
def _update(
    table: Table, changed: tuple[str, ...], keys: tuple[str, ...], dialect: Dialect, count: int
) -> str:
    name, quote = dialect.identifier_preparer.quote(table.name), dialect.identifier_preparer.quote
    columns = [quote(table.c[each].name) for each in (*changed, *keys)]
    if count == 1:
        given = [_mark(dialect)] * len(columns)
    else:
        given = [f"given.column{place}" for place in range(1, len(columns) + 1)]  # as SQLite calls them
    told = [f"{column} = {value}" for column, value in zip(columns, given, strict=True)]
    source = f" FROM (VALUES {_values(dialect, len(columns), count)}) AS given" if count > 1 else ""
    where = " AND ".join(f"{name}.{each}" for each in told[len(changed) :])
    return f"UPDATE {name} SET {', '.join(told[: len(changed)])}{source} WHERE {where}"  # noqa: S608


@lru_cache(maxsize=64)
def _delete(table: Table, keys: tuple[str, ...], dialect: Dialect) -> str:
    quote = dialect.identifier_preparer.quote
    told = " AND ".join(f"{quote(table.c[each].name)} = {_mark(dialect)}" for each in keys)
    return f"DELETE FROM {quote(table.name)} WHERE {told}"  # noqa: S608


def _values(dialect: Dialect, columns: int, rows: int) -> str:
    one = "(" + ", ".join([_mark(dialect)] * columns) + ")"
    return ", ".join([one] * rows)


def _mark(dialect: Dialect) -> str:
    return "?" if dialect.paramstyle == "qmark" else "%s"
