"""The board: open incidents with their clocks counting down. One renderer, for the verb and for the demo.

Every state has a mark and a word; colour only repeats them.
"""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, NamedTuple
from zoneinfo import ZoneInfo

import typer

from reporter.cli.verb import CLIENT, Call, Document, verb
from reporter.core.instants import read_back
from reporter.core.plain import Words, channel_words, recipient_words, step_words
from reporter.core.terms import ClockState, Mode, NoticeReason, NoticeState, Verdict, label
from reporter.timesource import SystemTime, sleep

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from reporter.cli.client import Api

REFRESH_S = 1.0
SOON_SHARE = 3
"""A clock is due soon in the last third of its span."""
OPEN_MAX = 200


class Standing(NamedTuple):
    """How a clock stands at an instant: `mark`, words and the colour that repeats them."""

    mark: str
    word: str
    span: str
    style: str

    def __str__(self) -> str:
        return " ".join(part for part in (self.mark, self.word, self.span) if part)


def countdown(span: timedelta) -> str:
    """`1:02:03` or `12:34`, whole seconds, without sign; whole days in front as `2d`."""
    seconds = int(abs(span).total_seconds())
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    clock = f"{hours}:{minutes:02}:{seconds:02}" if hours or days else f"{minutes:02}:{seconds:02}"
    return f"{days}d {clock}" if days else clock


def standing(clock: Document, now: datetime, language: str = "zh") -> Standing:
    """How `clock`, as the API shows it, stands at `now`."""
    zh = language == "zh"
    due = read_back(clock["due_at"])
    verdict = Verdict(clock["verdict"]) if clock["verdict"] else None
    state = ClockState(clock["state"])
    word = label(verdict, language) if verdict else label(state, language)
    if state is ClockState.STOPPED:
        return Standing("◇", word, "", "dim")
    if state is ClockState.MET:
        met = read_back(clock["met_at"]) if clock["met_at"] else due
        apart = countdown(due - met)
        span = (
            (f"晚 {apart}" if zh else f"{apart} late")
            if met > due
            else (f"早 {apart}" if zh else f"{apart} early")
        )
        missing = "" if clock["complete"] is not False else (" 要素不全" if zh else " incomplete")
        return Standing("✔", word + missing, span, "yellow" if verdict is Verdict.LATE else "green")
    if state is ClockState.BREACHED or now > due:
        word = word if verdict else label(ClockState.BREACHED, language)
        if verdict is Verdict.MISSING:
            return Standing("■", word, "", "bold red")
        gone = countdown(now - due)
        return Standing("■", word, f"已过 {gone}" if zh else f"{gone} ago", "bold red")
    left = countdown(due - now)
    if due - now <= (due - read_back(clock["starts_at"])) / SOON_SHARE:
        return Standing("▲", "将到期" if zh else "Due soon", f"剩 {left}" if zh else f"{left} left", "yellow")
    return Standing("●", word, f"剩 {left}" if zh else f"{left} left", "")


def local(at: str | None, zone: str, form: str = "%m-%d %H:%M:%S") -> str:
    """An instant of the API in the people's zone; empty for None."""
    return read_back(at).astimezone(ZoneInfo(zone)).strftime(form) if at else ""


def marked_title(incident: Document, language: str = "zh") -> str:
    """The title, marked 【演练】 or 【测试】 where the incident is not an actual one."""
    mode = Mode(incident["mode"])
    return (
        str(incident["title"]) if mode is Mode.ACTUAL else f"【{label(mode, language)}】{incident['title']}"
    )


def render_board(
    incidents: Sequence[Document],
    now: datetime,
    language: str = "zh",
    *,
    titles: Mapping[str, str] | None = None,
    zone: str = "Asia/Shanghai",
) -> "Table":
    """The board as a table: one line per clock, incidents most urgent first.

    `titles` names obligations by id; an id without a title is shown as it is.
    """
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    zh = language == "zh"
    clock_at = now.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")
    table = Table(
        title=f"值班看板 {clock_at}" if zh else f"Board {clock_at}",
        caption="● 计时  ▲ 将到期  ■ 超时  ✔ 已报  ◇ 中止"
        if zh
        else "● running  ▲ due soon  ■ overdue  ✔ met  ◇ stopped",
        title_justify="left",
        caption_justify="left",
    )
    for heading in (
        ("事件", "报送义务", "时限", "状态") if zh else ("Incident", "Obligation", "Due", "Standing")
    ):
        table.add_column(heading, overflow="fold", ratio=None)
    for incident in sorted(incidents, key=urgency):
        lines = [marked_title(incident, language), f"{incident['code']} · {incident['unit']}"]
        if incident["occurred"]["provisional"]:
            lines.append("事发时间暂定" if zh else "occurrence provisional")
        clocks = incident["clocks"]
        for row in range(max(len(clocks), len(lines))):
            cells: list[str | Text] = [escape(lines[row]) if row < len(lines) else ""]
            if row < len(clocks):
                stands = standing(clocks[row], now, language)
                name = clocks[row]["obligation"]
                cells += [
                    escape((titles or {}).get(name, name)),
                    local(clocks[row]["due_at"], zone, "%H:%M:%S"),
                    Text(str(stands), style=stands.style),
                ]
            table.add_row(*cells, end_section=row == max(len(clocks), len(lines)) - 1)
    if not incidents:
        table.add_row("没有在办事件" if zh else "No open incident", "", "", "")
    return table


