"""What stands in rows as a code is said in words, in both languages, and nothing unknown is lost."""

import pytest

from reporter.core import roster
from reporter.core.plain import anomaly_words, channel_words, note_words, recipient_words, step_words
from reporter.core.terms import Anomaly, anchor_unknown, field_invalid


@pytest.mark.parametrize("anomaly", list(Anomaly))
def test_every_anomaly_has_words(anomaly: Anomaly) -> None:
    zh, en = anomaly_words(anomaly)

    assert anomaly not in (zh, en)
    assert zh != en


def test_an_anomaly_of_something_names_it() -> None:
    assert anomaly_words(field_invalid("data.grade"))[0] == "“data.grade”一项无法识别，原样保留、不予采用"
    assert "“determined”" in anomaly_words(anchor_unknown("determined"))[1]
    assert anomaly_words("of_a_newer_version") == ("of_a_newer_version", "of_a_newer_version")


@pytest.mark.parametrize("note", ["nobody_on_duty", "no_address", "swap:张三", "deputy_of:张三", "override"])
def test_why_somebody_was_told_is_said(note: str) -> None:
    assert roster.is_of_duty(note)
    zh, en = note_words(note)

    assert zh != en
    assert note not in (zh, en)


def test_a_note_keeps_what_a_channel_said() -> None:
    note = "nobody_on_duty; absent:沈八 | 550 mailbox full"

    assert note_words(note) == (
        "无人值班；沈八 请假，无人代；550 mailbox full",
        "nobody is on duty; 沈八 is away, without a deputy; 550 mailbox full",
    )
    assert note_words(None) == ("", "")


@pytest.mark.parametrize(
    ("step", "zh", "en"),
    [
        ("-PT20M", "时限前 20 分钟", "20 min before"),
        ("PT0S", "到时限", "at the deadline"),
        ("PT1H30M", "超时 1 小时 30 分钟", "1 h 30 min over"),
        ("whatever", "whatever", "whatever"),
        (None, "", ""),
    ],
)
def test_a_step_is_said_as_a_span(step: str | None, zh: str, en: str) -> None:
    assert step_words(step) == (zh, en)


def test_who_a_notice_is_for_and_by_which_way() -> None:
    assert recipient_words("superior.leader") == ("上级单位带班领导", "superior unit, leader on duty")
    assert recipient_words("park.warden") == ("park.warden", "park.warden")
    assert channel_words("sms") == ("短信", "text message")
    assert channel_words("pigeon") == ("pigeon", "pigeon")
