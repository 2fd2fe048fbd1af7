"""What all tables share: names of constraints, types of columns."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.orm import DeclarativeBase

from reporter.store.types import JsonText, UtcDateTime

CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


SERIAL = BigInteger().with_variant(Integer, "sqlite")
"""A number that never runs out; SQLite's own rowid has to be called INTEGER."""


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=CONVENTION)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        dict[str, Any]: JsonText,
        list[Any]: JsonText,
        bytes: LargeBinary,
        str: Text,
    }


def table(model: type[Base]) -> Table:
    """The model's table, for statements over columns: nothing here works with ORM objects."""
    found = model.__table__
    if not isinstance(found, Table):
        raise TypeError(f"{model.__name__} is not a plain table")
    return found
