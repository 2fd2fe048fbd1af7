"""Replaying what was rejected: the stored bytes through the same gate, with their original arrival."""

from sqlalchemy import select

from reporter.core.command import Outcome, OutcomeKind
from reporter.engine.record import Gate
from reporter.intake.arrival import Arrival, Read, commands_of, parse_header_block, submit
from reporter.store import inbox
from reporter.store.database import Database

REPLAYED_MAX = 10_000
_LISTED = ("rejected", "held")


class Replay:
    """The gate, and the way back into it for rejected messages."""

    def __init__(self, database: Database, gate: Gate) -> None:
        self._database = database
        self.gate = gate

    async def replay(self, id_: int | None = None) -> list[Outcome]:
        """Replays one message that was set aside, or all that are rejected (oldest first); what is accepted now leaves
        the list. What has left it already is a duplicate; empty for a number that no message has.
        """
        table = inbox.ASIDE
        chosen = select(table).where(table.c.state == "rejected" if id_ is None else table.c.id == id_)
        in_order = chosen.order_by(table.c.received_at, table.c.id).limit(REPLAYED_MAX)
        async with self._database.snapshot() as connection:
            rows = (await connection.execute(in_order)).all()
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
            if row.state not in _LISTED or (row.state == "held" and outcome.kind is OutcomeKind.HELD):
                continue  # it has left the list, or goes on waiting
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
