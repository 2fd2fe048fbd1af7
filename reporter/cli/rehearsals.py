"""`reporter rehearsal`: does everybody on duty get a message, and answer it?"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from reporter.cli.stored import opened
from reporter.cli.trouble import Trouble
from reporter.cli.verb import SERVICE, STORE, Call, verb
from reporter.core.instants import maybe_rfc3339, rfc3339
from reporter.core.roster import ROOT

if TYPE_CHECKING:
    from reporter.cli.verb import Document
    from reporter.store.rehearsals import Report

BY_HAND = "noted"
_NUMBER = typer.Option("--number", min=1, help="第几次；缺省为最近一次。Which one; absent: the latest.")


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    group = typer.Typer(
        help="通知演练：在岗人员能否收到并答复。Does everybody on duty get it?", no_args_is_help=True
    )
    app.add_typer(group, name="rehearsal")

    @verb(group, "start", *SERVICE)
    async def rehearsal_start(
        call: Call,
        unit: Annotated[str, typer.Option("--unit", help="该单位及下级。This unit and those below.")] = ROOT,
    ) -> int:
        """向此刻在岗的每个人的每个渠道发标明【测试】的消息。Sends a marked test to all on duty, on every channel."""
        from reporter.channels import judging
        from reporter.store import rehearsals
        from reporter.timesource import SystemTime

        async with judging(call.settings) as flaw_of, opened(call.settings) as database:
            try:
                now = SystemTime().now()
                started = await rehearsals.start(database, unit, "cli", now, flaw_of)
            except rehearsals.NothingToRehearse:
                raise Trouble(f"{unit} 此刻无人在岗", f"nobody is on duty at {unit} now") from None
        if started is None:
            raise Trouble("演练未能开始", "the rehearsal could not be started")
        if call.settings.public_url is None:
            call.tell(
                "未设 public_url：消息中没有签收链接，只能用 `reporter rehearsal answered` 登记",
                "no public_url: messages carry no link; note answers with `reporter rehearsal answered`",
            )
        lost = ", ".join(started.unreachable)
        call.answer(
            asdict(started),
            lambda: call.say(
                f"第 {started.id} 次演练：{started.people} 人，{started.tests} 条测试"
                + (f"；无法发送：{lost}" if lost else ""),
                f"rehearsal {started.id}: {started.people} people, {started.tests} tests"
                + (f"; nothing can be sent to {lost}" if lost else ""),
            ),
        )
        return int(bool(lost))

    @verb(group, "report", *STORE)
    async def rehearsal_report(call: Call, number: Annotated[int | None, _NUMBER] = None) -> int:
        """谁答复了、用时多久；有人未答复则退出码为 1。Who answered, and how fast; 1 if somebody did not."""
        found = await _report(call, number)
        document = _document(found)
        call.answer(document, lambda: _shown(call, document))
        return int(any(not each["answered"] for each in document["people"]))

    @verb(group, "answered", *STORE)
    async def rehearsal_answered(
        call: Call,
        person: Annotated[str, typer.Argument(metavar="PERSON", help="何人。Who.")],
        number: Annotated[int | None, _NUMBER] = None,
    ) -> None:
        """登记某人已口头答复。Notes that somebody answered in another way than by the link."""
        from reporter.store import rehearsals
        from reporter.timesource import SystemTime

        found = await _report(call, number)
        async with opened(call.settings) as database:
            async with database.snapshot() as connection:
                ids = await rehearsals.tests_of(connection, found.id, person)
            if not ids:
                raise Trouble(f"演练中没有发给 {person} 的测试", f"no test was sent to {person}")
            now = SystemTime().now()
            noted = [id_ for id_ in ids if await rehearsals.answer(database, id_, now, BY_HAND)]
        call.answer(
            {"rehearsal": found.id, "person": person, "noted": len(noted)},
            lambda: call.say(f"已登记 {person} 的答复", f"noted that {person} answered"),
        )


async def _report(call: Call, number: int | None) -> "Report":
    from reporter.store import rehearsals

    async with opened(call.settings) as database, database.snapshot() as connection:
        found = await rehearsals.report(connection, number)
    if found is None:
        raise Trouble("还没有这次演练", "there has been no such rehearsal")
    return found


def _document(found: "Report") -> "Document":
    people: dict[tuple[str, str], Document] = {}
    for each in found.called:
        person = people.setdefault(
            (each.unit, each.person),
            {
                "unit": each.unit,
                "person": each.person,
                "answered": False,
                "answered_after_s": None,
                "channels": [],
            },
        )
        after_s = each.answered_after_s
        person["channels"].append(
            {
                "channel": each.channel,
                "state": each.state,
                "note": each.note,
                "answered_at": maybe_rfc3339(each.answered_at),
                "via": each.via,
            }
        )
        if after_s is not None and (
            person["answered_after_s"] is None or after_s < person["answered_after_s"]
        ):
            person |= {"answered": True, "answered_after_s": after_s}
    return {
        "id": found.id,
        "unit": found.unit,
        "author": found.author,
        "started_at": rfc3339(found.started_at),
        "answered": sum(bool(each["answered"]) for each in people.values()),
        "people": list(people.values()),
    }


def _shown(call: Call, document: "Document") -> str:
    lines = [
        call.say(
            f"第 {document['id']} 次演练：{len(document['people'])} 人中 {document['answered']} 人答复",
            f"rehearsal {document['id']}: {document['answered']} of {len(document['people'])} answered",
        )
    ]
    for each in document["people"]:
        told = ", ".join(f"{one['channel']} {one['state'] or '–'}" for one in each["channels"])
        after = "" if each["answered_after_s"] is None else f" {each['answered_after_s']:.0f} s"
        lines.append(f"{'✔' if each['answered'] else '■'} {each['unit']} {each['person']}{after}: {told}")
    return "\n".join(lines)
