"""What a reader of the audit asks for: all of it stands in the address, so that a page can be sent and kept."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import Request

from reporter.core.terms import Category, Grade, Mode, Verdict
from reporter.desk.auth import Caller
from reporter.desk.parameters import Parameters
from reporter.store.audit import INCOMPLETE, Among, Audit
from reporter.store.queries import OVERDUE, Scope

KINDS: Final = (Verdict.LATE.value, Verdict.MISSING.value, OVERDUE, Verdict.UNDETERMINED.value, INCOMPLETE)
PAGES_MAX: Final = 100_000
_NAMES: Final = ("month", "unit", "obligation", "kind", "mode", "category", "grade", "page", "lang")


@dataclass(frozen=True, slots=True)
class Asked:
    """The filter as it stands in the address. Months are those of the schedule's zone; empty means all."""

    month: str
    unit: str = ""
    obligation: str = ""
    kind: str = ""
    mode: str = Mode.ACTUAL.value
    category: str = ""
    grade: str = ""
    page: int = 1

    @property
    def among(self) -> Among:
        """Which incidents count."""
        return Among(
            mode=Mode(self.mode),
            category=Category(self.category) if self.category else None,
            grade=Grade(self.grade) if self.grade else None,
        )

    def query(self, **changes: str) -> str:
        """The address's query for the same question with `changes`, on its first page; what is usual is left out."""
        usual = asdict(Asked(self.month))
        wanted = asdict(replace(self, page=1)) | changes
        kept = {name: value for name, value in wanted.items() if name == "month" or value != usual[name]}
        return urlencode(kept)

    def narrowed(self, found: Audit) -> Audit:
        """The part of an account that was asked for: rows and arrivals of one obligation, cases of one kind too."""
        if not self.obligation and not self.kind:
            return found
        one = self.obligation
        return replace(
            found,
            rows=tuple(row for row in found.rows if one in ("", row.obligation)),
            arrivals=tuple(each for each in found.arrivals if one in ("", each.obligation)),
            cases=tuple(
                case
                for case in found.cases
                if one in ("", case.obligation) and (not self.kind or self.kind in case.kinds)
            ),
        )


def read(request: Request, caller: Caller, now: datetime, zone: str) -> tuple[Asked, Scope]:
    """The question in the address, this month's where it names none, and the units it is about.

    Errors: 422 for what cannot be read, 403 for another's unit.
    """
    given = Parameters(request, *_NAMES)
    units = given.units("unit", caller)
    code = caller.tree.resolve(given.text("unit") or "") or ""
    asked = Asked(
        month=given.month("month", now.astimezone(ZoneInfo(zone)).strftime("%Y-%m")),
        unit="" if code == caller.unit else code,
        obligation=given.text("obligation") or "",
        kind=given.word("kind", KINDS) or "",
        mode=given.word("mode", tuple(Mode)) or Mode.ACTUAL.value,
        category=given.word("category", tuple(Category)) or "",
        grade=given.word("grade", tuple(Grade)) or "",
        page=given.count("page", 1, PAGES_MAX),
    )
    given.done()
    return asked, caller.scope if units is None else units
