"""People with a browser: the first administrator by the link, signing in, what a role may do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import httpx
import pytest

from .desk import Desk
from .district import District, Founder
from .moments import ago, eventually, text

FORM = {"Sec-Fetch-Site": "same-origin"}
PASSWORD = "窗前明月光疑是地上霜"


Browse = Callable[[District], httpx.Client]


@pytest.fixture
def browse() -> Iterator[Browse]:
    """Opens browsers, and closes them."""
    opened: list[httpx.Client] = []

    def browser(town: District) -> httpx.Client:
        opened.append(httpx.Client(base_url=town.service.http, timeout=10))
        return opened[-1]

    yield browser
    for each in opened:
        each.close()


def sign_in(visitor: httpx.Client, login: str, password: str) -> httpx.Response:
    return visitor.post("/sign-in", data={"login": login, "password": password}, headers=FORM)


def test_the_first_administrator_is_made_by_the_link_that_serve_prints(
    own_district: Founder, browse: Browse
) -> None:
    town = own_district("first")
    town.service.start()
    printed = re.search(r"http://\S+/setup\?key=\S+", town.service.errors.read_text())
    assert printed, town.service.last_words()
    visitor = browse(town)

    form = visitor.get(printed[0])
    key = printed[0].partition("key=")[2]
    sent = {"key": key, "login": "管理员", "password": PASSWORD, "again": PASSWORD}
    made = visitor.post("/setup", data=sent, headers=FORM)
    again = browse(town).post("/setup", data=sent, headers=FORM)

    assert (form.status_code, made.status_code, again.status_code) == (200, 303, 404)
    assert visitor.get("/accounts").status_code == 200
    before = town.service.errors.read_text().count("/setup?key=")
    town.service.stop()
    town.service.start()
    assert town.service.errors.read_text().count("/setup?key=") == before == 1


def test_a_person_signs_in_acts_and_is_shut_out(town: District, browse: Browse) -> None:
    password = town.service.verb(
        "account", "create", "李东", "--role", "unit", "--unit", "east"
    ).stdout.strip()
    visitor = browse(town)

    assert sign_in(visitor, "李东", "不是这个口令呀不是").status_code == 401
    assert sign_in(visitor, "李东", password).status_code == 303
    assert visitor.get("/").headers["location"].startswith("/account")
    new = {"current": password, "password": PASSWORD, "again": PASSWORD}
    assert visitor.post("/account/password", data=new, headers=FORM).status_code == 303
    sent = {"title": "街面积水", "unit": "east", "occurred": text(ago(minutes=1))}
    assert visitor.post("/api/v1/incidents", json=sent, headers=FORM).status_code == 201
    assert visitor.post("/api/v1/incidents", json={**sent, "unit": "west"}, headers=FORM).status_code == 403
    forged = visitor.post("/api/v1/incidents", json=sent, headers={"Sec-Fetch-Site": "cross-site"})
    assert forged.status_code == 403
    assert visitor.get("/accounts").status_code == 403

    town.service.verb("account", "disable", "李东")

    eventually(lambda: visitor.get("/api/v1/incidents").status_code == 401, within=10)
    assert sign_in(browse(town), "李东", PASSWORD).status_code == 401


def test_a_restricted_incident_is_hidden_and_who_saw_it_is_known(town: District, desk: Desk) -> None:
    incident = desk.open("east-park", title="涉敏线索")["id"]
    above, auditor = town.account("unit", "east"), town.account("auditor", "hitech")
    path = f"/api/v1/incidents/{incident}"
    assert above.client.get(path).status_code == 200

    done = desk.client.put(f"{path}/restriction", json={"restricted": True, "reason": "涉及举报人"})

    assert done.json() == {"incident": incident, "restricted": True}
    assert above.client.get(path).status_code == 404
    auditor.incident(incident)
    lines = auditor.get("/api/v1/desk-log", query={"about": incident})["items"]
    assert [line["what"] for line in lines] == ["incident.viewed", "incident.restricted"]
    above.get("/api/v1/desk-log", 403)
    for account in (above, auditor):
        account.close()
