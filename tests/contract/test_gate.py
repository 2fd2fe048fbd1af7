"""The gate on real databases: the same promises on SQLite and on PostgreSQL."""

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from reporter.core.command import OutcomeKind, incident_id, report_id
from reporter.core.terms import FactKind
from reporter.store import inbox
from reporter.store import models as m
from tests.contract.gateworld import World, outcomes
from tests.unit.factories import SOURCE, at, facts
from tests.unit.factories import text as instant

# --- opening and identity -----------------------------------------------------------------------------------


async def test_an_event_opens_an_incident_with_three_clocks_and_one_line(world: World) -> None:
    incident = await world.open(grade="II", weather="雨")

    clocks = await world.clocks(incident)
    assert {name: row["due_at"] for name, row in clocks.items()} == {
        "initial": at(20),
        "verified": at(60),
        "detailed": at(120),
    }
    [line] = await world.ledger(incident)
    assert (line["kind"], line["at"], line["version"]) == ("opened", instant(1), 1)
    assert line["body"]["data"]["weather"] == "雨"
    row = await world.incident(incident)
    assert (row["unit"], row["opened_from"], row["grade"], row["month"]) == ("east", "east", "II", "2026-11")


async def test_the_same_event_a_thousand_times_is_one_incident(world: World) -> None:
    command = world.command("occurred", 1, "e1", **facts())

    first = await world.submit(*[command] * 500)
    again = await world.submit(*[command] * 500)

    assert Counter(outcomes(first + again)) == {"accepted": 1, "duplicate": 999}
    assert {outcome.incident for outcome in first + again} == {incident_id(SOURCE, "e1")}
    assert len(await world.rows(m.Incident)) == 1
    assert len(await world.rows(m.Line)) == 1


async def test_two_replicas_that_get_the_same_events_at_once_open_each_once(world: World) -> None:
    other = world.another_gate()
    commands = [world.command("occurred", 1, f"e{number}", **facts()) for number in range(30)]
    world.time.at = at(2)

    told = await asyncio.gather(world.gate.submit(commands), other.submit(list(reversed(commands))))

    assert Counter(outcomes(told[0] + told[1])) == {"accepted": 30, "duplicate": 30}
    assert len(await world.rows(m.Incident)) == 30


async def test_the_same_identity_with_other_content_is_refused_and_changes_nothing(world: World) -> None:
    incident = await world.open()

    [outcome] = await world.submit(world.command("occurred", 2, "e1", **facts(title="别的")))

    assert outcome.kind is OutcomeKind.REJECTED
    assert any("identity_reused" in problem.message for problem in outcome.errors)
    assert (await world.incident(incident))["title"] == "化工园区爆燃"


async def test_a_rejected_command_does_not_use_up_its_identity(world: World) -> None:
    incident = await world.open()

    wrong = await world.tell("filed", incident, 5, id_="r1", covers=["final"])
    right = await world.tell("filed", incident, 6, id_="r1", covers=["initial"])

    assert outcomes([wrong, right]) == ["rejected", "accepted"]
    assert all(name in wrong.errors[0].message for name in ("initial", "verified", "detailed"))


async def test_a_redelivery_answers_with_the_same_incident_and_anomalies(world: World) -> None:
    command = world.command("occurred", 1, "e1", unit="nowhere", **facts(grade="2", schedule="unknown"))

    [first], [again] = await world.submit(command), await world.submit(command)

    assert (first.kind, again.kind) == (OutcomeKind.ACCEPTED, OutcomeKind.DUPLICATE)
    assert first.anomalies == again.anomalies
    assert set(first.anomalies) == {"unit_unknown", "schedule_unknown", "field_invalid:grade"}
    assert (await world.incident(first.incident or ""))["unit"] == "city"


async def test_what_cannot_be_read_within_a_report_is_named(world: World) -> None:
    incident = await world.open()

    outcome = await world.tell(
        "filed", incident, 5, text="x", call={"caller": 5}, attachments=[5, {"name": {}}], covers=["initial"]
    )

    named = {f"field_invalid:{path}" for path in ("call.caller", "attachments.0", "attachments.1.name")}
    assert (outcome.kind, set(outcome.anomalies)) == (OutcomeKind.ACCEPTED, named)
    assert (await world.clocks(incident))["initial"]["verdict"] == "on_time"


@pytest.mark.parametrize("kind", ["amended", "closed", "reopened", "withdrawn"])
async def test_a_command_that_does_not_say_why_is_taken_and_marked(world: World, kind: str) -> None:
    incident = await world.open()

    outcome = await world.tell(kind, incident, 5, reason=None, grade="II")

    assert (outcome.kind, outcome.anomalies) == (OutcomeKind.ACCEPTED, ("field_invalid:reason",))
    [again] = await world.rows(m.Incident)
    assert again["anomalies"] == ["field_invalid:reason"]
    await world.tell("filed", incident, 6, covers=["initial"])  # whose incident is read from its ledger
    assert (await world.incident(incident))["anomalies"][0] == "field_invalid:reason"


