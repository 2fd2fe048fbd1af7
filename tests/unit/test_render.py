"""The renderer's filters and its strictness."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import jinja2
import pytest

from reporter.core.terms import Verdict
from reporter.render import Renderer, countdown


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(minutes=12, seconds=5), "12:05"),
        (timedelta(hours=1, minutes=2, seconds=5), "1:02:05"),
        (timedelta(milliseconds=500), "0:00"),
        (timedelta(0), "0:00"),
        (timedelta(milliseconds=-500), "0:00"),
        (timedelta(seconds=-1), "+0:01"),
        (timedelta(hours=-30), "+30:00:00"),
    ],
)
def test_a_countdown_is_cut_to_whole_seconds(span: timedelta, text: str) -> None:
    assert countdown(span) == text


def test_instants_are_read_out_in_the_readers_zone_and_terms_in_the_readers_language(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(
        "{{ at | local }} {{ word | term }} {{ t('是', 'yes') }} {{ at | instant }}"
    )
    renderer = Renderer("Asia/Shanghai", "zh", tmp_path)
    at = datetime(2026, 11, 23, 16, 0, 1, tzinfo=UTC)

    assert (
        renderer.render("a.txt", at=at, word=Verdict.LATE)
        == "2026-11-24 00:00:01 迟报 是 2026-11-23T16:00:01.000Z"
    )
    assert renderer.render("a.txt", language="en", at=at, word=Verdict.LATE).split()[2:4] == ["Late", "yes"]


def test_a_missing_name_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("{{ nobody }}")

    with pytest.raises(jinja2.UndefinedError):
        Renderer("UTC", "zh", tmp_path).render("a.txt")


def test_a_text_without_its_other_language_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("{{ t('是') }}")

    with pytest.raises(jinja2.TemplateAssertionError):
        Renderer("UTC", "zh", tmp_path).render("a.txt")


def test_what_is_put_together_is_escaped_in_pages(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("{{ t('<' + word, word + '>') }}{{ t('&', '&') }}")
    renderer = Renderer("UTC", "zh", tmp_path)

    assert renderer.render("a.html", word="词") == "&lt;词&amp;"
    assert renderer.render("a.html", language="en", word="a") == "a&gt;&amp;"


def test_pages_are_escaped_and_plain_texts_are_not(tmp_path: Path) -> None:
    for name in ("a.html", "a.txt"):
        (tmp_path / name).write_text("{{ word }}")
    renderer = Renderer("UTC", "zh", tmp_path)

    assert renderer.render("a.html", word="<b>") == "&lt;b&gt;"
    assert renderer.render("a.txt", word="<b>") == "<b>"
