"""Plain words for what rows hold as codes: anomalies, the notes of notices, channels, the steps of a ladder.

Chinese and English each time. What a newer version or somebody else wrote, and what has no words here, is shown as
it stands: nothing is ever left out.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Final

from reporter.core.roster import (
    ABSENT,
    DEPUTY_OF,
    FALL_THROUGH,
    NO_ADDRESS,
    NOBODY,
    OVERRIDE,
    PART,
    SWAP,
)
from reporter.core.schedule import parse_offset
from reporter.core.terms import Anomaly, DutyRole, label

Words = tuple[str, str]
"""The same in Chinese and in English."""

_ANOMALIES: Final[Mapping[str, Words]] = {
    Anomaly.UNIT_UNKNOWN: (
        "来文的单位代码未登记，由最上级单位承办",
        "The unit's code is not registered; the topmost unit has it",
    ),
    Anomaly.REPLY_REFUSED: ("来文要求的回复地址不被允许，未回复", "The address for a reply is not allowed"),
    Anomaly.SCHEDULE_UNKNOWN: (
        "来文指定的时限表不存在，按默认时限表",
        "The schedule named does not exist; the default one holds",
    ),
    Anomaly.NO_EDITION_IN_FORCE: (
        "事发时时限表尚未施行，按最早版本",
        "No edition was in force then; the earliest one holds",
    ),
    Anomaly.FOREIGN_UNIT: (
        "报告来自别的单位，不停止计时",
        "From a unit that is not concerned: it stops no clock",
    ),
    Anomaly.OCCURRENCE_UNKNOWN: (
        "发生时间不明，暂按接报时间起算",
        "When it happened is not known; counted from receipt",
    ),
    Anomaly.OCCURRENCE_IN_FUTURE: (
        "所报发生时间晚于接报，暂按接报时间起算",
        "It is said to happen after it was received; counted from receipt",
    ),
    Anomaly.OCCURRENCE_INVALID: (
        "所报发生时间无法识别，暂按接报时间起算",
        "The time of occurrence cannot be read; counted from receipt",
    ),
    Anomaly.OCCURRENCE_MOVED_AFTER_BREACH: (
        "超时之后更正了发生时间",
        "The time of occurrence was changed after a deadline had passed",
    ),
    Anomaly.AWARE_BEFORE_OCCURRENCE: ("知悉时间早于发生时间", "Known before it happened"),
    Anomaly.REPORT_AFTER_CLOSE: ("结案之后收到报告", "A report came after the closing"),
    Anomaly.REPORT_AFTER_WITHDRAWAL: ("撤回之后收到报告", "A report came after the withdrawal"),
    Anomaly.WITHDRAWN_AFTER_BREACH: ("超时之后才撤回", "Withdrawn after a deadline had passed"),
}
_ABOUT: Final[Mapping[str, Words]] = {
    "field_invalid": ("“{}”一项无法识别，原样保留、不予采用", "“{}” cannot be read: kept as sent, not used"),
    "anchor_unknown": (
        "起算时间“{}”尚无人说明，相应时限未起算",
        "Nobody has stated “{}”, from which a clock would run",
    ),
}
"""Anomalies of something: what stands behind the colon goes where `{}` is."""

_SCOPES: Final[Mapping[str, Words]] = {
    "unit": ("报送单位", "reporting unit"),
    "superior": ("上级单位", "superior unit"),
}
_CHANNELS: Final[Mapping[str, Words]] = {
    "desk": ("值班台", "the desk"),
    "console": ("控制台", "the console"),
    "webhook": ("网络接口", "webhook"),
    "smtp": ("邮件", "mail"),
    "apprise": ("第三方推送", "apprise"),
    "sms": ("短信", "text message"),
    "dingtalk": ("钉钉", "DingTalk"),
    "feishu": ("飞书", "Feishu"),
    "wecom_bot": ("企业微信", "WeCom"),
    "command": ("本机命令", "a command"),
    "folder": ("文件夹", "a folder"),
}

_NOTES: Final[Mapping[str, tuple[Words, Words]]] = {
    NOBODY: (
        ("无人值班", "nobody is on duty"),
        ("{} 无人值班，代收", "in place of {}, where nobody is on duty"),
    ),
    ABSENT: (("请假，无人代", "away, no deputy"), ("{} 请假，无人代", "{} is away, without a deputy")),
    NO_ADDRESS: (
        ("没有可用的通知地址，改由值班台", "no address that works here: told on the desk"),
        ("{} 没有可用的通知地址，代收", "in place of {}, whose addresses do not work here"),
    ),
    FALL_THROUGH: (("改由带班领导", "passed on to the leader"), ("改由带班领导", "passed on to the leader")),
    SWAP: (("换班", "swapped"), ("与 {} 换班", "swapped with {}")),
    OVERRIDE: (("临时安排", "put in by hand"), ("替 {} 值班", "in place of {}")),
    DEPUTY_OF: (("代班", "deputy"), ("{} 请假，代班", "deputy of {}")),
}
"""For each word of a note: without and with whom or which unit it speaks of."""
_ATTEMPT: Final = " | "


def anomaly_words(anomaly: str) -> Words:
    """What was odd, in a sentence."""
    known = _ANOMALIES.get(anomaly)
    if known is not None:
        return known
    word, _, of = anomaly.partition(":")
    zh, en = _ABOUT.get(word, (anomaly, anomaly))
    return zh.format(of), en.format(of)


@lru_cache(maxsize=256)
def recipient_words(to: str) -> Words:
    """`superior.leader` is `上级单位带班领导`, `superior unit, leader on duty`."""
    scope, _, role = to.partition(".")
    if scope not in _SCOPES or role not in set(DutyRole):
        return to, to
    (zh, en), duty = _SCOPES[scope], DutyRole(role)
    return zh + label(duty, "zh"), f"{en}, {label(duty, 'en').lower()}"


def channel_words(channel: str) -> Words:
    """What people call a channel."""
    return _CHANNELS.get(channel, (channel, channel))


def note_words(note: str | None) -> Words:
    """A notice's note: why it went to this person, and what a channel said of the attempt, as it said it."""
    decided, _, said = (note or "").partition(_ATTEMPT)
    parts = [_part(part) for part in decided.split(PART) if part]
    if said:
        parts.append((said, said))
    return "；".join(zh for zh, _ in parts), "; ".join(en for _, en in parts)


def step_words(step: str | None) -> Words:
    """A step of the ladder by its offset: `-PT20M` is 20 minutes before the deadline."""
    if not step:
        return "", ""
    try:
        offset = parse_offset(step)
    except ValueError:
        return step, step
    zh, en = _span(abs(offset))
    if not offset:
        return "到时限", "at the deadline"
    return (f"时限前 {zh}", f"{en} before") if offset < timedelta(0) else (f"超时 {zh}", f"{en} over")


def _part(part: str) -> Words:
    word, _, of = part.partition(":")
    if word not in _NOTES:
        return part, part
    zh, en = _NOTES[word][1 if of else 0]
    return zh.format(of), en.format(of)


def _span(span: timedelta) -> Words:
    minutes, seconds = divmod(span // timedelta(seconds=1), 60)
    hours, minutes = divmod(minutes, 60)
    units = ((hours, "小时", "h"), (minutes, "分钟", "min"), (seconds, "秒", "s"))
    said = [(f"{count} {zh}", f"{count} {en}") for count, zh, en in units if count]
    return " ".join(zh for zh, _ in said), " ".join(en for _, en in said)
