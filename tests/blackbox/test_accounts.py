"""Who may see and do what: bearer tokens, roles, scopes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .desk import Desk
from .district import District
from .moments import ago, eventually, text


@pytest.fixture(scope="module")
def accounts(town: District) -> Iterator[dict[str, Desk]]:
    """One account of each kind."""
    made = {
        "auditor": town.account("auditor", "hitech"),
        "duty": town.account("duty", "hitech"),
        "leader": town.account("leader", "hitech"),
        "unit": town.account("unit", "east"),
    }
    yield made
    for account in made.values():
        account.close()


@pytest.mark.parametrize("token", ["", "nonsense"])
@pytest.mark.parametrize("path", ["/api/v1/incidents", "/api/v1/audit?month=2024-02", "/api/v1/rejected"])
def test_without_a_token_nothing_is_told(town: District, token: str, path: str) -> None:
    stranger = Desk(town.service.http, token)

    stranger.get(path, 401)
    stranger.post("/api/v1/incidents", {"unit": "east", "title": "x"}, 401)

    assert stranger.client.get(path).headers["WWW-Authenticate"].startswith("Bearer")
    stranger.close()


@pytest.mark.parametrize("role", ["auditor", "duty", "leader", "unit"])
def test_every_role_reads_incidents_of_its_scope(desk: Desk, accounts: dict[str, Desk], role: str) -> None:
    incident = desk.open("east")["id"]

    assert accounts[role].incident(incident)["id"] == incident
    accounts[role].ledger(incident)


def test_an_auditor_changes_nothing(desk: Desk, accounts: dict[str, Desk]) -> None:
    incident = desk.open("east")["id"]
    auditor = accounts["auditor"]

    auditor.open("east", 403)
    auditor.tell(incident, "reports", 403, form="phone")
    auditor.tell(incident, "closure", 403, reason="x")
    auditor.get("/api/v1/audit?month=2024-02")

    assert desk.incident(incident)["version"] == len(auditor.ledger(incident))


def test_duty_officers_log_and_correct(accounts: dict[str, Desk]) -> None:
    duty = accounts["duty"]

    incident = duty.open("west", occurred=text(ago(minutes=2)))["id"]
    duty.tell(incident, "reports", covers=["initial"], form="phone")

    assert duty.tell(incident, "amendments", grade="II", reason="核实")["grade"] == "II"


def test_a_unit_acts_within_its_subtree_and_sees_nothing_else(desk: Desk, accounts: dict[str, Desk]) -> None:
    unit = accounts["unit"]
    elsewhere = desk.open("west", title="范围外的事")["id"]

    own = unit.open("east", occurred=text(ago(minutes=1)))["id"]
    below = unit.open("east-park", occurred=text(ago(minutes=1)))["id"]
    unit.tell(own, "reports", covers=["initial"], form="phone")
    unit.open("west", 403)

    listed = {x["unit"] for x in unit.get("/api/v1/incidents", query={"limit": 200})["items"]}
    assert listed == {"east", "east-park"}
    assert unit.incident(below)["unit"] == "east-park"
    for path in ("", "/ledger"):
        assert unit.client.get(f"/api/v1/incidents/{elsewhere}{path}").status_code in (403, 404)
    for command in ("reports", "closure", "amendments"):
        answer = unit.client.post(
            f"/api/v1/incidents/{elsewhere}/{command}", json={"form": "phone", "reason": "x"}
        )
        assert answer.status_code in (403, 404)
    assert unit.client.get("/api/v1/incidents?q=范围外的事").json()["items"] == []


def test_a_name_created_again_revokes_the_old_token(town: District) -> None:
    old = Desk(town.service.http, town.service.token("twice", "duty"))
    old.get("/api/v1/incidents")

    new = Desk(town.service.http, town.service.token("twice", "duty"))

    eventually(lambda: old.client.get("/api/v1/incidents").status_code == 401, within=10)
    new.get("/api/v1/incidents")
    old.close()
    new.close()


@pytest.mark.parametrize("arguments", [("--role", "emperor"), ("--role", "unit", "--unit", "nowhere"), ()])
def test_an_account_of_no_role_or_no_unit_is_not_made(town: District, arguments: tuple[str, ...]) -> None:
    done = town.service.verb("token", "create", "oops", *arguments, expect=None)

    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert done.stderr