async def test_a_bad_command_delays_none_of_those_beside_it(world: World) -> None:
    commands = [world.command("occurred", 1, f"e{number}", **facts()) for number in range(20)]
    commands[7] = world.command("occurred", 1, "e7", occurred=instant(0))
    commands[11] = world.command("filed", 1, "r", covers=["initial"])

    told = await world.submit(*commands)

    assert Counter(outcomes(told)) == {"accepted": 18, "rejected": 2}
    assert (told[7].errors[0].path, told[11].errors[0].path) == ("title", "incident")


async def test_a_command_that_breaks_the_decision_is_found_and_the_others_are_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reporter.core.decide import open_incident
    from reporter.engine import opening

    def breaking(tracked: Any, entry: Any, *rest: Any) -> Any:
        if entry.id == "e3":
            raise RuntimeError("a defect of ours")
        return open_incident(tracked, entry, *rest)

    monkeypatch.setattr(opening, "open_incident", breaking)
    commands = [world.command("occurred", 1, f"e{number}", **facts()) for number in range(6)]

    told = await world.submit(*commands)

    assert outcomes(told) == ["accepted"] * 3 + ["rejected"] + ["accepted"] * 2
    assert len(await world.rows(m.Incident)) == 5


async def test_codes_are_unique_on_their_day(world: World) -> None:
    commands = [world.command("occurred", 1, f"e{number}", **facts()) for number in range(2_000)]
    for start in range(0, 2_000, 500):
        await world.submit(*commands[start : start + 500])

    codes = [row["code"] for row in await world.rows(m.Incident)]
    assert len(set(codes)) == 2_000
    assert all(code.startswith("1123-") for code in codes)


# --- who may act, holding -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "kind"),
    [
        ("east", "accepted"),
        ("county", "accepted"),
        ("city", "accepted"),
        ("root", "accepted"),
        ("west", "rejected"),
        ("quiet", "rejected"),
        ("nowhere", "rejected"),
    ],
)
async def test_the_unit_its_ancestors_and_descendants_may_act_and_nobody_else(
    world: World, unit: str, kind: str
) -> None:
    incident = await world.open()

    assert (await world.tell("amended", incident, 5, unit=unit, grade="I")).kind == kind


async def test_a_strangers_report_is_kept_and_stops_no_clock(world: World) -> None:
    incident = await world.open()

    outcome = await world.tell("filed", incident, 5, unit="west", covers=["initial"])

    assert (outcome.kind, outcome.anomalies) == (OutcomeKind.ACCEPTED, ("foreign_unit",))
    assert (await world.clocks(incident))["initial"]["met_at"] is None
    assert (await world.kinds(incident)) == ["opened", "reported"]


async def test_an_unknown_unit_may_act_on_what_it_opened(world: World) -> None:
    incident = await world.open(unit="nowhere")

    await world.tell("filed", incident, 5, unit="nowhere", covers=["initial"])

    assert (await world.clocks(incident))["initial"]["met_at"] == at(5)


async def test_commands_before_their_incident_are_held_and_apply_with_their_own_arrival(world: World) -> None:
    incident = incident_id(SOURCE, "e1")
    report = await world.tell("filed", incident, 5, id_="r1", covers=["initial"])
    again = await world.tell("filed", incident, 5, id_="r1", covers=["initial"])
    amended = await world.tell("amended", incident, 6, grade="I")
    assert outcomes([report, again, amended]) == ["held"] * 3

    await world.open(received=1, now=30)

    clock = (await world.clocks(incident))["initial"]
    assert (clock["met_at"], clock["verdict"]) == (at(5), "on_time")
    assert (await world.incident(incident))["grade"] == "I"
    assert (
        await world.tell("filed", incident, 5, id_="r1", covers=["initial"])
    ).kind is OutcomeKind.DUPLICATE


