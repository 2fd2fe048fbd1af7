"""The board says how each clock stands in a mark and a word, never in colour alone."""

import io
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console, RenderableType

from reporter.cli.board import countdown, render_board, render_notices, standing
from reporter.core.instants import parse
from tests.cli.conftest import a_clock, a_notice, an_incident

NOON = parse("2026-11-23T06:00:00Z")


def drawn(what: RenderableType, width: int = 100) -> str:
    """What a terminal without colour shows."""
    console = Console(file=io.StringIO(), width=width, no_color=True)
    console.print(what)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.mark.parametrize(
    ("minutes", "clock", "shown"),
    [
        (1, {}, "● 计时 剩 19:00"),
        (14, {}, "▲ 将到期 剩 06:00"),
        (20, {}, "▲ 将到期 剩 00:00"),
        (25, {"state": "breached"}, "■ 超时 已过 05:00"),
        (25, {}, "■ 超时 已过 05:00"),  # the engine has not judged yet, the eye has
        (90, {"state": "breached", "verdict": "missing"}, "■ 未报"),
        (30, {"state": "met", "verdict": "on_time", "met_at": "2026-11-23T06:12:00Z"}, "✔ 按时 早 08:00"),
        (30, {"state": "met", "verdict": "late", "met_at": "2026-11-23T06:26:00Z"}, "✔ 迟报 晚 06:00"),
        (
            30,
            {"state": "met", "verdict": "on_time", "met_at": "2026-11-23T06:20:00Z", "complete": False},
            "✔ 按时 要素不全 早 00:00",
        ),
        (30, {"state": "stopped"}, "◇ 中止"),
    ],
)
def test_a_clock_stands_in_mark_and_word(minutes: int, clock: dict[str, Any], shown: str) -> None:
    assert str(standing(a_clock(**clock), NOON + timedelta(minutes=minutes))) == shown


def test_a_deadline_past_the_years_that_are_read_from_others_is_shown() -> None:
    far = an_incident(clocks=[a_clock(due_at="2200-01-01T12:00:00.000000Z")])

    assert "● 计时 剩" in drawn(render_board([far], NOON))


def test_every_mark_has_an_english_word() -> None:
    assert str(standing(a_clock(), NOON, "en")) == "● Running 20:00 left"
    assert str(standing(a_clock(state="breached"), NOON + timedelta(hours=1), "en")) == "■ Overdue 40:00 ago"


def test_spans_are_read_at_a_glance() -> None:
    assert countdown(timedelta(seconds=-59)) == "00:59"
    assert countdown(timedelta(hours=26, seconds=5)) == "1d 2:00:05"


def test_the_board_shows_title_code_due_and_marks_a_drill() -> None:
    drill = an_incident(mode="exercise", title="演习[red]")

    text = drawn(render_board([drill], NOON, titles={"initial": "初报"}))

    assert "【演练】演习[red]" in text
    assert "1123-7KQF" in text
    assert "初报" in text
    assert "14:20:00" in text  # in the people's zone
    assert "● 计时 剩 20:00" in text


def test_the_most_urgent_incident_comes_first_and_the_settled_last() -> None:
    settled = an_incident(
        title="甲", clocks=[a_clock(state="met", verdict="on_time", met_at="2026-11-23T06:01:00Z")]
    )
    later = an_incident(title="乙", clocks=[a_clock(due_at="2026-11-23T08:00:00Z")])
    urgent = an_incident(title="丙")

    text = drawn(render_board([settled, later, urgent], NOON))

    assert text.index("丙") < text.index("乙") < text.index("甲")


def test_a_provisional_occurrence_is_said_even_with_one_clock() -> None:
    occurred = an_incident()["occurred"] | {"provisional": True}

    assert "事发时间暂定" in drawn(render_board([an_incident(occurred=occurred)], NOON))


def test_an_empty_board_says_so() -> None:
    assert "没有在办事件" in drawn(render_board([], NOON))
    assert "No open incident" in drawn(render_board([], NOON, "en"))


def test_the_board_fits_a_narrow_terminal() -> None:
    text = drawn(render_board([an_incident()], NOON), width=60)

    assert max(map(len, text.splitlines())) <= 60


def test_notices_come_newest_first_and_say_when_nobody_is_on_duty() -> None:
    older = a_notice()
    newer = a_notice(id="n2", person=None, recorded_at="2026-11-23T06:15:00.000000Z", step="-PT5M")

    text = drawn(render_notices([an_incident(notices=[older, newer])]))

    assert text.index("时限前 5 分钟") < text.index("时限前 10 分钟")
    assert "无人值班" in text
    assert "周三" in text
