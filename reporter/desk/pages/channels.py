"""The administrators' page of the channels: how each fares, a test through them, and who answered a rehearsal."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from reporter.channels import judge
from reporter.channels.contract import ByAccount, Channel
from reporter.core.roster import DESK, UnitTree
from reporter.core.terms import NoticeState
from reporter.desk import session
from reporter.desk.auth import Action, Caller
from reporter.desk.forms import new_key
from reporter.desk.pages import Page, framed, show
from reporter.desk.problems import not_found
from reporter.desk.services import Desk
from reporter.desk.units import UnitChoice, choices, chosen_unit
from reporter.engine.channelwatch import ALARM_AFTER, is_here, name_of, parts_of
from reporter.engine.trial import Trial, attempt
from reporter.store import channelstates, rehearsals
from reporter.store.channelstates import Faring
from reporter.store.reach import Reach, reach_of
from reporter.store.rehearsals import Called, Report

PATH: Final = "/channels"
BY_HAND: Final = "noted"
Words = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ChannelLine:
    """One account. `tone` is a class of the style sheet; `is_here`: this service sends through it."""

    faring: Faring
    channel: str
    account: str
    tone: str
    state: Words
    is_here: bool


@dataclass(frozen=True, slots=True)
class Test:
    """One test of a rehearsal; `state` None: nothing could be sent."""

    channel: str
    state: NoticeState | None
    note: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody called in a rehearsal; `after`: from the sending to the first answer."""

    unit: str
    name: str
    tests: tuple[Test, ...]
    is_answered: bool
    after: timedelta | None


@dataclass(frozen=True, slots=True)
class ChannelsPage:
    """`tried` is what came of a test just now, `refused` why there was none; `typed` what its form held."""

    lines: tuple[ChannelLine, ...]
    tried: tuple[Trial, ...]
    refused: Words | None
    typed: dict[str, str]
    key: str
    rehearsal: Report | None
    rehearsed_unit: str
    people: tuple[Person, ...]
    answered: int
    not_started: Words | None
    units: tuple[UnitChoice, ...]
    has_links: bool


async def _page(request: Request, desk: Desk) -> Response:
    return await _show(request, desk, await desk.auth.caller(request))


async def _test(request: Request, desk: Desk) -> Response:
    """Sends one marked message to an address, or to all that the roster has of a person."""
    caller = await desk.auth.caller(request)
    services = desk.services
    typed = await session.read_form(request)
    person, address = typed.get("person", "").strip(), typed.get("address", "").strip()
    if bool(person) == bool(address):
        refused = "填姓名或地址之一", "Give a name or an address, one of them"
        return await _show(request, desk, caller, refused=refused, typed=typed)
    reach: Reach | None = Reach((address,), "")
    if person:
        async with services.database.snapshot() as connection:
            reach = await reach_of(connection, person, services.time.now())
    if reach is None or not reach.addresses:
        refused = (
            f"名册中没有“{person}”，或其没有地址",
            f"Nobody called {person} with an address is on a roster",
        )
        return await _show(request, desk, caller, refused=refused, typed=typed)
    tried = await attempt(
        services.channels,
        desk.renderer,
        services.time,
        reach.addresses,
        by=caller.account.actor,
        person=person or None,
        phone=reach.phone or None,
        public_url=services.public_url,
        key=typed.get("key") or None,
    )
    return await _show(request, desk, caller, tried=tuple(tried), typed=typed)


async def _rehearse(request: Request, desk: Desk) -> Response:
    """Starts a rehearsal; the form names the last one it knew of, so that sending it twice starts one."""
    caller = await desk.auth.caller(request)
    typed = await session.read_form(request)
    unit = chosen_unit(caller, typed.get("unit"))
    services = desk.services
    async with services.database.snapshot() as connection:
        last = await rehearsals.report(connection)
    if typed.get("last", "") == (str(last.id) if last else ""):
        now, actor = services.time.now(), caller.account.actor
        try:
            await rehearsals.start(services.database, unit, actor, now, judge(services.channels))
        except rehearsals.NothingToRehearse:
            nobody = "该单位此刻无人在岗", "Nobody is on duty there now"
            return await _show(request, desk, caller, not_started=nobody)
    return _back(request, desk)


