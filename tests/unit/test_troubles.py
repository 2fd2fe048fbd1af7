"""What people are told of the checks: one sentence each in both languages, the grave ones first."""

import pytest

from reporter.core.instants import parse
from reporter.engine.troubles import Check, troubles_of

SINCE = "2026-11-23T06:00:00.000000Z"
WELL: dict[str, Check] = {
    "database": {"ok": True},
    "writes": {"ok": True},
    "nats": {"ok": True},
    "intake": {"ok": True, "restarts": 0},
    "clocks": {"ok": True},
    "backlog": {"ok": True},
    "outbox": {"ok": True},
    "sending": {"ok": True},
    "deadlines": {"ok": True, "oldest_s": 0.0},
    "clock": {"ok": True, "skew_ms": 3, "jumps": 0},
}
EVENT = {"at": SINCE}


def test_when_all_is_well_nothing_is_said() -> None:
    assert troubles_of(WELL) == ()


@pytest.mark.parametrize(
    ("name", "check", "code", "words"),
    [
        ("database", {"ok": False, "reason": "schema"}, "database", "数据库"),
        ("writes", {"ok": False, "reason": "locked"}, "writes_locked", "占用"),
        ("writes", {"ok": False, "reason": "full"}, "writes_full", "磁盘已满"),
        ("writes", {"ok": False, "reason": "read_only"}, "writes_read_only", "只读"),
        ("writes", {"ok": False, "reason": "lost"}, "writes_lost", "中断"),
        ("writes", {"ok": False, "reason": "other"}, "writes_other", "写入"),
        ("nats", {"ok": False}, "broker", "消息总线"),
        ("intake", {"ok": False, "restarts": 0}, "intake", "停滞"),
        (
            "intake",
            {"ok": True, "restarts": 1, "restarted": {"reason": "silence", **EVENT}},
            "intake_restarted",
            "重启",
        ),
        ("clocks", {"ok": False}, "clocks", "停止"),
        ("backlog", {"ok": False}, "backlog", "积压"),
        ("outbox", {"ok": False}, "outbox", "发不到"),
        ("sending", {"ok": False}, "sending", "暂不能送出"),
        ("deadlines", {"ok": False, "reason": "late", "oldest_s": 12.4}, "deadlines_late", "判定滞后 12 秒"),
        ("deadlines", {"ok": False, "reason": "audit_stopped", "oldest_s": 0}, "audit_stopped", "自查"),
        ("clock", {"ok": False, "reason": "skew", "skew_ms": -2500}, "clock_skew", "2.5 秒"),
        (
            "clock",
            {"ok": False, "reason": "jump", "skew_ms": 0, "jump": {"by_s": -600.0, **EVENT}},
            "clock_jump",
            "-600",
        ),
        (
            "clock",
            {"ok": True, "skew_ms": None, "standstill": {"span_s": 3600.0, **EVENT}},
            "standstill",
            "3600",
        ),
    ],
)
def test_each_trouble_has_a_code_a_sentence_and_its_beginning(
    name: str, check: Check, code: str, words: str
) -> None:
    [trouble] = troubles_of({**WELL, name: {"since": SINCE, **check}})

    assert trouble.code == code
    assert words in trouble.zh
    assert trouble.en and trouble.en.isascii()
    assert trouble.since == parse(SINCE)


def failing(channel: str, since: str, failures: int = 2) -> dict[str, object]:
    return {"channel": channel, "failures": failures, "since": since, "reason": "", "last_success_at": since}


def test_a_channel_is_one_trouble_that_names_what_fails_the_longest_first_and_no_more_than_three() -> None:
    names = {
        f"webhook https://{number}.example": failing("webhook", f"2026-11-23T06:0{number}:00.000000Z")
        for number in (5, 4, 3, 2, 1)
    }
    channels = {"ok": True, "failing": {**names, "sms:default": failing("sms", SINCE, 7)}}

    webhook, sms = troubles_of({**WELL, "channels": channels})

    assert (webhook.code, webhook.is_grave) == ("channel_webhook", True)
    assert webhook.since == parse("2026-11-23T06:01:00Z")
    assert [number for number in range(1, 6) if f"https://{number}.example 连续 2 次" in webhook.zh] == [
        1,
        2,
        3,
    ]
    assert webhook.zh.endswith("；另有 2 个")
    assert webhook.en.endswith("; and 2 more")
    assert (sms.code, sms.since) == ("channel_sms", parse(SINCE))
    assert sms.zh == "渠道 sms:default 连续 7 次发送失败（上次成功 2026-11-23 06:00 UTC）"
    assert sms.en == "The channel sms:default has failed 7 times in a row (last worked 2026-11-23 06:00 UTC)"


def test_the_grave_come_first() -> None:
    found = troubles_of(
        {**WELL, "nats": {"ok": False, "since": SINCE}, "clocks": {"ok": False, "since": SINCE}}
    )

    assert [(trouble.code, trouble.is_grave) for trouble in found] == [("clocks", True), ("broker", False)]


def test_without_a_broker_an_intake_that_takes_nothing_in_is_not_said_twice() -> None:
    found = troubles_of(
        {
            **WELL,
            "nats": {"ok": False, "since": SINCE},
            "intake": {"ok": False, "since": SINCE, "restarts": 0},
        }
    )

    assert [trouble.code for trouble in found] == ["broker"]


def test_an_intake_that_followed_the_broker_is_no_trouble() -> None:
    intake = {"ok": True, "restarts": 1, "restarted": {"reason": "broker", **EVENT}}

    assert troubles_of({**WELL, "intake": intake}) == ()
