"""The verb that makes the search's index anew: db reindex."""

import typer

from reporter.cli.stored import opened
from reporter.cli.verb import STORE, Call, verb


def register(db: typer.Typer) -> None:
    """Adds the verb."""

    @verb(db, "reindex", *STORE)
    async def db_reindex(call: Call) -> None:
        """重建搜索索引，服务可在运行。Makes the search's index anew; services may run meanwhile."""
        from reporter.store.search import rebuild

        async with opened(call.settings) as database:
            count = await rebuild(database)
        call.answer(
            {"database": database.kind, "incidents": count},
            lambda: call.say(f"搜索索引已重建：{count} 起事件", f"the index is made anew: {count} incidents"),
        )
