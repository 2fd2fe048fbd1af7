"""What somebody with a browser is told instead of a page: in one language, inside their own frame, with what to do."""

import pytest

from tests.desk.conftest import World
from tests.desk.shifts import checked
from tests.desk.test_pages import signed_in

AS_A_READER = {"Accept": "text/html"}


@pytest.mark.parametrize(
    ("path", "status", "zh", "en"),
    [
        ("/nowhere", 404, "<h1>没有找到</h1>", "<h1>Not found</h1>"),
        (
            "/accounts",
            403,
            "<h1>角色“值班员”无此权限</h1>",
            "<h1>The role “Duty officer” may not do this here</h1>",
        ),
        ("/audit?month=2026-13", 422, "格式 YYYY-MM</li>", "as YYYY-MM</li>"),
    ],
)
async def test_a_problem_is_told_in_the_reader_s_language_with_the_way_back(
    world: World, path: str, status: int, zh: str, en: str
) -> None:
    browser = await signed_in(world)

    for language, said, other in (("zh", zh, en), ("en", en, zh)):
        answer = await browser.get(f"{path}{'&' if '?' in path else '?'}lang={language}", headers=AS_A_READER)
        page = checked(answer.text)
        assert answer.status_code == status
        assert said in page
        assert other not in page
        assert 'href="/handover"' in page


async def test_a_stranger_gets_no_navigation_and_a_program_a_document(world: World) -> None:
    stranger = await world.browser()
    program = await world.client()

    page = (await stranger.get("/nowhere", headers=AS_A_READER)).text
    document = (await program.get("/nowhere")).json()

    assert 'href="/handover"' not in checked(page)
    assert (document["code"], document["detail"]) == ("not_found", "没有找到 / not found")


async def test_when_it_was_typed_is_shown_only_where_that_was_earlier(world: World) -> None:
    browser = await signed_in(world)
    client = await world.client()
    fields = {"title": "起火", "unit": "yi", "occurred": "2026-11-23T13:50:00+08:00"}
    shown = []
    for entered_at in ("2026-11-23T06:04:59Z", "2026-11-23T05:50:00Z"):
        made = await client.post("/api/v1/incidents", json={**fields, "entered_at": entered_at})
        shown.append((await browser.get(f"/incidents/{made.json()['id']}")).text)

    assert "补录时间" not in shown[0]
    assert "<dt>补录时间</dt><dd>2026-11-23 13:50:00</dd>" in shown[1]
