"""A connection by the driver alone: for the reference loops, and for looking at a service's tables."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any  # two drivers, and rows of any columns
from urllib.parse import urlsplit

import psycopg

Values = Sequence[Any]


class Plain:
    """A connection in autocommit, SQLite with WAL and `synchronous=FULL`. Parameters are `?` for both."""

    def __init__(self, url: str) -> None:
        self.is_sqlite = url.startswith("sqlite:")
        self._driver: Any
        if self.is_sqlite:
            file = urlsplit(url).path[1:]
            self._driver = sqlite3.connect(file, timeout=30, isolation_level=None, check_same_thread=False)
            self._driver.execute("PRAGMA journal_mode=WAL")
            self._driver.execute("PRAGMA synchronous=FULL")
        else:
            self._driver = psycopg.connect(url, autocommit=True)

    def close(self) -> None:
        """Closes the connection."""
        self._driver.close()

    def run(self, statement: str, *values: object) -> None:
        """Runs one statement."""
        self._driver.execute(self._written(statement), values or None if not self.is_sqlite else values)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of one query."""
        cursor = self._driver.execute(
            self._written(statement), values or None if not self.is_sqlite else values
        )
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found

    def columns(self, table: str) -> list[str]:
        """The names of a table's columns, in order."""
        cursor = self._driver.execute(f"SELECT * FROM {table} LIMIT 0")  # noqa: S608 - our own tables
        return [column[0] for column in cursor.description]

    def many(self, statement: str, rows: Iterable[Values]) -> None:
        """Runs one statement for each row of values."""
        self._driver.cursor().executemany(self._written(statement), rows)

    def load(self, table: str, columns: Sequence[str], rows: Iterable[Values]) -> None:
        """Adds rows in bulk, as fast as the driver can."""
        names = ", ".join(columns)
        if self.is_sqlite:
            marks = ", ".join("?" * len(columns))
            self.many(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608
            return
        with self._driver.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A write transaction: committed at the end of the block, rolled back by any exception."""
        self.run("BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN")
        try:
            yield
        except BaseException:
            self.run("ROLLBACK")
            raise
        self.run("COMMIT")

    def _written(self, statement: str) -> str:
        return statement if self.is_sqlite else statement.replace("?", "%s")
