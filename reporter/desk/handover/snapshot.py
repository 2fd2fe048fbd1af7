"""The snapshot of a handover: all that the incoming shift has to know, as plain JSON that is frozen once.

It is made of what the board shows at that instant, so that nobody signs for anything else than what was seen.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from reporter.core.instants import maybe_rfc3339, rfc3339
from reporter.core.roster import Duty, UnitTree
from reporter.desk.handover.people import Shift
from reporter.desk.live.cards import Card, ClockCell, card_of
from reporter.desk.live.situation import Open, Situation
from reporter.engine.troubles import Trouble
from reporter.store.rosters import Hole
from reporter.store.shiftlog import LoggedIncident

VERSION: Final = 1
GAPS_AHEAD: Final = timedelta(hours=24)
ITEMS_MAX: Final = 500
Document = dict[str, object]


def snapshot_of(
    unit: str,
    situation: Situation,
    opens: Sequence[Open],
    shift: Shift,
    holes: Iterable[Hole],
    troubles: Iterable[Trouble],
    logged: Sequence[LoggedIncident],
    failed: dict[str, int],
    now: datetime,
) -> Document:
    """The document. `opens` are the unit's open incidents, those of its subtree among them, the worst first."""
    cards = [(open_, card_of(open_, situation, now)) for open_ in opens[:ITEMS_MAX]]
    tree = situation.tree
    incidents = [_incident(open_, card) for open_, card in cards]
    gaps = [_gap(each, tree) for each in holes if each.is_rostered and each.gap.starts_at < now + GAPS_AHEAD]
    ailing = [_trouble(each) for each in troubles]
    tones = [clock.face.tone for _, card in cards for clock in card.clocks]
    return {
        "version": VERSION,
        "unit": unit,
        "unit_name": tree.node(unit).name,
        "frozen_at": rfc3339(now),
        "shift": {
            "began_at": rfc3339(shift.began_at),
            "boundary_at": maybe_rfc3339(shift.boundary_at),
            "next_at": maybe_rfc3339(shift.next_at),
            "outgoing": _people(shift.outgoing),
            "incoming": _people(shift.incoming),
            "leaders": _people(shift.leaders),
        },
        "counts": {
            "open": len(incidents),
            "overdue": tones.count("overdue"),
            "soon": tones.count("soon"),
            "running": tones.count("running"),
            "unacknowledged": sum(card.unacknowledged for _, card in cards),
            "troubles": len(ailing),
            "failed_notices": sum(failed.values()),
            "gaps": len(gaps),
            "logged": len(logged),
            "late": sum(each.is_late for each in logged),
        },
        "incidents": incidents,
        "troubles": ailing,
        "gaps": gaps,
        "failed_notices": failed,
        "logged": [_logged(each, tree) for each in logged],
    }


def in_order(opens: Iterable[Open]) -> list[Open]:
    """The overdue first, then by the next deadline, then what waits for nothing any more."""

    def rank(open_: Open) -> tuple[bool, float, str]:
        waiting = [clock.due_at.timestamp() for clock in open_.clocks if clock.met_at is None]
        return not waiting, min(waiting, default=0.0), open_.incident.id

    return sorted(opens, key=rank)


def _incident(open_: Open, card: Card) -> Document:
    return {
        "item": f"incident/{card.id}",
        "id": card.id,
        "code": card.code,
        "title": card.title,
        "unit": open_.incident.unit,
        "unit_name": card.unit,
        "opened_from": open_.incident.opened_from,
        "mode": card.mode.value,
        "grade": card.grade.value if card.grade else None,
        "sensitive": card.is_sensitive,
        "place": card.place,
        "occurred_at": rfc3339(card.occurred_at),
        "version": open_.incident.version,
        "clocks": [_clock(cell) for cell in card.clocks],
        "unacknowledged": [
            {
                "reason": alarm.reason.value,
                "clock": alarm.clock,
                "level": alarm.level,
                "at": rfc3339(alarm.at),
            }
            for alarm in open_.alarms
            if alarm.is_calling
        ],
    }


def _clock(cell: ClockCell) -> Document:
    return {
        "obligation": cell.obligation,
        "title": list(cell.title),
        "state": cell.face.tone,
        "due_at": rfc3339(cell.due_at),
        "met_at": maybe_rfc3339(cell.met_at),
        "late_s": None if cell.late is None else cell.late // timedelta(seconds=1),
        "pressed": cell.fired,
        "missing": [list(each) for each in cell.missing],
        "needs": list(cell.needs) if cell.needs else None,
    }


def _people(duties: Iterable[Duty]) -> list[Document]:
    return [{"name": duty.person, "phone": duty.phone, "note": duty.note} for duty in duties]


def _trouble(trouble: Trouble) -> Document:
    return {
        "item": f"trouble/{trouble.code}",
        "code": trouble.code,
        "zh": trouble.zh,
        "en": trouble.en,
        "since": maybe_rfc3339(trouble.since),
        "grave": trouble.is_grave,
    }


def _gap(hole: Hole, tree: UnitTree) -> Document:
    gap = hole.gap
    return {
        "item": f"gap/{gap.unit}/{gap.role.value}/{rfc3339(gap.starts_at)}",
        "unit": gap.unit,
        "unit_name": tree.node(gap.unit).name,
        "role": gap.role.value,
        "starts_at": rfc3339(gap.starts_at),
        "ends_at": rfc3339(gap.ends_at),
    }


def _logged(row: LoggedIncident, tree: UnitTree) -> Document:
    unit = tree.resolve(row.unit) or tree.root
    return {
        "id": row.id,
        "code": row.code,
        "title": row.title,
        "unit": row.unit,
        "unit_name": tree.node(unit).name,
        "opened_from": row.opened_from,
        "mode": row.mode,
        "state": row.state,
        "received_at": rfc3339(row.received_at),
        "late": row.is_late,
    }
