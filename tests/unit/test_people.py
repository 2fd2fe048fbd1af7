"""Units, roster and accounts in a real database, from files as people write them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reporter.channels import judging
from reporter.core.notice import UnitContact
from reporter.core.terms import AccountRole
from reporter.settings import Settings
from reporter.store import schema
from reporter.store.database import Database
from reporter.store.people import (
    ImportRefused,
    import_roster,
    import_units,
    load_tree,
    on_duty,
    unit_contacts,
)
from reporter.store.tokens import TokenRefused, create, lookup
from reporter.values import Tables
from tests.addresses import only_on

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
UNITS = "code,name,parent,phone,region\ncity,市值班室,,0632-1,370400\neast,东街道,city,0632-2,370401\n"
HEADER = "unit,role,starts,ends,person,phone,channels\n"


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'people.sqlite3'}"
    else:
        url = request.getfixturevalue("postgres")
    opened = Database(url)
    await schema.upgrade(opened)
    yield opened
    await opened.close()


def at(hour: float) -> datetime:
    """An instant of the day, in the zone the files are written in."""
    return datetime(2026, 11, 22, 16, 0, tzinfo=UTC) + timedelta(hours=hour)


def a_shift(
    starts: str, ends: str, person: str, unit: str = "city", role: str = "leader", channels: str = ""
) -> str:
    return f"{unit},{role},2026-11-23T{starts}:00+08:00,2026-11-23T{ends}:00+08:00,{person},138,{channels}\n"


async def persons(database: Database, hour: float, unit: str = "city", role: str = "leader") -> list[str]:
    async with database.snapshot() as connection:
        found = await on_duty(connection, at(hour))
    return [duty.person for duty in found.get((unit, role), [])]


async def problems(database: Database, content: str, *, roster: bool = False) -> list[tuple[int, str]]:
    with pytest.raises(ImportRefused) as refused:
        await (import_roster if roster else import_units)(database, content.encode())
    return refused.value.problems


async def test_until_units_are_imported_there_is_one_and_its_code_is_root(database: Database) -> None:
    async with database.snapshot() as connection:
        tree = await load_tree(connection)

    assert tree.root == "root"


async def test_units_are_added_changed_and_deactivated_but_never_deleted(database: Database) -> None:
    first = await import_units(database, UNITS.encode())
    again = await import_units(database, UNITS.encode())
    changed = await import_units(
        database, UNITS.replace("east,东街道", "west,西街道").replace("0632-1", "").encode()
    )
    back = await import_units(database, UNITS.encode())

    async with database.snapshot() as connection:
        tree = await load_tree(connection)
    assert (first.root, first.added, first.changed, first.deactivated) == ("city", 2, 0, 0)
    assert (again.added, again.changed, again.unchanged) == (0, 0, 2)
    assert (changed.added, changed.changed, changed.deactivated) == (1, 1, 1)
    assert (back.added, back.changed, back.deactivated) == (0, 2, 1)
    assert tree.node("east").is_active
    assert not tree.node("west").is_active


async def test_root_follows_the_root(database: Database) -> None:
    await import_roster(database, (HEADER + a_shift("08:00", "20:00", "王", unit="root")).encode())
    await import_units(database, UNITS.encode())
    await import_units(database, b"code,name,parent,phone,region\nprovince,P,,1,\ncity,C,root,,\n")

    async with database.snapshot() as connection:
        tree = await load_tree(connection)
        contacts = await unit_contacts(connection, ["root", "east", "unheard-of"])
    assert tree.root == tree.resolve("root") == "province"
    assert tree.path("east") == ("east", "city", "province")
    assert contacts == {
        "root": UnitContact("P", "1"),
        "east": UnitContact("东街道", "0632-2"),
        "unheard-of": UnitContact("unheard-of", ""),
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
async def test_files_are_read_as_office_software_writes_them(database: Database, encoding: str) -> None:
    content = UNITS.replace("\n", "\r\n").encode(encoding)

    await import_units(database, content)

    async with database.snapshot() as connection:
        assert (await load_tree(connection)).node("east").name == "东街道"


async def test_every_bad_line_of_a_units_file_is_named_and_nothing_changes(database: Database) -> None:
    await import_units(database, UNITS.encode())
    bad = (
        "code,name,parent,phone,region\n"
        "city,C,,,\n"
        "City,C,city,,\n"
        "city,again,city,,\n"
        "\n"
        "a,A,nowhere,,\n"
        "b,,city,,\n"
        "c,C,d,,\n"
        "d,D,c,,\n"
        "e,=cmd(),city,,\n"
        "f,F,city\n"
        "root,R,city,,\n"
        "g,G,city,+86 632 1,\n"
        'h,"two\nlines",city,,\n'
        "i,I,,,\n"
    )

    found = await problems(database, bad)

    assert [line for line, _ in found] == [2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 14, 16]
    async with database.snapshot() as connection:
        assert (await load_tree(connection)).subtree("root") == {"city", "east", "root"}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "code,name\n",
        "code,name,parent,phone,region\n",
        "code,name,parent,phone,region,region\n",
        UNITS + 'x,"X',
        "code,name,parent,phone,region\na,A,b,,\nb,B,a,,\n",
        UNITS + "x,X\x00Y,city,,\n",
        UNITS + "x,X\x1b[2J,city,,\n",
    ],
)
async def test_what_is_no_units_file_changes_nothing(database: Database, content: str) -> None:
    assert await problems(database, content)


async def test_what_is_neither_utf_8_nor_gb18030_is_refused(database: Database) -> None:
    with pytest.raises(ImportRefused, match="UTF-8"):
        await import_units(database, b"\xff\xfe\x00c")


async def test_a_tree_deeper_than_sixteen_levels_is_refused(database: Database) -> None:
    lines = ["code,name,parent,phone,region", "u1,U,,,", *(f"u{n},U,u{n - 1},," for n in range(2, 18))]

    assert [line for line, _ in await problems(database, "\n".join(lines))] == [18]


async def test_a_shift_counts_from_its_start_until_just_before_its_end(database: Database) -> None:
    await import_units(database, UNITS.encode())
    shifts = a_shift("08:00", "20:00", "王", channels="desk|https://a.example/x") + a_shift(
        "20:00", "22:00", "赵"
    )
    await import_roster(database, (HEADER + shifts).encode())

    assert await persons(database, 7.999) == []
    assert await persons(database, 8) == ["王"]
    assert await persons(database, 20) == ["赵"]
    assert await persons(database, 22) == []
    async with database.snapshot() as connection:
        (duty,) = (await on_duty(connection, at(8)))["city", "leader"]
    assert duty.channels == ("desk", "https://a.example/x")


async def test_a_new_roster_replaces_its_span_and_leaves_no_hole_around_it(database: Database) -> None:
    await import_units(database, UNITS.encode())
    old = a_shift("06:00", "10:00", "早") + a_shift("10:00", "12:00", "午") + a_shift("12:00", "18:00", "晚")
    other = a_shift("06:00", "18:00", "员", role="duty_officer") + a_shift(
        "06:00", "18:00", "东", unit="east"
    )
    await import_roster(database, (HEADER + old + other).encode())

    summary = await import_roster(database, (HEADER + a_shift("09:00", "14:00", "新")).encode())

    assert (summary.shifts, summary.replaced, summary.cut) == (1, 1, 2)
    assert [await persons(database, hour) for hour in (8.9, 9, 11, 13.9, 14)] == [
        ["早"],
        ["新"],
        ["新"],
        ["新"],
        ["晚"],
    ]
    assert await persons(database, 11, role="duty_officer") == ["员"]
    assert await persons(database, 11, unit="east") == ["东"]


async def test_a_shift_around_the_new_span_is_cut_in_two(database: Database) -> None:
    await import_units(database, UNITS.encode())
    await import_roster(database, (HEADER + a_shift("06:00", "18:00", "王")).encode())

    summary = await import_roster(database, (HEADER + a_shift("09:00", "14:00", "新")).encode())

    assert (summary.replaced, summary.cut) == (0, 1)
    assert [await persons(database, hour) for hour in (8, 10, 15)] == [["王"], ["新"], ["王"]]


async def test_shifts_written_under_root_are_replaced_under_the_roots_own_code(database: Database) -> None:
    await import_roster(database, (HEADER + a_shift("06:00", "18:00", "王", unit="root")).encode())
    await import_units(database, UNITS.encode())

    summary = await import_roster(database, (HEADER + a_shift("06:00", "18:00", "新")).encode())

    assert summary.replaced == 1


async def test_two_persons_may_be_on_duty_at_once(database: Database) -> None:
    await import_units(database, UNITS.encode())
    await import_roster(
        database,
        (HEADER + a_shift("06:00", "18:00", "王") + a_shift("07:00", "9:00", "赵"))
        .replace("T9:", "T09:")
        .encode(),
    )

    assert await persons(database, 8) == ["王", "赵"]


async def test_every_bad_line_of_a_roster_is_named_and_nothing_changes(database: Database) -> None:
    await import_units(database, UNITS.encode())
    await import_units(database, b"code,name,parent,phone,region\ncity,C,,,\n")
    bad = [
        a_shift("08:00", "20:00", "好", channels="desk|sms:138|webhook:http://a.example"),
        a_shift("08:00", "20:00", "王", unit="nowhere"),
        a_shift("08:00", "20:00", "王", unit="east"),
        a_shift("08:00", "20:00", "王", role="chief"),
        a_shift("20:00", "08:00", "王"),
        a_shift("08:00", "08:00", "王"),
        a_shift("08:00", "20:00", ""),
        a_shift("08:00", "20:00", "王").replace("+08:00", ""),
        a_shift("08:00", "25:00", "王"),
        a_shift("08:00", "20:00", "王", channels="sms"),
        a_shift("08:00", "20:00", "王", channels="ftp://a.example"),
        a_shift("08:00", "20:00", "王", channels="webhook:no/thing"),
        a_shift("08:00", "20:00", "王", channels="https://"),
        a_shift("08:00", "20:00", "王", channels="desk:3"),
    ]

    found = await problems(database, HEADER + "".join(bad), roster=True)

    assert [line for line, _ in found] == list(range(3, 16))
    assert await persons(database, 9) == []


async def test_addresses_on_channels_that_are_not_there_are_kept_with_a_warning(database: Database) -> None:
    content = HEADER + a_shift("08:00", "20:00", "王", unit="root", channels="desk|sms:138")

    summary = await import_roster(database, content.encode(), only_on("desk", "webhook"))

    assert [line for line, _ in summary.warnings] == [2]
    assert await persons(database, 9, unit="root") == ["王"]


async def test_addresses_that_can_never_work_are_kept_with_a_warning_that_says_why(
    database: Database,
) -> None:
    await import_units(database, UNITS.encode())
    addresses = "webhook:ops|webhook:opps|https://h.example/hidden|apprise+syslog://hidden"
    content = HEADER + a_shift("08:00", "20:00", "王", channels=addresses)
    tables = Tables({"webhook": {"ops": {"url": "https://h.example/"}}})

    async with judging(Settings(channels=tables)) as flaw_of:
        summary = await import_roster(database, content.encode(), flaw_of)

    assert [(line, text.partition("；")[0]) for line, text in summary.warnings] == [
        (2, "webhook:opps: no account [channels.webhook.opps] in the settings"),
        (2, "apprise:…: syslog:// has no place here"),
    ]
    assert all("王 is noticed on the desk" in text for _, text in summary.warnings)
    assert await persons(database, 9) == ["王"]


async def test_a_token_is_found_by_its_secret_alone(database: Database) -> None:
    await import_units(database, UNITS.encode())
    secret = await create(database, "board-1", "duty", "east", NOW)

    async with database.snapshot() as connection:
        account = await lookup(connection, secret)
        assert await lookup(connection, secret[:-1]) is None
        assert await lookup(connection, "rpt_") is None
        assert await lookup(connection, "é" * 40) is None

    assert secret.startswith("rpt_")
    assert account is not None
    assert (account.name, account.role, account.unit) == ("board-1", AccountRole.DUTY, "east")


async def test_creating_a_token_again_revokes_the_old_one(database: Database) -> None:
    old = await create(database, "board-1", "duty", "root", NOW)
    new = await create(database, "board-1", "admin", "root", NOW)

    async with database.snapshot() as connection:
        assert await lookup(connection, old) is None
        account = await lookup(connection, new)
    assert account is not None
    assert account.role is AccountRole.ADMIN


@pytest.mark.parametrize(
    ("name", "role", "unit"),
    [
        ("", "duty", "root"),
        ("a b", "duty", "root"),
        ("x" * 65, "duty", "root"),
        ("a", "king", "root"),
        ("a", "duty", "b"),
    ],
)
async def test_a_token_for_nobody_is_refused(database: Database, name: str, role: str, unit: str) -> None:
    with pytest.raises(TokenRefused):
        await create(database, name, role, unit, NOW)
