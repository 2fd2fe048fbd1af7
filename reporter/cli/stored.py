"""The database as the maintenance verbs open it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reporter.cli.trouble import Trouble
from reporter.settings import Settings

if TYPE_CHECKING:
    from reporter.store.database import Database


@asynccontextmanager
async def opened(settings: Settings, *, create: bool = False) -> AsyncIterator["Database"]:
    """The database of the settings, its errors in words. `create` brings the schema up to date first.

    Without `create`, a SQLite file that is not there is not made. Raises Trouble.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from reporter.store.database import SQLITE_FILE, open_database
    from reporter.store.schema import upgrade

    file = settings.data_dir / SQLITE_FILE
    if settings.database is None and not create and not file.is_file():
        raise _absent(file)
    try:
        database = open_database(settings.database, settings.data_dir)
        try:
            if create:
                await upgrade(database)
            yield database
        finally:
            await database.close()
    except (SQLAlchemyError, OSError) as reason:
        first = str(reason).splitlines()[0]
        raise Trouble(
            f"数据库无法使用：{first}。运行 `reporter doctor` 查看原因，`reporter db upgrade` 更新结构",
            f"the database cannot be used: {first}. `reporter doctor` says why, `reporter db upgrade` brings "
            "its schema up to date",
        ) from reason


def _absent(file: Path) -> Trouble:
    return Trouble(
        f"没有数据库 {file}：用 --data-dir / REPORTER_DATA_DIR 指明数据目录，或先运行 `reporter db upgrade`",
        f"there is no database {file}: name the data folder with --data-dir or REPORTER_DATA_DIR, or run "
        "`reporter db upgrade` first",
    )
