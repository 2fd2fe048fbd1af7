"""What a notice says: in both languages, to whom and why, marked where it is a drill."""

from datetime import timedelta

import pytest

from reporter.core.terms import Mode, NoticeReason
from reporter.resources import templates_dir
from tests.unit.noticeworld import World, eventually, running


async def test_a_breach_is_told_in_chinese_and_english_with_its_facts(world: World) -> None:
    await world.on_duty("east", "duty_officer", "李东", world.hooks.url())
    incident = await world.open()
    world.time.advance(timedelta(minutes=5))

    async def accepted() -> bool:
        return "accepted" in await world.states(person="李东", reason="breach")

    async with running(world.notifier()):
        await eventually(accepted)

    asked = next(each for each in world.hooks.asked if each.document["reason"] == "breach")
    text = str(asked.document["text"])
    chinese, english = text.index("时限已过"), text.index("The deadline has passed")
    assert chinese < english
    assert "事件：化工园区爆燃" in text
    assert "2026-11-23 14:00:00 (Asia/Shanghai)，已超 5:00" in text
    assert "致 李东：您此刻值班（报送单位值班员）" in text
    assert "on duty now (reporting unit, duty officer)" in text
    assert str(asked.document["subject"]).startswith("超时 东街道 ")
    assert asked.document["incident"] == incident
    assert asked.document["obligation_due_at"] == "2026-11-23T06:00:00.000000Z"
    assert asked.headers["webhook-id"] == asked.document["notice"]


async def test_who_stands_in_is_told_for_whom_and_whom_to_call(world: World) -> None:
    await world.on_duty("city", "duty_officer", "钱市", world.hooks.url())
    await world.open("quiet", minutes_ago=10)

    async def accepted() -> bool:
        return "accepted" in await world.states(person="钱市")

    async with running(world.notifier()):
        await eventually(accepted)

    text = str(world.hooks.asked[0].document["text"])
    assert "无人镇此刻无人值班" in text
    assert "该单位电话：0632-3" in text
    (nobody,) = await world.notices(channel="desk")
    assert (nobody.person, nobody.note, nobody.phone) == (None, "nobody_on_duty", "0632-3")


@pytest.mark.parametrize(("mode", "mark"), [(Mode.EXERCISE, "【演练】"), (Mode.TEST, "【测试】")])
async def test_a_drill_is_marked_in_every_text(world: World, mode: Mode, mark: str) -> None:
    await world.on_duty("east", "duty_officer", "李东", world.hooks.url())
    await world.open(minutes_ago=10, mode=mode)

    async def arrived() -> bool:
        return bool(world.hooks.asked)

    async with running(world.notifier()):
        await eventually(arrived)

    document = world.hooks.asked[0].document
    assert str(document["subject"]).startswith(mark)
    assert str(document["text"]).startswith(mark)
    assert document["mode"] == mode


async def test_who_stands_in_for_somebody_is_told_for_whom(world: World) -> None:
    note = "deputy_of:李东; swap:王西; reporter.in.incident.east ×3"
    await world.add(1, "webhook", world.hooks.url(), reason=NoticeReason.HELD, note=note)

    async def arrived() -> bool:
        return bool(world.hooks.asked)

    async with running(world.notifier()):
        await eventually(arrived)

    text = str(world.hooks.asked[0].document["text"])
    assert "您此刻代替李东" in text and "you stand in for 李东 now" in text
    assert "详情：reporter.in.incident.east ×3\n" in text


def test_every_reason_has_its_texts_and_every_text_its_reason() -> None:
    folders = {path.name for path in (templates_dir() / "notices").iterdir() if not path.name.startswith("_")}

    assert folders == {reason.value for reason in NoticeReason}
    for name in folders:
        assert {path.name for path in (templates_dir() / "notices" / name).iterdir()} == {
            "subject.txt",
            "short.txt",
            "body.txt",
        }


@pytest.mark.parametrize("reason", [reason for reason in NoticeReason if reason is not NoticeReason.TEST])
async def test_every_reason_can_be_told_also_without_an_incident(world: World, reason: NoticeReason) -> None:
    note = "reporter.in.incident.east ×3: not JSON"
    await world.add(
        1, "webhook", world.hooks.url(), reason=reason, note=f"nobody_on_duty:quiet; {note}", repeat=2
    )

    async def arrived() -> bool:
        return bool(world.hooks.asked)

    async with running(world.notifier()):
        await eventually(arrived)

    text = str(world.hooks.asked[0].document["text"])
    assert f"详情：{note}" in text
    assert "无人镇此刻无人值班" in text
    assert "第 2 次" in text
