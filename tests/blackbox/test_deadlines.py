"""Deadlines and verdicts, to the microsecond, as the contract's section 3 states them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from .desk import Desk, clock_of
from .district import District
from .ledgercheck import of_kind, standing_breaches
from .moments import Json, ago, eventually, instant, now, pass_by, text

pytestmark = pytest.mark.alone

SPANS = {"initial": timedelta(minutes=20), "verified": timedelta(hours=1), "detailed": timedelta(hours=2)}
ELEMENTS = ["cause", "background", "development", "response", "consequence", "impact", "opinion"]
ONE_US = timedelta(microseconds=1)


def breached(desk: Desk, incident: str, obligation: str = "initial") -> Json:
    """The standing breach of one clock, once recorded."""
    return eventually(
        lambda: standing_breaches(desk.ledger(incident), obligation)[0],
        within=8,
        why=f"{obligation} breached",
    )


def test_an_occurrence_19_min_57_s_ago_is_breached_once_three_seconds_later(
    town: District, desk: Desk
) -> None:
    occurred = ago(minutes=19, seconds=57)
    incident = town.publisher("east").open(occurred=text(occurred))
    assert desk.clock(incident, "initial")["state"] == "running"

    line = breached(desk, incident)

    due = occurred + SPANS["initial"]
    assert line["at"] == text(due) == desk.clock(incident, "initial")["due_at"]
    assert line["body"]["certain"] is True
    assert instant(line["recorded_at"]) >= due
    assert desk.clock(incident, "initial")["state"] == "breached"
    assert desk.verdict(incident, "initial") is None

    filed = desk.tell(incident, "reports", covers=["initial"], form="phone")

    met = clock_of(filed, "initial")
    assert (met["state"], met["verdict"]) == ("met", "late")
    late = instant(met["met_at"]) - due
    assert abs(met["late_by_s"] - late.total_seconds()) <= 1
    assert len(of_kind(desk.ledger(incident), "breached", "initial")) == 1


def test_a_report_one_second_before_the_deadline_is_on_time_and_nothing_breaches(
    town: District, desk: Desk
) -> None:
    due = now() + timedelta(seconds=1.2)
    publisher = town.publisher("east")
    incident = publisher.open(occurred=text(due - SPANS["initial"]))

    publisher.tell("filed", incident, covers=["initial"], form="phone")
    pass_by(due, margin_s=0.8)

    clock = desk.clock(incident, "initial")
    assert instant(clock["met_at"]) < due
    assert (clock["state"], clock["verdict"]) == ("met", "on_time")
    assert not of_kind(desk.ledger(incident), "breached", "initial")


def test_a_report_one_second_after_the_deadline_is_late(town: District, desk: Desk) -> None:
    due = now() + timedelta(seconds=0.5)
    publisher = town.publisher("east")
    incident = publisher.open(occurred=text(due - SPANS["initial"]))

    pass_by(due, margin_s=1)
    publisher.tell("filed", incident, covers=["initial"], form="phone")

    clock = desk.clock(incident, "initial")
    assert (clock["state"], clock["verdict"]) == ("met", "late")
    assert len(of_kind(desk.ledger(incident), "breached", "initial")) == 1


@pytest.mark.parametrize("door", ["bus", "http"])
def test_exactly_on_the_deadline_is_on_time_and_a_microsecond_later_is_late(
    town: District, desk: Desk, door: str
) -> None:
    publisher = town.publisher("east")
    incident = publisher.open(occurred=text(ago(minutes=10)))
    if door == "bus":
        publisher.tell("filed", incident, covers=["initial"], form="phone")
    else:
        desk.tell(incident, "reports", covers=["initial"], form="phone")
    received: datetime = instant(desk.incident(incident)["reports"][0]["received_at"])

    verdicts = {}
    for name, shift in {"before": ONE_US, "exactly": timedelta(0), "after": -ONE_US}.items():
        occurred = received - SPANS["initial"] + shift  # so that the report came 1 µs before, on, after
        seen = desk.tell(incident, "amendments", occurred=text(occurred), reason=f"核实：{name}")
        verdicts[name] = clock_of(seen, "initial")["verdict"]
        assert instant(clock_of(seen, "initial")["due_at"]) == received + shift

    assert verdicts == {"before": "on_time", "exactly": "on_time", "after": "late"}
    desk.ledger(incident)


def test_a_detailed_report_first_covers_the_earlier_ones(town: District, desk: Desk) -> None:
    publisher = town.publisher("east")
    incident = publisher.open(occurred=text(ago(minutes=30)))

    publisher.tell("filed", incident, covers=["detailed"], form="written")

    clocks = {x["obligation"]: (x["state"], x["verdict"]) for x in desk.incident(incident)["clocks"]}
    assert clocks == {
        "initial": ("met", "late"),
        "verified": ("met", "on_time"),
        "detailed": ("met", "on_time"),
    }


def test_a_report_without_covers_meets_the_earliest_whose_form_allows_it(town: District, desk: Desk) -> None:
    publisher = town.publisher("east")
    incident = publisher.open(occurred=text(ago(minutes=1)))

    states = []
    for form in ("phone", "written", "written"):
        publisher.tell("filed", incident, form=form)
        states.append([x["state"] for x in desk.incident(incident)["clocks"]])

    assert states == [["met", "running", "running"], ["met", "met", "running"], ["met", "met", "met"]]


def test_a_phone_call_meets_initial_and_never_a_written_obligation(town: District, desk: Desk) -> None:
    publisher = town.publisher("east")
    incident = publisher.open(occurred=text(ago(minutes=1)))

    publisher.tell("filed", incident, covers=["verified"], form="phone")

    seen = desk.incident(incident)
    assert [x["state"] for x in seen["clocks"]] == ["met", "running", "running"]
    assert (len(seen["reports"]), seen["reports"][0]["form"]) == (1, "phone")


def test_five_of_seven_elements_are_on_time_and_incomplete_until_the_rest_comes(
    town: District, desk: Desk
) -> None:
    publisher = town.publisher("east")
    incident = publisher.open(occurred=text(ago(minutes=1)))
    declared = {
        "cause": "阀门破裂", "background": {"pending": "正在核实"}, "development": "已控制",
        "response": "已疏散", "consequence": {"none": True}, "impact": "  ", "opinion": {"pending": ""},
    }  # fmt: skip

    publisher.tell("filed", incident, covers=["detailed"], form="written", elements=declared)
    five = desk.clock(incident, "detailed")
    publisher.tell(
        "filed",
        incident,
        covers=["detailed"],
        form="written",
        elements={"impact": "停产", "opinion": {"none": True}},
    )
    seven = desk.clock(incident, "detailed")

    assert (five["verdict"], five["complete"], sorted(five["undeclared"])) == (
        "on_time",
        False,
        ["impact", "opinion"],
    )
    assert (seven["verdict"], seven["complete"], seven["undeclared"]) == ("on_time", True, [])
    assert seven["met_at"] == five["met_at"]
    assert desk.clock(incident, "initial")["complete"] is None


def test_an_interval_that_straddles_the_limit_is_undetermined_until_amended(
    town: District, desk: Desk
) -> None:
    earliest, latest = ago(minutes=21), ago(minutes=18)
    publisher = town.publisher("east")
    incident = publisher.open(occurred={"earliest": text(earliest), "latest": text(latest)})

    line = breached(desk, incident)
    clock = desk.clock(incident, "initial")
    assert (clock["due_at"], clock["due_latest_at"]) == (
        text(earliest + SPANS["initial"]),
        text(latest + SPANS["initial"]),
    )
    assert line["body"]["certain"] is False

    publisher.tell("filed", incident, covers=["initial"], form="phone")
    assert desk.verdict(incident, "initial") == "undetermined"

    seen = desk.tell(incident, "amendments", occurred=text(ago(minutes=19)), reason="监控录像")
    assert clock_of(seen, "initial")["verdict"] == "on_time"
    seen = desk.tell(incident, "amendments", occurred=text(earliest), reason="另一段录像")
    assert clock_of(seen, "initial")["verdict"] == "late"


def test_an_interval_with_both_ends_past_is_late_counted_from_the_latest(town: District, desk: Desk) -> None:
    earliest, latest = ago(minutes=40), ago(minutes=30)
    publisher = town.publisher("east")
    incident = publisher.open(occurred={"earliest": text(earliest), "latest": text(latest)})

    publisher.tell("filed", incident, covers=["initial"], form="phone")

    clock = desk.clock(incident, "initial")
    late = (instant(clock["met_at"]) - latest - SPANS["initial"]).total_seconds()
    assert clock["verdict"] == "late"
    assert abs(clock["late_by_s"] - late) <= 1


@pytest.mark.parametrize(
    ("occurred", "anomaly"),
    [
        (None, "occurrence_unknown"),
        ("in an hour", "occurrence_in_future"),
        ("backwards", "occurrence_invalid"),
    ],
)
def test_without_a_usable_occurrence_the_anchor_is_provisional(
    town: District, desk: Desk, occurred: str | None, anomaly: str
) -> None:
    given: dict[str | None, object] = {
        None: None,
        "in an hour": text(ago(minutes=-60)),
        "backwards": {"earliest": text(ago(minutes=5)), "latest": text(ago(minutes=6))},
    }
    publisher = town.publisher("east")

    incident = publisher.open(occurred=given[occurred])
    publisher.tell("filed", incident, covers=["initial"], form="phone")

    seen = desk.incident(incident)
    clock = clock_of(seen, "initial")
    assert anomaly in seen["anomalies"]
    assert seen["occurred"]["provisional"] is True
    assert instant(clock["due_at"]) == instant(seen["received_at"]) + SPANS["initial"]
    assert (clock["state"], clock["verdict"]) == ("met", "undetermined")
    amended = desk.tell(incident, "amendments", occurred=text(ago(minutes=2)), reason="报警记录")
    assert clock_of(amended, "initial")["verdict"] == "on_time"
    assert amended["occurred"]["provisional"] is False


def test_a_minute_of_clock_skew_is_no_future(town: District, desk: Desk) -> None:
    incident = town.publisher("east").open(occurred=text(ago(minutes=-1)))

    assert desk.incident(incident)["anomalies"] == []


def test_learning_late_starts_a_second_clock_and_never_excuses_the_first(town: District, desk: Desk) -> None:
    occurred, aware = ago(minutes=50), ago(minutes=15)
    publisher = town.publisher("east")
    incident = publisher.open(occurred=text(occurred), aware=text(aware))

    publisher.tell("filed", incident, covers=["initial"], form="phone")

    clock = desk.clock(incident, "initial")
    assert clock["verdict"] == "late"
    assert (clock["aware_due_at"], clock["aware_verdict"]) == (text(aware + SPANS["initial"]), "on_time")


def test_an_awareness_before_the_occurrence_is_ignored_and_named(town: District, desk: Desk) -> None:
    incident = town.publisher("east").open(occurred=text(ago(minutes=5)), aware=text(ago(minutes=9)))

    seen = desk.incident(incident)
    assert clock_of(seen, "initial")["aware_due_at"] is None
    assert any("aware" in anomaly for anomaly in seen["anomalies"]), seen["anomalies"]


def test_every_instant_is_printed_in_utc_with_microseconds(town: District, desk: Desk) -> None:
    incident = town.publisher("east").open(occurred="2026-11-23T14:00:00+08:00")

    seen = desk.incident(incident)

    assert seen["occurred"]["earliest"] == "2026-11-23T06:00:00.000000Z"
    stamps = [seen["received_at"], seen["recorded_at"]]
    stamps += [x[name] for x in seen["clocks"] for name in ("starts_at", "due_at")]
    stamps += [x[name] for x in seen["notices"] for name in ("due_at", "recorded_at")]
    stamps += [x[name] for x in desk.ledger(incident) for name in ("at", "recorded_at")]
    assert all(stamp == text(instant(stamp)) for stamp in stamps), stamps


def test_every_incident_starts_its_clocks_whatever_its_grade(town: District, desk: Desk) -> None:
    for grade in ("I", "II", "III", "IV", None):
        incident = town.publisher("east").open(grade=grade, occurred=text(ago(minutes=1)))
        assert [x["state"] for x in desk.incident(incident)["clocks"]] == ["running"] * 3


def test_elements_alone_do_not_complete_what_requires_none(desk: Desk) -> None:
    seen = desk.open("east", occurred=text(ago(minutes=1)))

    seen = desk.tell(
        seen["id"], "reports", covers=["verified"], form="written", elements=dict.fromkeys(ELEMENTS, "有")
    )

    assert clock_of(seen, "verified")["complete"] is None
    assert clock_of(seen, "detailed")["state"] == "running"
