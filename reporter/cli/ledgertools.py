"""The verbs that work on the ledger as a whole: ledger seal and ledger replay."""

import json
from typing import Annotated

import typer

from reporter.cli.stored import found, in_words, opened
from reporter.cli.verb import STORE, Call, verb

PROGRESS_INCIDENTS = 5_000


def register(ledger: typer.Typer) -> None:
    """Adds the verbs."""

    @verb(ledger, "seal", *STORE)
    async def ledger_seal(call: Call) -> None:
        """立即封印全部台账；封印请另存他处。Seals the ledger now; keep what it prints somewhere else."""
        from reporter.core.ledger import with_hash
        from reporter.engine.seal import Sealer
        from reporter.timesource import SystemTime

        async with opened(call.settings) as database:
            with in_words():
                seal = await Sealer(database, SystemTime()).seal()
        document = json.loads(with_hash(seal.text, seal.hash))
        call.answer(
            document,
            lambda: call.say(
                f"封印 {seal.number}：{document['incidents']} 起事件 {document['lines']} 行，{seal.hash}",
                f"seal {seal.number}: {document['incidents']} incidents, {document['lines']} lines, {seal.hash}",
            ),
        )

    @verb(ledger, "replay", *STORE)
    async def ledger_replay(
        call: Call,
        incident: Annotated[
            str | None, typer.Option("--incident", help="只重演此事件（id 或编号）。Only this one.")
        ] = None,
    ) -> int:
        """由台账重演全部事件，与各表对照。Rebuilds every incident from its ledger and compares the tables."""
        from reporter.store.replay import replay

        replayed = said = 0

        def progress(done: int, total: int) -> None:
            nonlocal replayed, said
            replayed = done
            if done - said >= PROGRESS_INCIDENTS:
                said = done
                call.tell(f"已重演 {done} / {total} 起", f"replayed {done} of {total} incidents")

        items = []
        async with opened(call.settings) as database, database.snapshot() as connection:
            only = None if incident is None else await found(connection, incident)
            async for each in replay(connection, only, progress):
                call.tell(
                    f"不符：{each.incident or '版本'}：{each.problem}",
                    f"differs: {each.incident or 'edition'}: {each.problem}",
                )
                items.append({"incident": each.incident, "problem": each.problem})
        verdict = call.say(
            f"重演 {replayed} 起事件，" + (f"{len(items)} 处与各表不符" if items else "各表与台账一致"),
            f"{replayed} incidents replayed: "
            + (f"{len(items)} differences" if items else "the tables follow from the ledger"),
        )
        call.answer({"ok": not items, "incidents": replayed, "items": items}, lambda: verdict)
        return int(bool(items))
