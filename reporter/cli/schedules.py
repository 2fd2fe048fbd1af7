"""The verbs for regulations: schedules check and schedules show."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reporter.cli.trouble import Trouble
from reporter.cli.verb import Call, verb

if TYPE_CHECKING:
    from reporter.catalog import Catalog
    from reporter.settings import Settings

FILES = ("schedules", "default_schedule")


def folders(settings: "Settings") -> list[Path]:
    """Where schedules are read from, one's own first."""
    from reporter.resources import schedules_dir

    return [*([settings.schedules] if settings.schedules else []), schedules_dir()]


def catalog_of(settings: "Settings") -> "Catalog":
    """The schedules of these settings. Raises Trouble with every problem of every file."""
    from reporter.catalog import CatalogError, load

    try:
        return load(folders(settings), settings.default_schedule)
    except CatalogError as wrong:
        listing = "".join(f"\n  {problem}" for problem in wrong.problems)
        raise Trouble(
            f"报送时限表有误：{listing}",
            f"these schedules are wrong:{listing}",
            document={
                "title": "schedules refused",
                "status": None,
                "detail": f"{len(wrong.problems)} problems",
                "errors": [{"path": "", "message": str(problem)} for problem in wrong.problems],
            },
        ) from None


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    schedules = typer.Typer(help="报送时限表。Schedules: the regulations.", no_args_is_help=True)
    app.add_typer(schedules, name="schedules")

    @verb(schedules, "check", *FILES)
    async def schedules_check(call: Call) -> None:
        """检查全部时限表及其算例。Reads every schedule and works its cases."""
        catalog = catalog_of(call.settings)
        items = [
            {
                "id": each.id,
                "title": {"zh": each.title_zh, "en": each.title_en},
                "editions": [edition.id for edition in each.editions],
                "cases": len(each.cases),
            }
            for each in catalog.schedules.values()
        ]
        lines = [
            f"✔ {each.id}: {call.say(each.title_zh, each.title_en)} "
            + call.say(f"（{len(each.cases)} 个算例）", f"({len(each.cases)} cases)")
            for each in catalog.schedules.values()
        ]
        call.answer({"items": items}, lambda: "\n".join(lines))

    @verb(schedules, "show", *FILES)
    async def schedules_show(
        call: Call,
        schedule: Annotated[
            str | None, typer.Argument(metavar="[ID]", help="缺省为默认时限表。Absent: the default schedule.")
        ] = None,
    ) -> None:
        """用文字说明一份时限表。One schedule in words: rules, source, ladder, cases."""
        from reporter.catalog import describe, edition_document

        catalog = catalog_of(call.settings)
        found = catalog.get(schedule or catalog.default_id)
        if found is None:
            known = ", ".join(catalog.schedules)
            raise Trouble(
                f"没有时限表 {schedule}；现有：{known}", f"no schedule {schedule}; there are: {known}"
            )
        document = {
            "id": found.id,
            "title": {"zh": found.title_zh, "en": found.title_en},
            "jurisdiction": found.jurisdiction,
            "zone": found.zone,
            "editions": [edition_document(edition) for edition in found.editions],
        }
        call.answer(
            document, lambda: describe(found, "zh" if call.settings.language == "zh" else "en").rstrip()
        )
