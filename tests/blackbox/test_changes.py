"""What changes afterwards: amendments, withdrawal, reopening, closure, joining, drills."""

from __future__ import annotations

from datetime import datetime, timedelta

from .desk import Desk, clock_of
from .district import District
from .ledgercheck import of_kind, standing_breaches
from .moments import Json, ago, eventually, now, pass_by, text

TWENTY = timedelta(minutes=20)


def breached(desk: Desk, incident: str, obligation: str = "initial") -> Json:
    """The standing breach of one clock, once recorded."""
    return eventually(
        lambda: standing_breaches(desk.ledger(incident), obligation)[0],
        within=8,
        why=f"{obligation} breached",
    )


def test_moving_the_occurrence_later_lifts_the_breach_and_says_so(town: District, desk: Desk) -> None:
    incident = town.publisher("east").open(occurred=text(ago(minutes=21)))
    breached(desk, incident)

    seen = desk.tell(incident, "amendments", occurred=text(ago(minutes=5)), reason="首报时间有误")

    lines = desk.ledger(incident)
    lifted = of_kind(lines, "breach_lifted", "initial")
    assert [x["body"]["reason"] for x in lifted] == ["amended"]
    assert standing_breaches(lines, "initial") == []
    assert clock_of(seen, "initial")["state"] == "running"
    assert "occurrence_moved_after_breach" in seen["anomalies"]
    assert len(of_kind(lines, "breached", "initial")) == 1  # the old one stays in the ledger


def test_moving_the_occurrence_earlier_breaches_at_the_new_due_time(town: District, desk: Desk) -> None:
    incident = town.publisher("east").open(occurred=text(ago(minutes=10)))
    earlier = ago(minutes=25)

    desk.tell(incident, "amendments", occurred=text(earlier), reason="接警记录")

    assert breached(desk, incident)["at"] == text(earlier + TWENTY)


def test_a_breach_moved_to_another_past_time_is_lifted_and_recorded_anew(town: District, desk: Desk) -> None:
    incident = town.publisher("east").open(occurred=text(ago(minutes=30)))
    breached(desk, incident)
    other = ago(minutes=25)

    desk.tell(incident, "amendments", occurred=text(other), reason="更正")

    lines = desk.ledger(incident)
    assert standing_breaches(lines, "initial")[0]["at"] == text(other + TWENTY)
    kinds = [
        x["kind"] for x in lines if x["kind"].startswith("breach") and x["body"]["obligation"] == "initial"
    ]
    assert kinds == ["breached", "breach_lifted", "breached"]
    again = [x for x in lines if x["kind"] in ("breach_lifted", "breached")][-2:]
    assert again[0]["recorded_at"] == again[1]["recorded_at"]  # one commit


def test_a_correction_by_one_second_after_the_notices_went_out_makes_no_new_one(
    town: District, desk: Desk
) -> None:
    occurred = ago(minutes=165)
    incident = town.publisher("east").open(occurred=text(occurred))

    def notices() -> list[Json]:
        found: list[Json] = desk.incident(incident)["notices"]
        return found if len(found) >= 5 else []

    before = eventually(notices, within=8, why="five notices or more")

    moved = occurred + timedelta(seconds=1)
    seen = desk.tell(incident, "amendments", occurred=text(moved), reason="秒级更正")
    assert standing_breaches(desk.ledger(incident), "initial")[0]["at"] == text(moved + TWENTY)
    pass_by(now(), margin_s=1.2)

    after = desk.incident(incident)["notices"]
    assert [x["id"] for x in after] == [x["id"] for x in seen["notices"]] == [x["id"] for x in before]


def test_a_back_dated_incident_makes_one_notice_per_obligation_and_recipient(
    town: District, desk: Desk
) -> None:
    incident = town.publisher("east").open(occurred=text(ago(minutes=165)))

    def all_told() -> bool:
        return {x["obligation"] for x in desk.incident(incident)["notices"]} == {
            "initial",
            "verified",
            "detailed",
        }

    eventually(all_told, within=8)

    told = [(x["obligation"], x["person"], x["channel"]) for x in desk.incident(incident)["notices"]]
    assert len(told) == len(set(told)), told
    to = {x["to"] for x in desk.incident(incident)["notices"] if x["obligation"] == "initial"}
    # the union of all steps already past
    assert to == {"unit.duty_officer", "unit.leader", "superior.duty_officer", "superior.leader"}


