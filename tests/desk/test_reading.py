"""Reading over HTTP: the list, the ledger, what was rejected; on SQLite and on PostgreSQL."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import insert

from reporter.store.database import Database, open_database
from reporter.store.models import SetAside
from tests.desk.boards import counted
from tests.desk.conftest import START, Json, World, make_world
from tests.desk.test_auth import problem


@pytest.fixture(params=["sqlite", "postgresql"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """The district on each database."""
    if request.param == "sqlite":
        database = open_database(None, tmp_path)
    else:
        database = Database(request.getfixturevalue("postgres"))
    async with AsyncExitStack() as exits:
        yield await make_world(database, exits)
    await database.close()


async def listed(world: World, **filters: object) -> list[str]:
    """The titles that a filter finds."""
    answer = await (await world.client()).get("/api/v1/incidents", params=filters)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return [each["title"] for each in answer.json()["items"]]


async def test_the_list_is_newest_occurrence_first_and_filtered(world: World) -> None:
    first = await world.open("yi", title="甲", occurred="2026-11-23T13:00:00+08:00")
    second = await world.open("jia", title="乙", occurred="2026-11-23T14:00:00+08:00", mode="exercise")
    await world.open("yi-town", title="丙", occurred="2026-11-23T13:30:00+08:00")
    await world.post(second, "closure", reason="处置完毕")
    await world.pass_time(0)
    await world.post(first, "reports", covers=["initial"])

    assert await listed(world) == ["乙", "丙", "甲"]
    assert await listed(world, unit="yi") == ["丙", "甲"]
    assert await listed(world, unit="root") == ["乙", "丙", "甲"]
    assert await listed(world, state="closed") == ["乙"]
    assert await listed(world, mode="actual") == ["丙", "甲"]
    assert await listed(world, since="2026-11-23T13:30:00+08:00") == ["乙", "丙"]
    assert await listed(world, until="2026-11-23T13:30:00+08:00") == ["甲"]
    assert await listed(world, verdict="late") == ["甲"]
    assert await listed(world, verdict="overdue") == ["丙", "甲"]
    assert await listed(world, verdict="on_time") == []
    assert await listed(world, state="") == ["乙", "丙", "甲"]


async def test_an_unescaped_plus_in_an_instant_is_forgiven(world: World) -> None:
    await world.open(title="甲")
    client = await world.client()

    answer = await client.get("/api/v1/incidents?since=2026-11-23T14:00:00+08:00")

    assert [each["title"] for each in answer.json()["items"]] == ["甲"]


async def test_text_is_sought_in_title_and_place_without_wildcards(world: World) -> None:
    await world.open(title="Fire at 100% load", place={"text": "3号库"})
    await world.open(title="爆燃", place={"text": "乙县_Depot"})
    code = (await world.open(title="无地点"))["code"]

    assert await listed(world, q="FIRE") == ["Fire at 100% load"]
    assert await listed(world, q="100%") == ["Fire at 100% load"]
    assert await listed(world, q="_depot") == ["爆燃"]
    assert await listed(world, q="号库") == ["Fire at 100% load"]
    assert await listed(world, q="%") == ["Fire at 100% load"]
    assert await listed(world, q="place") == []
    assert await listed(world, q=code.lower()) == ["无地点"]


async def test_pages_join_without_a_gap(world: World) -> None:
    titles = [f"{number}" for number in range(7)]
    for title in titles:
        await world.open(title=title)  # all occurred at one instant: the id decides
    client = await world.client()

    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = (await client.get("/api/v1/incidents", params={"limit": 3, "cursor": cursor})).json()
        seen += [each["title"] for each in answer["items"]]
        cursor = answer["next"]
        await world.open(title="later", occurred="2026-11-23T14:04:00+08:00")

    assert sorted(seen) == titles


@pytest.mark.parametrize(
    "query",
    [
        "state=gone",
        "mode=real",
        "verdict=bad",
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=!!",
        "cursor=" + base64.urlsafe_b64encode(b"99999999999999999999:x").decode(),
        "since=yesterday",
        "until=2026-11-23T14:00:00",
        "untill=2026-11-23T14:00:00Z",
        "state=open&state=closed",
        "q=" + "x" * 201,
        "unit=nowhere",
    ],
)
async def test_a_bad_parameter_is_named(world: World, query: str) -> None:
    answer = await (await world.client()).get(f"/api/v1/incidents?{query}")

    assert (answer.status_code, problem(answer)) == (422, "invalid")
    assert answer.json()["errors"][0]["path"] == query.partition("=")[0]


async def test_a_page_costs_the_same_statements_however_long(world: World) -> None:
    client = await world.client()
    for number in range(6):
        await world.post(await world.open(title=str(number)), "reports", covers=["initial"])
    await client.get("/api/v1/incidents")

    with counted(world.database) as short:
        await client.get("/api/v1/incidents?limit=1")
    with counted(world.database) as long:
        await client.get("/api/v1/incidents?limit=200")

    assert len(short) == len(long) <= 5


async def test_the_ledger_is_the_text_that_was_hashed(world: World) -> None:
    incident = await world.open(place={"lat": 34.80, "text": "库"}, odd=1e-7)
    await world.post(incident, "closure", reason="完毕")

    answer = (await (await world.client()).get(f"/api/v1/incidents/{incident['id']}/ledger")).json()

    assert answer["next"] is None
    previous = "0" * 64
    for version, line in enumerate(answer["items"], 1):
        digest = line.pop("hash")
        assert (line["version"], line["prev"]) == (version, previous)
        if "odd" not in json.dumps(line):
            text = json.dumps(line, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
            assert hashlib.sha256(text.encode()).hexdigest() == digest
        previous = digest
    assert [line["kind"] for line in answer["items"]] == ["opened", "closed"]


async def test_the_reports_of_a_joined_incident_come_and_go_with_it(world: World) -> None:
    joined, survivor = await world.open(title="重复"), await world.open(title="本事件")
    await world.post(joined, "reports", covers=["initial"], author="王五")
    world.time.advance(timedelta(seconds=1))
    await world.post(joined, "withdrawal", reason="重复", duplicate_of=survivor["id"])
    client = await world.client()

    with_it = (await client.get(f"/api/v1/incidents/{survivor['id']}")).json()
    world.time.advance(timedelta(seconds=1))
    await world.post(joined, "reopening", reason="并非重复")
    without_it = (await client.get(f"/api/v1/incidents/{survivor['id']}")).json()

    assert [(each["author"], each["joined_from"]) for each in with_it["reports"]] == [("王五", joined["id"])]
    assert without_it["reports"] == []


async def test_what_was_set_aside_is_listed_with_its_bytes(world: World) -> None:
    bodies = [b"\x00\xff" * 10, b"x" * 10_000, b"done"]
    rows = [
        {
            "state": state,
            "subject": "reporter.in.incident.yi",
            "headers": b"NATS/1.0\r\n\r\n",
            "body": body,
            "stream_seq": number,
            "received_at": START,
            "recorded_at": START + timedelta(seconds=1),
            "errors": [{"path": "", "message": "not JSON"}],
        }
        for number, (state, body) in enumerate(zip(("rejected", "held", "accepted"), bodies, strict=True), 1)
    ]
    async with world.database.transaction() as connection:
        await connection.execute(insert(SetAside), rows)
    client = await world.client()

    answer = (await client.get("/api/v1/rejected")).json()
    first = (await client.get("/api/v1/rejected?limit=1")).json()
    second = (await client.get(f"/api/v1/rejected?limit=1&cursor={quote(first['next'])}")).json()

    held, rejected = answer["items"]
    assert (held["state"], rejected["state"]) == ("held", "rejected")
    assert base64.b64decode(held["body_base64"]) == b"x" * 4096
    assert (held["size"], held["sha256"]) == (10_000, hashlib.sha256(bodies[1]).hexdigest())
    assert base64.b64decode(rejected["body_base64"]) == bodies[0]
    assert base64.b64decode(rejected["headers_base64"]).startswith(b"NATS/1.0")
    assert (first["items"], second["items"], second["next"]) == ([held], [rejected], None)


async def test_the_audit_counts_what_the_clocks_say(world: World) -> None:
    on_time, late, missing, withdrawn, drill, overdue = [
        await world.open("yi", title=title, mode="exercise" if title == "演练" else "actual")
        for title in ("按时", "迟报", "未报", "撤回", "演练", "=超时")
    ]
    for incident in (on_time, drill):
        await world.post(incident, "reports", covers=["verified"])
    await world.post(withdrawn, "withdrawal", reason="误报")
    await world.pass_time(16)
    await world.post(late, "reports", covers=["initial"])
    await world.post(missing, "closure", reason="完毕")
    await world.pass_time(0)

    answer = await (await world.client()).get("/api/v1/audit?month=2026-11&unit=yi")

    audit: Json = answer.json()
    rows = {(row["unit"], row["obligation"]): row for row in audit["rows"]}
    assert audit["as_of"] == "2026-11-23T06:21:00.000000Z"
    assert rows["yi", "initial"] == {
        "unit": "yi",
        "obligation": "initial",
        "due": 4,
        "on_time": 1,
        "late": 1,
        "missing": 1,
        "overdue": 1,
        "undetermined": 0,
        "incomplete": 0,
        "withdrawn": 1,
        "late_median_s": 60,
        "late_max_s": 60,
    }
    assert rows["yi", "verified"]["due"] == 0
    kinds = {case["title"]: (case["kinds"], case["late_by_s"]) for case in audit["cases"]}
    assert kinds == {"迟报": (["late"], 60), "未报": (["missing"], None), "=超时": (["overdue"], None)}
    assert overdue["id"] in {case["incident"] for case in audit["cases"]}


async def test_an_incomplete_report_is_counted_apart(world: World) -> None:
    incident = await world.open()
    await world.post(incident, "reports", covers=["detailed"], elements={"cause": "不明"})
    await world.pass_time(120)

    audit = (await (await world.client()).get("/api/v1/audit?month=2026-11")).json()

    detailed = next(row for row in audit["rows"] if row["obligation"] == "detailed")
    assert (detailed["on_time"], detailed["incomplete"]) == (1, 1)
    (case,) = audit["cases"]
    assert (case["kinds"], case["verdict"]) == (["incomplete"], "on_time")
    assert "opinion" in case["undeclared"]


async def test_an_audit_is_of_a_month_and_of_what_one_may_see(world: World) -> None:
    await world.open("jia")
    await world.pass_time(60)
    insider, outsider = await world.client("auditor", "jia"), await world.client("auditor", "yi")

    own = (await insider.get("/api/v1/audit?month=2026-11")).json()
    others = (await outsider.get("/api/v1/audit?month=2026-11")).json()
    before = (await insider.get("/api/v1/audit?month=2026-10")).json()

    assert {row["unit"] for row in own["rows"]} == {"jia"}
    assert others["rows"] == before["rows"] == []
    for wrong in ("", "month=2026-13", "month=2026-1", "month=2026-11&year=1"):
        assert (await insider.get(f"/api/v1/audit?{wrong}")).status_code == 422


async def test_the_bulletin_is_json_or_csv_for_now(world: World) -> None:
    incident = await world.open(title="=HYPERLINK(1)")
    await world.pass_time(16)
    client = await world.client()
    path = "/api/v1/bulletins/2026-11"

    document = (await client.get(f"{path}.json")).json()
    rows = await client.get(f"{path}.csv")
    cases = (await client.get(f"{path}.csv?table=cases&lang=en")).content.decode("utf-8-sig").splitlines()

    assert document["title"] == "2026年11月突发事件直报情况通报"
    assert document["rows"][0]["unit_name"] == "乙县"
    assert rows.content.startswith(b"\xef\xbb\xbf")
    assert rows.headers["content-type"] == "text/csv; charset=utf-8"
    assert rows.content.decode("utf-8-sig").splitlines()[1].startswith("yi,乙县,initial,1,0,0,0,1,")
    assert cases[0].startswith("Incident,Code,Title")
    assert cases[1].startswith(f"{incident['id']},{incident['code']},'=HYPERLINK(1),yi,initial,Overdue,")
    later = [await client.get(f"{path}.{each}") for each in ("html", "docx", "xlsx", "pdf")]
    assert {(answer.status_code, problem(answer)) for answer in later} == {(501, "not_implemented")}
    assert (await client.get(f"{path}.exe")).status_code == 404
    assert (await client.get("/api/v1/bulletins/2026-13.csv")).status_code == 404
