"""Files handed in with reports: kept by their sum, handed out as downloads, to those who see the incident."""

from hashlib import sha256
from io import BytesIO

import httpx
import pytest
from sqlalchemy import text

from reporter.desk.handedin import clean_name
from reporter.store.filebox import FileBox, TooLarge
from tests.desk.conftest import FILE_BYTES_MAX, Json, World
from tests.desk.test_pages import Page, signed_in

PDF = b"%PDF-1.7 " + b"x" * 300
DIGEST = sha256(PDF).hexdigest()


async def hand_in(
    browser: httpx.AsyncClient,
    incident: Json,
    name: str = "现场 图.pdf",
    content: bytes = PDF,
    key: str = "k",
) -> httpx.Response:
    fields = {"key": key, "of": "initial", "form": "written", "text": "见附件"}
    return await browser.post(
        f"/incidents/{incident['id']}/reports", data=fields, files={"files": (name, content, "text/html")}
    )


async def test_a_file_is_named_in_the_report_and_comes_back_as_a_download(world: World) -> None:
    incident = await world.open()
    browser = await signed_in(world)

    answer = await hand_in(browser, incident)
    again = await hand_in(browser, incident)

    assert (answer.status_code, again.status_code) == (303, 303)
    ledger = (await (await world.client()).get(f"/api/v1/incidents/{incident['id']}/ledger")).json()["items"]
    (report,) = [line["body"]["data"] for line in ledger if line["kind"] == "reported"]
    assert report["attachments"] == [
        {"name": "现场 图.pdf", "sha256": DIGEST, "object": f"attachments/{DIGEST}"}
    ]
    page = (await browser.get(f"/incidents/{incident['id']}")).text
    assert f'href="/incidents/{incident["id"]}/attachments/{DIGEST}"' in page
    got = await browser.get(f"/incidents/{incident['id']}/attachments/{DIGEST}")
    assert got.content == PDF
    assert got.headers["content-type"] == "application/pdf"
    assert got.headers["content-disposition"].startswith("attachment; ")
    assert "filename*=UTF-8''%E7%8E%B0%E5%9C%BA%20%E5%9B%BE.pdf" in got.headers["content-disposition"]
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-security-policy"].startswith("default-src 'none'")


async def test_only_those_who_see_the_incident_get_its_files(world: World) -> None:
    incident, other = await world.open(), await world.open("jia", title="另一起")
    browser = await signed_in(world)
    await hand_in(browser, incident)

    foreign = await signed_in(world, "unit", "jia")

    assert (await foreign.get(f"/incidents/{incident['id']}/attachments/{DIGEST}")).status_code == 404
    assert (await browser.get(f"/incidents/{other['id']}/attachments/{DIGEST}")).status_code == 404
    assert (await browser.get(f"/incidents/{incident['id']}/attachments/..%2f..%2fx")).status_code == 404


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("x.html", b"<script>", "不收此类文件"),
        ("x.pdf", b"MZ program", "内容与扩展名不符"),
        ("x.pdf", b"", "空文件"),
        ("x.pdf", b"%PDF-" + b"x" * FILE_BYTES_MAX, "超过 64 KiB"),
        ("pdf", PDF, "不收此类文件"),
    ],
)
async def test_what_is_not_taken_is_said_and_the_text_is_kept(
    world: World, name: str, content: bytes, why: str
) -> None:
    incident = await world.open()
    browser = await signed_in(world)

    answer = await hand_in(browser, incident, name, content)

    assert answer.status_code == 422
    Page(answer.text)
    assert why in answer.text
    assert "见附件</textarea>" in answer.text
    found = (await (await world.client()).get(f"/api/v1/incidents/{incident['id']}")).json()
    assert found["reports"] == []
    async with world.database.snapshot() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM attachments"))).scalar_one() == 0


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("C:\\秘密\\图.pdf", "图.pdf"),
        ("../../etc/passwd.txt", "passwd.txt"),
        ("gpj.\u202etxt", "gpj.txt"),
        ('a"b<c>.pdf', "abc.pdf"),
        ("x" * 300 + ".pdf", "x" * 120 + ".pdf"),
        ("", "file"),
    ],
)
def test_names_are_cleaned(name: str, cleaned: str) -> None:
    assert clean_name(name) == cleaned


async def test_the_box_keeps_whole_files_or_nothing(world: World) -> None:
    box = world.services.files
    assert isinstance(box, FileBox)

    with pytest.raises(TooLarge):
        await box.keep(BytesIO(b"x" * (FILE_BYTES_MAX + 1)))
    kept = await box.keep(BytesIO(PDF))

    assert [path.name for path in box.folder.rglob("*") if path.is_file()] == [kept.sha256]
    path = box.find(kept.sha256)
    assert path is not None
    assert b"".join([chunk async for chunk in box.read(path)]) == PDF
    assert box.find("../" + "0" * 61) is None
