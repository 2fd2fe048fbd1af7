"""Who stands in for whom, at an instant and over a span."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from reporter.core.roster import Directory, Duty, UnitNode, UnitTree
from reporter.core.standin import Change, Shift, gaps, on_duty, standing, timeline
from reporter.core.terms import DutyRole, RosterChange
from tests.addresses import only_on

AT = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TREE = UnitTree(
    [
        UnitNode("city", "市", None, "0632-1", "", True),
        UnitNode("east", "东街道", "city", "0632-2", "", True),
    ]
)
WORKING = only_on("desk", "webhook")


def a_duty(person: str, role: str = "duty_officer", unit: str = "east", *channels: str) -> Duty:
    return Duty(unit, role, person, "138", channels)


def a_change(
    kind: RosterChange,
    person: str | None,
    taker: str | None,
    id_: int = 1,
    *,
    role: str | None = "duty_officer",
    starts: float = 0,
    ends: float = 24,
    channels: tuple[str, ...] = (),
) -> Change:
    span = AT + starts * HOUR, AT + ends * HOUR
    return Change(id_, kind, "east", role, person, *span, taker, "139", channels)


def stood(duties: Sequence[Duty], *changes: Change) -> list[tuple[str, str | None, bool]]:
    found = standing("east", "duty_officer", duties, changes)
    return [(each.person, each.note, each.is_absent) for each in found]


def told(
    roles: Sequence[str], duties: Sequence[Duty], *changes: Change
) -> list[tuple[str, str | None, str, str | None]]:
    directory = Directory(TREE, on_duty(TREE, duties, changes), WORKING)
    found = directory.recipients("east", roles)
    return [(each.to, each.person, each.channel, each.note) for each in found]


def a_shift(starts: float, ends: float, person: str = "李") -> Shift:
    return Shift(AT + starts * HOUR, AT + ends * HOUR, a_duty(person))


def spans(shifts: Sequence[Shift], *changes: Change, ends: float = 4) -> list[tuple[float, float, list[str]]]:
    slots = timeline("east", "duty_officer", shifts, changes, AT, AT + ends * HOUR)
    return [
        ((x.starts_at - AT) / HOUR, (x.ends_at - AT) / HOUR, [d.person for d in x.duties if not d.is_absent])
        for x in slots
    ]


# --- at an instant ------------------------------------------------------------------------------------------


def test_the_taker_of_a_swap_stands_where_the_other_would() -> None:
    swap = a_change(RosterChange.SWAP, "李", "王")

    assert stood([a_duty("李"), a_duty("周")], swap) == [("王", "swap:李", False), ("周", None, False)]


def test_a_swap_of_somebody_who_is_not_on_duty_changes_nothing() -> None:
    assert stood([a_duty("周")], a_change(RosterChange.SWAP, "李", "王")) == [("周", None, False)]


def test_who_took_a_span_may_hand_it_on_and_both_reasons_stand() -> None:
    first, second = a_change(RosterChange.SWAP, "李", "王"), a_change(RosterChange.OVERRIDE, "王", "赵", 2)

    assert stood([a_duty("李")], second, first) == [("赵", "override:王; swap:李", False)]


def test_an_override_of_everybody_fills_a_hole_too() -> None:
    override = a_change(RosterChange.OVERRIDE, None, "赵")

    assert stood([], override) == [("赵", "override", False)]
    assert stood([a_duty("李"), a_duty("周")], override) == [("赵", "override:李, 周", False)]


def test_a_deputy_stands_in_for_who_is_away_and_has_a_deputy_in_turn() -> None:
    away, deputy_away = (
        a_change(RosterChange.ABSENCE, "李", "王"),
        a_change(RosterChange.ABSENCE, "王", "赵", 2),
    )

    assert stood([a_duty("李")], away) == [("王", "deputy_of:李", False)]
    assert stood([a_duty("李")], away, deputy_away) == [("赵", "deputy_of:王; deputy_of:李", False)]


def test_deputies_who_name_each_other_leave_nobody() -> None:
    round_ = [a_change(RosterChange.ABSENCE, "李", "王"), a_change(RosterChange.ABSENCE, "王", "李", 2)]

    assert stood([a_duty("李")], *round_) == [("李", None, True)]


def test_a_taker_who_is_away_is_away() -> None:
    changes = [
        a_change(RosterChange.SWAP, "李", "王"),
        a_change(RosterChange.ABSENCE, "王", None, 2, role=None),
    ]

    assert stood([a_duty("李")], *changes) == [("王", "swap:李", True)]


def test_a_name_cannot_end_the_note_it_stands_in() -> None:
    assert stood([a_duty("李; x | y")], a_change(RosterChange.SWAP, "李; x | y", "王")) == [
        ("王", "swap:李 x y", False)
    ]


# --- whom a step reaches ------------------------------------------------------------------------------------


def test_a_notice_says_whose_deputy_it_went_to() -> None:
    away = a_change(RosterChange.ABSENCE, "李", "王", channels=("desk",))

    assert told(["unit.duty_officer"], [a_duty("李", "duty_officer", "east", "desk")], away) == [
        ("unit.duty_officer", "王", "desk", "deputy_of:李")
    ]


def test_without_a_deputy_it_falls_through_to_leader_contact_and_superior() -> None:
    duties = [a_duty("李"), a_duty("周", "leader"), a_duty("孙", "duty_officer", "city")]

    found = told(["unit.duty_officer"], duties, a_change(RosterChange.ABSENCE, "李", None))

    assert found == [
        ("unit.duty_officer", "周", "desk", "nobody_on_duty:east; fall_through:leader"),
        ("unit.duty_officer", None, "desk", "nobody_on_duty; absent:李"),
        ("unit.duty_officer", "孙", "desk", "nobody_on_duty:east"),
    ]


def test_a_leader_who_is_told_anyway_is_told_once_and_for_the_own_role() -> None:
    duties = [a_duty("周", "leader"), a_duty("孙", "duty_officer", "city")]

    found = told(["unit.duty_officer", "unit.leader"], duties)

    assert found == [
        ("unit.duty_officer", None, "desk", "nobody_on_duty"),
        ("unit.duty_officer", "孙", "desk", "nobody_on_duty:east"),
        ("unit.leader", "周", "desk", None),
    ]


def test_who_has_no_address_that_works_falls_through_to_the_leader() -> None:
    duties = [
        a_duty("李", "duty_officer", "east", "sms:138"),
        a_duty("周", "leader", "east", "desk"),
        a_duty("孙", "duty_officer", "city"),
    ]

    assert told(["unit.duty_officer"], duties) == [
        ("unit.duty_officer", "李", "sms", None),
        ("unit.duty_officer", "李", "desk", "no_address"),
        ("unit.duty_officer", "周", "desk", "no_address:李; fall_through:leader"),
    ]


def test_without_a_leader_who_can_be_reached_it_goes_up_past_those_who_cannot() -> None:
    duties = [
        a_duty("李", "duty_officer", "east", "sms:138"),
        a_duty("周", "leader", "east", "sms:139"),
        a_duty("孙", "duty_officer", "city", "desk"),
    ]

    assert [each[1:] for each in told(["unit.duty_officer"], duties)][-1] == ("孙", "desk", "no_address:李")


def test_one_who_can_be_reached_is_enough() -> None:
    duties = [a_duty("李", "duty_officer", "east", "sms:138"), a_duty("周", "duty_officer", "east", "desk")]

    assert [each[1] for each in told(["unit.duty_officer"], duties)] == ["李", "李", "周"]


def test_changes_recorded_for_root_follow_the_root() -> None:
    change = Change(1, RosterChange.SWAP, "root", "leader", "王", AT, AT + HOUR, "赵")

    found = on_duty(TREE, [Duty("root", "leader", "王", "", ())], [change])

    assert [each.person for each in found["city", "leader"]] == ["赵"]


# --- over a span --------------------------------------------------------------------------------------------


def test_a_span_is_told_in_slots_with_its_holes() -> None:
    shifts = [a_shift(-1, 1), a_shift(0, 0.5, "周"), a_shift(2, 3)]

    assert spans(shifts) == [(0, 0.5, ["李", "周"]), (0.5, 1, ["李"]), (1, 2, []), (2, 3, ["李"]), (3, 4, [])]


def test_shifts_that_follow_at_once_leave_no_gap_and_one_slot_for_one_person() -> None:
    assert spans([a_shift(0, 1), a_shift(1, 4)]) == [(0, 4, ["李"])]


def test_an_absence_makes_a_hole_and_an_override_fills_one() -> None:
    away = a_change(RosterChange.ABSENCE, "李", None, starts=1, ends=2)
    filled = a_change(RosterChange.OVERRIDE, None, "赵", 2, starts=3, ends=9)

    assert spans([a_shift(0, 3)], away, filled) == [
        (0, 1, ["李"]),
        (1, 2, []),
        (2, 3, ["李"]),
        (3, 4, ["赵"]),
    ]


def test_a_gap_is_one_whoever_is_absent_in_it() -> None:
    away = a_change(RosterChange.ABSENCE, "李", None, starts=1, ends=2)
    slots = timeline("east", "duty_officer", [a_shift(0, 2)], [away], AT, AT + 3 * HOUR)

    [gap] = gaps("east", DutyRole.DUTY_OFFICER, slots)

    assert (gap.starts_at, gap.ends_at) == (AT + HOUR, AT + 3 * HOUR)


span = st.tuples(st.integers(-5, 30), st.integers(1, 20)).map(lambda x: (x[0], x[0] + x[1]))
people = st.sampled_from(["李", "王", "赵"])


@given(
    st.lists(st.tuples(span, people), max_size=8),
    st.lists(st.tuples(st.sampled_from(RosterChange), span, st.none() | people, people), max_size=5),
)
def test_the_grid_says_at_every_instant_what_is_said_of_that_instant(
    shifts: list[tuple[tuple[int, int], str]],
    changes: list[tuple[RosterChange, tuple[int, int], str | None, str]],
) -> None:
    held = [a_shift(*each, person) for each, person in shifts]
    agreed = [
        a_change(kind, person, taker, number, starts=each[0], ends=each[1])
        for number, (kind, each, person, taker) in enumerate(changes)
        if kind is not RosterChange.ABSENCE or person is not None
    ]

    slots = timeline("east", "duty_officer", held, agreed, AT, AT + 24 * HOUR)

    assert [slots[0].starts_at, slots[-1].ends_at] == [AT, AT + 24 * HOUR]
    assert all(one.ends_at == other.starts_at for one, other in pairwise(slots))
    for hour in range(24):
        at = AT + hour * HOUR
        [slot] = [each for each in slots if each.starts_at <= at < each.ends_at]
        duties = [each.duty for each in held if each.starts_at <= at < each.ends_at]
        now = [each for each in agreed if each.starts_at <= at < each.ends_at]
        expected = standing("east", "duty_officer", duties, now)
        assert slot.duties == expected
