"""The verbs that tell a running service something: log, file, ack, amend, withdraw, reopen, close."""

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from reporter.cli.trouble import WrongUsage
from reporter.cli.verb import CLIENT, Call, Document, verb
from reporter.core.terms import Category, Form, Grade, Mode

Incident = Annotated[
    str, typer.Argument(metavar="INCIDENT", help="事件的 id 或编号。The incident's id or code.")
]
Key = Annotated[
    str | None,
    typer.Option("--key", help="幂等键：相同的键不会重复生效。Idempotency-Key; the same key acts once."),
]
Reason = Annotated[str, typer.Option("--reason", help="原因。Why.")]
Occurred = Annotated[
    str | None,
    typer.Option(
        "--occurred",
        help="事发时间，RFC 3339 带时区；区间写作 早/晚。When it happened; an interval as EARLIEST/LATEST.",
    ),
]
Aware = Annotated[
    str | None, typer.Option("--aware", help="知悉时间，RFC 3339。When the unit learned of it.")
]
GradeOption = Annotated[Grade | None, typer.Option("--grade", help="等级。Grade.")]
CategoryOption = Annotated[Category | None, typer.Option("--category", help="类别。Category.")]
Sensitive = Annotated[
    bool | None, typer.Option("--sensitive/--not-sensitive", help="是否敏感。Whether it is sensitive.")
]
ModeOption = Annotated[
    Mode | None, typer.Option("--mode", help="实战、演练或测试。Actual, exercise or test.")
]
Place = Annotated[str | None, typer.Option("--place", help="地点。Where, in words.")]
PlaceCode = Annotated[str | None, typer.Option("--place-code", help="行政区划代码。Region code.")]
Lat = Annotated[float | None, typer.Option("--lat", help="纬度。Latitude, degrees.")]
Lon = Annotated[float | None, typer.Option("--lon", help="经度。Longitude, degrees.")]
Dead = Annotated[int | None, typer.Option("--dead", min=0, help="死亡。Dead.")]
Missing = Annotated[int | None, typer.Option("--missing", min=0, help="失联。Missing.")]
Serious = Annotated[int | None, typer.Option("--serious", min=0, help="重伤。Seriously injured.")]
Light = Annotated[int | None, typer.Option("--light", min=0, help="轻伤。Lightly injured.")]
Injured = Annotated[
    int | None, typer.Option("--injured", min=0, help="受伤（轻重不明）。Injured, how badly is not known.")
]
Trapped = Annotated[int | None, typer.Option("--trapped", min=0, help="被困。Trapped.")]
Evacuated = Annotated[int | None, typer.Option("--evacuated", min=0, help="疏散。Evacuated.")]
Summary = Annotated[str | None, typer.Option("--summary", help="情况摘要。What is known, in short.")]


def instants(text: str | None) -> str | Document | None:
    """What `--occurred` says: an instant, or `EARLIEST/LATEST`. The service checks the instants."""
    if text is None or "/" not in text:
        return text
    earliest, _, latest = text.partition("/")
    return {"earliest": earliest.strip(), "latest": latest.strip()}


def element(text: str) -> tuple[str, str | Document]:
    """One `--element NAME=VALUE`. `none` and `pending:WHY` are declarations, `text:none` is the text none.

    Errors: WrongUsage.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise WrongUsage(
            f"--element {text}：应为 名称=内容，如 cause=违章动火、opinion=none、background=pending:正在核实",
            f"--element {text}: write NAME=VALUE, such as cause=…, opinion=none or background=pending:why",
        )
    if value == "none":
        return name.strip(), {"none": True}
    if value.startswith("pending:"):
        return name.strip(), {"pending": value.removeprefix("pending:")}
    return name.strip(), value.removeprefix("text:")


def facts(
    *,
    occurred: str | None,
    place: Sequence[str | float | None],
    casualties: Mapping[str, int | None],
    **plain: object,
) -> Document:
    """The fields of an incident as the API takes them, without those that were not given.

    `place` is text, code, latitude, longitude.
    """
    return given(
        **plain,
        occurred=instants(occurred),
        place=given(**dict(zip(("text", "code", "lat", "lon"), place, strict=True))) or None,
        casualties=given(**casualties) or None,
    )


def given(**values: object) -> Document:
    """Those that are not None."""
    return {name: value for name, value in values.items() if value is not None}


async def _post(call: Call, path: str, body: Document, key: str | None, incident: str | None = None) -> None:
    """Sends one command and answers with the incident. `path` has `{}` where the incident's id goes."""
    from reporter.cli.client import API, service
    from reporter.cli.shown import render_incident

    async with service(call.settings) as api:
        if "duplicate_of" in body:
            body = body | {"duplicate_of": await api.incident_id(body["duplicate_of"])}
        where = path.format(await api.incident_id(incident)) if incident is not None else path
        answer = await api.post(API + where, body, key)
        now = await api.now()
    call.answer(answer, lambda: render_incident(answer, now, call.settings))


