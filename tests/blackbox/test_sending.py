"""What sends notices is a process of its own: it may be killed, and the service stopped, in the middle of a burst."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from datetime import timedelta
from pathlib import Path

from .district import District, Founder
from .moments import Json, eventually, now, text
from .service import Service

TWENTY = timedelta(minutes=20)
COUNT = 300


def sending_processes(service: Service) -> list[int]:
    """The service's children that are Python."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            is_child = f"PPid:\t{service.pid}\n" in status.read_text()
            if is_child and b"reporter.sending" in (status.parent / "cmdline").read_bytes():
                found.append(int(status.parent.name))
        except OSError:
            continue  # it has just ended
    return found


def burst(town: District) -> None:
    """Opens many incidents that breach at one instant, a little from now."""
    publisher = town.publisher("east")
    due = now() + timedelta(seconds=6)
    outcomes = town.nats.subscribe(reply := town.nats.inbox())
    for number in range(COUNT):
        event = publisher.occurred(occurred=text(due - TWENTY), title=f"突发 {number}")
        headers, body = event.structured()
        town.nats.publish(event.subject, body, {**headers, "Reporter-Reply": reply})
    assert {outcomes.next(within=8).json["outcome"] for _ in range(COUNT)} == {"accepted"}


def breaches(town: District) -> list[Json]:
    """The notices of breaches that have come."""
    found = [json.loads(posted.body) for posted in list(town.receiver.posted)]
    return [document for document in found if document["reason"] == "breach"]


def by_id(town: District) -> Counter[str]:
    return Counter(document["notice"] for document in breaches(town))


def all_three_told(town: District) -> bool:
    """Whether of each incident the duty officer, the leader and the superior have been told."""
    return len({(document["incident"], document["person"]) for document in breaches(town)}) == 3 * COUNT


def test_a_service_that_is_stopped_and_started_sends_nothing_twice(own_district: Founder) -> None:
    town = own_district().found()
    burst(town)

    eventually(lambda: len(breaches(town)) >= 50, within=20, every=0.01, why="the first notices")
    town.service.stop()
    sent = len(breaches(town))
    town.disconnect()
    town.service.start()
    town.reconnect()

    assert sent < 3 * COUNT, "all was sent before the stop"
    eventually(lambda: all_three_told(town), within=60, every=0.2, why="the rest")
    assert {id_: count for id_, count in by_id(town).items() if count > 1} == {}


def test_a_sending_process_that_is_killed_is_replaced_and_everybody_is_told(own_district: Founder) -> None:
    town = own_district().found()
    (first,) = sending_processes(town.service)
    burst(town)

    eventually(lambda: len(breaches(town)) >= 50, within=20, every=0.01, why="the first notices")
    os.kill(first, signal.SIGKILL)

    eventually(lambda: all_three_told(town), within=60, every=0.2, why="everybody is told")
    assert len(by_id(town)) == 3 * COUNT, "what is sent again has the id that it had"
    (second,) = sending_processes(town.service)
    assert second != first


def test_a_service_that_is_killed_leaves_no_process_that_sends(own_district: Founder) -> None:
    town = own_district().found()
    (child,) = sending_processes(town.service)

    town.service.kill()

    eventually(lambda: not Path(f"/proc/{child}").exists(), within=10, why="the child has ended")