def test_the_latest_received_amendment_of_a_fact_holds(town: District, desk: Desk) -> None:
    publisher = town.publisher("east")
    incident = publisher.open(occurred=text(ago(minutes=2)), grade="IV")

    publisher.tell("amended", incident, grade="III", place={"text": "3号库"}, reason="核实")
    publisher.tell("amended", incident, grade="I", reason="升级")

    seen = desk.incident(incident)
    assert seen["grade"] == "I"
    assert "3号库" in str(seen)
    assert len(of_kind(desk.ledger(incident), "amended")) == 2


def test_closing_makes_what_was_breached_missing_and_leaves_what_is_not_due_running(
    town: District, desk: Desk
) -> None:
    incident = town.publisher("east").open(occurred=text(ago(minutes=30)))
    breached(desk, incident)

    closed = desk.tell(incident, "closure", reason="处置完毕")

    assert closed["state"] == "closed"
    initial, verified = clock_of(closed, "initial"), clock_of(closed, "verified")
    assert (initial["state"], initial["verdict"]) == ("breached", "missing")
    assert (verified["state"], verified["verdict"]) == ("running", None)

    late = desk.tell(incident, "reports", covers=["initial"], form="phone")
    assert "report_after_close" in late["anomalies"]
    assert clock_of(late, "initial")["verdict"] == "missing"
    assert len(late["reports"]) == 1

    good = desk.tell(incident, "reports", covers=["verified"], form="written")
    assert clock_of(good, "verified")["verdict"] == "on_time"


def test_a_clock_that_falls_due_after_closing_becomes_missing_then(town: District, desk: Desk) -> None:
    due = now() + timedelta(seconds=2)
    incident = town.publisher("east").open(occurred=text(due - TWENTY))

    closed = desk.tell(incident, "closure", reason="误以为无须报送")
    assert clock_of(closed, "initial")["verdict"] is None

    clock = eventually(lambda: (x := desk.clock(incident, "initial"))["verdict"] and x, within=6)
    assert (clock["state"], clock["verdict"]) == ("breached", "missing")
    assert standing_breaches(desk.ledger(incident), "initial")[0]["at"] == text(due)


def test_a_withdrawal_stops_the_clocks_and_reopening_judges_as_if_they_never_stopped(
    town: District, desk: Desk
) -> None:
    occurred = ago(minutes=19, seconds=57)
    publisher = town.publisher("east")
    incident = publisher.open(occurred=text(occurred))

    publisher.tell("withdrawn", incident, reason="误报")
    withdrawn = desk.incident(incident)
    assert withdrawn["state"] == "withdrawn"
    assert {(x["state"], x["verdict"]) for x in withdrawn["clocks"]} == {("stopped", None)}
    pass_by(occurred + TWENTY, margin_s=1)
    assert standing_breaches(desk.ledger(incident), "initial") == []

    publisher.tell("reopened", incident, reason="确有其事")
    line = breached(desk, incident)
    assert line["at"] == text(occurred + TWENTY)
    assert desk.incident(incident)["state"] == "open"
    assert desk.clock(incident, "verified")["due_at"] == text(occurred + timedelta(hours=1))


def test_a_report_during_a_withdrawal_counts_once_reopened(town: District, desk: Desk) -> None:
    publisher = town.publisher("east")
    incident = publisher.open(occurred=text(ago(minutes=5)))
    publisher.tell("withdrawn", incident, reason="误报")

    publisher.tell("filed", incident, covers=["initial"], form="phone")
    assert desk.verdict(incident, "initial") is None
    publisher.tell("reopened", incident, reason="确有其事")

    assert desk.verdict(incident, "initial") == "on_time"


def test_withdrawing_after_a_breach_is_named_and_the_superior_hears_of_it(town: District, desk: Desk) -> None:
    incident = town.publisher("east").open(occurred=text(ago(minutes=25)))
    breached(desk, incident)
    known = {x["id"] for x in desk.incident(incident)["notices"]}

    seen = desk.tell(incident, "withdrawal", reason="误报")

    assert "withdrawn_after_breach" in seen["anomalies"]
    new = [x for x in desk.incident(incident)["notices"] if x["id"] not in known]
    assert any(x["to"].startswith("superior.") for x in new), new


