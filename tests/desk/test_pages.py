"""The pages, as a browser gets them."""

import re
from dataclasses import fields
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import httpx
import jinja2.meta
import pytest
from jinja2.nodes import FromImport

from reporter.desk.pages import RefusedPage
from reporter.desk.pages.account import AccountPage
from reporter.desk.pages.accounts import AccountsPage
from reporter.desk.pages.board import BoardPage
from reporter.desk.pages.desk_log import DeskLogPage
from reporter.desk.pages.handover import HandoverPage, HandoverRecordPage
from reporter.desk.pages.roster import RosterPage, RosterWeekPage
from reporter.desk.pages.roster_calls import RollCallsPage
from reporter.desk.pages.roster_changes import RosterChangesPage
from reporter.desk.pages.roster_settings import RosterSettingsPage, RosterUnitsPage
from reporter.desk.pages.setup import SetupPage
from reporter.desk.pages.sign_in import SignInPage
from reporter.desk.session import COOKIE
from reporter.render import _environment
from reporter.resources import templates_dir
from tests.desk.conftest import World

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

VOID = {"meta", "link", "input", "br", "wbr", "img", "hr"}


class Page(HTMLParser):
    """Checks that tags close as they open, and gathers ids, headings and scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.forms: list[dict[str, str | None]] = []
        self.feed(text)
        assert not self.open, self.open
        assert len(self.ids) == len(set(self.ids))
        assert self.tags.count("h1") == 1
        assert all(form.get("action") for form in self.forms)
        assert "style" not in self.tags

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        assert not any(name.startswith("on") or name == "style" for name in given)
        if "id" in given:
            self.ids.append(str(given["id"]))
        if tag == "form":
            self.forms.append(given)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


async def signed_in(world: World, role: str = "duty", unit: str = "root") -> httpx.AsyncClient:
    """A browser after its owner has signed in with the form."""
    browser = await world.browser()
    secret = await world.secret(role, unit, name=f"browser.{role}.{unit}")
    answer = await browser.post("/sign-in", data={"token": secret}, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 303
    return browser


async def test_the_board_asks_to_sign_in_first(world: World) -> None:
    browser = await world.browser()

    answer = await browser.get("/?lang=en")

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?lang=en")
    page = await browser.get(answer.headers["location"])
    Page(page.text)
    assert "Access token" in page.text


async def test_the_cookie_is_out_of_reach(world: World) -> None:
    browser = await world.browser()

    answer = await browser.post("/sign-in", data={"token": await world.secret("duty")})

    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    over_tls = await world.browser()
    over_tls.base_url = httpx.URL("https://desk")
    secured = await over_tls.post("/sign-in", data={"token": await world.secret("duty")})
    assert "Secure" in secured.headers["set-cookie"]
    assert secured.headers["set-cookie"].startswith(f"__Host-{COOKIE}=")


async def test_the_cookie_opens_the_api_too_so_that_a_page_can_link_to_it(world: World) -> None:
    browser = await signed_in(world)

    assert COOKIE in browser.cookies
    assert (await browser.get("/api/v1/incidents")).status_code == 200


async def test_a_wrong_token_is_refused_on_the_form(world: World) -> None:
    answer = await (await world.browser()).post("/sign-in", data={"token": "rpt_<wrong>"})

    assert answer.status_code == 401
    Page(answer.text)
    assert "令牌无效" in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://elsewhere"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://desk"}, 303),
    ],
)
async def test_a_form_from_another_site_is_refused(
    world: World, headers: dict[str, str], status: int
) -> None:
    secret = await world.secret("duty")

    answer = await (await world.browser()).post("/sign-in", data={"token": secret}, headers=headers)

    assert answer.status_code == status


async def test_signing_out_ends_the_visit(world: World) -> None:
    browser = await signed_in(world)
    assert (await browser.get("/")).status_code == 200

    await browser.post("/sign-out")

    assert (await browser.get("/")).status_code == 303


async def test_the_board_shows_each_clock_by_shape_word_and_number(world: World) -> None:
    incident = await world.open(
        title="<爆燃> & 二次", grade="II", category="accident", place={"text": "3号库"}
    )
    await world.pass_time(17)
    await world.post(incident, "reports", covers=["initial"])
    await world.pass_time(30)
    browser = await signed_in(world)

    page = (await browser.get("/")).text

    Page(page)
    assert "&lt;爆燃&gt; &amp; 二次" in page
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", re.sub(r"</span>\n", " ", page)))
    assert "初报 ✔+ 迟报 +2:00 时限 11-23 14:20:00 接报 11-23 14:22:00" in text
    assert "核报" in text or "▲ 临期 8:00" in text
    assert "▲ 临期 8:00 时限 11-23 15:00:00" in text
    assert "● 计时 1:08:00 时限 11-23 16:00:00" in text
    assert "乙县" in text
    assert "Ⅱ级 重大" in text


async def test_the_overdue_comes_first_and_is_counted_in_the_title(world: World) -> None:
    await world.open(title="新", occurred="2026-11-23T14:04:59+08:00")
    await world.open(title="旧", occurred="2026-11-23T13:50:00+08:00")
    await world.pass_time(6)
    browser = await signed_in(world)

    page = (await browser.get("/?lang=en")).text

    assert "<title>(1 overdue) Board" in page
    assert page.index(">旧<") < page.index(">新<")
    assert "■</span> Overdue" in page
    assert '<html lang="en">' in page


async def test_a_drill_is_marked(world: World) -> None:
    await world.open(title="疏散", mode="exercise")

    page = (await (await signed_in(world)).get("/")).text

    assert re.search(r"【演练】</span><a [^>]*>疏散</a>", page)


async def test_the_board_is_of_ones_own_units(world: World) -> None:
    await world.open("jia", title="甲县的")
    await world.open("yi", title="乙县的")

    page = (await (await signed_in(world, "unit", "yi")).get("/")).text

    assert "乙县的" in page
    assert "甲县的" not in page


async def test_static_files_are_served_and_nothing_beside_them(world: World) -> None:
    browser = await world.browser()

    for name, kind in (
        ("desk.css", "text/css"),
        ("board.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    ):
        answer = await browser.get(f"/static/{name}")
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)
    for path in ("/static/../pages/board.html", "/static/%2e%2e/pages/board.html", "/static/"):
        assert (await browser.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("template", "context"),
    [
        ("board", BoardPage),
        ("sign_in", SignInPage),
        ("setup", SetupPage),
        ("account", AccountPage),
        ("accounts", AccountsPage),
        ("desk_log", DeskLogPage),
        ("refused", RefusedPage),
        ("handover", HandoverPage),
        ("handover_record", HandoverRecordPage),
        ("roster", RosterPage),
        ("roster_week", RosterWeekPage),
        ("roster_changes", RosterChangesPage),
        ("roll_calls", RollCallsPage),
        ("roster_settings", RosterSettingsPage),
        ("roster_units", RosterUnitsPage),
    ],
)
def test_a_page_uses_what_its_context_declares_and_no_more(
    template: str, context: "type[DataclassInstance]"
) -> None:
    environment = _environment(templates_dir(), "zh")
    used: set[str] = set()
    macros: set[str] = set()
    waiting = [f"pages/{template}.html"]
    while waiting:
        tree = environment.parse((templates_dir() / waiting.pop()).read_text(encoding="utf-8"))
        used |= jinja2.meta.find_undeclared_variables(tree)
        macros |= {str(name) for node in tree.find_all(FromImport) for name in node.names}
        waiting += [each for each in jinja2.meta.find_referenced_templates(tree) if each]

    assert used - macros - {"t", "language", "lang", "zone", "frame"} == {
        each.name for each in fields(context)
    }
