"""`reporter doctor`: looks at everything the service stands on and says what to do about it."""

from dataclasses import dataclass
from enum import StrEnum

import typer

from reporter.cli.verb import SERVICE, Call, verb


class Health(StrEnum):
    GOOD = "good"
    WARNING = "warning"
    WRONG = "wrong"
    UNKNOWN = "unknown"
    """It cannot be told from here; the words say how to find out."""


MARKS = {Health.GOOD: "✔", Health.WARNING: "▲", Health.WRONG: "■", Health.UNKNOWN: "·"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: how it stands, in both languages, and what to do where something is amiss."""

    name: str
    health: Health
    zh: str
    en: str


def register(app: typer.Typer) -> None:
    """Adds the verb."""

    @verb(app, "doctor", *SERVICE)
    async def doctor(call: Call) -> int:
        """全面体检，有问题时说明怎么办。Checks everything the service stands on, and says what to do."""
        from reporter.cli.checkups import examine

        findings = await examine(call.settings)
        wrong = [each for each in findings if each.health is Health.WRONG]
        items = [
            {"name": each.name, "health": each.health.value, "message": call.say(each.zh, each.en)}
            for each in findings
        ]
        lines = [f"{MARKS[each.health]} {each.name}: {call.say(each.zh, each.en)}" for each in findings]
        lines.append(
            call.say(f"{len(wrong)} 处有问题", f"{len(wrong)} wrong")
            if wrong
            else call.say("一切正常", "nothing wrong")
        )
        call.answer({"ok": not wrong, "items": items}, lambda: "\n".join(lines))
        return int(bool(wrong))
