"""Judging with the broker's word: the bounds of the contract's 3.13, held against what a fence answered."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from tests.sim.rules import SECOND
from tests.sim.stage import Asked

MARGIN = SECOND // 20
"""So far past a due time the broker's clock must be before its word counts."""
UNREACHABLE, STALLED, ADVANCING = SECOND, 4 * SECOND, 30 * SECOND
PAUSE = SECOND
"""What counts of a pause in which nobody asked."""
SLACK = SECOND // 2
"""An engine asks again after a quarter of a second."""


def hear_the_fence(asked: Sequence[Asked]) -> None:
    """Every answer of one fence. Errors: AssertionError for the first that is out of bounds.

    Nothing is judged through an instant before which something is stored and unread, but for the bounds; and within
    the bounds it is judged. Where a wall clock was set meanwhile, spans measured by it say nothing.
    """
    judged = 0
    for index, each in enumerate(asked):
        before = asked[: index + 1]
        recent = [other for other in before if each.at - other.at <= ADVANCING + 2 * SLACK]
        if len({other.now - other.at for other in recent}) == 1:
            _hear(each, before, judged)
        judged = max(judged, each.through)


def _hear(each: Asked, before: Sequence[Asked], judged: int) -> None:
    """One answer: `before`, all up to itself; `judged`, how far had been judged before it."""
    if each.is_cut:
        is_harmless = each.now < each.at and not any(at <= each.through for at in each.waiting)
        is_bounded = each.through <= max(judged, each.now - UNREACHABLE)
        assert is_bounded or is_harmless, f"judged without a word: {each}"
        since = _since(before, lambda other: other.is_cut)
        is_steady = len({other.now - other.at for other in before if other.at >= since}) == 1
        if is_steady and each.at - since >= UNREACHABLE:
            assert each.through >= each.now - UNREACHABLE, f"not judged without a word: {each}"
        return
    assert each.through <= max(judged, each.at - MARGIN), f"nearer than the margin: {each}"
    if not each.waiting:
        assert each.through >= min(each.now, each.at - MARGIN), f"all is read, and yet not judged: {each}"
        return
    still = _since(before, lambda other: other.floor == each.floor)
    asking = _since(before, lambda other: bool(other.waiting))
    for at in [at for at in each.waiting if judged < at <= each.through]:
        known = next(other.at for other in before if other.at >= at)
        is_patient = (
            _waited(before, max(known, still)) >= STALLED or _waited(before, max(known, asking)) >= ADVANCING
        )
        assert is_patient, f"judged past an unread message: {each}"
    for since, bound in ((still, STALLED), (asking, ADVANCING)):
        if each.at - since >= bound + SLACK and _is_close(before, since):
            assert each.through >= min(each.now, since - 2 * MARGIN), f"waits beyond its bound: {each}"


def _since(before: Sequence[Asked], holds: Callable[[Asked], bool]) -> int:
    """Since when it has held at every question up to the last."""
    broken = [index for index, other in enumerate(before) if not holds(other)]
    return before[min(broken[-1] + 1 if broken else 0, len(before) - 1)].at


def _waited(before: Sequence[Asked], since: int) -> int:
    """How long has been waited since then: while the database took nothing no time, and of a pause a second."""
    failing = [other.at for other in before if other.is_failing]
    asked = [other.at for other in before if other.at >= max([since, *failing[-1:]])]
    return sum(min(later - earlier, PAUSE) for earlier, later in pairwise(asked))


def _is_close(before: Sequence[Asked], since: int) -> bool:
    """The questions since then followed close upon one another, and all were answered."""
    recent = [other for other in before if other.at >= since]
    is_answered = not any(other.is_cut or other.is_failing for other in recent)
    return is_answered and all(later.at - earlier.at <= SLACK for earlier, later in pairwise(recent))
