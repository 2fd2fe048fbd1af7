"""Rosters from workbooks and calendars, as people keep them, and back into a calendar."""

from datetime import UTC, datetime, timedelta
from textwrap import dedent
from zoneinfo import ZoneInfo

import pytest

from reporter.core.roster import Duty, UnitNode, UnitTree
from reporter.core.standin import Shift, timeline
from reporter.core.terms import DutyRole
from reporter.store.calendarout import write_calendar
from reporter.store.csvfile import ImportRefused
from reporter.store.peoplefiles import ICS, XLSX, ShiftRow, read_roster
from tests.unit.sheets import workbook

ZONE = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
EAST = UnitNode("east", "东街道", "city", "", "", True)
TREE = UnitTree([UnitNode("city", "市值班室", None, "0632-1", "", True), EAST])
HEADER = ["unit", "role", "starts", "ends", "person", "phone", "channels"]


def local(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute)  # noqa: DTZ001 - as a workbook has it


def ics(events: str, head: str = "") -> bytes:
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\n{dedent(head)}{dedent(events).strip()}\nEND:VCALENDAR\n"
    return text.replace("\n", "\r\n").encode()


def an_event(*lines: str, summary: str = "值班员 李四", said: str = r"unit: east\nphone: 138") -> str:
    parts = ["BEGIN:VEVENT", "UID:1@x", f"SUMMARY:{summary}", f"DESCRIPTION:{said}", *lines, "END:VEVENT"]
    return "\n".join(parts) + "\n"


def shifts(content: bytes, form: str = ICS, zone: ZoneInfo = ZONE, now: datetime = NOW) -> list[ShiftRow]:
    return read_roster(content, TREE, form, zone, now)


def spans(found: list[ShiftRow], zone: ZoneInfo = ZONE) -> list[str]:
    return [
        f"{each.starts_at.astimezone(zone):%m-%d %H:%M}/{each.ends_at.astimezone(zone):%m-%d %H:%M}"
        for each in found
    ]


def refused(content: bytes, form: str = ICS, zone: ZoneInfo = ZONE) -> list[tuple[int, str]]:
    with pytest.raises(ImportRefused) as problems:
        shifts(content, form, zone)
    return problems.value.problems


WEEKLY = ("DTSTART;TZID=Asia/Shanghai:20261123T080000", "DTEND;TZID=Asia/Shanghai:20261123T200000")


# --- workbooks ----------------------------------------------------------------------------------------------


def test_a_workbook_reads_as_the_same_roster_as_a_csv_file() -> None:
    content = workbook(
        [
            HEADER,
            ["east", "duty_officer", local(23, 8), local(23, 20), "李四", 13800000000.0, "desk"],
            [],
            ["east", "leader", "2026-11-23 08:00", "2026/11/24 8:00", "王五", "0632-1", ""],
            ["city", "leader", "2026-11-23T08:00:00+08:00", "2026-11-23T12:00:00Z", "赵六", "", "desk"],
        ]
    )

    found = shifts(content, XLSX)

    assert [(each.line, each.person, each.phone) for each in found] == [
        (2, "李四", "13800000000"),
        (4, "王五", "0632-1"),
        (5, "赵六", ""),
    ]
    assert spans(found) == ["11-23 08:00/11-23 20:00", "11-23 08:00/11-24 08:00", "11-23 08:00/11-23 20:00"]


def test_every_bad_row_of_a_workbook_is_named() -> None:
    content = workbook(
        [
            HEADER,
            ["east", "duty_officer", 12.5, local(23, 20), "李四", "", ""],
            ["nowhere", "cook", local(23, 8), local(23, 20), "李四", "", ""],
            ["east", "leader", "tomorrow", local(23, 20), "李四", "", ""],
            ["east", "leader", local(23, 20), local(23, 8), "=cmd()", "", ""],
        ]
    )

    found = refused(content, XLSX)

    assert [line for line, _ in found] == [2, 3, 4, 5]
    assert "not a date" in found[0][1] and "unknown unit" in found[1][1] and "formula" in found[3][1]


def test_a_time_that_the_zone_skips_or_repeats_is_refused() -> None:
    spring, autumn = datetime(2026, 3, 29, 2, 30), datetime(2026, 10, 25, 2, 30)  # noqa: DTZ001 - as a workbook has it
    content = workbook(
        [
            HEADER,
            ["east", "leader", spring, local(23, 8), "李", "", ""],
            ["east", "leader", autumn, local(23, 8), "李", "", ""],
        ]
    )

    found = refused(content, XLSX, BERLIN)

    assert ["does not exist" in found[0][1], "happens twice" in found[1][1]] == [True, True]


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 not really", b"unit,role\n", workbook([["unit", "role"]])]
)
def test_what_is_no_workbook_of_a_roster_is_refused_as_a_whole(content: bytes) -> None:
    assert len(refused(content, XLSX)) == 1


# --- calendars ----------------------------------------------------------------------------------------------


def test_an_event_is_a_shift_for_each_person_it_names() -> None:
    content = ics(
        an_event(*WEEKLY, said=r"单位：东街道\n电话：138\n渠道：desk|sms:138\n随便写")
        + an_event(
            "LOCATION:市值班室",
            'ATTENDEE;CN="王五":tel:139',
            "ATTENDEE;CN=赵六:mailto:zhao@example.org",
            "DTSTART:20261123T000000Z",
            "DURATION:PT12H",
            summary="带班领导",
            said="",
        )
    )

    found = shifts(content)

    assert [(each.unit, each.role, each.person, each.phone) for each in found] == [
        ("east", "duty_officer", "李四", "138"),
        ("city", "leader", "王五", "139"),
        ("city", "leader", "赵六", ""),
    ]
    assert found[0].channels == ("desk", "sms:138")
    assert spans(found) == ["11-23 08:00/11-23 20:00"] * 3


