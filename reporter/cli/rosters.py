"""The verbs that read and import rosters: import, export, who, gaps, handover, link, unlink."""

import csv
import io
from contextlib import AsyncExitStack
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from reporter.cli.stored import opened
from reporter.cli.trouble import Trouble, WrongUsage
from reporter.cli.verb import STORE, Call, Document, verb
from reporter.cli.world import import_refused, read_file
from reporter.core.instants import maybe_rfc3339, parse, rfc3339
from reporter.settings import SettingsError
from reporter.timesource import SystemTime

if TYPE_CHECKING:
    from rich.table import Table

    from reporter.core.roster import Duty, FlawOf, UnitTree
    from reporter.store.rosters import Lines

ROSTER = typer.Typer(help="值班表。Duty rosters.", no_args_is_help=True)
ZONED = (*STORE, "zone", "language")
DAYS_MAX = 366
Unit = Annotated[
    str | None, typer.Option("--unit", help="单位代码，含下级。Code of a unit, with those below.")
]
OneUnit = Annotated[str, typer.Option("--unit", help="单位代码。Code of the unit.")]
By = Annotated[str | None, typer.Option("--by", help="经手人，默认系统用户。Who does this; the system user.")]


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    app.add_typer(ROSTER, name="roster")
    _register_files()
    _register_questions()
    _register_keeping()


def _register_files() -> None:
    @verb(ROSTER, "import", *ZONED, "channels")
    async def roster_import(
        call: Call,
        file: Annotated[
            Path,
            typer.Argument(
                metavar="FILE",
                help="CSV、XLSX 或 iCalendar（按扩展名）；- 读 CSV。By extension; - reads CSV.",
            ),
        ],
        by: By = None,
    ) -> None:
        """导入值班表：unit,role,starts,ends,person,phone,channels。Imports a roster."""
        from reporter.store.csvfile import ImportRefused
        from reporter.store.people import import_roster
        from reporter.store.peoplefiles import FORMS

        form = file.suffix.lower().lstrip(".")
        content = read_file(file)
        async with AsyncExitStack() as stack:
            flaw_of = await _judge(call, stack)
            database = await stack.enter_async_context(opened(call.settings, create=True))
            try:
                done = await import_roster(
                    database,
                    content,
                    flaw_of,
                    form=form if form in FORMS else "csv",
                    zone=ZoneInfo(call.settings.zone),
                    author=author(by),
                )
            except ImportRefused as refused:
                raise import_refused(file, refused) from None
        for line, text in done.warnings:
            call.tell(f"注意：第 {line} 行：{text}", f"note: line {line}: {text}")
        document: Document = asdict(done) | {
            "warnings": [{"line": line, "message": text} for line, text in done.warnings]
        }
        call.answer(
            document,
            lambda: call.say(
                f"班次：写入 {done.shifts}，替换 {done.replaced}，截短 {done.cut}",
                f"shifts: {done.shifts} written, {done.replaced} replaced, {done.cut} cut",
            ),
        )

    @verb(ROSTER, "export", *ZONED)
    async def roster_export(
        call: Call,
        file: Annotated[
            Path,
            typer.Argument(metavar="FILE", help=".csv 或 .ics；- 写 CSV 到 stdout。- writes CSV to stdout."),
        ],
        unit: Unit = None,
        days: Annotated[
            int, typer.Option("--days", min=1, max=DAYS_MAX, help="从现在起的天数。Days from now.")
        ] = 62,
    ) -> None:
        """导出值班表（含换班与代班），可再导入。Exports a roster as it stands; it can be imported again."""
        from reporter.store.calendarout import write_calendar
        from reporter.store.people import load_tree
        from reporter.store.rosters import timelines

        now = SystemTime().now()
        async with opened(call.settings) as database, database.snapshot() as connection:
            tree = await load_tree(connection)
            codes = units_of(tree, unit)
            lines = await timelines(connection, tree, codes, now, now + timedelta(days=days))
        if file.suffix.lower() == ".ics":
            nodes = {code: tree.node(code) for code in codes}
            content = write_calendar(lines, nodes, now, "值班表", with_channels=True)
        else:
            content = _csv(lines).encode()
        if str(file) == "-":
            call.answer({"file": None, "csv": content.decode()}, content.decode().rstrip)
            return
        try:
            file.write_bytes(content)
        except OSError as reason:
            why = reason.strerror or str(reason)
            raise WrongUsage(f"{file} 写不了：{why}", f"{file} cannot be written: {why}") from None
        call.answer(
            {"file": str(file), "units": len(codes)},
            lambda: call.say(f"已写入 {file}：{len(codes)} 个单位", f"{file} written: {len(codes)} units"),
        )


