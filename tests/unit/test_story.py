"""A ledger in sentences: every kind has one in both languages, and it says what its line says."""

import json

from reporter.core.terms import FactKind
from reporter.desk.story import FACT_NAMES, Teller, Told, actor_words, casualty_words
from tests.unit.factories import EDITION, Story, a_report, an_entry, an_incident, between, text

UNITS = {"east": "东街道"}


def told(story: Story) -> list[Told]:
    lines = [(line.text, line.hash) for line in story.tracked.lines]
    return list(Teller(EDITION, "Asia/Shanghai", UNITS).tell(lines))


def one(story: Story, kind: FactKind) -> Told:
    return next(each for each in told(story) if each.kind is kind)


def test_each_line_has_one_sentence_with_its_number_and_hash() -> None:
    story = Story(an_incident()).tick_through(40).tell(a_report(41, "verified", text="已核实"))

    found = told(story)

    assert [each.version for each in found] == list(range(1, len(found) + 1))
    assert [each.hash for each in found] == [line.hash for line in story.tracked.lines]
    assert all(zh and en for zh, en in (each.text for each in found))


def test_the_opening_names_the_unit_and_every_deadline() -> None:
    zh, en = one(Story(an_incident()), FactKind.OPENED).text

    assert (
        zh
        == "为东街道登记事件，开始计时：初报 11-23 14:20:00，核实报告 11-23 15:00:00，详细报告 11-23 16:00:00"
    )
    assert "Initial report 11-23 14:20:00" in en


def test_a_breach_says_who_was_told_and_a_verdict_by_how_much() -> None:
    story = Story(an_incident()).tick_through(22).tell(a_report(23, "initial", form="phone", author="王五"))

    assert (
        one(story, FactKind.BREACHED)
        .text[0]
        .startswith(
            "初报超时：11-23 14:20:00 前没有合格报告；通知 east duty_officer（报送单位值班员，值班台）"
        )
    )
    assert one(story, FactKind.REPORTED).text[0] == "收到东街道（王五）电话报告：初报，接报 11-23 14:23:00"
    assert one(story, FactKind.JUDGED).text == (
        "判定初报：迟报 3:00",
        "The initial report is judged: late by 3:00",
    )


def test_a_receipt_names_the_person_and_the_channel_of_its_notice() -> None:
    teller = Teller(EDITION, "Asia/Shanghai", UNITS)
    story = Story(an_incident()).tick_through(11)
    sent = next(line for line in story.tracked.lines if line.kind is FactKind.REMINDED)
    told = json.loads(sent.text)["body"]["notices"][0]
    receipt = {"id": told["id"], "channel": "desk", "state": "delivered", "attempts": 2, "note": None}
    line = json.loads(sent.text) | {"kind": "notified", "body": {"notices": [receipt]}}

    found = list(teller.tell([(sent.text, sent.hash), (json.dumps(line), "f" * 64)]))[-1]

    assert found.text == (
        "通知已送达（east duty_officer，值班台，第 2 次）",
        "Notice delivered (east duty_officer, the desk, attempt 2)",
    )


def test_a_correction_says_what_became_what_and_which_deadlines_moved() -> None:
    story = Story(an_incident(grade="III")).tell(
        an_entry("amended", 5, grade="II", occurred=between(-5, 2), reason="家属核实")
    )

    line = one(story, FactKind.AMENDED)

    assert "发生改为“2026-11-23 13:55:00 至 2026-11-23 14:02:00 之间”" in line.text[0]
    assert "等级改为“Ⅱ级 重大”" in line.text[0]
    assert "时限改为：初报 11-23 14:15:00" in line.text[0]
    assert line.detail == "家属核实"


def test_every_kind_a_ledger_may_hold_can_be_told() -> None:
    story = Story(an_incident()).tick_through(70)
    story.tell(an_entry("withdrawn", 71, reason="误报")).tell(a_report(72, "initial"))
    story.tell(an_entry("reopened", 73)).tell(an_entry("amended", 74, occurred=text(60)))
    story.tell(an_entry("closed", 75)).tick_through(300)

    kinds = {each.kind for each in told(story)}

    assert kinds >= set(FactKind) - {FactKind.ACKNOWLEDGED, FactKind.EXPLAINED, FactKind.FOUND}


def test_facts_have_histories_in_the_order_of_arrival() -> None:
    story = Story(an_incident(grade="III")).tell(an_entry("amended", 9, grade="I", reason="后到"))
    story.tell(an_entry("amended", 5, grade="II", reason="先到"), now=10)

    lines = [(line.text, line.hash) for line in story.tracked.lines]
    histories = Teller(EDITION, "Asia/Shanghai").histories(lines)

    assert [change.value[0] for change in histories["grade"] if change.value] == [
        "Ⅲ级 较大",
        "Ⅱ级 重大",
        "Ⅰ级 特别重大",
    ]
    assert [change.reason for change in histories["grade"]] == ["", "先到", "后到"]
    assert set(histories) <= set(FACT_NAMES)


def test_words_for_those_who_act_and_for_those_who_suffer() -> None:
    assert actor_words("engine") == ("系统", "the system")
    assert actor_words("nats:yi") == ("yi（总线）", "yi (bus)")
    assert actor_words("account:张三") == ("张三", "张三")
    assert casualty_words({"dead": 3, "injured": 11, "light": 0}) == ("亡3 伤11", "3 dead, 11 hurt")
    assert casualty_words({"dead": 0}) == ("无伤亡", "no casualties")


def test_what_cannot_be_read_is_shown_as_it_was_sent() -> None:
    teller = Teller(EDITION, "Asia/Shanghai")

    assert teller.value("occurred", "昨天") == ("昨天", "昨天")
    assert teller.value("grade", "V") == ("V", "V")
    assert teller.value("occurred", {"earliest": 5}) == ("5 至 null 之间", "between 5 and null")
    assert teller.value("sensitive", True) == ("是", "yes")
