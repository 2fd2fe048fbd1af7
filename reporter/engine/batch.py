"""One batch of commands inside one transaction: who they are, what they act on, what they do.

Openings come first and the rest follow in order of arrival; the result does not depend on it, since an incident's
state is a function of the set of its commands.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any  # columns of rows

from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.catalog import Catalog
from reporter.core import reading
from reporter.core.command import Command, Message, Outcome, OutcomeKind, Problem, incident_id, report_id
from reporter.core.decide import ENGINE, apply
from reporter.core.incident import Entry
from reporter.core.instants import rfc3339
from reporter.core.roster import UnitTree
from reporter.core.schedule import parse_offset
from reporter.core.terms import Anomaly, CommandKind, field_invalid
from reporter.core.tracked import Directory
from reporter.engine import opening
from reporter.engine.codes import choose_codes
from reporter.engine.refusals import may_act, refusal
from reporter.store import inbox, incidents, notices, turns
from reporter.store.bulk import Writing
from reporter.store.editions import Editions
from reporter.store.incidents import Work
from reporter.store.rows import incident_columns
from reporter.timesource import sleep

IDENTITY_REUSED = "identity_reused"
BREATH = 50
"""Commands decided between two moments at which others may go on."""


@dataclass(slots=True)
class Batch:
    """The incidents, identities and answers of one transaction."""

    connection: AsyncConnection
    catalog: Catalog
    editions: Editions
    tree: UnitTree
    directory: Directory
    now: datetime
    skew_ms: int | None = None
    """The broker's clock less ours, where it belongs on a verdict."""
    stale_after: timedelta | None = None  # from an acknowledgement to the report awaited
    works: dict[str, Work] = field(default_factory=dict)
    taken: dict[bytes, inbox.Taken] = field(default_factory=dict)
    held: dict[bytes, tuple[Command, str]] = field(default_factory=dict)
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)
    changed: dict[str, Work] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    """For the incidents to be opened, the last to be used first."""
    advanced: list[Command] = field(default_factory=list)
    """Reports known from later copies that turned out to have arrived earlier."""
    spoiled: list[tuple[int, Message, Sequence[Problem]]] = field(default_factory=list)
    """Held messages that turned out to be impossible once their incident was known."""

    async def take(self, commands: Sequence[Command]) -> list[Outcome]:
        """Decides on every command and writes the result; the answers stand in the order of `commands`."""
        seen = await inbox.load_seen(self.connection, [command.key for command in commands])
        fresh = [command for command in commands if command.key not in seen]
        await self._load([*fresh, *(c for c in commands if _is_earlier(c, seen.get(c.key)))])
        opened = {incident_id(c.source, c.id): c for c in fresh if c.kind is CommandKind.OCCURRED}
        waiting: Sequence[tuple[int, Command]] = ()
        if opened:
            waiting = await inbox.load_held(self.connection, list(opened))
            self.codes = await choose_codes(self.connection, opened, self.catalog.default.zone)
            self.numbers = await incidents.next_numbers(self.connection, len(opened))
        outcomes: dict[int, Outcome] = {}
        in_order = sorted(
            range(len(commands)),
            key=lambda i: (commands[i].kind is not CommandKind.OCCURRED, commands[i].received_at),
        )
        for count, index in enumerate(in_order, start=1):
            outcomes[index] = await self._one(commands[index], seen)
            if count % BREATH == 0:
                await sleep(0)  # deadlines and pages do not wait for a whole batch
        await self.apply_waiting(waiting)
        return [outcomes[index] for index in range(len(commands))]

    async def apply_waiting(self, waiting: Sequence[tuple[int, Command]]) -> None:
        """Applies held commands whose incidents are open, each once though two replicas kept it; writes the result."""
        await self._load([command for _, command in waiting])
        seen = await inbox.load_seen(self.connection, [command.key for _, command in waiting])
        for aside, command in waiting:
            if command.key in self.taken or not seen[command.key].is_held:
                await inbox.release(self.connection, aside, "duplicate")
            else:
                await self._apply_held(aside, command)
        await self._save()

    async def _save(self) -> None:
        writing = Writing(self.connection)
        incidents.write_work(writing, self.editions, list(self.changed.values()), self.now)
        inbox.write_seen(writing, self.taken.values())
        await writing.done()
        await inbox.advance_seen(self.connection, self.advanced)
        if self.held:
            reason = "事件尚未登记 / the incident is not known yet"
            await inbox.hold(self.connection, list(self.held.values()), self.now, reason)

    async def _load(self, commands: Iterable[Command]) -> None:
        """Loads the incidents that the commands name, and those that survive them, as far as that goes."""
        wanted: set[str] = set()
        for command in commands:
            if command.kind is CommandKind.OCCURRED:
                wanted |= {incident_id(command.source, command.id)} if command.message is None else set()
                continue
            if isinstance(named := reading.target(command.kind, command.data), str):
                wanted.add(named)
            if isinstance(survivor := command.data.get("duplicate_of"), str):
                wanted.add(survivor.lower())
        edition_of = partial(self.editions.of, self.connection)
        while wanted := wanted - self.works.keys():
            found = await incidents.load_work(self.connection, edition_of, wanted)
            self.works |= found
            wanted = {survivor for work in found.values() for survivor in _survivors(work)}

    async def _one(self, command: Command, seen: dict[bytes, inbox.Seen]) -> Outcome:
        known = seen.get(command.key)
        if known is None and (taken := self.taken.get(command.key)):
            known = inbox.Seen(taken[0].digest, taken[1], tuple(taken[2]))
        elif known is None and (held := self.held.get(command.key)):
            known = inbox.Seen(held[0].digest, held[1], (), is_held=True)
        if known is None:
            return await self._decide(command)
        if known.digest != command.digest:
            message = "该标识已用于另一内容 / this (source, id) already stands for another content"
            return _rejected(
                Problem(IDENTITY_REUSED, f"{IDENTITY_REUSED}: {message}"), incident=known.incident
            )
        if _is_earlier(command, known) and known.incident in self.works:
            seen[command.key] = replace(known, received_at=command.received_at)
            self._advance(command, self.works[known.incident])
        kind = OutcomeKind.HELD if known.is_held else OutcomeKind.DUPLICATE
        return Outcome(kind, known.incident, known.anomalies)

    def _advance(self, command: Command, work: Work) -> None:
        """Lets a report count from the earlier of its copies.

        A publisher that was not told that its report is stored sends it again; replicas, or a redelivery, may bring
        the later copy first. When it arrived must not depend on which of them was processed first.
        """
        id_ = report_id(command.source, command.id)
        later = next((entry for entry in work.entries if entry.report == id_), None)
        if later is None:
            return
        entry = replace(later, received_at=command.received_at)
        told = {"unit": command.unit, "form": reading.report(command.data)[0].form, "earlier_copy": True}
        self._apply(work, entry, told, command.actor)
        self._join(work, entry, work.survivor)
        self.advanced.append(command)

    async def _decide(self, command: Command) -> Outcome:
        named_unit = command.data.get("unit")
        if isinstance(named_unit, str) and command.message is not None and named_unit != command.unit:
            known = self.tree.resolve(named_unit)
            if known is None or known != self.tree.resolve(command.unit):
                return _rejected(
                    Problem("data.unit", "与主题中的单位不同 / differs from the unit in the subject")
                )
        if command.kind is CommandKind.OCCURRED:
            return self._open(command)
        named = reading.target(command.kind, command.data)
        if isinstance(named, Problem):
            return _rejected(named)
        survivor = command.data.get("duplicate_of") if command.kind is CommandKind.WITHDRAWN else None
        for path, needed in (("incident", named), ("duplicate_of", survivor)):
            if isinstance(needed, str) and needed.lower() not in self.works:
                return self._hold(command, path, needed.lower())
        return await self._act(command, self.works[named])

    def _hold(self, command: Command, path: str, target: str) -> Outcome:
        if command.message is None or not reading.INCIDENT_ID.fullmatch(target):
            return _rejected(Problem(path, f"没有该事件 / no incident has the id {target[:64]}"))
        self.held[command.key] = (command, target)
        return Outcome(OutcomeKind.HELD, target)

    async def _apply_held(self, aside: int, command: Command) -> None:
        """Decides on a held command whose incident has opened; it may have to wait for yet another one."""
        outcome = await self._decide(command)
        if waiting := self.held.pop(command.key, None):
            await inbox.retarget(self.connection, aside, waiting[1])
        elif outcome.kind is OutcomeKind.REJECTED:
            await inbox.release(self.connection, aside, "rejected", outcome.errors)
            if command.message is not None:
                self.spoiled.append((aside, command.message, outcome.errors))
        else:
            await inbox.release(self.connection, aside, "accepted")

    def _open(self, command: Command) -> Outcome:
        opened = opening.opened(command, self.tree, self.catalog, self.codes, self.now)
        if not isinstance(opened, Work):
            return _rejected(*opened)
        opened.tracked.number = self.numbers.pop()
        self.works[opened.tracked.id] = self.changed[opened.tracked.id] = opened
        return self._took(command, opened.tracked.id, opened.anomalies)

    async def _act(self, command: Command, work: Work) -> Outcome:
        anomalies = list(command.anomalies)
        if not may_act(self.tree, command.unit, work):
            if command.kind is not CommandKind.FILED:
                message = (
                    f"单位 {command.unit} 无权处理该事件 / unit {command.unit} may not act on this incident"
                )
                return _rejected(Problem("unit", message), incident=work.tracked.id)
            anomalies.append(Anomaly.FOREIGN_UNIT)
        if command.kind is not CommandKind.FILED:
            anomalies += [
                field_invalid(problem.path)
                for problem in reading.problems(command.kind, command.data)
                if command.kind is not CommandKind.AMENDED
                or problem.path == "reason"  # facts tell of themselves
            ]
        if (problem := refusal(self.tree, self.works, command, work)) is not None:
            return _rejected(problem, incident=work.tracked.id)
        entry = Entry.of(command, anomalies)
        told: dict[str, Any] = {"unit": command.unit}
        steps, stale_at = list[tuple[str, Any]](), None
        if command.kind is CommandKind.ACKNOWLEDGED:
            rows = await notices.acknowledge(self.connection, work.tracked.number, command)
            if rows is None:
                return _rejected(
                    Problem("notice", "没有该通知 / the incident has no such notice"),
                    incident=work.tracked.id,
                )
            steps = [(row.obligation, parse_offset(row.step)) for row in rows if row.obligation and row.step]
            by = command.data.get("by")
            told |= {"notices": [row.id for row in rows], "by": by if isinstance(by, str) else None}
            if steps and self.stale_after is not None:
                stale_at = command.received_at + self.stale_after
                told["stale_at"] = rfc3339(stale_at)
            told |= await turns.after_acknowledgement(self.connection, rows, self.now)
        elif command.kind is CommandKind.FILED:
            told["form"] = reading.report(command.data)[0].form
        survivor = work.survivor
        before = set(work.anomalies)
        self._apply(work, entry, told, command.actor, steps, stale_at)
        self._join(work, entry, survivor)
        found = tuple(dict.fromkeys([*map(str, anomalies), *(a for a in work.anomalies if a not in before)]))
        return self._took(command, work.tracked.id, found)

    def _apply(
        self,
        work: Work,
        entry: Entry,
        told: dict[str, Any],
        actor: str,
        steps: Sequence[tuple[str, Any]] = (),
        stale_at: datetime | None = None,
    ) -> None:
        if entry.report is not None:
            work.entries[:] = [known for known in work.entries if known.report != entry.report]
        work.entries.append(entry)
        work.tracked.skew_ms = self.skew_ms
        view = apply(
            work.tracked, work.entries, entry, told, self.now, actor, self.directory, steps, stale_at
        )
        work.row |= incident_columns(view, work.tracked.edition.zone)
        work.anomalies, work.survivor = view.anomalies, view.survivor
        self.changed[work.tracked.id] = work

    def _took(self, command: Command, incident: str, anomalies: Sequence[str]) -> Outcome:
        self.taken[command.key] = (command, incident, anomalies)
        return Outcome(OutcomeKind.ACCEPTED, incident, tuple(anomalies))

    def _join(self, work: Work, entry: Entry, was: str | None) -> None:
        """Lets every report of a duplicate count for the incident that survives it, and no longer once undone."""
        if was is not None and was != work.survivor and was in self.works:
            left = [e.report for e in work.entries if e.kind is CommandKind.FILED]
            self._leave(self.works[was], work, entry, [report for report in left if report])
        survivor = self.works.get(work.survivor) if work.survivor else None
        if survivor is None:
            return
        known = {(e.report, e.received_at) for e in survivor.entries}
        for each in sorted((e for e in work.entries if e.kind is CommandKind.FILED), key=lambda e: e.order):
            if each.is_foreign or (each.report, each.received_at) in known:
                continue
            form = reading.report(each.data)[0].form
            self._apply(
                survivor,
                each,
                {"unit": work.opened_from, "form": form, "joined_from": work.tracked.id},
                ENGINE,
            )
            self._join(survivor, each, survivor.survivor)

    def _leave(self, survivor: Work, work: Work, entry: Entry, reports: list[str]) -> None:
        own = [e for e in survivor.entries if e.report not in reports]
        if len(own) == len(survivor.entries):
            return
        survivor.entries[:] = own
        undone = replace(entry, kind=CommandKind.AMENDED, data={}, anomalies=(), report=None)
        told = {"unit": work.opened_from, "left": reports, "joined_from": work.tracked.id}
        self._apply(survivor, undone, told, ENGINE)
        if survivor.survivor in self.works:
            self._leave(self.works[survivor.survivor], survivor, entry, reports)


def _is_earlier(command: Command, known: inbox.Seen | None) -> bool:
    """Whether this is an earlier copy of a report that is known already."""
    return (
        known is not None
        and command.kind is CommandKind.FILED
        and known.received_at is not None
        and command.digest == known.digest
        and command.received_at < known.received_at
    )


def _rejected(*errors: Problem, incident: str | None = None) -> Outcome:
    return Outcome(OutcomeKind.REJECTED, incident, (), tuple(errors))


def _survivors(work: Work) -> Iterator[str]:
    """The incidents that any withdrawal of this one names: which of them counts may change with the next command."""
    for entry in work.entries:
        named = entry.data.get("duplicate_of")
        if entry.kind is CommandKind.WITHDRAWN and isinstance(named, str):
            yield named.lower()
