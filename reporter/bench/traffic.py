"""The district and its events, and a program outside that publishes them."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final  # rows of the two CSV files

import nats
from nats.aio.client import Client
from nats.js import JetStreamContext

from reporter.core.instants import rfc3339
from reporter.store import schema
from reporter.store.database import Database
from reporter.store.people import import_roster, import_units
from reporter.timesource import SystemTime

ROOT: Final = "jia-shi"
UNITS: Final = ("yi-xian", "bing-xian", "ding-qu", "wu-xian")
STRUCTURED: Final = {"Content-Type": "application/cloudevents+json"}
IN_FLIGHT: Final = 2_000
KINDS: Final = (
    "化工园区3号库爆燃",
    "国道追尾事故多人受伤",
    "学校食堂疑似食物中毒",
    "河道水位超警戒线",
    "居民楼起火",
)


async def found_district(database_url: str, webhook: str | None = None) -> None:
    """Makes the schema, a city with four counties, and people on duty in both roles everywhere.

    With `webhook`, the counties' duty officers are told there too, each at a path of its own.
    """
    now = SystemTime().now()
    starts, ends = rfc3339(now - timedelta(days=1)), rfc3339(now + timedelta(days=60))
    units = [
        ("code", "name", "parent", "phone", "region"),
        (ROOT, "甲市总值班室", "", "000-0000-0100", "990000"),
    ]
    units += [(code, f"{code} 总值班室", ROOT, "000-0000-0200", "990001") for code in UNITS]
    shifts = [("unit", "role", "starts", "ends", "person", "phone", "channels")]
    for code in (ROOT, *UNITS):
        told = "desk" if webhook is None or code == ROOT else f"desk|{webhook}{code}"
        shifts.append((code, "duty_officer", starts, ends, f"{code} 值班员", "000-0000-0300", told))
        shifts.append((code, "leader", starts, ends, f"{code} 带班领导", "000-0000-0400", "desk"))
    database = Database(database_url)
    try:
        await schema.check(database)
        await import_units(database, _csv(units))
        await import_roster(database, _csv(shifts))
    finally:
        await database.close()


def _csv(rows: Sequence[Sequence[Any]]) -> bytes:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue().encode()


def occurred_data(number: int, occurred: datetime) -> dict[str, object]:
    """The `data` of one occurred event."""
    return {
        "title": f"{KINDS[number % len(KINDS)]}（{number}）",
        "occurred": rfc3339(occurred),
        "category": "accident",
        "grade": ("I", "II", "III", "IV")[number % 4],
        "sensitive": number % 7 == 0,
        "mode": "actual",
        "place": {"text": f"化工园区{number % 90 + 10}号库", "code": "370400", "lat": 34.8, "lon": 117.3},
        "casualties": {"dead": 0, "missing": 0, "serious": number % 3, "light": number % 9, "evacuated": 120},
        "summary": "接110转报，现场有明火，已疏散周边群众。",
        "channel": "110",
    }


def occurred_event(number: int, occurred: datetime) -> tuple[str, bytes]:
    """Subject and structured CloudEvent (about 600 bytes) of one emergency."""
    unit = UNITS[number % len(UNITS)]
    event = {
        "specversion": "1.0",
        "id": f"event-{number:08d}",
        "source": f"urn:bench:{unit}",
        "type": "reporter.incident.occurred",
        "datacontenttype": "application/json",
        "data": occurred_data(number, occurred),
    }
    return f"reporter.in.incident.{unit}", json.dumps(
        event, ensure_ascii=False, separators=(",", ":")
    ).encode()


@asynccontextmanager
async def connection(url: str) -> AsyncIterator[Client]:
    """A connection of a program outside."""
    client = await nats.connect(url, pending_size=64 * 1024 * 1024)
    try:
        yield client
    finally:
        await client.close()


async def publish(client: Client, events: Sequence[tuple[str, bytes]]) -> None:
    """Publishes events to the stream; returns when the broker has stored every one of them."""
    jetstream: JetStreamContext = client.jetstream(timeout=30, publish_async_max_pending=2 * IN_FLIGHT)
    for start in range(0, len(events), IN_FLIGHT):
        stored = [
            await jetstream.publish_async(subject, body, headers=STRUCTURED)
            for subject, body in events[start : start + IN_FLIGHT]
        ]
        await asyncio.wait_for(asyncio.gather(*stored), 60)
