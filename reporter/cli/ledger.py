"""The verbs that prove what happened: ledger verify and ledger explain."""

from typing import TYPE_CHECKING, Annotated

import typer

from reporter.cli.stored import opened
from reporter.cli.trouble import Trouble
from reporter.cli.verb import STORE, Call, verb

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

PROGRESS_LINES = 50_000


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    ledger = typer.Typer(help="台账：验链、解释。The ledger.", no_args_is_help=True)
    app.add_typer(ledger, name="ledger")

    @verb(ledger, "verify", *STORE)
    async def ledger_verify(
        call: Call,
        incident: Annotated[
            str | None, typer.Option("--incident", help="只查此事件（id 或编号）。Only this one.")
        ] = None,
    ) -> int:
        """重算全部哈希链，逐条指出缺陷。Computes every hash chain anew and names every defect."""
        from reporter.store.ledger_check import verify

        said = 0

        def progress(done: int, total: int) -> None:
            nonlocal said
            if done - said >= PROGRESS_LINES:
                said = done
                call.tell(f"已查 {done} / {total} 行", f"checked {done} of {total} lines")

        async with opened(call.settings) as database:
            only = None
            if incident is not None:
                async with database.snapshot() as connection:
                    only = await _found(connection, incident)
            checked = await verify(database, only, progress)
        defects = [
            {"incident": each.incident, "version": each.version, "problem": each.en}
            for each in checked.defects
        ]
        for each in checked.defects:
            where = each.incident if each.version is None else f"{each.incident} #{each.version}"
            call.tell(f"缺陷：{where}：{each.zh}", f"defect: {where}: {each.en}")
        document = {
            "ok": not defects, "incidents": checked.incidents, "lines": checked.lines, "items": defects,
        }  # fmt: skip
        verdict = call.say(
            f"{checked.incidents} 起事件、{checked.lines} 行台账，"
            + (f"{len(defects)} 处缺陷" if defects else "全部无误"),
            f"{checked.incidents} incidents, {checked.lines} lines: "
            + (f"{len(defects)} defects" if defects else "all good"),
        )
        call.answer(document, lambda: verdict)
        return int(bool(defects))

    @verb(ledger, "explain", *STORE)
    async def ledger_explain(
        call: Call,
        incident: Annotated[
            str, typer.Argument(metavar="INCIDENT", help="事件的 id 或编号。The incident's id or code.")
        ],
    ) -> int:
        """逐项说明时限的推算、催报与判定依据。Explains each due time and verdict, with sums and source."""
        from reporter.catalog import edition_from_document
        from reporter.cli.explained import Explainer
        from reporter.store.ledger_check import pinned_edition
        from reporter.store.queries import incident as read_incident
        from reporter.store.queries import ledger as read_ledger

        async with opened(call.settings) as database, database.snapshot() as connection:
            id_ = await _found(connection, incident)
            record = await read_incident(connection, id_)
            lines = [text for text, _ in await read_ledger(connection, id_)]
            document = await pinned_edition(connection, id_)
        if record is None or document is None:
            raise Trouble(
                f"事件 {id_} 所依据的版本不在库中：运行 `reporter ledger verify`",
                f"the edition that incident {id_} is bound to is not in the database: "
                "run `reporter ledger verify`",
            )
        explained = Explainer(call.settings.language, call.settings.zone).explain(
            record, edition_from_document(document), lines
        )
        call.answer(explained.document(), explained.text)
        return int(bool(explained.defects))


async def _found(connection: "AsyncConnection", name: str) -> str:
    from reporter.store.ledger_check import find_incident

    id_ = await find_incident(connection, name)
    if id_ is None:
        raise Trouble(f"没有编号或代码为 {name} 的事件", f"no incident has the id or code {name}")
    return id_
