"""As few visits to the database as there can be: one for a statement of SQLite's, one for many that only write.

SQLAlchemy's cursor for aiosqlite goes there four times for a statement: to make a cursor, run it, fetch, close. Every
visit waits for that thread and then for the event loop, which under load is most of what a short statement takes.
Everything is read at once, as there; whoever wants rows bit by bit asks for a stream, which is SQLAlchemy's own.

`visit` runs many statements that return nothing in one go: past SQLAlchemy, which runs one at a time, yet with its
errors.
"""

import sqlite3
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any  # DBAPI's parameters and rows have no narrower type

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.util import EMPTY_DICT

Row = tuple[Any, ...]
Statement = tuple[str, Sequence[Row]]
"""What the driver runs, once for each of the rows that follow."""
STATEMENT_CHARS_SHOWN = 100


@dataclass(slots=True)
class _Done:
    """What a cursor says after its statement, in place of a cursor."""

    description: Any = None
    rowcount: int = -1
    lastrowid: int | None = None
    arraysize: int = 1


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    __slots__ = ()
    _awaitable_cursor_close = False  # there is nothing to close: the visit did

    def __init__(self, adapt_connection: "_Connection") -> None:
        self._adapt_connection = adapt_connection
        self._connection = adapt_connection._connection
        self._cursor: Any = _Done()
        self._soft_closed_memoized = EMPTY_DICT
        self._rows = deque()

    def close(self) -> None:
        self._rows.clear()

    async def _execute_async(self, operation: Any, parameters: Any) -> None:
        await self._visit("execute", operation, () if parameters is None else parameters)

    async def _executemany_async(self, operation: Any, seq_of_parameters: Any) -> None:
        await self._visit("executemany", operation, seq_of_parameters)

    async def _visit(self, method: str, operation: str, parameters: Any) -> None:
        connection = self._connection
        async with self._adapt_connection._execute_mutex:
            visit = connection._execute(_run, connection._conn, method, operation, parameters)
            self._cursor, self._rows = await visit


def _run(
    connection: sqlite3.Connection, method: str, operation: str, parameters: Any
) -> tuple[_Done, deque[Any]]:
    """The whole of a statement, in the connection's thread."""
    cursor = connection.cursor()
    try:
        getattr(cursor, method)(operation, parameters)
        rows = deque(cursor.fetchall() if cursor.description else ())
        return _Done(cursor.description, cursor.rowcount, cursor.lastrowid), rows
    finally:
        cursor.close()


class _Connection(AsyncAdapt_aiosqlite_connection):
    __slots__ = ()
    _cursor_cls: type[AsyncAdapt_aiosqlite_cursor] = _Cursor


class _Dbapi(AsyncAdapt_aiosqlite_dbapi):
    def connect(self, *args: Any, **options: Any) -> _Connection:
        return _Connection(self, super().connect(*args, **options)._connection)


DBAPI = _Dbapi(aiosqlite, sqlite3)
"""For `create_async_engine(…, module=…)`."""


async def visit(connection: AsyncConnection, statements: Sequence[Statement]) -> None:
    """Runs statements that return nothing, in their order. Errors: the database's, as SQLAlchemy says them."""
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection
    try:
        if connection.dialect.name == "sqlite":
            await driver._execute(_run_all, driver._conn, statements)
        else:
            async with driver.pipeline(), driver.cursor() as cursor:
                for statement, rows in statements:
                    await cursor.executemany(statement, rows)
    except BaseException as error:
        base = connection.dialect.loaded_dbapi.Error
        is_lost = not isinstance(error, Exception) or (
            isinstance(error, base) and connection.dialect.is_disconnect(error, raw.dbapi_connection, None)
        )
        if is_lost:  # or it was left in the midst of it: nobody can go on with this connection
            await connection.invalidate(error)
        if not isinstance(error, base):
            raise
        text = "; ".join(statement[:STATEMENT_CHARS_SHOWN] for statement, _ in statements)
        raise DBAPIError.instance(
            text, None, error, base, connection_invalidated=is_lost, dialect=connection.dialect
        ) from error


def _run_all(connection: sqlite3.Connection, statements: Sequence[Statement]) -> None:
    """All of them, in the connection's thread."""
    cursor = connection.cursor()
    try:
        for statement, rows in statements:
            cursor.executemany(statement, rows)
    finally:
        cursor.close()
