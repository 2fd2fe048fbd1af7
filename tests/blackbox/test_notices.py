"""Reminders, breach notices and escalation reach people: once each, in time, and stop when they should.

Uses the schedule `town-quick`: due after 4 s, steps at -2, -1, 0, 1 s and from 2 s every second, 4 in all.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest

from .desk import Desk
from .district import ON_DUTY, District
from .ledgercheck import of_kind
from .moments import Json, ago, eventually, instant, now, pass_by, text
from .service import read_lines
from .webhook import Receiver

DUTY, LEADER = ON_DUTY["east"]["duty_officer"], ON_DUTY["east"]["leader"]
CHIEF_DUTY, CHIEF_LEADER = ON_DUTY["hitech"]["duty_officer"], ON_DUTY["hitech"]["leader"]
WHOLE_LADDER = {
    ("-PT2S", 1, DUTY), ("-PT1S", 1, DUTY),
    ("PT0S", 1, DUTY), ("PT0S", 1, LEADER), ("PT0S", 1, CHIEF_DUTY),
    ("PT1S", 1, LEADER), ("PT1S", 1, CHIEF_DUTY),
    ("PT2S", 1, CHIEF_LEADER), ("PT2S", 2, CHIEF_LEADER),
    ("PT2S", 3, CHIEF_LEADER), ("PT2S", 4, CHIEF_LEADER),
}  # fmt: skip


def notices(desk: Desk, incident: str) -> list[Json]:
    found: list[Json] = desk.incident(incident)["notices"]
    return found


def fired(desk: Desk, incident: str) -> list[tuple[str, int, str | None]]:
    """(step, repeat, person) of every notice. Asserts that nobody was told twice over one channel."""
    listed = notices(desk, incident)
    keys = [(x["step"], x["repeat"], x["person"], x["channel"]) for x in listed]
    assert len(keys) == len(set(keys)), keys
    return [key[:3] for key in keys]


def quick(town: District, unit: str = "east", title: str | None = None, mode: str = "actual") -> Json:
    """Opens an incident on the quick schedule, occurring now, and returns it."""
    facts = {"title": title} if title else {}
    publisher = town.publisher(unit)
    event = publisher.occurred(schedule="town-quick", occurred=text(now()), mode=mode).but(**facts)
    return town.desk.incident(publisher.outcome(event)["incident"])


def test_an_unmet_obligation_climbs_the_whole_ladder_once(town: District, desk: Desk) -> None:
    seen = quick(town)
    due = instant(seen["clocks"][0]["due_at"])

    eventually(lambda: set(fired(desk, seen["id"])) == WHOLE_LADDER, within=12, why="the whole ladder")
    pass_by(due, margin_s=6.5)  # one more repetition would have been at 6 s

    assert set(fired(desk, seen["id"])) == WHOLE_LADDER
    offsets = {"-PT2S": -2, "-PT1S": -1, "PT0S": 0, "PT1S": 1, "PT2S": 2}
    for notice in notices(desk, seen["id"]):
        at = due + timedelta(seconds=offsets[notice["step"]] + notice["repeat"] - 1)
        assert instant(notice["due_at"]) == at
        assert instant(notice["recorded_at"]) >= at
        reasons = {"-PT2S": "reminder", "-PT1S": "reminder", "PT0S": "breach"}
        assert notice["reason"] == reasons.get(notice["step"], "escalation")
    lines = desk.ledger(seen["id"])
    assert len(of_kind(lines, "breached", "initial")) == 1
    assert [x["at"] for x in of_kind(lines, "reminded")] == [text(due - timedelta(seconds=n)) for n in (2, 1)]
    assert len(of_kind(lines, "escalated")) == 5


def test_the_breach_reaches_the_people(town: District, desk: Desk) -> None:
    title = f"人人皆知 {uuid.uuid4().hex[:8]}"
    due = now() + timedelta(seconds=2)
    incident = town.publisher("east").open(title=title, occurred=text(due - timedelta(minutes=20)))

    reached = eventually(
        lambda: len(x := {each.path for each in town.receiver.about(title) if each.at >= due}) >= 3 and x,
        within=8,
        why="three people are told",
    )

    assert reached == {"/east/duty_officer", "/east/leader", "/hitech/duty_officer"}
    eventually(
        lambda: (
            {x["state"] for x in notices(desk, incident) if x["step"] == "PT0S"} <= {"accepted", "delivered"}
        ),
        within=10,
        why="the receipts are kept",
    )


def test_a_report_cancels_what_has_not_fired(town: District, desk: Desk) -> None:
    seen = quick(town)
    due = instant(seen["clocks"][0]["due_at"])
    eventually(lambda: fired(desk, seen["id"]), within=6, why="the first reminder")

    desk.tell(seen["id"], "reports", covers=["initial"], form="phone")
    before = fired(desk, seen["id"])
    pass_by(due, margin_s=1.5)

    assert fired(desk, seen["id"]) == before
    assert not of_kind(desk.ledger(seen["id"]), "breached")


def test_an_acknowledgement_ends_the_repetition_and_never_the_next_step(town: District, desk: Desk) -> None:
    seen = quick(town)
    due = instant(seen["clocks"][0]["due_at"])

    eventually(lambda: [x for x in fired(desk, seen["id"]) if x[0] == "PT0S"], within=8)
    desk.tell(seen["id"], "acknowledgements", by=DUTY)
    assert {x["state"] for x in notices(desk, seen["id"]) if x["step"] == "PT0S"} == {"acknowledged"}

    repeating = eventually(lambda: [x for x in notices(desk, seen["id"]) if x["step"] == "PT2S"], within=6)
    town.publisher("east").tell("acknowledged", seen["id"], notice=repeating[0]["id"], by=CHIEF_LEADER)
    acknowledged = fired(desk, seen["id"])
    pass_by(due, margin_s=5.5)

    assert {("PT1S", 1, LEADER), ("PT2S", 1, CHIEF_LEADER)} <= set(
        acknowledged
    )  # later steps fired all the same
    assert fired(desk, seen["id"]) == acknowledged  # and nothing repeated since
    assert desk.clock(seen["id"], "initial")["state"] == "breached"
    assert len(of_kind(desk.ledger(seen["id"]), "acknowledged")) >= 2


def test_nobody_on_duty_is_said_and_the_search_goes_up_the_tree(town: District, desk: Desk) -> None:
    seen = quick(town, "quiet")

    first = eventually(lambda: [x for x in notices(desk, seen["id"]) if x["step"] == "-PT2S"], within=6)

    nobody = [x for x in first if x["person"] is None]
    assert [(x["channel"], x["to"]) for x in nobody] == [("desk", "unit.duty_officer")]
    assert "nobody_on_duty" in nobody[0]["note"]
    assert CHIEF_DUTY in {x["person"] for x in first}


def test_superior_roles_of_the_root_fall_to_the_root_and_merge(town: District, desk: Desk) -> None:
    seen = quick(town, "hitech")

    at_breach = eventually(
        lambda: len(x := [n for n in notices(desk, seen["id"]) if n["step"] == "PT0S"]) >= 2 and x, within=8
    )

    assert isinstance(at_breach, list)
    told = sorted((x["person"], x["to"]) for x in at_breach)
    assert told == sorted([(CHIEF_DUTY, "unit.duty_officer"), (CHIEF_LEADER, "unit.leader")])


def test_a_drill_is_marked_and_climbs_the_same_ladder(town: District, desk: Desk) -> None:
    title = f"演习 {uuid.uuid4().hex[:8]}"
    seen = quick(town, title=title, mode="exercise")

    eventually(lambda: [x for x in fired(desk, seen["id"]) if x[0] == "PT1S"], within=10)

    posted = town.receiver.about(title)
    assert posted
    assert all("【演练】" in x.text for x in posted)


@pytest.fixture
def unsteady() -> Iterator[Receiver]:
    """A receiver that refuses twice and then takes everything."""
    receiver = Receiver(answers=[503, 503, 200])
    yield receiver
    receiver.close()


def test_a_channel_that_fails_for_a_while_gets_the_notice_later(
    town: District, desk: Desk, unsteady: Receiver
) -> None:
    starts, ends = text(ago(minutes=1)), text(ago(minutes=-60))
    header = ("unit", "role", "starts", "ends", "person", "phone", "channels")
    row = ("audit-b", "duty_officer", starts, ends, "何乙值班", "139", unsteady.address("/b"))
    town.service.import_file("roster", read_lines([header, row]))
    title = f"重试 {uuid.uuid4().hex[:8]}"

    incident = town.publisher("audit-b").open(title=title, occurred=text(ago(minutes=12)))

    def delivered() -> Json:
        return next(
            x
            for x in notices(desk, incident)
            if x["person"] == "何乙值班" and x["state"] in ("accepted", "delivered")
        )

    notice = eventually(delivered, within=25, why="the notice is taken at the third attempt")
    assert notice["attempts"] == 3
    assert len(unsteady.about(title)) == 3


def test_an_incident_opened_late_repeats_from_its_arrival_not_from_the_past(
    town: District, desk: Desk
) -> None:
    arrival = now()
    incident = town.publisher("east").open(schedule="town-quick", occurred=text(ago(seconds=60)))

    eventually(lambda: [x for x in fired(desk, incident) if x[:2] == ("PT2S", 2)], within=6)

    by_repeat: dict[int, Json] = {}
    for notice in notices(desk, incident):
        by_repeat.setdefault(notice["repeat"], notice)
    assert {x["step"] for x in notices(desk, incident)} == {
        "PT2S"
    }  # all earlier steps collapsed into the newest
    everyone = {x["person"] for x in notices(desk, incident) if x["repeat"] == 1}
    assert everyone == {
        DUTY,
        LEADER,
        CHIEF_DUTY,
        CHIEF_LEADER,
    }
    assert instant(by_repeat[2]["recorded_at"]) >= arrival + timedelta(seconds=0.9)