def test_two_incidents_joined_count_each_report_at_its_own_arrival(town: District, desk: Desk) -> None:
    publisher = town.publisher("east")
    one = publisher.open(occurred=text(ago(minutes=10)))
    two = publisher.open(occurred=text(ago(minutes=9)))
    publisher.tell("filed", two, covers=["initial"], form="phone", author="先报的")
    received = desk.incident(two)["reports"][0]["received_at"]

    publisher.tell("withdrawn", two, duplicate_of=one, reason="同一起爆燃")

    joined = eventually(lambda: (x := desk.clock(one, "initial"))["met_at"] and x, within=10)
    assert (joined["met_at"], joined["verdict"]) == (received, "on_time")
    publisher.tell("filed", two, covers=["verified"], form="written", author="仍报到旧的")
    later: str = desk.incident(two)["reports"][-1]["received_at"]
    verified = eventually(lambda: (x := desk.clock(one, "verified"))["met_at"] and x, within=10)
    assert (verified["met_at"], verified["verdict"]) == (later, "on_time")
    assert desk.incident(two)["state"] == "withdrawn"


def test_a_join_that_repairs_a_breach_lifts_it(town: District, desk: Desk) -> None:
    occurred: datetime = ago(minutes=19, seconds=57)
    publisher = town.publisher("east")
    two = publisher.open(occurred=text(occurred))
    publisher.tell("filed", two, covers=["initial"], form="phone")
    one = publisher.open(occurred=text(occurred))
    breached(desk, one)

    publisher.tell("withdrawn", two, duplicate_of=one, reason="同一起")

    eventually(lambda: desk.verdict(one, "initial") == "on_time", within=10)
    assert standing_breaches(desk.ledger(one), "initial") == []


def test_an_exercise_runs_the_same_clocks_and_may_become_real_but_not_back(
    town: District, desk: Desk
) -> None:
    publisher = town.publisher("east")
    incident = publisher.open(mode="exercise", occurred=text(ago(minutes=25)), title="年度演练")
    assert breached(desk, incident)
    assert desk.incident(incident)["mode"] == "exercise"

    back = publisher.open(occurred=text(ago(minutes=1)))
    assert publisher.tell("amended", back, mode="exercise", reason="想当演练")["outcome"] == "rejected"
    assert desk.incident(back)["mode"] == "actual"

    marked = {x["id"] for x in desk.incident(incident)["notices"]}
    real = publisher.tell("amended", incident, mode="actual", reason="演练中真出事了")
    assert real["outcome"] == "accepted"
    assert desk.incident(incident)["mode"] == "actual"
    again = eventually(
        lambda: [x for x in desk.incident(incident)["notices"] if x["id"] not in marked], within=10
    )
    assert {x["obligation"] for x in again} >= {"initial"}  # past steps fire once, unmarked


def test_every_notice_of_a_drill_is_marked(town: District) -> None:
    title = f"防汛 {now().timestamp()}"
    town.publisher("east").open(mode="exercise", occurred=text(ago(minutes=25)), title=title)
    title_test = f"联调 {now().timestamp()}"
    town.publisher("east").open(mode="test", occurred=text(ago(minutes=25)), title=title_test)

    drill = eventually(lambda: town.receiver.about(title), within=8)
    test = eventually(lambda: town.receiver.about(title_test), within=8)

    assert all("【演练】" in x.text for x in drill)
    assert all("【测试】" in x.text for x in test)


def test_held_amendments_apply_in_the_order_of_their_arrival(town: District, desk: Desk) -> None:
    publisher = town.publisher("east")
    event = publisher.occurred(occurred=text(ago(minutes=3)))
    for grade in ("III", "II"):
        held = publisher.event("amended", {"incident": event.incident, "grade": grade, "reason": "先到"})
        assert publisher.outcome(held)["outcome"] == "held"

    publisher.outcome(event)

    assert desk.incident(event.incident)["grade"] == "II"
    assert len(of_kind(desk.ledger(event.incident), "amended")) == 2
