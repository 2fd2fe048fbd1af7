"""What the board says of the service itself: the checks of `/readyz` that fail, in sentences that say what to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Words = tuple[str, str]

_SENTENCES: Final[Mapping[str, Words]] = {
    "database": (
        "数据库不可用：页面可能不是最新，以电话为准。",
        "The database cannot be used: what is shown may be out of date. Use the phone.",
    ),
    "nats": (
        "消息总线中断：网页登记与计时照常，总线来的事件和报告会迟到。",
        "The message bus is away: logging here and the clocks go on; events and reports from the bus will come late.",
    ),
    "intake": (
        "来件读取停滞：总线来的事件和报告会迟到。",
        "Messages are not being read: events and reports from the bus will come late.",
    ),
    "clocks": (
        "计时服务停滞：超时可能未被记录，请盯住时限。",
        "The clocks are not being looked at: breaches may not be recorded. Watch the deadlines yourself.",
    ),
    "backlog": (
        "正在读取积压来件：临界时限的判定要等读完。",
        "A backlog is being read: deadlines are judged once it has been.",
    ),
}
_OTHER: Final[Words] = ("部件异常：{}", "Part of the service is in trouble: {}")


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong now."""

    name: str
    words: Words


def troubles_of(checks: Mapping[str, Mapping[str, object]]) -> tuple[Trouble, ...]:
    """The failing checks, in the order of the checks."""
    return tuple(
        Trouble(name, _SENTENCES.get(name, (_OTHER[0].format(name), _OTHER[1].format(name))))
        for name, check in checks.items()
        if not check.get("ok")
    )