async def _answered(request: Request, desk: Desk) -> Response:
    """Notes that somebody answered in another way than by the link."""
    number = request.path_params["number"]
    is_number = number.isascii() and number.isdecimal() and len(number) < 10
    person = (await session.read_form(request)).get("person", "")
    services = desk.services
    async with services.database.snapshot() as connection:
        ids = await rehearsals.tests_of(connection, int(number), person) if is_number else []
    if not ids:
        raise not_found()
    for id_ in ids:
        await rehearsals.answer(services.database, id_, services.time.now(), BY_HAND)
    return _back(request, desk)


def _back(request: Request, desk: Desk) -> Response:
    return RedirectResponse(f"{PATH}?lang={session.language_of(request, desk)}#rehearsal", 303)


async def _show(
    request: Request,
    desk: Desk,
    caller: Caller,
    *,
    tried: tuple[Trial, ...] = (),
    refused: Words | None = None,
    not_started: Words | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    async with desk.services.database.snapshot() as connection:
        states = await channelstates.load(connection)
        last = await rehearsals.report(connection)
    tree = caller.tree
    people = _people(last.called if last else (), tree)
    code = tree.resolve(last.unit) if last else None
    context = ChannelsPage(
        lines=_lines(states, desk.services.channels),
        tried=tried,
        refused=refused,
        typed=typed or {},
        key=new_key(),
        rehearsal=last,
        rehearsed_unit=tree.node(code).name if code else last.unit if last else "",
        people=people,
        answered=sum(each.is_answered for each in people),
        not_started=not_started,
        units=choices(caller, caller.unit),
        has_links=desk.services.public_url is not None,
    )
    language = session.language_of(request, desk)
    status = 422 if refused or not_started else 200
    return show(desk, "pages/channels.html", language, context, status, framed(request, caller))


def _lines(states: Iterable[Faring], here: Mapping[str, Channel]) -> tuple[ChannelLine, ...]:
    """Every account that sends here or has sent of late: the failing first, then by name."""
    known = {each.channel: each for each in states}
    names = {*known, *_names(known, here)}
    lines = [_line(known.get(name, Faring(name)), is_here=is_here(name, here)) for name in names]
    return tuple(sorted(lines, key=lambda line: (-line.faring.failures, line.faring.channel)))


def _names(known: Iterable[str], here: Mapping[str, Channel]) -> Iterator[str]:
    """The accounts that this service has; a channel without any is one itself, until something went through it."""
    used = {parts_of(name)[0] for name in known} | {DESK}
    for channel, found in here.items():
        accounts = found.accounts if isinstance(found, ByAccount) else ()
        yield from (name_of(channel, account) for account in accounts)
        if not accounts and channel not in used:
            yield channel


def _line(faring: Faring, *, is_here: bool) -> ChannelLine:
    if faring.failures >= ALARM_AFTER:
        tone, state = "overdue", (f"■ 连续失败 {faring.failures} 次", f"■ failed {faring.failures}× in a row")
    elif faring.failures:
        tone, state = "soon", ("▲ 上次失败", "▲ failed last")
    elif faring.last_success_at is not None:
        tone, state = "on_time", ("✔ 正常", "✔ works")
    else:
        tone, state = "undetermined", ("? 尚未用过", "? never used")
    return ChannelLine(faring, *parts_of(faring.channel), tone, state, is_here)


def _people(called: Iterable[Called], tree: UnitTree) -> tuple[Person, ...]:
    """Everybody called, who has not answered first."""
    found: dict[tuple[str, str], list[Called]] = {}
    for each in called:
        found.setdefault((each.unit, each.person), []).append(each)
    people = [_person(tree.node(unit).name, name, tests) for (unit, name), tests in found.items()]
    return tuple(sorted(people, key=lambda each: each.is_answered))


def _person(unit: str, name: str, tests: list[Called]) -> Person:
    spans = [span for each in tests if (span := each.answered_after_s) is not None]
    return Person(
        unit=unit,
        name=name,
        tests=tuple(
            Test(each.channel, NoticeState(each.state) if each.state else None, each.note or "")
            for each in tests
        ),
        is_answered=any(each.answered_at is not None for each in tests),
        after=timedelta(seconds=min(spans)) if spans else None,
    )


PAGES = (
    Page(PATH, _page, right=Action.CHANNELS),
    Page(f"{PATH}/test", _test, "POST", right=Action.CHANNELS),
    Page(f"{PATH}/rehearsals", _rehearse, "POST", right=Action.CHANNELS),
    Page(f"{PATH}/rehearsals/{{number}}/answers", _answered, "POST", right=Action.CHANNELS),
)
