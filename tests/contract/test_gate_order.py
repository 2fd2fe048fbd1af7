"""The gate on real databases: joining, the order of processing, people, the ledger."""

from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import delete, insert, text, update
from sqlalchemy.exc import DBAPIError

from reporter.core import reading
from reporter.core.command import OutcomeKind
from reporter.core.notice import NoticeResult
from reporter.core.terms import FactKind, NoticeState
from reporter.store import models as m
from reporter.store import queries
from reporter.store.rebuild import differences, rebuild
from tests.contract.gateworld import World
from tests.unit.factories import ELEMENTS, at, elements
from tests.unit.factories import text as instant

# --- joining ------------------------------------------------------------------------------------------------


async def test_every_report_of_a_duplicate_counts_for_the_survivor_until_that_is_undone(world: World) -> None:
    one, other = await world.open("e1"), await world.open("e2")
    await world.tell("filed", one, 5, covers=["initial"], id_="before")

    await world.tell("withdrawn", one, 10, duplicate_of=other)
    await world.tell("filed", one, 12, covers=["verified"], id_="after")
    clocks = await world.clocks(other)
    assert [clocks[name]["met_at"] for name in ("initial", "verified")] == [at(5), at(12)]
    assert (await world.incident(one))["state"] == "withdrawn"

    await world.tell("reopened", one, 30)
    assert [row["met_at"] for row in (await world.clocks(other)).values()] == [None] * 3
    assert (await world.verdicts(one))[:2] == ["on_time", "on_time"]


async def test_a_duplicates_report_joined_after_the_survivors_breach_lifts_it(world: World) -> None:
    one, other = await world.open("e1"), await world.open("e2")
    await world.tell("filed", one, 5, covers=["initial"])
    await world.tick_until(25)

    await world.tell("withdrawn", one, 26, duplicate_of=other)

    assert (await world.verdicts(other))[0] == "on_time"
    assert (await world.breaches(other))[-1] == ("breach_lifted", instant(20))


async def test_two_incidents_cannot_survive_each_other(world: World) -> None:
    one, other = await world.open("e1"), await world.open("e2")
    await world.tell("withdrawn", one, 5, duplicate_of=other)

    assert (await world.tell("withdrawn", other, 6, duplicate_of=one)).kind is OutcomeKind.REJECTED
    assert (await world.tell("withdrawn", other, 6, duplicate_of=other)).kind is OutcomeKind.REJECTED


# --- order (3.14) -------------------------------------------------------------------------------------------


async def seen(world: World, incident: str) -> tuple[object, ...]:
    """What the API says of the incident, less what tells how it came about."""
    async with world.database.snapshot() as connection:
        record = await queries.incident(connection, incident)
    assert record is not None
    row = {
        name: getattr(record.incident, name)
        for name in (
            "state",
            "mode",
            "title",
            "grade",
            "anomalies",
            "facts",
            "occurred_earliest_at",
            "occurred_latest_at",
            "is_provisional",
            "aware_at",
            "closed_at",
            "survivor",
        )
    }
    row["anomalies"] = sorted(row["anomalies"])
    row["facts"] = {
        name: fact for name, fact in row["facts"].items() if name != "covers"
    }  # by id: see the reports
    reports = [(report.covers, report.received_at) for report in record.reports]
    clocks = [
        (c.obligation, c.due_at, c.due_latest_at, c.state, c.met_at, c.verdict, c.complete, c.undeclared)
        for c in record.clocks
    ]
    return row, clocks, reports


ORDERS: dict[str, list[tuple[str, float, dict[str, Any]]]] = {
    "reports": [
        ("filed", 15, {"covers": ["initial"], "form": "phone"}),
        ("filed", 25, {"covers": ["detailed"], "elements": elements(*ELEMENTS[:5])}),
        ("filed", 70, {"covers": ["verified"]}),
    ],
    "reports that name nothing": [
        ("filed", 15, {"form": "phone"}),
        ("filed", 25, {}),
        ("filed", 26, {"form": "phone"}),
    ],
    "amendments": [
        ("amended", 30, {"occurred": instant(5), "grade": "I"}),
        ("amended", 40, {"occurred": {"earliest": instant(-5), "latest": instant(9)}}),
        ("filed", 27, {"covers": ["initial"]}),
    ],
    "closing": [
        ("closed", 30, {}),
        ("filed", 31, {"covers": ["initial"]}),
        ("filed", 29, {"covers": ["initial"]}),
    ],
    "withdrawing": [("withdrawn", 15, {}), ("reopened", 45, {}), ("filed", 40, {"covers": ["verified"]})],
}