def render_notices(
    incidents: Sequence[Document],
    language: str = "zh",
    *,
    limit: int = 6,
    titles: Mapping[str, str] | None = None,
    zone: str = "Asia/Shanghai",
) -> "Table":
    """The latest notices of these incidents, newest first; `titles` names obligations by id."""
    from rich.markup import escape
    from rich.table import Table

    zh = language == "zh"
    table = Table(title="最新通知" if zh else "Latest notices", title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    for _ in range(5):
        table.add_column(overflow="fold")
    for notice in latest_notices(incidents)[:limit]:
        person = notice["person"] or ("无人值班" if zh else "nobody on duty")
        table.add_row(
            local(notice["recorded_at"], zone, "%H:%M:%S"),
            label(NoticeReason(notice["reason"]), language),
            escape(notice_subject(notice, titles or {}, language)),
            escape(f"{person} ({said(recipient_words(notice['to']), language)})"),
            escape(said(channel_words(notice["channel"]), language)),
            label(NoticeState(notice["state"]), language),
        )
    return table


def notice_subject(notice: Document, titles: Mapping[str, str], language: str) -> str:
    """Which obligation's step a notice is of: `初报 时限前 10 分钟`; empty if of the incident as a whole."""
    obligation = notice["obligation"] or ""
    return f"{titles.get(obligation, obligation)} {said(step_words(notice['step']), language)}".strip()


def said(words: Words, language: str) -> str:
    """The one of both that the reader reads."""
    return words[0 if language == "zh" else 1]


def latest_notices(incidents: Sequence[Document]) -> list[Document]:
    """All notices of these incidents, newest first."""
    notices = [notice for incident in incidents for notice in incident.get("notices") or ()]
    return sorted(notices, key=lambda notice: (str(notice["recorded_at"]), str(notice["id"])), reverse=True)


def urgency(incident: Document) -> tuple[bool, str]:
    """Sorts incidents: those with an unmet clock first, by its due time."""
    unmet = [
        str(c["due_at"])
        for c in incident["clocks"]
        if c["state"] in (ClockState.RUNNING, ClockState.BREACHED)
    ]
    return (not unmet, min(unmet, default=str(incident["received_at"])))


def obligation_titles(language: str) -> dict[str, str]:
    """Titles of the obligations of the schedules at hand, by id; of a shared id the default schedule's."""
    from reporter.catalog import CatalogError, load
    from reporter.resources import schedules_dir

    try:
        catalog = load([schedules_dir()])
    except CatalogError:
        return {}  # a board without titles beats no board; `reporter schedules check` says what is wrong
    titles: dict[str, str] = {}
    for schedule in (catalog.default, *catalog.schedules.values()):
        for obligation in schedule.editions[-1].obligations:
            titles.setdefault(obligation.id, obligation.title_zh if language == "zh" else obligation.title_en)
    return titles


def register(app: typer.Typer) -> None:
    """Adds the verb."""

    @verb(app, "board", *CLIENT)
    async def board(
        call: Call,
        once: Annotated[bool, typer.Option("--once", help="只显示一次。Print it once.")] = False,
        unit: Annotated[
            str | None, typer.Option("--unit", help="只看此单位及下级。This unit's subtree.")
        ] = None,
    ) -> None:
        """在办事件与倒计时，每秒刷新。Open incidents with countdowns, refreshed each second."""
        from reporter.cli.client import service

        async with service(call.settings) as api:
            incidents = await _open_incidents(api, unit)
            if call.as_json or once or not sys.stdout.isatty():
                now = await api.now()
                titles = {} if call.as_json else obligation_titles(call.settings.language)
                call.answer({"items": incidents}, lambda: _page(call, incidents, now, titles))
            else:
                await _live(call, api, unit)


async def _open_incidents(api: "Api", unit: str | None) -> list[Document]:
    return await api.pages("/api/v1/incidents", limit=OPEN_MAX, state="open", unit=unit)


def _page(
    call: Call, incidents: Sequence[Document], now: datetime, titles: Mapping[str, str]
) -> "RenderableType":
    from rich.console import Group

    settings = call.settings
    table = render_board(incidents, now, settings.language, titles=titles, zone=settings.zone)
    if not latest_notices(incidents):
        return table
    return Group(table, render_notices(incidents, settings.language, titles=titles, zone=settings.zone))


async def _live(call: Call, api: "Api", unit: str | None) -> None:
    """Redraws each second until interrupted; a service that is away is said, and asked again."""
    from rich.live import Live
    from rich.text import Text

    from reporter.cli.trouble import Trouble

    titles = obligation_titles(call.settings.language)
    clock = SystemTime()
    shown: RenderableType = Text("…")
    with Live(shown, auto_refresh=False, screen=True) as live:
        while True:
            try:
                shown = _page(call, await _open_incidents(api, unit), await api.now(), titles)
            except Trouble as trouble:
                shown = Text(f"{clock.now():%H:%M:%S} {call.say(trouble.zh, trouble.en)}")
            live.update(shown, refresh=True)
            await sleep(REFRESH_S)
