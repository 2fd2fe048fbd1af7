"""Waits between attempts: longer each time, and never past the next thing that the ladder says."""

from datetime import timedelta

import pytest

from reporter.core.instants import parse
from reporter.core.notice import IncidentWords, Taken, Words
from reporter.sending.patience import RETRY_AFTER_S, SHORT_S, is_spent, next_step_at, retry_after_s
from tests.unit.factories import CATALOG

NOW = parse("2026-11-23T06:00:00Z")
MINUTE = timedelta(minutes=1)
NOTICE = Taken(
    id="n", incident_id="i", unit="east", mode="actual", obligation="initial", step="-PT10M", repeat=1,
    reason="reminder", to_role="unit.duty_officer", person="李", phone=None, channel="webhook", address="",
    due_at=NOW, recorded_at=NOW, attempts=1, note=None,
)  # fmt: skip


def words(due_in_minutes: float) -> Words:
    edition, _ = CATALOG.default.edition_in_force(NOW)
    incident = IncidentWords("i", "c", "t", "east", edition.schedule_id, edition.digest)
    dues = {("i", "initial"): NOW + due_in_minutes * MINUTE}
    return Words({"i": incident}, dues, {}, {edition.digest: edition})


def test_the_waits_grow_and_are_spread() -> None:
    for attempts, wait_s in enumerate(RETRY_AFTER_S, 1):
        found = {retry_after_s(NOTICE._replace(attempts=attempts), None) for _ in range(20)}
        assert all(0.8 * wait_s <= each <= 1.2 * wait_s for each in found)
        assert len(found) > 1


def test_a_wait_takes_at_most_half_of_what_is_left_but_is_never_hasty() -> None:
    late = NOTICE._replace(attempts=6)

    assert retry_after_s(late, 100) == 50
    assert retry_after_s(late, 1) == SHORT_S
    assert retry_after_s(late, 1, not_before_s=120) == 120
    assert retry_after_s(NOTICE, 1) <= 2.4


@pytest.mark.parametrize(
    ("attempts", "minutes", "is_last"),
    [(8, 5, False), (7, 30, False), (8, 30, True), (30, 29, False), (9, 60, True)],
)
def test_a_notice_is_tried_so_often_and_for_so_long(attempts: int, minutes: int, is_last: bool) -> None:
    breach = NOTICE._replace(attempts=attempts, reason="breach")

    assert is_spent(breach, words(-minutes), NOW, minutes * MINUTE) is is_last


def test_a_reminder_is_not_tried_after_its_deadline_wherever_that_has_moved_to() -> None:
    late = NOTICE._replace(due_at=NOW - MINUTE)

    assert not is_spent(NOTICE, words(1), NOW, MINUTE)
    assert is_spent(NOTICE, words(0), NOW, MINUTE)
    assert not is_spent(late, words(1), NOW, MINUTE)
    assert is_spent(late, Words({}, {}, {}, {}), NOW, MINUTE)
    assert not is_spent(late._replace(reason="breach"), words(-1), NOW, MINUTE)


def test_after_the_last_of_the_waits_they_stay_as_long() -> None:
    assert 480 <= retry_after_s(NOTICE._replace(attempts=20), None) <= 720


def test_the_next_step_is_the_next_rung_or_the_next_repetition_and_at_the_end_nothing() -> None:
    assert next_step_at(NOTICE, words(10), NOW) == NOW + 5 * MINUTE
    assert next_step_at(NOTICE, words(3), NOW) == NOW + 3 * MINUTE
    assert next_step_at(NOTICE, words(-12), NOW) == NOW + 8 * MINUTE
    assert next_step_at(NOTICE, words(-200), NOW) is None
    assert next_step_at(NOTICE._replace(incident_id=None), words(10), NOW) is None
