"""A small district for the suite: units, a roster, accounts, and one running service."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from .desk import Desk
from .events import Publisher
from .moments import now, text
from .natsclient import Nats
from .service import Service, read_lines
from .webhook import Receiver

UNITS = [
    ("code", "name", "parent", "phone", "region"),
    ("hitech", "高新区总值班室", "", "0632-0000001", "370400"),
    ("east", "东街道", "hitech", "0632-0000002", "370401"),
    ("east-park", "东街道化工园", "east", "0632-0000003", "370401"),
    ("west", "西街道", "hitech", "0632-0000004", "370402"),
    ("north", "北街道", "hitech", "0632-0000005", "370403"),
    ("audit-a", "考核甲街道", "hitech", "0632-0000006", "370404"),
    ("audit-b", "考核乙街道", "hitech", "0632-0000007", "370405"),
    ("quiet", "无人值守镇", "hitech", "0632-0000008", "370406"),
]
# who is on duty where; quiet has nobody
ON_DUTY = {
    "hitech": {"duty_officer": "钱总值班", "leader": "孙主任"},
    "east": {"duty_officer": "李东值班", "leader": "周东书记"},
    "west": {"duty_officer": "吴西值班", "leader": "郑西书记"},
    "north": {"duty_officer": "王北值班", "leader": "冯北书记"},
}


def roster(receiver: Receiver) -> str:
    """A roster CSV, from an hour ago until tomorrow; each listens at /<unit>/<role> of the receiver."""
    starts, ends = text(now() - timedelta(hours=1)), text(now() + timedelta(days=1))
    rows = [("unit", "role", "starts", "ends", "person", "phone", "channels")]
    for unit, people in ON_DUTY.items():
        for role, person in people.items():
            rows.append(
                (unit, role, starts, ends, person, "13800000000", receiver.address(f"/{unit}/{role}"))
            )
    return read_lines(rows)


# obligations of seconds, so that a whole ladder runs while a test watches
QUICK = """
id = "town-quick"
title = { zh = "秒级演示时限", en = "Limits of seconds, for tests" }
jurisdiction = "test"
zone = "Asia/Shanghai"

[[edition]]
in_force = 2020-01-01
citation = { title = "测试用", article = "1", href = "", checked = 2026-11-23 }

[[edition.obligation]]
id = "initial"
title = { zh = "初报", en = "Initial report" }
starts_on = "occurred"
span = "PT4S"
forms = ["phone", "written"]
covers_earlier = true
ladder = [
  { at = "-PT2S", to = ["unit.duty_officer"] },
  { at = "-PT1S", to = ["unit.duty_officer"] },
  { at = "PT0S", to = ["unit.duty_officer", "unit.leader", "superior.duty_officer"] },
  { at = "PT1S", to = ["unit.leader", "superior.duty_officer"] },
  { at = "PT2S", to = ["superior.leader"], every = "PT1S", at_most = 4 },
]

[[case]]
says = { zh = "四秒到期。", en = "Due after four seconds." }
edition = 2020-01-01
obligation = "initial"
anchors = { occurred = 2021-03-01T14:00:00+08:00 }
due = 2021-03-01T14:00:04+08:00
"""


@dataclass
class District:
    """A running service with that district, an admin's desk and a bare NATS connection."""

    service: Service
    receiver: Receiver = field(default_factory=Receiver)
    tokens: dict[str, str] = field(default_factory=dict)

    def found(self) -> District:
        """Imports units and roster, starts the service, opens the admin's desk."""
        self.service.import_file("unit", read_lines(UNITS))
        self.service.import_file("roster", roster(self.receiver))
        self.tokens["chief"] = self.service.token("chief", "admin")
        self.service.start()
        self.reconnect()
        return self

    def reconnect(self) -> None:
        """New connections, after the service has been started (again)."""
        self.desk = Desk(self.service.http, self.tokens["chief"])
        self.nats: Nats = self.service.connect()

    def disconnect(self) -> None:
        self.desk.close()
        self.nats.close()

    def publisher(self, unit: str = "east") -> Publisher:
        """A program outside, with a source of its own."""
        return Publisher(self.nats, unit)

    def account(self, role: str, unit: str = "") -> Desk:
        """A new account and its desk."""
        name = f"{role}-{uuid.uuid4().hex[:6]}"
        self.tokens[name] = self.service.token(name, role, unit)
        return Desk(self.service.http, self.tokens[name])

    def tear_down(self) -> None:
        if hasattr(self, "desk"):
            self.disconnect()
        self.service.clean_up()
        self.receiver.close()


def district(folder: Path, *, nats: str = "", env: dict[str, str] | None = None) -> District:
    """A district on `folder`, not yet founded."""
    rules = folder / "rules"
    rules.mkdir(parents=True, exist_ok=True)
    (rules / "quick.toml").write_text(QUICK, encoding="utf-8")
    return District(Service(folder, nats, {"REPORTER_SCHEDULES": str(rules), **(env or {})}))


class Founder:
    """Makes districts of the test's own, which it may kill; not yet founded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[District] = []

    def __call__(self, name: str = "own", nats: str = "", env: dict[str, str] | None = None) -> District:
        self.made.append(district(self.folder / name, nats=nats, env=env))
        return self.made[-1]
