"""The verbs that change who is on duty without touching the roster: swap, override, absent, changes, cancel."""

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from reporter.cli.rosters import ROSTER, ZONED, By, OneUnit, Unit, author, instant, units_of
from reporter.cli.stored import opened
from reporter.cli.trouble import Trouble
from reporter.cli.verb import Call, Document, verb
from reporter.core.instants import maybe_rfc3339, rfc3339
from reporter.core.terms import DutyRole, RosterChange, label
from reporter.timesource import SystemTime

if TYPE_CHECKING:
    from reporter.store.rosterchanges import Agreed, ChangeRefused, Recorded

Role = Annotated[DutyRole, typer.Option("--role", help="岗位。Role.")]
Starts = Annotated[str, typer.Option("--starts", help="起，RFC 3339。From, inclusive.")]
Ends = Annotated[str, typer.Option("--ends", help="止，RFC 3339。Until, exclusive.")]
Reason = Annotated[str, typer.Option("--reason", help="原因。Why.")]
Phone = Annotated[str | None, typer.Option("--phone", help="电话；默认按值班表。Phone; as rosters know it.")]
Channels = Annotated[
    str | None,
    typer.Option("--channels", help="渠道，以 | 分隔；默认按值班表。Addresses; as rosters know them."),
]


def register(_app: typer.Typer) -> None:
    """Adds the verbs to the group `roster`."""

    @verb(ROSTER, "swap", *ZONED)
    async def roster_swap(
        call: Call,
        person: Annotated[str, typer.Argument(metavar="PERSON", help="让出班次者。Whose span it is.")],
        taker: Annotated[str, typer.Argument(metavar="TAKER", help="接班者。Who takes it.")],
        unit: OneUnit,
        role: Role,
        starts: Starts,
        ends: Ends,
        reason: Reason,
        back_starts: Annotated[
            str | None, typer.Option("--back-starts", help="换回的班次，起。The span given in return.")
        ] = None,
        back_ends: Annotated[str | None, typer.Option("--back-ends", help="换回的班次，止。Its end.")] = None,
        phone: Phone = None,
        channels: Channels = None,
        by: By = None,
    ) -> None:
        """换班：TAKER 接 PERSON 的一段，可换回一段。TAKER takes a span of PERSON's, who may take one back."""
        back = (instant("--back-starts", back_starts), instant("--back-ends", back_ends))
        await _record(
            call,
            _agreed(
                RosterChange.SWAP, unit, role, person, (starts, ends), taker, reason, phone, channels, back
            ),
            by,
        )

    @verb(ROSTER, "override", *ZONED)
    async def roster_override(
        call: Call,
        taker: Annotated[str, typer.Argument(metavar="TAKER", help="顶班者。Who takes the span.")],
        unit: OneUnit,
        role: Role,
        starts: Starts,
        ends: Ends,
        reason: Reason,
        person: Annotated[
            str | None, typer.Option("--person", help="只替此人；默认替所有人。In this person's place only.")
        ] = None,
        phone: Phone = None,
        channels: Channels = None,
        by: By = None,
    ) -> None:
        """替班：TAKER 顶替这段的值班者，空档也补上。TAKER stands in for whoever is on duty, and fills holes."""
        await _record(
            call,
            _agreed(
                RosterChange.OVERRIDE, unit, role, person, (starts, ends), taker, reason, phone, channels
            ),
            by,
        )

    @verb(ROSTER, "absent", *ZONED)
    async def roster_absent(
        call: Call,
        person: Annotated[str, typer.Argument(metavar="PERSON", help="请假者。Who is away.")],
        unit: OneUnit,
        starts: Starts,
        ends: Ends,
        reason: Reason,
        role: Annotated[
            DutyRole | None, typer.Option("--role", help="只限此岗位；默认所有。In this role only.")
        ] = None,
        deputy: Annotated[
            str | None, typer.Option("--deputy", help="代班者。Who stands in meanwhile.")
        ] = None,
        phone: Phone = None,
        channels: Channels = None,
        by: By = None,
    ) -> None:
        """请假：PERSON 这段不在，由代班者代班。PERSON is away; the deputy, if any, stands in."""
        await _record(
            call,
            _agreed(
                RosterChange.ABSENCE, unit, role, person, (starts, ends), deputy, reason, phone, channels
            ),
            by,
        )

    @verb(ROSTER, "changes", *ZONED)
    async def roster_changes(call: Call, unit: Unit = None) -> None:
        """列出现行与今后的换班、替班、请假。Lists what was agreed for now and later, the cancelled too."""
        from reporter.store.people import load_tree
        from reporter.store.rosterchanges import changes

        async with opened(call.settings) as database, database.snapshot() as connection:
            codes = units_of(await load_tree(connection), unit)
            found = await changes(connection, None if unit is None else codes, SystemTime().now())
        call.answer({"items": [_document(each) for each in found]}, lambda: _listing(call, found))

    @verb(ROSTER, "cancel", *ZONED)
    async def roster_cancel(
        call: Call,
        number: Annotated[int, typer.Argument(metavar="ID", help="编号，见 changes。Its number.")],
        reason: Reason,
        by: By = None,
    ) -> None:
        """取消一条换班、替班或请假，记录保留。Cancels one of them; it stays on record."""
        from reporter.store.rosterchanges import ChangeRefused, cancel

        async with opened(call.settings) as database:
            try:
                done, _ = await cancel(
                    database, number, reason, author(by), uuid.uuid4().hex, SystemTime().now()
                )
            except ChangeRefused as refused:
                raise _trouble(refused) from None
        call.answer(_document(done), lambda: _listing(call, [done]))