def register(app: typer.Typer) -> None:
    """Adds the verbs."""

    @verb(app, "log", *CLIENT)
    async def log(
        call: Call,
        title: Annotated[str, typer.Argument(metavar="TITLE", help="标题。Title.")],
        unit: Annotated[str, typer.Option("--unit", help="报送单位代码。Code of the reporting unit.")],
        occurred: Occurred = None,
        aware: Aware = None,
        grade: GradeOption = None,
        category: CategoryOption = None,
        sensitive: Sensitive = None,
        mode: ModeOption = None,
        place: Place = None,
        place_code: PlaceCode = None,
        lat: Lat = None,
        lon: Lon = None,
        dead: Dead = None,
        missing: Missing = None,
        serious: Serious = None,
        light: Light = None,
        injured: Injured = None,
        trapped: Trapped = None,
        evacuated: Evacuated = None,
        summary: Summary = None,
        channel: Annotated[
            str | None, typer.Option("--channel", help="来源渠道，如 110。How it came in.")
        ] = None,
        schedule: Annotated[
            str | None, typer.Option("--schedule", help="报送时限表的 id。Id of the schedule.")
        ] = None,
        key: Key = None,
    ) -> None:
        """登记一起事件，开始计时。Logs an incident and starts its clocks."""
        body = facts(
            title=title, unit=unit, occurred=occurred, aware=aware, grade=grade, category=category,
            sensitive=sensitive, mode=mode, place=(place, place_code, lat, lon),
            casualties={
                "dead": dead, "missing": missing, "serious": serious, "light": light, "injured": injured,
                "trapped": trapped, "evacuated": evacuated,
            },
            summary=summary, channel=channel, schedule=schedule,
        )  # fmt: skip
        await _post(call, "/incidents", body, key)

    @verb(app, "file", *CLIENT)
    async def file(
        call: Call,
        incident: Incident,
        form: Annotated[Form, typer.Option("--form", help="电话或书面。Phone or written.")],
        covers: Annotated[
            str | None,
            typer.Option(
                "--covers", help="所报义务，逗号分隔；缺省为最早未报的。Obligations, with commas between."
            ),
        ] = None,
        text: Annotated[
            str | None, typer.Option("--text", help="正文；- 读标准输入。The report's text; - reads stdin.")
        ] = None,
        elements: Annotated[
            list[str] | None,
            typer.Option(
                "--element", help="要素 名称=内容|none|pending:原因，可重复。NAME=VALUE, may be repeated."
            ),
        ] = None,
        author: Annotated[str | None, typer.Option("--author", help="报告人。Who wrote it.")] = None,
        caller: Annotated[str | None, typer.Option("--caller", help="来电人。Who called.")] = None,
        answered_by: Annotated[
            str | None, typer.Option("--answered-by", help="接电话人。Who answered the call.")
        ] = None,
        phone: Annotated[str | None, typer.Option("--phone", help="来电号码。The caller's number.")] = None,
        key: Key = None,
    ) -> None:
        """报送一份直报。Files a report for an incident."""
        body = given(
            covers=[each.strip() for each in covers.split(",") if each.strip()] if covers else None,
            form=form,
            text=sys.stdin.read() if text == "-" else text,
            author=author,
            elements=dict(element(each) for each in elements) if elements else None,
            call=given(caller=caller, answered_by=answered_by, phone=phone) or None,
        )
        await _post(call, "/incidents/{}/reports", body, key, incident)

    @verb(app, "ack", *CLIENT)
    async def ack(
        call: Call,
        incident: Incident,
        notice: Annotated[
            str | None,
            typer.Option("--notice", help="通知 id；缺省为全部未签收的。A notice; absent: all open ones."),
        ] = None,
        by: Annotated[str | None, typer.Option("--by", help="签收人。Who takes it.")] = None,
        key: Key = None,
    ) -> None:
        """签收通知：停止重复催办，不停计时。Acknowledges notices: ends their repetition, never a clock."""
        await _post(call, "/incidents/{}/acknowledgements", given(notice=notice, by=by), key, incident)

    @verb(app, "amend", *CLIENT)
    async def amend(
        call: Call,
        incident: Incident,
        reason: Reason,
        title: Annotated[str | None, typer.Option("--title", help="标题。Title.")] = None,
        occurred: Occurred = None,
        aware: Aware = None,
        grade: GradeOption = None,
        category: CategoryOption = None,
        sensitive: Sensitive = None,
        mode: ModeOption = None,
        place: Place = None,
        place_code: PlaceCode = None,
        lat: Lat = None,
        lon: Lon = None,
        dead: Dead = None,
        missing: Missing = None,
        serious: Serious = None,
        light: Light = None,
        injured: Injured = None,
        trapped: Trapped = None,
        evacuated: Evacuated = None,
        summary: Summary = None,
        key: Key = None,
    ) -> None:
        """更正事实，重新推算时限与判定。Corrects facts; due times and verdicts follow."""
        body = facts(
            reason=reason, title=title, occurred=occurred, aware=aware, grade=grade, category=category,
            sensitive=sensitive, mode=mode, place=(place, place_code, lat, lon),
            casualties={
                "dead": dead, "missing": missing, "serious": serious, "light": light, "injured": injured,
                "trapped": trapped, "evacuated": evacuated,
            },
            summary=summary,
        )  # fmt: skip
        if len(body) == 1:
            raise WrongUsage(
                "没有要更正的内容，见 `reporter amend --help`",
                "nothing to correct: see `reporter amend --help`",
            )
        await _post(call, "/incidents/{}/amendments", body, key, incident)

    @verb(app, "withdraw", *CLIENT)
    async def withdraw(
        call: Call,
        incident: Incident,
        reason: Annotated[
            str | None,
            typer.Option("--reason", help="原因；重复事件可不填。Why; not needed for a duplicate."),
        ] = None,
        duplicate_of: Annotated[
            str | None,
            typer.Option("--duplicate-of", help="与此事件重复，报告并入其中。It is the same as this one."),
        ] = None,
        key: Key = None,
    ) -> None:
        """撤回误报，或并入另一事件。Withdraws a false alarm, or joins it to another incident."""
        if reason is None and duplicate_of is None:
            raise WrongUsage(
                "请用 --reason 说明原因，或用 --duplicate-of 指明与哪起事件重复",
                "say why with --reason, or of which incident it is a duplicate with --duplicate-of",
            )
        body = given(reason=reason, duplicate_of=duplicate_of)
        await _post(call, "/incidents/{}/withdrawal", body, key, incident)

    @verb(app, "reopen", *CLIENT)
    async def reopen(call: Call, incident: Incident, reason: Reason, key: Key = None) -> None:
        """恢复已撤回或已结的事件。Undoes a withdrawal or a closure."""
        await _post(call, "/incidents/{}/reopening", {"reason": reason}, key, incident)

    @verb(app, "close", *CLIENT)
    async def close(call: Call, incident: Incident, reason: Reason, key: Key = None) -> None:
        """结案。Closes an incident; a clock not yet due runs on."""
        await _post(call, "/incidents/{}/closure", {"reason": reason}, key, incident)
