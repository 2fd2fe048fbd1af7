"""The verbs that prove what happened: ledger verify, ledger explain, and those of `ledgertools`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reporter.cli import ledgertools
from reporter.cli.stored import found, opened
from reporter.cli.trouble import Trouble, WrongUsage
from reporter.cli.verb import STORE, Call, verb

if TYPE_CHECKING:
    from reporter.store.ledger_check import Defect
    from reporter.store.seal_check import KeptSeal

PROGRESS_LINES = 50_000


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    ledger = typer.Typer(help="台账：验链、封印、重演、解释。The ledger.", no_args_is_help=True)
    app.add_typer(ledger, name="ledger")
    ledgertools.register(ledger)

    @verb(ledger, "verify", *STORE)
    async def ledger_verify(
        call: Call,
        incident: Annotated[
            str | None, typer.Option("--incident", help="只查此事件（id 或编号）。Only this one.")
        ] = None,
        against: Annotated[
            list[Path] | None,
            typer.Option(
                "--against",
                metavar="SEAL_FILE",
                help="外存的封印（可重复），须与库中同号的一致。A seal kept outside; may be repeated.",
            ),
        ] = None,
    ) -> int:
        """重算全部哈希链与封印，逐条指出缺陷。Computes every hash chain and seal anew and names every defect."""
        from reporter.store.seal_check import verify

        kept = [each for file in against or () for each in _kept(file)]
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
                    only = await found(connection, incident)
            checked = await verify(database, only, progress, kept)
        defects = [
            {"incident": each.incident, "version": each.version, "seal": each.seal, "problem": each.en}
            for each in checked.defects
        ]
        for each in checked.defects:
            call.tell(
                f"缺陷：{_where(each, '封印')}：{each.zh}", f"defect: {_where(each, 'seal')}: {each.en}"
            )
        document = {
            "ok": not defects, "incidents": checked.incidents, "lines": checked.lines, "seals": checked.seals,
            "items": defects,
        }  # fmt: skip
        verdict = call.say(
            f"{checked.incidents} 起事件、{checked.lines} 行台账、{checked.seals} 枚封印，"
            + (f"{len(defects)} 处缺陷" if defects else "全部无误"),
            f"{checked.incidents} incidents, {checked.lines} lines, {checked.seals} seals: "
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
        from reporter.store.explained import Explainer
        from reporter.store.ledger_check import pinned_edition
        from reporter.store.queries import incident as read_incident
        from reporter.store.queries import ledger as read_ledger

        async with opened(call.settings) as database, database.snapshot() as connection:
            id_ = await found(connection, incident)
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


def _where(defect: "Defect", seal: str) -> str:
    if defect.incident is None:
        return f"{seal} {defect.seal}"
    return defect.incident if defect.version is None else f"{defect.incident} #{defect.version}"


def _kept(file: Path) -> "list[KeptSeal]":
    from reporter.store.seal_check import NotASeal, read_kept

    try:
        return read_kept(file.read_text(encoding="utf-8-sig"))
    except NotASeal as why:
        raise WrongUsage(f"{file}：{why.zh}", f"{file}: {why.en}") from None
    except (OSError, UnicodeDecodeError) as reason:
        raise WrongUsage(f"{file} 无法读取：{reason}", f"{file} cannot be read: {reason}") from None
