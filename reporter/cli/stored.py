"""The database as the maintenance verbs open it, with what may be wrong with it in words."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reporter.cli.trouble import Trouble
from reporter.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from reporter.store.database import Database


@asynccontextmanager
async def opened(settings: Settings, *, create: bool = False) -> AsyncIterator["Database"]:
    """The database of the settings, its schema checked. Raises Trouble.

    Without `create`, a SQLite file that is not there is not made.
    """
    from reporter.store.database import SQLITE_FILE, open_database
    from reporter.store.schema import check

    file = settings.data_dir / SQLITE_FILE
    if settings.database is None and not create and not file.is_file():
        raise _absent(file)
    with in_words():
        database = open_database(settings.database, settings.data_dir)
        try:
            await check(database)
            yield database
        finally:
            await database.close()


@contextmanager
def in_words() -> Iterator[None]:
    """Turns the database's errors within the block into Trouble. Other errors of the system pass through."""
    from sqlalchemy.exc import SQLAlchemyError

    from reporter.store.schema import SchemaMismatch

    try:
        yield
    except SchemaMismatch as mismatch:
        zh, _, en = str(mismatch).partition(" / ")
        raise Trouble(zh, en or zh) from None
    except SQLAlchemyError as reason:
        first = str(reason).splitlines()[0]
        raise Trouble(
            f"数据库无法使用：{first}。运行 `reporter doctor` 查看原因",
            f"the database cannot be used: {first}. `reporter doctor` says why",
        ) from reason


async def found(connection: "AsyncConnection", name: str) -> str:
    """The id of the incident whose id or code is `name`. Raises Trouble if there is none."""
    from reporter.store.ledger_check import find_incident

    id_ = await find_incident(connection, name)
    if id_ is None:
        raise Trouble(f"没有编号或代码为 {name} 的事件", f"no incident has the id or code {name}")
    return id_


def _absent(file: Path) -> Trouble:
    return Trouble(
        f"没有数据库 {file}：用 --data-dir / REPORTER_DATA_DIR 指明数据目录，或先运行 `reporter db upgrade`",
        f"there is no database {file}: name the data folder with --data-dir or REPORTER_DATA_DIR, or run "
        "`reporter db upgrade` first",
    )
