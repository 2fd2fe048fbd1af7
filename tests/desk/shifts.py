"""A city whose shift changes at three: its people, their accounts, a browser of each."""

from datetime import UTC, datetime

import html5lib
import httpx

from reporter.store import accounts, handovers
from reporter.store.accounts import NewPerson
from reporter.store.passwords import hash_now
from reporter.store.people import import_roster
from tests.desk.boards import counted
from tests.desk.conftest import World
from tests.desk.test_pages import Page

PASSWORD = "spring tide at noon"
ROSTER = """unit,role,starts,ends,person,phone,channels
city,duty_officer,2026-11-23T08:00:00+08:00,2026-11-23T15:00:00+08:00,张三,000-138,desk
city,duty_officer,2026-11-23T15:00:00+08:00,2026-11-24T08:00:00+08:00,赵六,000-139,desk
city,leader,2026-11-01T08:00:00+08:00,2026-12-20T08:00:00+08:00,李四,000-137,desk
yi,duty_officer,2026-11-23T08:00:00+08:00,2026-11-23T20:00:00+08:00,王五,000-136,desk
"""
PEOPLE = (
    ("zhangsan", "duty", "张三", "city"),
    ("zhaoliu", "duty", "赵六", "city"),
    ("lisi", "leader", "李四", "city"),
    ("yi", "unit", "王五", "yi"),
    ("jia", "leader", "孙七", "jia"),
    ("auditor", "auditor", "审计员", "city"),
    ("admin", "admin", "管理员", "city"),
)
KEPT = hash_now(PASSWORD)


async def staff(world: World) -> None:
    """Puts the people on the roster and gives each an account."""
    await import_roster(world.database, ROSTER.encode(), now=datetime(2026, 11, 1, tzinfo=UTC))
    await handovers.set_times(world.database, "city", ["08:00", "15:00", "20:00"], "test", world.time.now())
    async with world.database.transaction() as connection:
        for login, role, name, unit in PEOPLE:
            person = NewPerson(
                login=login,
                display_name=name,
                role=role,
                unit=unit,
                password_hash=KEPT,
                must_change=False,
            )
            await accounts.create(connection, person, world.time.now(), "test")


async def seat(world: World, login: str) -> httpx.AsyncClient:
    """The browser of somebody who has signed in."""
    browser = await world.browser()
    answer = await browser.post("/sign-in", data={"login": login, "password": PASSWORD})
    assert answer.status_code == 303, answer.text
    return browser


async def page(browser: httpx.AsyncClient, path: str, status: int = 200) -> str:
    """A page, which must be sound HTML in both languages; the text of the Chinese one."""
    text = ""
    for language in ("en", "zh"):
        separator = "&" if "?" in path else "?"
        answer = await browser.get(f"{path}{separator}lang={language}")
        assert answer.status_code == status, answer.text
        text = checked(answer.text)
    return text


async def cost(world: World, browser: httpx.AsyncClient, path: str) -> int:
    """How many statements a page takes, without those that look the account up again once a second."""
    found = []
    for _ in range(3):
        with counted(world.database) as statements:
            assert (await browser.get(path)).status_code == 200
        found.append(len(statements))
    return min(found)


def checked(text: str) -> str:
    """The text, proved to be sound HTML."""
    Page(text)
    html5lib.HTMLParser(strict=True).parse(text)
    return text
