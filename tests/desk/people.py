"""People with accounts, for tests: the hash of the one password they share is made once."""

from functools import cache

import httpx

from reporter.store import accounts, passwords
from reporter.store.accounts import NewPerson, PersonRow
from tests.desk.conftest import World

PASSWORD = "三人行必有我师焉！择善从之"
HERE = {"Sec-Fetch-Site": "same-origin"}


@cache
def kept() -> str:
    """The hash of `PASSWORD`."""
    return passwords.hash_now(PASSWORD)


async def a_person(
    world: World, login: str = "张三", role: str = "duty", unit: str = "city", *, must_change: bool = False
) -> PersonRow:
    """Somebody with an account."""
    new = NewPerson(
        login=login,
        display_name=f"{login}先生",
        role=role,
        unit=unit,
        password_hash=kept(),
        must_change=must_change,
    )
    async with world.database.transaction() as connection:
        return await accounts.create(connection, new, world.time.now(), "test")


async def sign_in(
    browser: httpx.AsyncClient, login: str = "张三", password: str = PASSWORD, next_: str = "/"
) -> httpx.Response:
    """Fills the form in and sends it."""
    fields = {"login": login, "password": password, "next": next_}
    return await browser.post("/sign-in", data=fields, headers=HERE)


async def at_the_desk(
    world: World, login: str = "张三", role: str = "duty", unit: str = "city"
) -> httpx.AsyncClient:
    """The browser of somebody new who has signed in."""
    await a_person(world, login, role, unit)
    browser = await world.browser()
    assert (await sign_in(browser, login)).status_code == 303
    return browser
