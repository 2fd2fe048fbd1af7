"""A month with something of everything, for the audit and the search: written through the gate."""

from typing import Any

from tests.desk.conftest import World

TITLES = ("化工园区爆燃", "山洪围困群众", "客车侧翻", "学校食物中毒")


async def a_month(world: World) -> dict[str, dict[str, Any]]:
    """Incidents in time, late, missing, overdue, undetermined, incomplete, withdrawn; and an exercise. By name."""
    made: dict[str, dict[str, Any]] = {}
    made["prompt"] = await world.open("jia", title=TITLES[1], category="natural", grade="III")
    made["slow"] = await world.open(
        "yi", place={"text": "乙县化工园区3号库"}, category="accident", grade="II"
    )
    made["silent"] = await world.open("yi-town", title=TITLES[2], category="accident")
    made["open"] = await world.open("yi-town", title=TITLES[3], category="health")
    made["vague"] = await world.open(
        "jia",
        title="水库险情",
        occurred={"earliest": "2026-11-23T13:50:00+08:00", "latest": "2026-11-23T14:20:00+08:00"},
    )
    made["false"] = await world.open("jia", title="误报火情")
    made["drill"] = await world.open("yi", title="危化品泄漏演练", mode="exercise")
    await world.pass_time(3)
    await world.post(
        made["prompt"], "reports", covers=["initial"], form="phone", author="王五", text="已电话报告"
    )
    await world.post(made["false"], "withdrawal", reason="误报")
    await world.pass_time(17.5)
    await world.post(
        made["slow"], "reports", covers=["initial"], form="phone", author="李四", text="现场有明火"
    )
    await world.post(made["vague"], "reports", covers=["initial"], form="written", text="水位上涨")
    await world.pass_time(30)
    await world.post(
        made["prompt"],
        "reports",
        covers=["detailed"],
        form="written",
        text="群众已转移",
        elements={"cause": "强降雨"},
    )
    await world.pass_time(30)
    await world.post(made["slow"], "reports", covers=["verified"], form="written", text="<b>明火已扑灭</b>")
    await world.pass_time(60)
    await world.post(made["silent"], "closure", reason="处置完毕")
    await world.pass_time(10)
    return made
