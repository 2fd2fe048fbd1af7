"""What the product wrote, held against what the auditor says: commit by commit, and at the end of a seed."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any  # rows and documents of JSON

from sqlalchemy import select

from reporter.core.command import report_id
from reporter.core.instants import parse
from reporter.store import models as m
from reporter.store.ledger_check import verify
from reporter.store.rebuild import differences
from reporter.store.types import AnyRow
from tests.sim import rules
from tests.sim.auditor import Fact, Story, reports_owed, reports_read
from tests.sim.fencing import hear_the_fence
from tests.sim.rules import SECOND, micros
from tests.sim.said import Said
from tests.sim.simulation import ASK_AGAIN, Simulation
from tests.sim.stage import Op

COMMANDS = {
    "opened": "occurred", "amended": "amended", "withdrawn": "withdrawn", "closed": "closed", "reopened": "reopened",
    "reported": "filed", "acknowledged": "acknowledged",
}  # fmt: skip
FACTS = {"reminded", "breached", "escalated", "breach_lifted"}
PROMPT = SECOND // 5
"""So late a step may be while nothing is wrong, and no message under way."""


@dataclass(frozen=True)
class Line:
    """One ledger line, and its place in the outbox."""

    row: int
    incident: str
    version: int
    kind: str
    body: dict[str, Any]
    at: int
    recorded: int


class Hearing:
    """One seed, heard from its first transaction to its last."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.said: dict[tuple[str, str], Said] = {}
        self.stories: dict[str, Story] = {}
        self.facts: list[tuple[Op, Fact, int]] = []
        """With each fact when, in true time, the last command of its incident had been read."""
        self._known_at: dict[str, int] = {}
        self._taken: Counter[tuple[str, str]] = Counter()
        self._notices: dict[str, AnyRow] = {}
        self._open: dict[str, dict[str, int]] = {}
        """By incident, the notices of earlier transactions that nobody has taken, and when each was written."""
        self._judged: dict[tuple[str, str], tuple[Op, str | None, object]] = {}
        """Of each clock when it was judged last, its verdict, and what that rests on."""

    async def hear(self) -> None:
        """Errors: AssertionError for the first thing that is not as it should be."""
        lines = await self._read()
        self._hear_commits(lines)
        self._hear_delays()
        for asked in self.simulation.trace.asked.values():
            hear_the_fence(asked)
        await self._hear_messages()
        await self._hear_tables()
        await self._hear_ledger()

    # --- what is there --------------------------------------------------------------------------------------

    async def _rows(self, model: type[m.Base]) -> list[AnyRow]:
        async with self.simulation.database.snapshot() as connection:
            return list(await connection.execute(select(m.table(model))))

    async def _read(self) -> list[Line]:
        """Every line, in the order in which it was committed; each must stand in the outbox once, in its order."""
        self._notices = {row.id: row for row in await self._rows(m.Notice)}
        texts = {(row.incident_id, row.version): row for row in await self._rows(m.Line)}
        lines = []
        for row in sorted(await self._rows(m.Outbox), key=lambda row: row.seq):
            if row.incident_id is not None:
                kept = texts.pop((row.incident_id, row.version))
                line = json.loads(kept.text)
                at, recorded = micros(parse(line["at"])), micros(parse(line["recorded_at"]))
                lines.append(
                    Line(row.seq, row.incident_id, row.version, kept.kind, line["body"], at, recorded)
                )
        assert not texts, f"lines that will never be published: {sorted(texts)}"
        seen: Counter[str] = Counter()
        for line in lines:
            seen[line.incident] += 1
            assert line.version == seen[line.incident], f"published out of order: {line}"
        return lines

    # --- commit by commit -----------------------------------------------------------------------------------

    def _hear_commits(self, lines: list[Line]) -> None:
        self.said = {(event.said.source, event.said.id): event.said for event in self.simulation.events}
        place = 0
        for op in self.simulation.trace.ops:
            start = place
            while place < len(lines) and lines[place].row <= op.last_row:
                place += 1
            self._hear_commit(op, lines[start:place])
        assert place == len(lines), f"lines that no transaction of ours wrote: {lines[place:]}"

    def _hear_commit(self, op: Op, lines: list[Line]) -> None:
        predicted: dict[str, list[Fact]] = {}
        written: dict[str, list[Fact]] = {}
        for line in lines:
            assert line.recorded == op.now, f"recorded at another instant than now: {line}"
            if line.kind in COMMANDS:
                predicted.setdefault(line.incident, []).extend(self._told(line, op))
            if line.kind in FACTS:
                written.setdefault(line.incident, []).extend(self._facts(line))
        for line in lines:
            self._open.setdefault(line.incident, {}).update(dict.fromkeys(_notices(line), line.recorded))
        if any(line.kind in COMMANDS for line in lines):
            for id_, story in self.stories.items():
                assert reports_read(story) == reports_owed(self.stories, id_), f"wrongly joined: {id_}"
        if op.through is not None:
            for id_, story in self.stories.items():
                predicted.setdefault(id_, []).extend(story.looked(op.now, op.through))
        self._hear_verdicts(op, [line for line in lines if line.kind == "judged"])
        for id_ in sorted(predicted.keys() | written.keys()):
            law, book = sorted(predicted.get(id_, []), key=str), sorted(written.get(id_, []), key=str)
            assert book == law, f"{op}\nincident {id_}\nledger  {book}\nauditor {law}\n{self._case(id_)}"
            self.facts += [(op, fact, self._known_at[id_]) for fact in book]

    def _hear_verdicts(self, op: Op, lines: list[Line]) -> None:
        """[14] What changes is a new line: no verdict is taken back but by a command, and no look tells of it twice."""
        for line in lines:
            key = line.incident, line.body["obligation"]
            story, verdict = self.stories[line.incident], line.body["verdict"]
            clock = story.view.clocks.get(key[1])
            stops = [each.order for each in story.said if each.kind in ("withdrawn", "reopened")]
            rests_on = clock and (clock.met, clock.missing, clock.due, clock.last_due, stops)
            before = self._judged.get(key)
            self._judged[key] = op, verdict, rests_on
            if before is None:
                continue
            if before[0] is op:
                assert op.through is None, f"judged twice in one look: {line}"
            else:
                assert verdict or not before[1] or rests_on != before[2], f"taken back for nothing: {line}"

    def _told(self, line: Line, op: Op) -> list[Fact]:
        body, story = line.body, self.stories.get(line.incident)
        self._known_at[line.incident] = op.at
        if story is None:
            tale = self.simulation.by_id[line.incident]
            unit = "city" if tale.unit == "nowhere" else tale.unit
            story = self.stories[line.incident] = Story(tale.edition, unit)
            assert (body["schedule"], body["edition"]) == (tale.edition.schedule, tale.edition.day), body
        said = self.said[body["source"], body["id"]]
        if "left" in body:
            left = [each for each in story.said if self._report_id(each) in body["left"]]
            return story.told(said, op.now, left)
        assert (COMMANDS[line.kind], line.at) == (said.kind, said.at), f"not as it was said: {line}"
        if "joined_from" not in body:
            self._taken[said.source, said.id] += 1
            story.own.append(said)
        return story.told(said, op.now, taken=self._acknowledged(line, said))

    def _acknowledged(self, line: Line, said: Said) -> list[tuple[str, int]]:
        """What an acknowledgement is the first to take: the one that it names, or all that were open when it arrived.

        Nobody has seen what was written after that, however late it was read; and nothing is taken twice.
        """
        if said.kind != "acknowledged":
            return []
        open_ = self._open.get(line.incident, {})
        if said.notice is None:
            taken = {id_ for id_, written in open_.items() if written <= said.at}
        else:
            taken = {str(said.notice_id)} & open_.keys()
        assert sorted(line.body["notices"]) == sorted(taken), f"not what was open: {line}, but {taken}"
        for id_ in taken:
            del open_[id_]
        rows = [self._notices[id_] for id_ in taken]
        return [(row.obligation, rules.offset(row.step)) for row in rows if row.obligation and row.step]

    def _facts(self, line: Line) -> list[Fact]:
        body = line.body
        name, due = body["obligation"], micros(parse(body["due_at"]))
        if line.kind == "breach_lifted":
            return [("lifted", name, due)]
        found: list[Fact] = [("breached", name, due, body["certain"])] if line.kind == "breached" else []
        assert not found or line.at == due, f"a breach is dated at its due time: {line}"
        if "step" not in body:
            return found
        told = [self._notices[each["id"]] for each in body["notices"]]
        [(at, mode, step, repeat)] = {(each.due_at, each.mode, each.step, each.repeat) for each in told}
        assert (step, repeat) == (body["step"], body["repeat"]), line
        assert len({(each.person, each.channel) for each in told}) == len(told), line
        offset = rules.offset(step)
        assert (line.kind == "reminded") == (offset < 0), line
        who = tuple(sorted({each.person or "nobody" for each in told}))
        return [*found, ("fired", name, due, offset, repeat, micros(at), mode, who)]

    # --- in time -------------------------------------------------------------------------------------------

    def _hear_delays(self) -> None:
        """Nothing is late while nothing is wrong; what was read late is owed from when it was read."""
        for op, fact, known_at in self.facts:
            if op.through is None:
                continue
            at = fact[5] if fact[0] == "fired" else fact[2]
            assert isinstance(at, int)
            since, is_reminder = max(at, known_at), fact[0] == "fired" and str(fact[3]).startswith("-")
            bound = PROMPT if is_reminder else PROMPT + ASK_AGAIN + self.simulation.latency_max
            assert op.at - since <= bound or self._is_troubled(since, op.at), f"late: {op} {fact}"

    def _is_troubled(self, since: int, until: int) -> bool:
        return any(start <= until and since <= end for start, end, _ in self.simulation.trace.troubles)

    # --- at the end -------------------------------------------------------------------------------------------

    async def _hear_messages(self) -> None:
        """Nothing is lost, nothing is taken twice, what must be refused is kept."""
        expected = {(each.said.source, each.said.id): each.is_refused for each in self.simulation.events}
        assert self.simulation.broker.waiting() == []
        for key, is_refused in expected.items():
            counts = {None: {0, 1}, True: {0}, False: {1}}[is_refused]
            assert self._taken[key] in counts, f"{key} was taken {self._taken[key]} times"
        aside = Counter(row.state for row in await self._rows(m.SetAside))
        assert not aside["held"], "held for ever"
        refused = sum(not self._taken[key] for key in expected)
        assert aside["rejected"] >= refused, f"{aside} of {refused}"

    async def _hear_tables(self) -> None:
        incidents = {row.id: row for row in await self._rows(m.Incident)}
        ids = {row.number: row.id for row in incidents.values()}
        clocks = {(ids[row.number], row.obligation): row for row in await self._rows(m.Clock)}
        assert incidents.keys() == self.stories.keys()
        for id_, story in self.stories.items():
            row, view = incidents[id_], story.view
            self.simulation.heads[id_] = row.head
            assert (row.state, row.mode, row.is_provisional) == (view.state, view.mode, view.is_provisional)
            is_moved = "occurrence_moved_after_breach" in row.anomalies
            assert is_moved == view.is_moved_after_breach, f"{id_} {row.anomalies}\n{self._case(id_)}"
            assert {name for incident, name in clocks if incident == id_} == set(view.clocks)
            for name, clock in view.clocks.items():
                found = clocks[id_, name]
                book = {
                    "due": found.due_at, "last_due": found.due_latest_at or found.due_at, "met": found.met_at,
                    "aware_due": found.aware_due_at, "breach": found.breach_due_at,
                }  # fmt: skip
                told = {key: at and micros(at) for key, at in book.items()}
                told |= {"verdict": found.verdict, "aware": found.aware_verdict, "complete": found.complete}
                law = {
                    "due": clock.due, "last_due": clock.last_due, "met": clock.met, "aware_due": clock.aware_due,
                    "breach": clock.due if view.is_breached(clock) else None, "verdict": view.verdict(clock),
                    "aware": view.aware_verdict(clock), "complete": clock.complete,
                }  # fmt: skip
                if law["breach"] is not None and view.state != "withdrawn":
                    told["certain"], law["certain"] = found.breach_certain, view.is_certain(clock)
                assert told == law, f"{id_} {name}\ntables  {told}\nauditor {law}\n{self._case(id_)}"

    async def _hear_ledger(self) -> None:
        """Chains are whole, and the ledger folded gives the tables."""
        assert (await verify(self.simulation.database)).defects == ()
        for id_ in self.stories:
            async with self.simulation.database.snapshot() as connection:
                differing = await differences(connection, id_)
                assert differing == [], f"{differing}\n{self._case(id_)}"
        assert len(self._notices) == len({row.id for row in self._notices.values()})

    def _report_id(self, said: Said) -> str:
        return report_id(said.source, said.id)

    def _case(self, id_: str) -> str:
        """The commands of an incident, for whoever reads a failure."""
        return "\n".join(map(str, sorted(self.stories[id_].said, key=lambda each: each.order)))


def _notices(line: Line) -> list[str]:
    """The notices that a line has written, not those that it takes or tells the fate of."""
    return [each["id"] for each in line.body.get("notices", ()) if isinstance(each, dict) and "to" in each]
