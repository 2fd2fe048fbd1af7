"""SQLite's statements, each in one visit to the thread that owns the connection.

SQLAlchemy's cursor for aiosqlite goes there four times for a statement: to make a cursor, run it, fetch, close. Every
visit waits for that thread and then for the event loop, which under load is most of what a short statement takes.
Everything is read at once, as there; whoever wants rows bit by bit asks for a stream, which is SQLAlchemy's own.
"""

import sqlite3
from collections import deque
from dataclasses import dataclass
from typing import Any  # DBAPI's parameters and rows have no narrower type

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)
from sqlalchemy.util import EMPTY_DICT


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
