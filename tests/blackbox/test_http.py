"""The HTTP face: statuses as problems, idempotency, lists, the audit."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta
from urllib.parse import quote

import pytest

from .desk import Desk, clock_of
from .district import District
from .events import incident_id
from .moments import Json, ago, eventually, instant, now, text

SOMEONE = str(uuid.uuid4())


def test_opening_answers_the_incident_and_the_id_follows_from_the_key(desk: Desk) -> None:
    key = f"key-{uuid.uuid4().hex}"
    before = ago(seconds=0)

    seen = desk.open("east", key=key, occurred=text(ago(minutes=1)), title="桥梁垮塌", grade="I")

    assert seen["id"] == incident_id("/api/chief", key)
    assert (seen["title"], seen["grade"], seen["unit"], seen["state"]) == ("桥梁垮塌", "I", "east", "open")
    assert before <= instant(seen["received_at"]) <= instant(seen["recorded_at"]) <= ago(seconds=0)
    assert seen["version"] == len(desk.ledger(seen["id"]))
    assert seen["code"]
    assert desk.incident(seen["id"])["id"] == seen["id"]


def test_an_idempotency_key_opens_once_and_refuses_another_body(desk: Desk) -> None:
    key = uuid.uuid4().hex
    body = {"unit": "east", "title": "同一个键", "occurred": text(ago(minutes=1))}

    first = desk.post("/api/v1/incidents", body, 201, key)
    again = desk.post("/api/v1/incidents", body, 200, key)
    other = desk.post("/api/v1/incidents", {**body, "title": "另一件事"}, 422, key)

    assert again["id"] == first["id"]
    assert again["version"] == first["version"]
    assert "identity_reused" in str(other)


def test_the_same_command_twice_has_one_effect(desk: Desk) -> None:
    incident = desk.open("east", occurred=text(ago(minutes=1)))["id"]
    key = uuid.uuid4().hex

    once = desk.tell(incident, "reports", key=key, covers=["initial"], form="phone")
    twice = desk.tell(incident, "reports", key=key, covers=["initial"], form="phone")
    desk.tell(incident, "reports", 422, key, covers=["verified"], form="written")

    assert len(once["reports"]) == len(twice["reports"]) == 1
    assert once["version"] == twice["version"]


def test_a_key_is_the_accounts_own(town: District, desk: Desk) -> None:
    key = uuid.uuid4().hex
    other = town.account("duty", "hitech")

    one, two = desk.open("east", key=key, title="甲"), other.open("east", key=key, title="乙")

    assert one["id"] != two["id"]
    other.close()


def test_twenty_posts_with_one_key_at_once_open_one_incident(desk: Desk) -> None:
    key = uuid.uuid4().hex
    body = {"unit": "east", "title": "并发"}
    answers: list[tuple[int, str]] = []

    def post() -> None:
        answer = desk.client.post("/api/v1/incidents", json=body, headers={"Idempotency-Key": key})
        answers.append((answer.status_code, answer.json()["id"]))

    threads = [threading.Thread(target=post) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(status for status, _ in answers) == [200] * 19 + [201]
    assert len({incident for _, incident in answers}) == 1


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({"unit": "east"}, ["title"]),
        ({"unit": "east", "title": " "}, ["title"]),
        ({"title": "没有单位"}, ["unit"]),
        ({"unit": "nowhere", "title": "未登记单位"}, ["unit"]),
        (
            {"unit": "east", "title": "x", "grade": "2", "occurred": "2026-11-23T14:00:00", "mode": "drill"},
            ["grade", "occurred", "mode"],
        ),
        ({"unit": "east", "title": "x", "occurred": "0001-01-01T00:00:00Z"}, ["occurred"]),
        ({"unit": "east", "title": "x", "casualties": {"dead": -1}}, ["casualties.dead"]),
        ({"unit": "east", "title": "x", "schedule": "cn-nowhere"}, ["schedule"]),
    ],
)
def test_an_unreadable_form_is_422_with_every_path(desk: Desk, body: object, paths: list[str]) -> None:
    problem = desk.post("/api/v1/incidents", body, 422)

    assert problem["status"] == 422
    assert problem["title"]
    named = [error["path"] for error in problem["errors"]]
    assert all(any(path in name for name in named) for path in paths), problem
    assert all(error["message"] for error in problem["errors"])


@pytest.mark.parametrize(
    "body", [b"{", b"", b"[]", b'{"title": NaN, "unit": "east"}', b'{"unit":"east","title":"\xff"}']
)
def test_a_body_that_is_not_json_is_a_problem_not_a_crash(desk: Desk, body: bytes) -> None:
    answer = desk.client.post("/api/v1/incidents", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["Content-Type"].startswith("application/problem+json")


def test_too_large_a_body_is_413(desk: Desk) -> None:
    desk.post("/api/v1/incidents", {"unit": "east", "title": "x", "summary": "长" * 200_000}, 413)


@pytest.mark.parametrize("path", ["", "/ledger"])
def test_what_nobody_opened_is_404(desk: Desk, path: str) -> None:
    desk.get(f"/api/v1/incidents/{SOMEONE}{path}", 404)


@pytest.mark.parametrize(
    "command", ["reports", "amendments", "withdrawal", "closure", "reopening", "acknowledgements"]
)
def test_a_command_for_what_nobody_opened_is_404(desk: Desk, command: str) -> None:
    desk.tell(SOMEONE, command, 404, reason="无", form="phone", by="某人")


def test_unknown_obligations_are_422_with_the_valid_ones(desk: Desk) -> None:
    incident = desk.open("east")["id"]

    problem = desk.tell(incident, "reports", 422, covers=["final"], form="written")

    assert all(name in str(problem) for name in ("initial", "verified", "detailed"))


def test_a_real_incident_never_becomes_a_drill(desk: Desk) -> None:
    incident = desk.open("east")["id"]

    answer = desk.client.post(
        f"/api/v1/incidents/{incident}/amendments", json={"mode": "exercise", "reason": "x"}
    )

    assert answer.status_code in (409, 422), answer.text
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert desk.incident(incident)["mode"] == "actual"


def test_reopening_what_is_open_is_a_conflict(desk: Desk) -> None:
    desk.tell(desk.open("east")["id"], "reopening", 409, reason="没关过")


# --- lists ---------------------------------------------------------------------------------------


def every_page(desk: Desk, limit: int, query: str) -> list[list[Json]]:
    pages: list[list[Json]] = []
    path = f"/api/v1/incidents?limit={limit}&{query}"
    while True:
        page = desk.get(path)
        pages.append(page["items"])
        if page["next"] is None:
            return pages
        path = f"/api/v1/incidents?limit={limit}&{query}&cursor={quote(page['next'])}"


def test_a_list_is_paged_newest_occurrence_first_without_gap_or_repeat(desk: Desk) -> None:
    mark = f"翻页{uuid.uuid4().hex[:8]}"
    made = [desk.open("west", title=f"{mark}-{n}", occurred=text(ago(minutes=3 * n % 11))) for n in range(7)]

    pages = every_page(desk, 3, f"q={quote(mark)}")

    assert [len(page) for page in pages] == [3, 3, 1]
    items = [item for page in pages for item in page]
    assert {x["id"] for x in items} == {x["id"] for x in made}
    starts = [instant(x["occurred"]["earliest"]) for x in items]
    assert starts == sorted(starts, reverse=True)


def test_paging_stands_still_while_new_incidents_arrive(desk: Desk) -> None:
    mark = f"稳定{uuid.uuid4().hex[:8]}"
    made = {desk.open("west", title=f"{mark}-{n}", occurred=text(ago(minutes=n + 1)))["id"] for n in range(4)}

    first = desk.get("/api/v1/incidents", query={"q": mark, "limit": 2})
    desk.open("west", title=f"{mark}-new", occurred=text(ago(minutes=0)))
    second = desk.get("/api/v1/incidents", query={"q": mark, "limit": 9, "cursor": first["next"]})

    assert {x["id"] for x in first["items"] + second["items"]} == made


def test_lists_are_filtered(desk: Desk) -> None:
    mark = f"筛选{uuid.uuid4().hex[:8]}"
    late = desk.open("west", title=f"{mark} 迟报", occurred=text(ago(minutes=40)))["id"]
    desk.tell(late, "reports", covers=["initial"], form="phone")
    drill = desk.open("north", title=f"{mark} 演练", mode="exercise", occurred=text(ago(minutes=5)))["id"]
    closed = desk.open("west", title=f"{mark} 结束", occurred=text(ago(minutes=1)))["id"]
    desk.tell(closed, "closure", reason="完毕")

    def found(**query: str) -> set[str]:
        return {x["id"] for x in desk.get("/api/v1/incidents", query={"q": mark, **query})["items"]}

    assert found() == {late, drill, closed}
    assert found(state="closed") == {closed}
    assert found(state="open") == {late, drill}
    assert found(unit="north") == {drill}
    assert found(mode="exercise") == {drill}
    assert found(mode="actual") == {late, closed}
    assert found(verdict="late") == {late}
    assert found(since=text(ago(minutes=10))) == {drill, closed}
    assert found(until=text(ago(minutes=10))) == {late}


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=x", "cursor=nonsense", "state=lost", "since=yesterday", "verdict=maybe", "mode=play"],
)
def test_a_question_that_makes_no_sense_is_422(desk: Desk, query: str) -> None:
    desk.get(f"/api/v1/incidents?{query}", 422)


# --- the audit -----------------------------------------------------------------------------------


def test_the_audit_counts_each_clock_once(desk: Desk) -> None:
    day = "2024-02-10T10:00:00+08:00"
    late = desk.open("audit-a", occurred=day)["id"]
    five = {"cause": "a", "background": "b", "development": "c", "response": "d", "consequence": "e"}
    desk.tell(late, "reports", covers=["detailed"], form="written", elements=five)
    desk.tell(desk.open("audit-a", occurred=day)["id"], "closure", reason="没报过")
    desk.open("audit-a", occurred=day)
    desk.tell(desk.open("audit-a", occurred=day)["id"], "withdrawal", reason="误报")
    desk.open("audit-a", occurred=day, mode="exercise")

    def settled() -> Json:
        report = desk.get("/api/v1/audit", query={"month": "2024-02", "unit": "audit-a"})
        rows = {row["obligation"]: row for row in report["rows"] if row["unit"] == "audit-a"}
        assert rows["initial"]["overdue"] == 1
        assert rows["initial"]["missing"] == 1
        return report

    report = eventually(settled, within=5)
    rows = {row["obligation"]: row for row in report["rows"]}

    assert report["month"] == "2024-02"
    assert instant(report["as_of"]) <= now()
    late_by_s = {x["obligation"]: x["late_by_s"] for x in desk.incident(late)["clocks"]}
    for name, row in rows.items():
        figures = {
            key: row[key]
            for key in ("due", "on_time", "late", "missing", "overdue", "undetermined", "withdrawn")
        }
        expected = {
            "due": 3,
            "on_time": 0,
            "late": 1,
            "missing": 1,
            "overdue": 1,
            "undetermined": 0,
            "withdrawn": 1,
        }
        assert figures == expected, (name, figures)
        assert row["late_median_s"] == row["late_max_s"] == pytest.approx(late_by_s[name], abs=1)
    assert [rows[x]["incomplete"] for x in ("initial", "verified", "detailed")] == [0, 0, 1]


def test_only_as_of_varies_with_the_asking(desk: Desk) -> None:
    desk.open("audit-b", occurred="2023-05-10T10:00:00+08:00")
    eventually(
        lambda: desk.get("/api/v1/audit", query={"month": "2023-05", "unit": "audit-b"})["rows"][0][
            "overdue"
        ],
        within=5,
    )

    one, two = (desk.get("/api/v1/audit", query={"month": "2023-05", "unit": "audit-b"}) for _ in range(2))

    assert {**one, "as_of": ""} == {**two, "as_of": ""}


def test_an_incident_belongs_to_the_month_of_its_occurrence_in_the_schedules_zone(desk: Desk) -> None:
    desk.open("audit-b", occurred="2024-05-31T15:59:59Z")  # 23:59:59 in Shanghai
    desk.open("audit-b", occurred="2024-05-31T16:00:00Z")  # the first of June there
    desk.open("audit-b", occurred={"earliest": "2024-05-31T15:00:00Z", "latest": "2024-05-31T17:00:00Z"})

    def due(month: str) -> int:
        rows = desk.get("/api/v1/audit", query={"month": month, "unit": "audit-b"})["rows"]
        return sum(row["due"] for row in rows if row["obligation"] == "initial")

    assert (due("2024-05"), due("2024-06")) == (2, 1)


def test_the_audit_refuses_a_month_that_is_none(desk: Desk) -> None:
    desk.get("/api/v1/audit?month=2024-13", 422)


@pytest.mark.parametrize("form", ["json", "csv"])
def test_bulletins_answer_as_data(desk: Desk, form: str) -> None:
    answer = desk.client.get(f"/api/v1/bulletins/2024-02.{form}")

    assert answer.status_code == 200, answer.text
    assert form in answer.headers["Content-Type"]


@pytest.mark.parametrize("form", ["html", "docx", "xlsx", "pdf"])
def test_other_bulletins_answer_or_say_that_they_cannot_yet(desk: Desk, form: str) -> None:
    answer = desk.client.get(f"/api/v1/bulletins/2024-02.{form}")

    assert answer.status_code in (200, 501)
    if answer.status_code == 501:
        assert answer.headers["Content-Type"].startswith("application/problem+json")


def test_late_by_is_counted_from_the_deadline(desk: Desk) -> None:
    occurred = ago(minutes=30)
    seen = desk.open("east", occurred=text(occurred))

    clock = clock_of(desk.tell(seen["id"], "reports", covers=["initial"], form="phone"), "initial")

    late = instant(clock["met_at"]) - occurred - timedelta(minutes=20)
    assert clock["late_by_s"] == pytest.approx(late.total_seconds(), abs=1)