@pytest.mark.parametrize("name", ORDERS)
async def test_an_incident_is_the_same_whatever_the_order_of_processing(world: World, name: str) -> None:
    incidents = []
    for number, order in enumerate(permutations(ORDERS[name])):
        incident = await world.open(f"e{number}", now=100)
        for index, (kind, received, data) in enumerate(order):
            if (number + index) % 2:
                await world.drain()
            await world.tell(
                kind, incident, received, now=100 + index, id_=f"{number} {kind} {received}", **data
            )
        await world.drain()
        incidents.append(incident)
    await world.tick_until(400)

    found = [await seen(world, incident) for incident in incidents]
    for other in found[1:]:
        assert other == found[0]


async def test_a_late_reopening_between_two_withdrawals_joins_the_second_survivor(world: World) -> None:
    """Withdrawn for B at 10, reopened at 12, withdrawn for C at 14: whatever comes last, C survives."""
    for number, order in enumerate(permutations(range(3))):
        one, b, c = [await world.open(f"{name}{number}", now=100) for name in "abc"]
        await world.tell("filed", one, 5, now=100, id_=f"r{number}", covers=["initial"])
        commands = [
            ("withdrawn", 10, {"duplicate_of": b}),
            ("reopened", 12, {}),
            ("withdrawn", 14, {"duplicate_of": c}),
        ]
        for index in order:
            kind, received, data = commands[index]
            await world.tell(kind, one, received, now=101, id_=f"{kind} {received} {number}", **data)

        met = [(await world.clocks(each))["initial"]["met_at"] for each in (b, c)]
        assert (order, met) == (order, [None, at(5)])


# --- people -------------------------------------------------------------------------------------------------


async def test_an_acknowledgement_ends_the_repetition_and_not_the_next_step(world: World) -> None:
    incident = await world.open()
    await world.tick_until(25)
    await world.tell("acknowledged", incident, 26, by="李四")
    assert {row["state"] for row in await world.notices(incident)} == {"acknowledged"}

    await world.tick_until(45)
    repeated = [
        row
        for row in await world.notices(incident)
        if row["step"] == "PT10M" and row["obligation"] == "initial"
    ]
    assert sorted(row["repeat"] for row in repeated) == [1, 2]
    await world.tell("acknowledged", incident, 46, notice=repeated[0]["id"], by="李四")
    await world.tick_until(59)

    [line] = (await world.ledger(incident, FactKind.ACKNOWLEDGED))[1:]
    assert (line["body"]["notices"], line["body"]["by"]) == ([repeated[0]["id"]], "李四")
    assert (
        len(
            [
                row
                for row in await world.notices(incident)
                if row["step"] == "PT10M" and row["obligation"] == "initial"
            ]
        )
        == 2
    )
    assert (await world.tell("acknowledged", incident, 60, notice="no such")).kind is OutcomeKind.REJECTED


async def test_nobody_on_duty_makes_a_notice_all_the_same(world: World) -> None:
    incident = await world.open(unit="quiet")
    await world.tick_until(10)

    told = {
        (row["person"], row["channel"], (row["note"] or "").partition(":")[0])
        for row in await world.notices(incident)
    }
    assert (None, "desk", "nobody_on_duty") in told
    assert ("county duty_officer", "desk", "nobody_on_duty") in told


async def test_what_channels_said_is_written_once_final_and_leaves_acknowledged_notices_alone(
    world: World,
) -> None:
    incident = await world.open()
    await world.tick_until(10)
    [first] = await world.notices(incident)
    again = NoticeResult(first["id"], incident, "desk", NoticeState.QUEUED, 1, "busy", at(11))
    done = NoticeResult(first["id"], incident, "desk", NoticeState.DELIVERED, 2, "ok")

    await world.gate.receipts([again])
    assert await world.ledger(incident, FactKind.NOTIFIED) == []
    await world.gate.receipts([done])
    [line] = await world.ledger(incident, FactKind.NOTIFIED)
    assert line["body"]["notices"][0] | {"state": "delivered", "attempts": 2} == line["body"]["notices"][0]

    await world.tell("acknowledged", incident, 12)
    await world.gate.receipts([done])
    assert (await world.notices(incident))[0]["state"] == "acknowledged"


# --- the ledger ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement", [delete(m.Line), update(m.Line).values(text="{}"), text("DELETE FROM ledger")]
)
async def test_the_database_itself_refuses_to_change_or_delete_a_line(world: World, statement: Any) -> None:
    await world.open()

    with pytest.raises(DBAPIError, match="append-only"):
        async with world.database.transaction() as connection:
            await connection.execute(statement)


async def test_every_line_has_one_row_in_the_outbox_under_its_unit(world: World) -> None:
    incident = await world.open()
    await world.tick_until(20)

    lines = {(row["incident_id"], row["version"]): row["kind"] for row in await world.rows(m.Line)}
    outbox = await world.rows(m.Outbox)
    assert {(row["incident_id"], row["version"]): row["subject"] for row in outbox} == {
        key: f"reporter.out.{kind}.east" for key, kind in lines.items()
    }
    assert {row["message_id"] for row in outbox} == {f"{incident}/{version}" for _, version in lines}