def test_a_day_and_a_local_time_are_read_in_the_calendars_own_zone() -> None:
    events = an_event("DTSTART;VALUE=DATE:20261124") + an_event(
        "DTSTART:20261124T080000", "DTEND:20261124T200000"
    )

    ours, theirs = shifts(ics(events)), shifts(ics(events, "X-WR-TIMEZONE:Europe/Berlin\n"))

    assert spans(ours) == ["11-24 00:00/11-25 00:00", "11-24 08:00/11-24 20:00"]
    assert spans(theirs, BERLIN) == spans(ours)


def test_a_repeating_event_is_unrolled_without_what_is_left_out_moved_or_over() -> None:
    content = ics(
        an_event(*WEEKLY, "RRULE:FREQ=DAILY;COUNT=5", "EXDATE;TZID=Asia/Shanghai:20261125T080000")
        + an_event(
            "RECURRENCE-ID;TZID=Asia/Shanghai:20261126T080000",
            "DTSTART;TZID=Asia/Shanghai:20261126T100000",
            "DTEND;TZID=Asia/Shanghai:20261126T200000",
            summary="值班员 王五",
        )
    )

    found = shifts(content, now=NOW + timedelta(days=1))

    assert [f"{who.person} {span}" for who, span in zip(found, spans(found), strict=True)] == [
        "李四 11-24 08:00/11-24 20:00",
        "李四 11-27 08:00/11-27 20:00",
        "王五 11-26 10:00/11-26 20:00",
    ]


def test_an_endless_rule_ends_within_a_year_and_one_that_never_matches_ends_at_once() -> None:
    endless = shifts(ics(an_event(*WEEKLY, "RRULE:FREQ=WEEKLY")))
    never = shifts(ics(an_event(*WEEKLY, "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;COUNT=9")))

    assert len(endless) == 53
    assert spans(never) == ["11-23 08:00/11-23 20:00"]  # RFC 5545: the start itself is an occurrence


def test_a_repeating_shift_keeps_its_local_times_where_the_clocks_change() -> None:
    content = ics(
        an_event(
            "DTSTART;TZID=Europe/Berlin:20270327T080000",
            "DTEND;TZID=Europe/Berlin:20270328T080000",
            "RRULE:FREQ=DAILY;UNTIL=20270329T060000Z",
        )
    )

    found = shifts(content)

    assert spans(found, BERLIN) == [
        "03-27 08:00/03-28 08:00",
        "03-28 08:00/03-29 08:00",
        "03-29 08:00/03-30 08:00",
    ]
    assert [(each.ends_at - each.starts_at) / timedelta(hours=1) for each in found] == [23, 24, 24]


def test_every_bad_event_is_named_by_its_line() -> None:
    span = "DTSTART:20261123T000000Z\nDTEND:20261123T120000Z"
    content = ics(
        an_event(span, summary="聚餐")
        + an_event(span, said="phone: 138")
        + an_event(span, summary="值班员")
        + an_event("DTSTART:20261123T000000Z")
        + an_event(span, "RRULE:FREQ=HOURLY")
        + an_event("DTSTART:20261123T120000Z\nDTEND:20261123T000000Z\nRRULE:FREQ=DAILY;COUNT=3")
        + an_event(span, said="unit: nowhere")
        + an_event(span, "STATUS:CANCELLED", summary="聚餐")
    )
    begins = [n for n, line in enumerate(content.decode().splitlines(), 1) if line == "BEGIN:VEVENT"]

    found = refused(content)

    assert [line for line, _ in found] == begins[:7]
    for (_, why), expected in zip(
        found,
        (
            "no role",
            "no unit",
            "no person",
            "neither an end",
            "more often than daily",
            "start before",
            "unknown unit",
        ),
        strict=True,
    ):
        assert expected in why


@pytest.mark.parametrize("content", [b"", b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", b"unit,role\n", ics("")])
def test_what_is_no_calendar_of_a_roster_is_refused_as_a_whole(content: bytes) -> None:
    assert len(refused(content)) == 1


def test_what_is_written_as_a_calendar_is_read_as_the_same_roster() -> None:
    duty = Duty("east", "leader", "王, 五", "138", ("desk", "https://phones.example/x?a=1;b=2"))
    held = [
        Shift(NOW, NOW + timedelta(hours=12), duty),
        Shift(NOW + timedelta(hours=14), NOW + timedelta(days=1), duty),
    ]
    line = timeline("east", "leader", held, (), NOW - timedelta(days=1), NOW + timedelta(days=7))

    content = write_calendar(
        {("east", DutyRole.LEADER): line}, {"east": EAST}, NOW, "值班", with_channels=True
    )

    assert [
        (x.unit, x.role, x.person, x.phone, x.channels, x.starts_at, x.ends_at) for x in shifts(content)
    ] == [
        ("east", "leader", "王, 五", "138", duty.channels, shift.starts_at, shift.ends_at) for shift in held
    ]
    told = write_calendar({("east", DutyRole.LEADER): line}, {"east": EAST}, NOW, "值班")
    assert b"phones.example" not in told
