"""Giving a command over HTTP: the one way from a caller and some data through the gate, for the API and for pages.

1. Every field can be read: HTTP is strict (422).
2. A command whose identity has already taken effect goes to the gate whatever the state, to be answered as the
   duplicate it is; a new one has to fit (409). The gate decides all the same: this is only the kinder answer.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from reporter.core import reading
from reporter.core.canonical import canonical
from reporter.core.command import Command, Outcome, OutcomeKind, Problem, identity
from reporter.core.roster import ROOT
from reporter.core.terms import CommandKind, IncidentState, Mode
from reporter.desk.auth import Caller
from reporter.desk.problems import conflict, forbidden, not_found, unfit
from reporter.desk.services import Desk
from reporter.engine.refusals import refused_mode, unknown_covers
from reporter.store import inbox, queries

COMMANDS: Final = {
    "reports": CommandKind.FILED,
    "amendments": CommandKind.AMENDED,
    "withdrawal": CommandKind.WITHDRAWN,
    "closure": CommandKind.CLOSED,
    "reopening": CommandKind.REOPENED,
    "acknowledgements": CommandKind.ACKNOWLEDGED,
    "explanations": CommandKind.EXPLAINED,
    "findings": CommandKind.FOUND,
}
"""The last part of the path, and what it asks for."""

IDENTITY_REUSED: Final = "identity_reused"
_MISFITS: Final = {
    (CommandKind.CLOSED, IncidentState.CLOSED): "事件已结 / the incident is closed already",
    (CommandKind.CLOSED, IncidentState.WITHDRAWN): "事件已撤回 / the incident is withdrawn",
    (CommandKind.REOPENED, IncidentState.OPEN): "事件未结 / the incident is open",
    (CommandKind.WITHDRAWN, IncidentState.WITHDRAWN): "事件已撤回 / the incident is withdrawn already",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One command's caller and envelope: `key` is its id, `received_at` the arrival of its request."""

    caller: Caller
    key: str
    received_at: datetime

    @property
    def source(self) -> str:
        return self.caller.account.source


async def give_opening(desk: Desk, call: Call, data: dict[str, object]) -> Outcome:
    """Opens an incident; `unit` may be left out by a caller who has one unit only. Errors: 403, 422."""
    unit, errors = _unit(call.caller, data)
    errors += _schedule_errors(desk.services.schedules, data)
    if errors := errors + reading.problems(CommandKind.OCCURRED, data):
        raise unfit(errors)
    if call.caller.scope is not None and unit not in call.caller.scope:
        raise forbidden("不能为管辖范围以外的单位登记 / that unit is not within yours")
    return await _submit(desk, call, CommandKind.OCCURRED, call.source, unit, data)


async def give(desk: Desk, call: Call, path: str, incident_id: str, sent: dict[str, object]) -> Outcome:
    """Gives the command of that path to an incident which the door has shown to the caller. Errors: 404, 409, 422."""
    kind = COMMANDS[path]
    source = f"{call.source}/{path}/{incident_id}"
    data: dict[str, object] = {**sent, "incident": incident_id}
    async with desk.services.database.snapshot() as connection:
        standing = await queries.standing(connection, incident_id)
        if standing is None:
            raise not_found()
        if errors := _target_errors(sent, incident_id) + reading.problems(kind, data):
            errors += await _refused_names(connection, call.caller, kind, data)
            raise unfit(errors + await _foreseen(connection, desk, kind, standing, data))
        if not await inbox.has_taken(connection, identity(source, call.key)):
            if misfit := _MISFITS.get((kind, IncidentState(standing.state))):
                raise conflict(misfit)
            if errors := await _refused_names(connection, call.caller, kind, data):
                raise unfit(errors)
    outcome = await _submit(desk, call, kind, source, call.caller.unit, data)
    if outcome.kind is OutcomeKind.HELD:
        raise not_found()
    return outcome


async def _submit(
    desk: Desk, call: Call, kind: CommandKind, source: str, unit: str, data: dict[str, object]
) -> Outcome:
    command = Command(
        kind=kind,
        source=source,
        id=call.key,
        received_at=call.received_at,
        unit=unit,
        data=data,
        digest=sha256(canonical([source, kind.value, data])).hexdigest(),
        actor=call.caller.account.actor,
    )
    (outcome,) = await desk.services.gate.submit([command])
    if outcome.kind is OutcomeKind.REJECTED:
        reused = any(IDENTITY_REUSED in (error.path + error.message) for error in outcome.errors)
        raise unfit(outcome.errors, IDENTITY_REUSED if reused else "rejected")
    return outcome


def _unit(caller: Caller, data: dict[str, object]) -> tuple[str, list[Problem]]:
    """The unit to open for, and what is wrong with it: unlike the bus, HTTP takes registered units only.

    It may be left out by those who have one unit only; for anybody else the superior would be a guess.
    """
    code = data.get("unit")
    if code is None:
        is_only = caller.tree.subtree(caller.unit) <= {caller.unit, ROOT}
        return caller.unit, [] if is_only else [Problem("unit", "必填 / required")]
    unit = caller.tree.resolve(code) if isinstance(code, str) else None
    if unit is None or not caller.tree.node(unit).is_active:
        return caller.unit, [Problem("unit", "不是已登记的单位 / not a registered unit")]
    return unit, []


def _schedule_errors(known: Collection[str], data: dict[str, object]) -> list[Problem]:
    named = data.get("schedule")
    if not isinstance(named, str) or not known or named in known:
        return []
    listing = ", ".join(sorted(known))
    return [Problem("schedule", f"没有这个时限表 / no such schedule; known: {listing}")]


def _target_errors(data: dict[str, object], incident_id: str) -> list[Problem]:
    """What in the body names another incident than the path does."""
    errors = []
    named = data.get("incident")
    if named is not None and not (isinstance(named, str) and named.lower() == incident_id):
        errors.append(Problem("incident", "与路径不符 / differs from the path"))
    if (
        data.get("event") is not None
        and reading.target(CommandKind.FILED, {"event": data["event"]}) != incident_id
    ):
        errors.append(Problem("event", "与路径不符 / differs from the path"))
    return errors


async def _refused_names(
    connection: AsyncConnection, caller: Caller, kind: CommandKind, data: dict[str, object]
) -> list[Problem]:
    """What the data names and is not there. What is no text has been told of by the reader."""
    notice = data.get("notice") if kind is CommandKind.ACKNOWLEDGED else None
    if isinstance(notice, str) and not await queries.has_notice(connection, str(data["incident"]), notice):
        return [Problem("notice", "本事件没有这条通知 / no such notice of this incident")]
    survivor = data.get("duplicate_of") if kind is CommandKind.WITHDRAWN else None
    if isinstance(survivor, str):
        other = await queries.standing(connection, survivor.lower())
        if other is None or not caller.sees(other) or survivor.lower() == data["incident"]:
            return [Problem("duplicate_of", "没有这个事件 / no such incident, or this one itself")]
    return []


async def _foreseen(
    connection: AsyncConnection,
    desk: Desk,
    kind: CommandKind,
    standing: queries.Standing,
    data: dict[str, object],
) -> list[Problem]:
    """What the gate would refuse besides: whoever mends what could not be read should not be told of the rest next."""
    problem = None
    if kind is CommandKind.FILED:
        edition = await desk.editions.of(connection, standing.edition_digest)
        problem = unknown_covers(edition, data)
    elif kind is CommandKind.AMENDED:
        problem = refused_mode(Mode(standing.mode), data)
    return [] if problem is None else [problem]
