"""What was set aside is taken through the gate again, as often as somebody likes, and takes effect once."""

import json

from reporter.core.command import Message, Problem, incident_id
from reporter.intake.arrival import Arrival, commands_of
from reporter.intake.replay import Replay
from reporter.store import models as m
from reporter.store.people import import_units
from tests.contract.gateworld import UNITS, World, outcomes
from tests.unit.factories import SOURCE, at


def message(incident: str, unit: str) -> Message:
    """An amendment as the broker keeps it."""
    data = {"incident": incident, "reason": "核实", "grade": "II"}
    kind = "reporter.incident.amended"
    event = {"specversion": "1.0", "id": "a1", "source": SOURCE, "type": kind, "data": data}
    return Message(f"reporter.in.incident.{unit}", b"", json.dumps(event).encode(), 7, at(5))


async def test_what_a_replay_has_brought_in_is_a_duplicate_from_then_on(world: World) -> None:
    incident = await world.open()
    await world.gate.reject([(message(incident, "west"), [Problem("", "not its business")])])
    [kept] = await world.rows(m.SetAside)
    replay = Replay(world.database, world.gate)
    assert outcomes(await replay.replay(kept["id"])) == ["rejected"]

    await import_units(world.database, UNITS.replace("西街道,city", "西街道,east").encode())
    replay = Replay(world.database, world.another_gate())  # as the verb has it, which asks for the units anew
    first, again = await replay.replay(kept["id"]), await replay.replay(kept["id"])

    assert (outcomes(first), outcomes(again)) == (["accepted"], ["duplicate"])
    assert again[0].incident == incident
    assert (await world.rows(m.SetAside))[0]["state"] == "accepted"
    assert await replay.replay() == []
    assert await replay.replay(kept["id"] + 1) == []


async def test_a_held_message_that_was_applied_is_a_duplicate(world: World) -> None:
    kept = message(incident_id(SOURCE, "e1"), "east")
    [read] = commands_of([Arrival(kept.subject, None, kept.body, kept.stream_seq, kept.received_at, "")])
    assert read.command is not None
    replay = Replay(world.database, world.gate)
    assert outcomes(await world.submit(read.command)) == ["held"]
    [held] = await world.rows(m.SetAside)
    assert outcomes(await replay.replay(held["id"])) == ["held"]

    await world.open("e1", received=6)

    assert outcomes(await replay.replay(held["id"])) == ["duplicate"]
    assert [row["state"] for row in await world.rows(m.SetAside)] == ["accepted"]