async def test_more_held_commands_than_one_question_asks_for_apply_with_their_incident(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each that waited for a later commit could let its deadline be judged meanwhile."""
    monkeypatch.setattr(inbox, "KEYS_MAX", 2)
    incident = incident_id(SOURCE, "e1")
    held = [
        world.command("filed", 5, f"r{number}", incident=incident, covers=["initial"]) for number in range(5)
    ]
    assert outcomes(await world.submit(*held)) == ["held"] * 5

    await world.open(received=6)

    assert len(await world.ledger(incident, FactKind.REPORTED)) == 5
    assert outcomes(await world.submit(*held)) == ["duplicate"] * 5


async def test_a_report_may_name_the_occurred_event_instead_of_the_id(world: World) -> None:
    incident = await world.open()
    command = world.command("filed", 5, "r1", event={"source": SOURCE, "id": "e1"}, covers=["initial"])

    await world.submit(command)

    assert (await world.clocks(incident))["initial"]["met_by"] == report_id(SOURCE, "r1")


async def test_over_http_an_unknown_incident_is_an_error_and_nothing_is_held(world: World) -> None:
    [outcome] = await world.submit(world.command("filed", 5, "r", http=True, incident=incident_id("a", "b")))

    assert (outcome.kind, outcome.errors[0].path) == (OutcomeKind.REJECTED, "incident")
    assert await world.rows(m.SetAside) == []


# --- verdicts, breaches, amendments -------------------------------------------------------------------------


async def test_a_breach_is_dated_at_its_due_time_and_recorded_once(world: World) -> None:
    incident = await world.open()
    world.time.at = at(47)

    await world.drain()
    await world.drain()

    [line] = await world.ledger(incident, FactKind.BREACHED)
    assert (line["at"], line["recorded_at"]) == (instant(20), instant(47))


async def test_replicas_tick_at_once_and_every_step_fires_exactly_once(world: World) -> None:
    commands = [world.command("occurred", 1, f"e{number}", **facts()) for number in range(300)]
    await world.submit(*commands)
    gates = [world.gate, *(world.another_gate() for _ in range(5))]
    for minute in (10, 15, 20, 25, 30, 40, 50, 60, 70, 80):
        world.time.at = at(minute)
        # Many small commits: they cross each other more often.
        await asyncio.gather(*(world.drain(gate, limit=40) for gate in gates))
        await world.drain()

    rows = await world.rows(m.Line)
    fired: Counter[tuple[str, ...]] = Counter()
    for row in rows:
        if row["kind"] in ("reminded", "breached", "escalated"):
            body = json.loads(row["text"])["body"]
            fired[
                row["incident_id"], body["obligation"], body["due_at"], body["step"], str(body["repeat"])
            ] += 1
    assert set(fired.values()) == {1}
    assert len(fired) == 300 * 15  # initial: five steps and five repetitions; verified: five steps


async def test_an_amendment_lifts_and_breaches_anew_in_one_commit(world: World) -> None:
    incident = await world.open()
    await world.tick_until(30)

    await world.tell("amended", incident, 40, occurred=instant(5))

    assert await world.breaches(incident) == [
        ("breached", instant(20)),
        ("breach_lifted", instant(20)),
        ("breached", instant(25)),
    ]
    recorded = {
        line["recorded_at"]
        for line in (await world.ledger(incident, FactKind.BREACHED, FactKind.BREACH_LIFTED))[1:]
    }
    assert recorded == {instant(40)}


async def test_a_report_processed_after_the_breach_lifts_it(world: World) -> None:
    incident = await world.open()
    await world.tick_until(25)

    await world.tell("filed", incident, 20, now=26, covers=["initial"])

    assert await world.breaches(incident) == [("breached", instant(20)), ("breach_lifted", instant(20))]
    assert (await world.verdicts(incident))[0] == "on_time"


async def test_closing_reopening_and_missing(world: World) -> None:
    incident = await world.open()
    await world.tick_until(30)

    await world.tell("closed", incident, 30)
    assert await world.verdicts(incident) == ["missing", None, None]
    await world.tell("filed", incident, 31, covers=["initial"])
    assert await world.verdicts(incident) == ["missing", None, None]
    await world.tick_until(300)
    assert await world.verdicts(incident) == ["missing"] * 3
    await world.tell("reopened", incident, 300)

    assert await world.verdicts(incident) == ["late", None, None]
    assert [x["state"] for x in (await world.clocks(incident)).values()].count("breached") == 2


@pytest.mark.parametrize("mode", ["exercise", "test"])
async def test_a_drill_is_marked_until_it_becomes_actual_and_never_the_other_way(
    world: World, mode: str
) -> None:
    incident = await world.open(mode=mode)
    await world.tick_until(22)
    assert {row["mode"] for row in await world.notices(incident)} == {mode}

    back = await world.tell("amended", incident, 23, mode={"exercise": "test", "test": "exercise"}[mode])
    assert back.kind is OutcomeKind.REJECTED
    await world.tell("amended", incident, 24, mode="actual")
    await world.drain()
    refused = await world.tell("amended", incident, 25, mode=mode)

    assert (refused.kind, refused.errors[0].path) == (OutcomeKind.REJECTED, "mode")
    assert (await world.incident(incident))["mode"] == "actual"
    assert [row["mode"] for row in await world.notices(incident) if row["recorded_at"] == at(24)].count(
        "actual"
    ) == 3
