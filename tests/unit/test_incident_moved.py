"""An occurrence that is moved later when a deadline has passed: said of the incident for ever (contract 3.9)."""

from itertools import permutations
from typing import Any

import pytest

from tests.unit.factories import an_entry, an_incident, between, text, view_of


@pytest.mark.parametrize("nonsense", [text(100), between(28, 24)], ids=["in the future", "invalid"])
@pytest.mark.parametrize("back", [text(20), text(0), text(-10)])
def test_no_nonsense_in_between_hides_that_it_was_moved_later_after_a_breach(
    nonsense: Any, back: str
) -> None:
    away, again = an_entry("amended", 25, occurred=nonsense), an_entry("amended", 26, occurred=back)
    received_late = an_incident(24)

    assert "occurrence_moved_after_breach" in view_of(received_late, away).anomalies
    for entries in permutations((away, again)):
        assert view_of(received_late, *entries).anomalies == ["occurrence_moved_after_breach"]


def test_what_was_said_before_the_nonsense_is_what_it_was_moved_from() -> None:
    """The nonsense came before any breach; the breach is that of the provisional anchor, at 21 minutes."""
    nonsense = an_entry("amended", 15, occurred=text(100))

    moved = [view_of(an_incident(1), nonsense, an_entry("amended", 30, occurred=text(o))) for o in (0, 0.5)]

    assert [view.anomalies for view in moved] == [[], ["occurrence_moved_after_breach"]]


@pytest.mark.parametrize(
    ("said", "amended_at", "is_odd"),
    [
        (between(0, 5), 19, False),
        (between(0, 5), 21, True),
        (between(-5, 5), 21, True),
        (between(-5, 0), 21, False),
    ],
)
def test_moving_its_latest_end_later_is_moving_it_later(
    said: dict[str, str], amended_at: float, is_odd: bool
) -> None:
    view = view_of(an_incident(1), an_entry("amended", amended_at, occurred=said))

    assert ("occurrence_moved_after_breach" in view.anomalies) == is_odd


def test_saying_at_last_when_it_happened_is_no_moving() -> None:
    unknown = an_incident(1, occurred=None)

    for said in (text(0), between(-30, 2), text(1)):
        assert view_of(unknown, an_entry("amended", 60, occurred=said)).anomalies == []


def test_what_was_withdrawn_before_its_deadline_had_no_breach_to_move_away_from() -> None:
    commands = an_entry("withdrawn", 10), an_entry("amended", 30, occurred=text(5))

    assert view_of(an_incident(1), *commands).anomalies == []
    reopened = view_of(an_incident(1), *commands, an_entry("reopened", 40))
    assert reopened.anomalies == ["occurrence_moved_after_breach"]
