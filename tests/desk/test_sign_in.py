"""Signing in and out, as people do; and what becomes of those who guess."""

from datetime import timedelta

import httpx
import pytest
from pwdlib import PasswordHash

from reporter.desk.auth import COOKIE
from reporter.store import desk_log, sessions
from reporter.store.desk_log import Logged
from tests.desk.conftest import World
from tests.desk.people import HERE, PASSWORD, a_person, at_the_desk, sign_in
from tests.desk.test_pages import Page


async def logged(world: World, what: str | None = None) -> list[Logged]:
    """The desk's log, newest first."""
    async with world.database.snapshot() as connection:
        return await desk_log.read(connection, None, 1000, what=what)


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was looked up is never fresh: every request asks the database."""
    numbers = iter(range(0, 1_000_000, 2))
    monkeypatch.setattr("reporter.desk.auth.monotonic", lambda: next(numbers))


async def test_a_person_signs_in_by_name_and_password(world: World) -> None:
    await a_person(world, "张三")
    browser = await world.browser()

    answer = await sign_in(browser, " 张三 ")

    assert (answer.status_code, answer.headers["location"]) == (303, "/?lang=zh")
    assert (await browser.get("/")).status_code == 200
    (line,) = await logged(world, "session.begun")
    assert (line.actor, line.about, line.unit) == ("account:张三", "张三", "city")


async def test_width_and_case_of_a_login_make_no_difference(world: World) -> None:
    await a_person(world, "Zhang.San")

    assert (await sign_in(await world.browser(), "ＺＨＡＮＧ．san")).status_code == 303


async def test_one_comes_back_to_the_page_one_wanted_and_never_to_another_site(world: World) -> None:
    await a_person(world)
    browser = await world.browser()

    asked = await browser.get("/account?lang=en")
    form = await browser.get(asked.headers["location"])
    back = await sign_in(browser, next_="/account")

    assert asked.headers["location"] == "/sign-in?lang=en&next=/account"
    assert 'name="next" value="/account"' in form.text
    assert back.headers["location"].startswith("/account?")
    for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example", "/\r\nSet-Cookie: a=b"):
        answer = await sign_in(browser, next_=elsewhere)
        assert answer.headers["location"].startswith("/?lang=")


@pytest.mark.parametrize(
    ("login", "password"), [("张三", "错的口令错的口令"), ("没有此人", PASSWORD), ("", "")]
)
async def test_a_wrong_name_and_a_wrong_password_are_answered_alike(
    world: World, login: str, password: str
) -> None:
    await a_person(world)
    browser = await world.browser()

    answer = await sign_in(browser, login, password)

    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    Page(answer.text)
    assert "登录名或口令不对" in answer.text
    (line,) = await logged(world, desk_log.REFUSED)
    assert (line.actor, line.about) == ("", login)
    assert password not in str(line.details) or not password


async def test_nobody_s_password_is_checked_as_long_as_somebody_s(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    against: list[str] = []
    verify = PasswordHash.verify

    def watched(self: PasswordHash, password: str | bytes, kept: str | bytes) -> bool:
        against.append(str(kept))
        return verify(self, password, kept)

    monkeypatch.setattr(PasswordHash, "verify", watched)
    await a_person(world)

    await sign_in(await world.browser(), "没有此人")
    await sign_in(await world.browser(), "张三", "错的口令错的口令")

    assert len(against) == 2
    assert {kept.rsplit("$", 2)[0] for kept in against} == {"$argon2id$v=19$m=65536,t=3,p=4"}


async def test_a_shut_account_is_out_at_once(world: World) -> None:
    admin = await at_the_desk(world, "管理员", "admin")
    browser = await at_the_desk(world, "张三")
    number = (await a_person(world, "other")).id - 1

    done = await admin.post(f"/accounts/{number}", data={"do": "disable"}, headers=HERE)

    assert done.status_code == 200
    assert (await browser.get("/")).status_code == 303
    assert (await sign_in(await world.browser(), "张三")).status_code == 401


async def test_guessing_is_stopped_before_the_password_is_looked_at(world: World) -> None:
    await a_person(world)
    browser = await world.browser()

    codes = [(await sign_in(browser, password=f"猜一个口令{number}")).status_code for number in range(6)]
    right = await sign_in(browser)

    assert codes == [401] * 5 + [429]
    assert right.status_code == 429
    assert int(right.headers["retry-after"]) > 0
    assert "尝试过多" in right.text


async def test_strangers_who_guess_do_not_keep_an_officer_from_the_desk(world: World) -> None:
    await a_person(world)
    assert (await sign_in(await world.browser())).status_code == 303
    codes = []
    for number in range(32):
        stranger = httpx.ASGITransport(world.app, client=(f"10.0.0.{number}", 1))
        async with httpx.AsyncClient(transport=stranger, base_url="http://desk") as guessing:
            codes.append((await sign_in(guessing, password="猜一个口令猜")).status_code)

    assert codes == [401] * 30 + [429] * 2
    assert (await sign_in(await world.browser())).status_code == 303


@pytest.mark.usefixtures("ticks")
async def test_a_session_ends_by_idleness_and_in_the_end_by_age(world: World) -> None:
    idle, busy = await at_the_desk(world, "idle"), await at_the_desk(world, "busy")

    for _ in range(3):
        world.time.advance(sessions.IDLE_SPAN / 2)
        assert (await busy.get("/")).status_code == 200

    assert (await idle.get("/")).status_code == 303
    world.time.advance(sessions.LONGEST_SPAN - 3 * sessions.IDLE_SPAN / 2 + timedelta(seconds=1))
    assert (await busy.get("/")).status_code == 303


async def test_of_a_session_s_secret_only_the_hash_is_kept(world: World) -> None:
    browser = await at_the_desk(world)
    secret = browser.cookies[COOKIE]

    async with world.database.snapshot() as connection:
        kept = (await connection.exec_driver_sql("SELECT * FROM sessions")).all()

    assert len(secret) >= 43
    assert secret not in str(kept)


async def test_a_signed_out_session_is_over_even_for_who_has_copied_it(world: World) -> None:
    browser = await at_the_desk(world)
    thief = await world.browser()
    thief.cookies.set(COOKIE, browser.cookies[COOKIE])
    assert (await thief.get("/")).status_code == 200

    await browser.post("/sign-out", headers=HERE)

    assert (await thief.get("/")).status_code == 303
    assert len(await logged(world, desk_log.SIGNED_OUT)) == 1


async def test_a_session_is_no_bearer_token_and_a_token_is_no_session(world: World) -> None:
    browser = await at_the_desk(world)
    secret = await world.secret("duty")
    stranger = await world.browser({"Authorization": f"Bearer {browser.cookies[COOKIE]}"})

    assert (await stranger.get("/api/v1/incidents")).status_code == 401
    pasted = await world.browser()
    pasted.cookies.set(COOKIE, secret)
    assert (await pasted.get("/")).status_code == 303


async def test_what_a_person_does_is_signed_with_the_login(world: World) -> None:
    browser = await at_the_desk(world, "张三", "duty")
    sent = {"title": "爆燃", "unit": "yi", "occurred": "2026-11-23T14:00:00+08:00"}

    made = await browser.post("/api/v1/incidents", json=sent, headers={**HERE, "Idempotency-Key": "k1"})
    token = await world.client("duty", "city")
    other = await token.post("/api/v1/incidents", json=sent, headers={"Idempotency-Key": "k1"})
    ledger = (await browser.get(f"/api/v1/incidents/{made.json()['id']}/ledger")).json()["items"]

    assert made.status_code == 201
    assert ledger[0]["actor"] == "account:张三"
    assert (other.status_code, other.json()["id"] == made.json()["id"]) == (201, False)


async def test_a_borrowed_password_is_changed_before_anything_else(world: World) -> None:
    await a_person(world, must_change=True)
    browser = await world.browser()
    await sign_in(browser)

    board, api = await browser.get("/"), await browser.get("/api/v1/incidents")
    page = await browser.get("/account")
    sent = {"current": PASSWORD, "password": "一个我自己想出来的口令", "again": "一个我自己想出来的口令"}
    changed = await browser.post("/account/password", data=sent, headers=HERE)

    assert (board.status_code, board.headers["location"]) == (303, "/account?lang=zh")
    assert api.status_code == 403
    Page(page.text)
    assert "请先改成自己的" in page.text
    assert changed.headers["location"].startswith("/account?changed=1")
    assert (await browser.get("/")).status_code == 200
    assert (await sign_in(await world.browser(), password=PASSWORD)).status_code == 401
    assert (await sign_in(await world.browser(), password="一个我自己想出来的口令")).status_code == 303


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"current": "不是现在的口令呀"}, "登录名或口令不对"),
        ({"again": "另一个很长的口令呀"}, "两次输入的口令不同"),
        ({"password": "太短", "again": "太短"}, "至少 10 个字符"),
        ({"password": "Password123", "again": "Password123"}, "太常见"),
        ({"password": "aaaaaaaaaaaa", "again": "aaaaaaaaaaaa"}, "太常见"),
        ({"password": PASSWORD, "again": PASSWORD}, "与原口令相同"),
    ],
)
async def test_a_password_that_will_not_do_is_refused_and_nothing_changes(
    world: World, changes: dict[str, str], words: str
) -> None:
    browser = await at_the_desk(world)
    new = "一个我自己想出来的口令"

    sent = {"current": PASSWORD, "password": new, "again": new, **changes}
    answer = await browser.post("/account/password", data=sent, headers=HERE)

    assert answer.status_code in (401, 422)
    assert words in answer.text
    Page(answer.text)
    assert (await sign_in(await world.browser())).status_code == 303


async def test_changing_the_password_ends_every_other_session(world: World) -> None:
    browser = await at_the_desk(world)
    other = await world.browser()
    await sign_in(other)
    new = "一个我自己想出来的口令"

    sent = {"current": PASSWORD, "password": new, "again": new}
    await browser.post("/account/password", data=sent, headers=HERE)

    assert (await other.get("/")).status_code == 303
    assert (await browser.get("/")).status_code == 200


async def test_one_sees_one_s_sessions_and_ends_them(world: World) -> None:
    browser, other = await at_the_desk(world), await world.browser()
    await sign_in(other)
    stranger = await at_the_desk(world, "李四")

    page = (await browser.get("/account?lang=en")).text
    Page(page)
    await stranger.post("/account/sessions", data={"session": "1"}, headers=HERE)
    still = await browser.get("/")
    await browser.post("/account/sessions", data={"session": "others"}, headers=HERE)

    assert page.count("This one") == 1
    assert page.count('name="session" value="') == 2
    assert still.status_code == 200
    assert (await other.get("/")).status_code == 303
    assert (await browser.get("/")).status_code == 200
