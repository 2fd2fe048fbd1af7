"""The demo's district: a city, three counties, who is on duty there, and accounts. Nobody in it exists."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from reporter.core.terms import AccountRole, DutyRole, RosterChange
from reporter.store import accounts, handovers, rosterchanges
from reporter.store.accounts import NewPerson
from reporter.store.database import Database
from reporter.store.passwords import hash_now, made_up
from reporter.store.people import import_roster, import_units
from reporter.store.rosterchanges import Agreed
from reporter.store.tokens import create

CITY: Final = "jia-shi"
COUNTY: Final = "yi-xian"

UNITS: Final = (
    ("code", "name", "parent", "phone", "region"),
    (CITY, "甲市总值班室", "", "000-0000-0100", "990000"),
    (COUNTY, "乙县总值班室", CITY, "000-0000-0200", "990001"),
    ("bing-xian", "丙县总值班室", CITY, "000-0000-0300", "990002"),
    ("ding-qu", "丁区总值班室", CITY, "000-0000-0400", "990003"),
)

PEOPLE: Final = {
    CITY: {DutyRole.DUTY_OFFICER: ("赵一", "钱二"), DutyRole.LEADER: ("孙主任", "李副主任")},
    COUNTY: {DutyRole.DUTY_OFFICER: ("周三", "吴四"), DutyRole.LEADER: ("郑县长", "王副县长")},
    "bing-xian": {DutyRole.DUTY_OFFICER: ("冯五", "陈六"), DutyRole.LEADER: ("褚县长", "卫副县长")},
    "ding-qu": {DutyRole.DUTY_OFFICER: ("蒋七", "沈八"), DutyRole.LEADER: ("韩区长", "杨副区长")},
}
"""For each unit and role the two who take turns, from eight to eight."""

ACCOUNTS: Final = (
    ("duty", AccountRole.DUTY, CITY, ""),
    ("relief", AccountRole.DUTY, CITY, ""),
    ("leader", AccountRole.LEADER, CITY, ""),
    (COUNTY, AccountRole.UNIT, COUNTY, "周三"),
    ("bing-xian", AccountRole.UNIT, "bing-xian", "冯五"),
    ("ding-qu", AccountRole.UNIT, "ding-qu", "蒋七"),
    ("auditor", AccountRole.AUDITOR, CITY, "审计员"),
    ("admin", AccountRole.ADMIN, CITY, "管理员"),
)
"""For each a token and a person's account of that name; without a person's name, whom the roster has at that hour."""

DAYS_BEFORE: Final = 1
DAYS_AFTER: Final = 10
HANDOVER_HOUR: Final = 8
HALF_DAY: Final = timedelta(hours=12)
HANDOVER_TIMES: Final = ("08:00", "20:00")
GAP_UNIT: Final = "bing-xian"
GAP_TURN: Final = 5
"""The night, counted in half days from the first shift, for which this unit has put nobody on its roster."""
AWAY_UNIT, DEPUTY, DEPUTY_PHONE = "ding-qu", "华九", "000-0000-0499"
"""Whoever is this unit's duty officer when the demo begins is ill for three days, and has a deputy."""


def on_duty(unit: str, role: DutyRole, at: datetime, zone: str) -> str:
    """Who of the unit has that role at the instant."""
    is_day = HANDOVER_HOUR <= at.astimezone(ZoneInfo(zone)).hour < HANDOVER_HOUR + 12
    return PEOPLE[unit][role][0 if is_day else 1]


def units_csv() -> str:
    """The units as the file that `reporter unit import` takes."""
    return _csv(UNITS)


def roster_csv(now: datetime, zone: str) -> str:
    """The rosters, from yesterday until ten days from `now`, as the file that `reporter roster import` takes.

    The first of each pair has the days (08:00 to 20:00 in `zone`), the second the nights. One shift is left open, so
    that there is a gap to be seen and filled.
    """
    rows = [("unit", "role", "starts", "ends", "person", "phone", "channels")]
    for number, (starts, ends, turn) in enumerate(_shifts(now.astimezone(ZoneInfo(zone)))):
        for unit, roles in PEOPLE.items():
            for place, (role, persons) in enumerate(roles.items(), 1):
                if (unit, role, number) == (GAP_UNIT, DutyRole.DUTY_OFFICER, GAP_TURN):
                    continue
                phone = f"000-0000-0{list(PEOPLE).index(unit) + 1}{place}{turn}"
                rows.append((unit, role, starts.isoformat(), ends.isoformat(), persons[turn], phone, "desk"))
    return _csv(rows)


@dataclass(frozen=True, slots=True)
class Keys:
    """What opens the demo: each account's token by its name, and the password that all of them share."""

    tokens: dict[str, str]
    password: str


async def build(database: Database, now: datetime, zone: str) -> Keys:
    """Fills an empty database with the district, under a password of its own."""
    await import_units(database, units_csv().encode())
    await import_roster(database, roster_csv(now, zone).encode(), now=now, author="demo")
    await handovers.set_times(database, CITY, HANDOVER_TIMES, "demo", now)
    ill = on_duty(AWAY_UNIT, DutyRole.DUTY_OFFICER, now, zone)
    away = Agreed(
        RosterChange.ABSENCE, AWAY_UNIT, None, ill, now - timedelta(days=1), now + timedelta(days=2), DEPUTY,
        "病假", DEPUTY_PHONE, ("desk",),
    )  # fmt: skip
    await rosterchanges.record(database, away, "demo", "away", now)
    password = made_up()
    hashed = hash_now(password)
    officer, relief = (
        on_duty(CITY, DutyRole.DUTY_OFFICER, now + half, zone) for half in (timedelta(), HALF_DAY)
    )
    present = {"duty": officer, "relief": relief, "leader": on_duty(CITY, DutyRole.LEADER, now, zone)}
    async with database.transaction() as connection:
        for login, role, unit, name in ACCOUNTS:
            person = NewPerson(
                login=login,
                display_name=name or present[login],
                role=role,
                unit=unit,
                password_hash=hashed,
                must_change=False,
            )
            await accounts.create(connection, person, now, "demo")
    made = {login: await create(database, login, role, unit, now) for login, role, unit, _ in ACCOUNTS}
    return Keys(made, password)


def _shifts(now: datetime) -> Iterator[tuple[datetime, datetime, int]]:
    first = now.replace(hour=HANDOVER_HOUR, minute=0, second=0, microsecond=0) - timedelta(days=DAYS_BEFORE)
    for turn in range(2 * (DAYS_BEFORE + DAYS_AFTER)):
        yield first + turn * HALF_DAY, first + (turn + 1) * HALF_DAY, turn % 2


def _csv(rows: Sequence[Sequence[str]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()
