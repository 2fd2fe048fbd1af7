"""Replaying what was rejected: the stored bytes through the same gate, with their original arrival."""

from sqlalchemy import select

from reporter.core.command import Outcome, OutcomeKind
from reporter.engine.record import Gate
from reporter.intake.arrival import Arrival, Read, commands_of, parse_header_block, submit
from reporter.store import inbox
from reporter.store.database import Database

REPLAYED_MAX = 10_000


class Replay:
    """The gate, and the way back into it for rejected messages."""

    def __init__(self, database: Database, gate: Gate) -> None:
        self._database = database
        self.gate = gate

    async def replay(self, id_: int | None = None) -> list[Outcome]:
        """Replays one rejected message, or all of them (oldest first); what is accepted now leaves the list.

        A message that had been accepted by an earlier replay is a duplicate.
        """
        table = inbox.ASIDE
        chosen = select(table).order_by(table.c.received_at, table.c.id).limit(REPLAYED_MAX)
        if id_ is None:
            chosen = chosen.where(table.c.state == "rejected")
        else:
            chosen = chosen.where(table.c.id == id_, table.c.state.in_(("rejected", "held")))
        async with self._database.snapshot() as connection:
            rows = (await connection.execute(chosen)).all()
        results: list[Outcome] = []
        for row in rows:
            arrival = Arrival(
                row.subject,
                parse_header_block(row.headers) or None,
                row.body,
                row.stream_seq or 0,
                row.received_at,
                "",
                row.headers,
            )
            item = commands_of([arrival])[0]
            outcome = await self._taken(item)
            results.append(outcome)
            if row.state == "held" and outcome.kind is OutcomeKind.HELD:
                continue  # it goes on waiting
            async with self._database.transaction() as connection:
                state = row.state if outcome.kind is OutcomeKind.REJECTED else outcome.kind.value
                if outcome.kind is OutcomeKind.HELD:
                    state = "duplicate"  # it is kept, and waits, as a held message of its own
                await inbox.release(connection, row.id, state, outcome.errors)
        return results

    async def _taken(self, item: Read) -> Outcome:
        if item.command is None:
            return Outcome(OutcomeKind.REJECTED, errors=item.errors)
        return (await submit(self.gate, [item.command]))[0]
