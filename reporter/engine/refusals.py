"""Who may act on an incident, and why a command that can be read cannot be carried out."""

from collections.abc import Mapping

from reporter.core import reading
from reporter.core.command import Command, Problem
from reporter.core.roster import UnitTree
from reporter.core.schedule import Edition
from reporter.core.terms import CommandKind, Mode
from reporter.store.incidents import Work


def may_act(tree: UnitTree, unit: str, work: Work) -> bool:
    """Whether a command from `unit` may act on the incident: one's own, above or below it, or where it was opened."""
    if unit == work.opened_from:
        return True
    known = tree.resolve(unit)
    return known is not None and tree.is_related(known, work.tracked.unit)


def refusal(tree: UnitTree, works: Mapping[str, Work], command: Command, work: Work) -> Problem | None:
    """Why a command that can be read cannot be carried out on this incident, if so."""
    match command.kind:
        case CommandKind.FILED:
            return unknown_covers(work.tracked.edition, command.data)
        case CommandKind.AMENDED:
            return refused_mode(work.tracked.mode, command.data)
        case CommandKind.ACKNOWLEDGED if not isinstance(command.data.get("notice"), str | None):
            return Problem(
                "notice", "应为通知的编号；全部签收则不写 / must be a notice's id, or absent for all"
            )
        case CommandKind.WITHDRAWN:
            return _refused_duplicate(tree, works, command, work)
        case _:
            pass
    return None


def unknown_covers(edition: Edition, data: Mapping[str, object]) -> Problem | None:
    """The obligations that a report names and its incident's edition does not have."""
    valid = [obligation.id for obligation in edition.obligations]
    unknown = [name for name in reading.report(data)[0].covers or () if name not in valid]
    if not unknown:
        return None
    listing = ", ".join(valid)
    return Problem("covers", f"未知的报送义务 / unknown: {', '.join(unknown)[:200]}; valid: {listing}")


def refused_mode(mode: Mode, data: Mapping[str, object]) -> Problem | None:
    """The mode that an amendment asks for, where an incident of this mode may not have it."""
    asked = reading.incident_facts(data)[0].get("mode")
    if asked is None or asked in (Mode.ACTUAL, mode):
        return None
    return Problem("mode", "只能由演练或测试改为实战 / the mode may only become actual")


def _refused_duplicate(
    tree: UnitTree, works: Mapping[str, Work], command: Command, work: Work
) -> Problem | None:
    named = command.data.get("duplicate_of")
    if not isinstance(named, str):
        return None
    survivor = works[named.lower()]
    if not may_act(tree, command.unit, survivor):
        return Problem(
            "duplicate_of", f"单位 {command.unit} 无权处理该事件 / unit {command.unit} may not act on it"
        )
    step: Work | None = survivor
    while step is not None:
        if step.tracked.id == work.tracked.id:
            return Problem("duplicate_of", "不能互为重复 / an incident cannot survive itself")
        step = works.get(step.survivor) if step.survivor else None
    return None