def _register_questions() -> None:
    @verb(ROSTER, "who", *ZONED)
    async def roster_who(
        call: Call,
        at: Annotated[
            str | None,
            typer.Option("--at", help="哪一刻，RFC 3339；默认现在。Which instant; now by default."),
        ] = None,
        known_at: Annotated[
            str | None, typer.Option("--known-at", help="按当时所知。As it was known at that instant.")
        ] = None,
        unit: Unit = None,
    ) -> None:
        """某一刻谁在值班，过去也可查。Who is on duty at an instant, any past one too."""
        from reporter.store.people import load_tree
        from reporter.store.rosters import duty_now

        when = instant("--at", at) or SystemTime().now()
        known = instant("--known-at", known_at)
        async with opened(call.settings) as database, database.snapshot() as connection:
            codes = units_of(await load_tree(connection), unit)
            found = await duty_now(connection, when, codes, known)
        items = [
            {
                "unit": each.unit.code,
                "name": each.unit.name,
                "contact": each.phone,
                "duty_officer": [_person(duty) for duty in each.duty_officers],
                "leader": [_person(duty) for duty in each.leaders],
            }
            for each in found
        ]

        def shown() -> "Table":
            table = _table(
                call, ("单位", "Unit"), ("值班员", "Duty officer"), ("带班领导", "Leader"), ("电话", "Phone")
            )
            for each in found:
                people = [
                    "\n".join(_words(call, duty) for duty in held) or call.say("（无人）", "(nobody)")
                    for held in (each.duty_officers, each.leaders)
                ]
                table.add_row(f"{each.unit.code} {each.unit.name}", *people, each.phone or "")
            return table

        call.answer({"at": rfc3339(when), "known_at": maybe_rfc3339(known), "items": items}, shown)

    @verb(ROSTER, "gaps", *ZONED)
    async def roster_gaps(
        call: Call,
        days: Annotated[int, typer.Option("--days", min=1, max=DAYS_MAX, help="天数。Days from now.")] = 7,
        unit: Unit = None,
    ) -> int:
        """今后几天的空档；有则退出状态为 1。The gaps of the days to come; exit status 1 if there are any."""
        from reporter.store.people import load_tree
        from reporter.store.rosters import holes

        async with opened(call.settings) as database, database.snapshot() as connection:
            codes = units_of(await load_tree(connection), unit)
            found = await holes(connection, SystemTime().now(), days, codes)
        items = [
            {
                "unit": hole.gap.unit,
                "role": hole.gap.role.value,
                "starts": rfc3339(hole.gap.starts_at),
                "ends": rfc3339(hole.gap.ends_at),
                "rostered": hole.is_rostered,
            }
            for hole in found
        ]

        def shown() -> "Table | str":
            if not found:
                return call.say(f"今后 {days} 天没有空档", f"no gap in the next {days} days")
            table = _table(call, ("单位", "Unit"), ("岗位", "Role"), ("起", "From"), ("止", "Until"))
            for hole in found:
                span = (local(call, hole.gap.starts_at), local(call, hole.gap.ends_at))
                table.add_row(hole.gap.unit, hole.gap.role.value, *span)
            return table

        call.answer({"items": items}, shown)
        return 1 if found else 0