async def test_the_order_of_the_keys_in_a_message_is_nowhere_to_be_found(world: World) -> None:
    """The ledger keeps data in canonical form: what is read from there must be what was read at first."""
    incident = await world.open(sensitive="x", grade=5)
    before = (await world.incident(incident))["anomalies"]

    await world.tell("filed", incident, 5, covers=["initial"], form="phone")

    [line] = await world.ledger(incident, FactKind.OPENED)
    assert (await world.incident(incident))["anomalies"] == before == line["body"]["anomalies"]
    assert before == ["field_invalid:grade", "field_invalid:sensitive"]


async def test_a_ledger_that_tells_of_anomalies_in_another_order_is_as_good(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as once:  # lines were written in the order of the keys in the message
        once.setattr(reading, "_INCIDENT_READERS", dict(reversed([*reading._INCIDENT_READERS.items()])))
        incident = await world.open(sensitive="x", grade=5)

    async with world.database.snapshot() as connection:
        assert await differences(connection, incident) == []
    [line] = await world.ledger(incident, FactKind.OPENED)
    assert line["body"]["anomalies"] == ["field_invalid:sensitive", "field_invalid:grade"]


async def test_a_row_that_says_other_than_the_ledger_is_named_with_its_column(world: World) -> None:
    incident = await world.open()
    await world.tick_until(20)
    before, number = await world.clocks(incident), (await world.incident(incident))["number"]
    changes = {
        m.Clock: update(m.Clock).values(breach_due_at=None),
        m.Incident: update(m.Incident).values(grade="I"),
        m.Notice: delete(m.Notice).where(m.Notice.step == "PT0S"),
    }
    async with world.database.transaction() as connection:
        for change in changes.values():
            await connection.execute(change)

    async with world.database.snapshot() as connection:
        found = await differences(connection, incident)
        rebuilt = await rebuild(connection, incident)
    assert [line.partition(" ")[0] for line in found] == ["incidents", "clocks"] + ["notices"] * 3
    assert "grade is 'I', the ledger says None" in found[0]
    assert "clocks initial: breach_due_at is None" in found[1]
    assert rebuilt.clocks["initial"]["breach_due_at"] == before["initial"]["breach_due_at"] == at(20)

    async with world.database.transaction() as connection:  # as it was, for whoever looks afterwards
        await connection.execute(
            update(m.Clock).where(m.Clock.obligation == "initial").values(breach_due_at=at(20))
        )
        await connection.execute(update(m.Incident).values(grade=None))
        rows = [
            row | {"number": number, "phone": None, "address": "", "attempts": 0}
            for row in rebuilt.notices.values()
            if row["step"] == "PT0S"
        ]
        await connection.execute(insert(m.Notice), rows)


# --- copies of one report -----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_one_batch", [True, False])
async def test_a_report_counts_from_its_earliest_copy_whichever_is_processed_first(
    world: World, is_one_batch: bool
) -> None:
    incident = await world.open()
    data: dict[str, Any] = {"incident": incident, "covers": ["initial"]}
    early, late = (world.command("filed", minutes, "r1", **data) for minutes in (19, 21))
    if is_one_batch:
        found = await world.submit(late, early, now=22)
    else:
        found = await world.submit(late)
        await world.tick_until(22)
        found += await world.submit(early, now=23)
        assert (await world.breaches(incident))[-1] == ("breach_lifted", instant(20))
        assert await world.submit(early, late, now=24)

    assert sorted(each.kind.value for each in found) == ["accepted", "duplicate"]
    assert (await world.verdicts(incident))[0] == "on_time"
    assert (await world.clocks(incident))["initial"]["met_at"] == at(19)
    async with world.database.snapshot() as connection:
        record = await queries.incident(connection, incident)
    assert record is not None
    assert [report.received_at for report in record.reports] == [instant(19)]
    assert len(await world.ledger(incident, FactKind.REPORTED)) == (1 if is_one_batch else 2)


async def test_an_earlier_copy_counts_for_the_survivor_too(world: World) -> None:
    one, other = await world.open("e1"), await world.open("e2")
    data: dict[str, Any] = {"incident": one, "covers": ["initial"]}
    early, late = (world.command("filed", minutes, "r1", **data) for minutes in (19, 21))
    await world.submit(late)
    await world.tell("withdrawn", one, 22, duplicate_of=other)

    await world.submit(early, now=23)

    assert (await world.clocks(other))["initial"]["met_at"] == at(19)
    assert (await world.verdicts(other))[0] == "on_time"