def _agreed(
    kind: RosterChange,
    unit: str,
    role: DutyRole | None,
    person: str | None,
    span: tuple[str, str],
    taker: str | None,
    reason: str,
    phone: str | None,
    channels: str | None,
    back: tuple[datetime | None, datetime | None] = (None, None),
) -> "Agreed":
    from reporter.cli.trouble import WrongUsage
    from reporter.store.rosterchanges import Agreed

    starts_at, ends_at = instant("--starts", span[0]), instant("--ends", span[1])
    assert starts_at is not None and ends_at is not None  # noqa: S101, PT018 - both options are required
    if (back[0] is None) != (back[1] is None):
        raise WrongUsage("换回的班次要有起止", "the span given in return needs both its ends")
    addresses = (
        None if channels is None else tuple(each.strip() for each in channels.split("|") if each.strip())
    )
    return Agreed(
        kind,
        unit,
        role.value if role else None,
        person,
        starts_at,
        ends_at,
        taker,
        reason,
        phone,
        addresses,
        None if back[0] is None or back[1] is None else (back[0], back[1]),
    )


async def _record(call: Call, agreed: "Agreed", by: str | None) -> None:
    from reporter.store.rosterchanges import ChangeRefused, record

    async with opened(call.settings) as database:
        try:
            done, _ = await record(database, agreed, author(by), uuid.uuid4().hex, SystemTime().now())
        except ChangeRefused as refused:
            raise _trouble(refused) from None
    call.answer({"items": [_document(each) for each in done]}, lambda: _listing(call, done))


def _trouble(refused: "ChangeRefused") -> Trouble:
    """Every field that was wrong, in both languages; nothing was recorded."""
    both = [(each.path, *each.message.partition(" / ")[::2]) for each in refused.problems]
    return Trouble(
        "未记录：" + "".join(f"\n  {path}：{zh}" for path, zh, _ in both),
        "not recorded:" + "".join(f"\n  {path}: {en or zh}" for path, zh, en in both),
        document={
            "title": "not recorded",
            "status": None,
            "detail": "nothing was recorded",
            "errors": [{"path": each.path, "message": each.message} for each in refused.problems],
        },
    )


def _document(change: "Recorded") -> Document:
    return {
        "id": change.id,
        "kind": change.kind.value,
        "unit": change.unit,
        "role": change.role,
        "person": change.person,
        "taker": change.taker,
        "starts": rfc3339(change.starts_at),
        "ends": rfc3339(change.ends_at),
        "phone": change.phone,
        "reason": change.reason,
        "author": change.author,
        "recorded_at": rfc3339(change.recorded_at),
        "cancelled_at": maybe_rfc3339(change.cancelled_at),
    }


def _listing(call: Call, found: "list[Recorded]") -> str:
    """One line for each."""
    from reporter.cli.rosters import local

    lines = []
    for each in found:
        who = f"{each.person or '*'} → {each.taker or '-'}"
        span = f"{local(call, each.starts_at)} – {local(call, each.ends_at)}"
        ended = call.say("（已取消）", " (cancelled)") if each.cancelled_at else ""
        kind = label(each.kind, call.settings.language)
        lines.append(f"#{each.id} {kind} {each.unit} {each.role or '*'} {who} {span} {each.reason}{ended}")
    return "\n".join(lines) or call.say("没有", "none")
