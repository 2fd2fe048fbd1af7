"""The verbs that read from a running service: show, audit, bulletin, now."""

import re
import sys
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from reporter.cli.commands import Incident
from reporter.cli.trouble import WrongUsage
from reporter.cli.verb import CLIENT, Call, verb
from reporter.core.instants import rfc3339

TEXT_FORMS = ("json", "csv")
FORMS = (*TEXT_FORMS, "html", "docx", "xlsx", "pdf")


def checked_month(month: str | None) -> str | None:
    """`YYYY-MM`, or None. Errors: WrongUsage."""
    if month is not None and not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", month):
        raise WrongUsage(f"月份 {month} 应写作 2026-11", f"{month} is not a month such as 2026-11")
    return month


def register(app: typer.Typer) -> None:
    """Adds the verbs."""

    @verb(app, "now", *CLIENT)
    async def now(
        call: Call,
        ago: Annotated[
            str | None,
            typer.Option("--ago", help="再早这么久，如 PT19M。Earlier by this span, such as PT19M."),
        ] = None,
    ) -> None:
        """服务的当前时间（演示时快于实际）。The service's present time, which a demo runs fast."""
        from reporter.cli.client import service
        from reporter.core.schedule import parse_offset

        try:
            before = parse_offset(ago or "PT0S")
        except ValueError as wrong:
            raise WrongUsage(f"--ago {ago}：{wrong}", f"--ago {ago}: {wrong}") from None
        async with service(call.settings) as api:
            at = rfc3339(await api.now() - before)
        call.answer({"now": at}, lambda: at)

    @verb(app, "show", *CLIENT)
    async def show(
        call: Call,
        incident: Incident,
        lines: Annotated[
            bool, typer.Option("--ledger", help="改为显示其台账。Show its ledger instead.")
        ] = False,
    ) -> None:
        """显示一起事件。Shows one incident."""
        from reporter.cli.board import local
        from reporter.cli.client import API, service
        from reporter.cli.shown import render_incident, table

        async with service(call.settings) as api:
            where = f"{API}/incidents/{await api.incident_id(incident)}"
            if lines:
                items = await api.pages(f"{where}/ledger")
                rows = [
                    (x["version"], x["kind"], local(x["at"], call.settings.zone), x["actor"], x["hash"][:12])
                    for x in items
                ]
                call.answer({"items": items}, lambda: table(("#", "kind", "at", "actor", "hash"), rows))
                return
            document, at = await api.get(where), await api.now()
        call.answer(document, lambda: render_incident(document, at, call.settings))

    @verb(app, "audit", *CLIENT)
    async def audit(
        call: Call,
        month: Annotated[
            str | None, typer.Option("--month", help="YYYY-MM；缺省为本月。The month; absent: this one.")
        ] = None,
        unit: Annotated[
            str | None, typer.Option("--unit", help="只看此单位及下级。This unit's subtree.")
        ] = None,
    ) -> None:
        """按月考核：按时、迟报、未报。A month's statistics: on time, late, missing."""
        from reporter.cli.client import API, service
        from reporter.cli.shown import render_audit

        wanted = checked_month(month)
        async with service(call.settings) as api:
            if wanted is None:
                wanted = (await api.now()).astimezone(ZoneInfo(call.settings.zone)).strftime("%Y-%m")
            document = await api.get(f"{API}/audit", month=wanted, unit=unit)
        call.answer(document, lambda: render_audit(document, call.settings))

    @verb(app, "bulletin", *CLIENT)
    async def bulletin(
        call: Call,
        month: Annotated[str, typer.Argument(metavar="YYYY-MM", help="月份。The month.")],
        form: Annotated[str, typer.Option("--format", help="|".join(FORMS))] = "csv",
        out: Annotated[
            Path | None, typer.Option("--out", help="写入文件。Write to this file instead of stdout.")
        ] = None,
    ) -> None:
        """月度通报。A month's bulletin."""
        from reporter.cli.client import API, service

        wanted = checked_month(month)
        form = "json" if call.as_json else form
        if form not in FORMS:
            raise WrongUsage(
                f"--format {form}：应为 {'、'.join(FORMS)}", f"--format {form}: one of {', '.join(FORMS)}"
            )
        if out is None and form not in TEXT_FORMS:
            raise WrongUsage(f"{form} 须用 --out 写入文件", f"{form} is written to a file: add --out FILE")
        async with service(call.settings) as api:
            answer = await api.fetch(f"{API}/bulletins/{wanted}.{form}")
        if out is not None and not call.as_json:
            out.write_bytes(answer.content)
            call.tell(f"已写入 {out}", f"written: {out}")
        elif form == "json":
            call.answer(answer.json(), lambda: answer.text)
        else:
            sys.stdout.write(answer.text)
