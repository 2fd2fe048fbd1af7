"""The incident that plays itself: what is published when, counted from the occurrence in the demo's time."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import nats
from nats.aio.client import Client

from reporter.core.command import incident_id
from reporter.core.instants import rfc3339
from reporter.core.terms import CommandKind, DutyRole
from reporter.demo.world import CITY, COUNTY, on_duty
from reporter.timesource import TimeSource, sleep

SOURCE: Final = "urn:reporter:demo:110"
OPENING: Final = "explosion"
INCIDENT: Final = incident_id(SOURCE, OPENING)
LOOK_S: Final = 0.1

_TOKEN_OF: Final = {CommandKind.FILED: "report", CommandKind.ACKNOWLEDGED: "ack"}


@dataclass(frozen=True, slots=True)
class Step:
    """One event: published `after` the occurrence by `unit`; `zh` and `en` tell the viewer what it is."""

    after: timedelta
    id: str
    kind: CommandKind
    unit: str
    data: Mapping[str, object]
    zh: str
    en: str

    @property
    def subject(self) -> str:
        """Where it is published."""
        return f"reporter.in.{_TOKEN_OF.get(self.kind, 'incident')}.{self.unit}"

    def event(self) -> bytes:
        """The event as a structured CloudEvent."""
        attributes = {"specversion": "1.0", "id": self.id, "source": SOURCE, "type": self.kind.value}
        envelope = attributes | {"datacontenttype": "application/json", "data": self.data}
        return json.dumps(envelope, ensure_ascii=False).encode()


def scenario(occurred: datetime, zone: str) -> tuple[Step, ...]:
    """The steps for an explosion at `occurred`: initial report on time, verified late, detailed missing."""

    def person(unit: str, role: DutyRole, minute: int) -> str:
        return on_duty(unit, role, occurred + timedelta(minutes=minute), zone)

    caller = person(COUNTY, DutyRole.DUTY_OFFICER, 12)
    return (
        Step(
            timedelta(minutes=0.5),
            OPENING,
            CommandKind.OCCURRED,
            COUNTY,
            {
                "title": "乙县化工园区爆燃",
                "occurred": rfc3339(occurred),
                "category": "accident",
                "grade": "III",
                "place": {"text": "乙县化工园区3号库", "code": "990001"},
                "casualties": {"serious": 2, "light": 9},
                "summary": "3号库爆燃起火，消防已到场",
                "channel": "110",
            },
            "110 发布：乙县化工园区爆燃，三个时限开始计时",
            "110 publishes the explosion: three clocks start",
        ),
        Step(
            timedelta(minutes=12),
            "initial",
            CommandKind.FILED,
            COUNTY,
            {
                "incident": INCIDENT,
                "covers": ["initial"],
                "form": "phone",
                "text": "电话首报：化工园区3号库爆燃，重伤2人，轻伤9人，正在扑救",
                "author": caller,
                "call": {
                    "caller": caller,
                    "answered_by": person(CITY, DutyRole.DUTY_OFFICER, 12),
                    "phone": "000-0000-0200",
                },
            },
            "乙县电话初报，第 12 分钟：按时",
            "the county phones its initial report in minute 12: on time",
        ),
        Step(
            timedelta(minutes=31),
            "more-casualties",
            CommandKind.AMENDED,
            COUNTY,
            {
                "incident": INCIDENT,
                "casualties": {"dead": 3, "serious": 2, "light": 9},
                "grade": "II",
                "reason": "搜救发现3人遇难",
            },
            "乙县更正伤亡：死亡 3 人",
            "the county corrects the casualties: three dead",
        ),
        Step(
            timedelta(minutes=62),
            "taken",
            CommandKind.ACKNOWLEDGED,
            COUNTY,
            {"incident": INCIDENT, "by": person(COUNTY, DutyRole.LEADER, 62)},
            "一小时时限已过，乙县带班领导签收催办通知（计时不停）",
            "the hour has passed; the county's leader acknowledges the notices (no clock stops)",
        ),
        Step(
            timedelta(minutes=66),
            "verified",
            CommandKind.FILED,
            COUNTY,
            {
                "incident": INCIDENT,
                "covers": ["verified"],
                "form": "written",
                "text": "书面核实报告：死亡3人，重伤2人，轻伤9人，明火已扑灭",
                "author": person(COUNTY, DutyRole.DUTY_OFFICER, 66),
            },
            "乙县书面核实报告，第 66 分钟：迟报 6 分钟",
            "the county's written report comes in minute 66: six minutes late",
        ),
        Step(
            timedelta(minutes=128),
            "over",
            CommandKind.CLOSED,
            CITY,
            {"incident": INCIDENT, "reason": "现场处置结束，详细报告始终未报"},
            "两小时时限已过，甲市结案：详细报告判定未报",
            "two hours have passed; the city closes the incident: the detailed report is missing",
        ),
    )


Teller = Callable[[Step], Awaitable[None]]


async def play(url: str, occurred: datetime, zone: str, time: TimeSource, tell: Teller) -> None:
    """Publishes every step at its instant of the demo's time, and tells of it."""

    async def quiet(_reason: Exception) -> None:
        """The service says when its broker is away; the client would print tracebacks into the board."""

    client: Client = await nats.connect(
        url, max_reconnect_attempts=-1, error_cb=quiet, name="reporter-demo-script"
    )
    try:
        stream = client.jetstream()
        for step in scenario(occurred, zone):
            while time.now() < occurred + step.after:
                await sleep(LOOK_S)
            headers = {"Content-Type": "application/cloudevents+json"}
            await stream.publish(step.subject, step.event(), headers=headers)
            await tell(step)
    finally:
        await client.close()
