"""The verbs that keep the database: db upgrade, those of `copying` and `indexing`; rejected list and replay."""

from base64 import b64encode
from typing import TYPE_CHECKING, Annotated

import typer

from reporter.cli import copying, indexing
from reporter.cli.stored import in_words, opened
from reporter.cli.trouble import Trouble
from reporter.cli.verb import SERVICE, STORE, Call, Document, verb
from reporter.core.instants import rfc3339

if TYPE_CHECKING:
    from reporter.store.rejected import SetAsideRow


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    db = typer.Typer(help="数据库：更新、备份、恢复、演练。The database.", no_args_is_help=True)
    rejected = typer.Typer(help="被拒收、被搁置的消息。Rejected and held messages.", no_args_is_help=True)
    app.add_typer(db, name="db")
    app.add_typer(rejected, name="rejected")

    @verb(db, "upgrade", *STORE)
    async def db_upgrade(call: Call) -> None:
        """建立或更新数据库结构。Creates the schema, or brings it up to date."""
        from reporter.store.database import open_database
        from reporter.store.schema import upgrade

        with in_words():
            database = open_database(call.settings.database, call.settings.data_dir)
            try:
                revision = await upgrade(database)
            finally:
                await database.close()
        where = str(database.path or database.url.render_as_string())
        call.answer(
            {"database": database.kind, "url": where, "revision": revision},
            lambda: call.say(f"数据库结构已是最新：{where}", f"the schema is up to date: {where}"),
        )

    copying.register(db)
    indexing.register(db)

    @verb(rejected, "list", *STORE)
    async def rejected_list(
        call: Call,
        limit: Annotated[
            int, typer.Option("--limit", min=1, max=10_000, help="最多几条。At most so many.")
        ] = 200,
    ) -> None:
        """列出被拒收和被搁置的消息，新的在前。Rejected and held messages, newest first."""
        from reporter.cli.board import local
        from reporter.cli.shown import table
        from reporter.store.rejected import set_aside

        async with opened(call.settings) as database, database.snapshot() as connection:
            items = [_shown(row) for row in await set_aside(connection, limit)]
        headings = call.say("号 状态 主题 接报 大小 原因", "id state subject received size reasons").split()
        rows = [
            (
                item["id"],
                item["state"],
                item["subject"],
                local(item["received_at"], call.settings.zone),
                item["size"],
                "; ".join(f"{each['path']}: {each['message']}".lstrip(": ") for each in item["reasons"]),
            )
            for item in items
        ]
        call.answer({"items": items}, lambda: table(headings, rows))

    @verb(rejected, "replay", *SERVICE)
    async def rejected_replay(
        call: Call,
        message: Annotated[
            int | None,
            typer.Argument(
                metavar="[ID]", help="rejected list 中的号；缺省为全部。One message; absent: all."
            ),
        ] = None,
    ) -> int:
        """按原接报时间重新处理，重复无害。Takes stored messages through the gate again."""
        from reporter.cli.shown import table
        from reporter.core.command import OutcomeKind
        from reporter.wiring import open_gate

        async with opened(call.settings):
            pass  # says in words what is wrong with the database, if anything is
        async with open_gate(call.settings) as gate:
            outcomes = await gate.replay(message)
        if message is not None and not outcomes:
            raise Trouble(
                f"没有编号为 {message} 的消息", f"no message that was set aside has the number {message}"
            )
        items = [
            {
                "outcome": outcome.kind.value,
                "incident": outcome.incident,
                "anomalies": list(outcome.anomalies),
                "errors": [{"path": each.path, "message": each.message} for each in outcome.errors],
            }
            for outcome in outcomes
        ]
        rows = [
            (each.kind.value, each.incident, "; ".join(f"{e.path}: {e.message}" for e in each.errors))
            for each in outcomes
        ]
        headings = call.say("结果 事件 原因", "outcome incident reasons").split()
        call.answer({"items": items}, lambda: table(headings, rows))
        return int(any(outcome.kind is OutcomeKind.REJECTED for outcome in outcomes))


def _shown(row: "SetAsideRow") -> Document:
    """A message set aside, with the first 4 KiB of its body as base64; size and hash are of all of it."""
    return {
        "id": row.id,
        "state": row.state,
        "subject": row.subject,
        "received_at": rfc3339(row.received_at),
        "recorded_at": rfc3339(row.recorded_at),
        "stream_seq": row.stream_seq,
        "incident": row.target,
        "reasons": row.errors,
        "size": row.size_bytes,
        "sha256": row.sha256,
        "headers": row.headers.decode("utf-8", "replace"),
        "body": b64encode(row.head).decode(),
    }
