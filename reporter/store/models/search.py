"""What incidents are found by: derived from them, made anew by `reporter db reindex`, never the truth.

`search_index` is beside the tables: on SQLite an FTS5 table of its own, on PostgreSQL an index of `grams`.
"""

from sqlalchemy import BigInteger, Index, Table, Text, event
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Mapped, mapped_column

from reporter.store.models.base import SERIAL, Base

MAKE_INDEX = (
    "CREATE VIRTUAL TABLE search_index USING fts5(grams, content='', detail='none', tokenize='ascii')"
)
DROP_INDEX = "DROP TABLE search_index"


class SearchEntry(Base):
    """One incident, with its reports, folded into one text (`core.search`), as of one version of its ledger."""

    __tablename__ = "search_entries"
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """The incident's."""
    version: Mapped[int]
    folded: Mapped[str]
    grams: Mapped[str | None] = mapped_column(TSVECTOR().with_variant(Text(), "sqlite"))
    """On PostgreSQL what `folded` is found by; None on SQLite, where `search_index` holds that."""
    __table_args__ = (
        Index("ix_search_entries_grams", "grams", postgresql_using="gin").ddl_if(dialect="postgresql"),
    )


class SearchPending(Base):
    """An incident whose text may have changed: written with the change, gone when that can be found."""

    __tablename__ = "search_pending"
    id: Mapped[int] = mapped_column(SERIAL, primary_key=True, autoincrement=True)
    number: Mapped[int] = mapped_column(BigInteger)
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 - SQLAlchemy reads it once


@event.listens_for(SearchEntry.__table__, "after_create")
def _make_index(_table: Table, connection: Connection, **_rest: object) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(MAKE_INDEX)


@event.listens_for(SearchEntry.__table__, "before_drop")
def _drop_index(_table: Table, connection: Connection, **_rest: object) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(DROP_INDEX)
