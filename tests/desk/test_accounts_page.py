"""The administrators' page."""

import re

from tests.desk.conftest import World
from tests.desk.people import HERE, a_person, at_the_desk, sign_in
from tests.desk.test_pages import Page
from tests.desk.test_sign_in import logged


async def test_an_administrator_makes_an_account_and_hands_its_password_over_once(world: World) -> None:
    admin = await at_the_desk(world, "管理员", "admin")
    sent = {"login": "李四", "display_name": "李四", "role": "unit", "unit": "yi", "phone": "000-1"}

    made = await admin.post("/accounts", data=sent, headers=HERE)
    page = await admin.get("/accounts?lang=en")
    handed = re.search(r"<code>([^<]+)</code>", made.text)

    Page(made.text)
    Page(page.text)
    assert handed
    assert handed[1] not in page.text
    assert "Reporting unit" in page.text
    browser = await world.browser()
    assert (await sign_in(browser, "李四", handed[1])).status_code == 303
    assert (await browser.get("/")).headers["location"].startswith("/account")
    assert [line.about for line in await logged(world, "account.created")] == ["李四", "管理员"]


async def test_what_cannot_be_made_is_said_and_the_form_keeps_what_was_typed(world: World) -> None:
    admin = await at_the_desk(world, "管理员", "admin")
    base = {"login": "x", "display_name": "某人", "role": "duty", "unit": "yi"}

    for changes, words in (
        ({"login": "管理员"}, "已有人使用"),
        ({"login": "a b"}, "登录名为"),
        ({"role": "emperor"}, "没有这个角色"),
        ({"unit": "nowhere"}, "没有这个单位"),
        ({"display_name": "长" * 101}, "至多 100 字"),
    ):
        answer = await admin.post("/accounts", data={**base, **changes}, headers=HERE)
        assert (answer.status_code, words in answer.text) == (422, True), changes
        Page(answer.text)
        assert f'value="{changes.get("login", "x")}"' in answer.text


async def test_a_new_password_ends_the_person_s_sessions(world: World) -> None:
    admin = await at_the_desk(world, "管理员", "admin")
    person = await a_person(world)
    browser = await world.browser()
    await sign_in(browser)

    answer = await admin.post(f"/accounts/{person.id}", data={"do": "password"}, headers=HERE)

    handed = re.search(r"<code>([^<]+)</code>", answer.text)
    assert handed
    assert (await browser.get("/")).status_code == 303
    assert (await sign_in(browser)).status_code == 401
    assert (await sign_in(browser, password=handed[1])).status_code == 303


async def test_one_does_not_shut_oneself_out(world: World) -> None:
    admin = await at_the_desk(world, "管理员", "admin")

    answer = await admin.post("/accounts/1", data={"do": "disable"}, headers=HERE)

    assert answer.status_code == 409
    assert (await admin.get("/accounts")).status_code == 200


async def test_an_administrator_reaches_no_further_than_the_own_units(world: World) -> None:
    person = await a_person(world, "上级", "leader", "city")
    admin = await at_the_desk(world, "县管理员", "admin", "yi")

    page = (await admin.get("/accounts")).text
    above = await admin.post(f"/accounts/{person.id}", data={"do": "disable"}, headers=HERE)
    sent = {"login": "x", "role": "admin", "unit": "city"}
    raised = await admin.post("/accounts", data=sent, headers=HERE)
    below = await admin.post("/accounts", data={**sent, "unit": "yi-town"}, headers=HERE)

    assert "上级" not in page
    assert (above.status_code, raised.status_code, below.status_code) == (404, 403, 200)