def _register_keeping() -> None:
    @verb(ROSTER, "handover", *ZONED)
    async def roster_handover(
        call: Call,
        times: Annotated[
            list[str] | None,
            typer.Argument(metavar="TIMES", help="如 08:00 20:00；不写则随上级。None: as above."),
        ] = None,
        unit: OneUnit = "root",
        by: By = None,
    ) -> None:
        """规定单位的交接班时间。Sets the times of day at which a unit hands over."""
        from reporter.store.handovers import HandoverRefused, set_times
        from reporter.store.people import load_tree

        async with opened(call.settings) as database:
            async with database.snapshot() as connection:
                code = one_unit(await load_tree(connection), unit)
            try:
                kept = await set_times(database, code, times or [], author(by), SystemTime().now())
            except HandoverRefused as refused:
                zh, _, en = str(refused).partition(" / ")
                raise WrongUsage(zh, en) from None
        call.answer({"unit": code, "times": kept}, lambda: f"{code} {' '.join(kept) or '-'}")

    @verb(ROSTER, "link", *ZONED)
    async def roster_link(
        call: Call,
        name: Annotated[str, typer.Argument(metavar="NAME", help="给谁的手机。Whose phone it is for.")],
        unit: OneUnit,
        by: By = None,
    ) -> None:
        """生成手机日历订阅链接，只显示一次。Makes a calendar link for a phone; it is shown once."""
        from reporter.store.feeds import create
        from reporter.store.people import load_tree

        async with opened(call.settings) as database:
            async with database.snapshot() as connection:
                code = one_unit(await load_tree(connection), unit)
            feed, secret = await create(database, name, code, author(by), SystemTime().now())
        path = f"/feeds/rosters/{secret}.ics"
        call.answer({"id": feed.id, "unit": code, "name": name, "path": path}, lambda: path)

    @verb(ROSTER, "unlink", *ZONED)
    async def roster_unlink(
        call: Call,
        number: Annotated[int, typer.Argument(metavar="ID", help="链接编号。Number of the link.")],
    ) -> None:
        """停用手机日历订阅链接。Revokes a calendar link."""
        from reporter.store.feeds import revoke

        async with opened(call.settings) as database:
            feed = await revoke(database, number, SystemTime().now())
        if feed is None:
            raise Trouble(f"没有编号为 {number} 的链接", f"there is no link {number}")
        call.answer(
            {"id": feed.id, "revoked_at": maybe_rfc3339(feed.revoked_at)},
            lambda: call.say(f"链接 {number} 已停用", f"link {number} is revoked"),
        )


async def _judge(call: Call, stack: AsyncExitStack) -> "FlawOf | None":
    """What tells which addresses can never work, while the stack is open; None where accounts cannot be read.

    The secrets of a service may be out of reach for whoever imports: no reason to refuse the roster.
    """
    from reporter.channels import judging

    try:
        return await stack.enter_async_context(judging(call.settings))
    except SettingsError as wrong:
        listing = "; ".join(wrong.problems)
        call.tell(
            f"注意：渠道账户读不出，地址未核对：{listing}",
            f"note: the channels' accounts cannot be read, so no address was checked: {listing}",
        )
        return None


def author(by: str | None) -> str:
    """Who does this, for the record."""
    import getpass

    return by or f"cli:{getpass.getuser()}"


def instant(option: str, given: str | None) -> datetime | None:
    """The instant of an option. Raises WrongUsage."""
    if given is None:
        return None
    try:
        return parse(given)
    except ValueError as error:
        raise WrongUsage(f"{option}：{given} 不是 RFC 3339 时刻", f"{option}: {error}") from None


def one_unit(tree: "UnitTree", code: str) -> str:
    """The registered code. Raises Trouble."""
    found = tree.resolve(code)
    if found is None:
        raise Trouble(f"没有单位 {code}", f"there is no unit {code}")
    return found


def units_of(tree: "UnitTree", unit: str | None) -> list[str]:
    """The active units of the subtree, or all of them. Raises Trouble."""
    from reporter.store.rosters import active_units

    return active_units(tree, None if unit is None else tree.subtree(one_unit(tree, unit)))


def _person(duty: "Duty") -> Document:
    return {"person": duty.person, "phone": duty.phone, "note": duty.note, "absent": duty.is_absent}


def _words(call: Call, duty: "Duty") -> str:
    why = call.say("缺岗", "absent") if duty.is_absent else duty.note
    return f"{duty.person} {duty.phone}" + (f" ({why})" if why else "")


def local(call: Call, at: datetime) -> str:
    """The instant as people of the settings' zone read it."""
    return f"{at.astimezone(ZoneInfo(call.settings.zone)):%Y-%m-%d %H:%M}"


def _table(call: Call, *columns: tuple[str, str]) -> "Table":
    from rich.table import Table

    return Table(*(call.say(*each) for each in columns), show_edge=False)


def _csv(lines: "Lines") -> str:
    """The roster as `roster import` takes it: what stands, with swaps and deputies."""
    from reporter.store.calendarout import stretches
    from reporter.store.peoplefiles import ROSTER_COLUMNS

    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(ROSTER_COLUMNS)
    for (unit, role), slots in lines.items():
        for starts_at, ends_at, duty in stretches(slots):
            span = (rfc3339(starts_at), rfc3339(ends_at))
            writer.writerow((unit, role.value, *span, duty.person, duty.phone, "|".join(duty.channels)))
    return file.getvalue()
