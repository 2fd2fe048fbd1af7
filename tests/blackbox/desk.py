"""The HTTP face as a client with one bearer token sees it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from urllib.parse import quote

import httpx

from .ledgercheck import check_chain
from .moments import Json, eventually


class Desk:
    """One account at one running service."""

    def __init__(self, url: str, token: str = "") -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.client = httpx.Client(base_url=url, headers=headers, timeout=10)

    def close(self) -> None:
        self.client.close()

    def get(self, path: str, /, expect: int = 200, query: Mapping[str, str | int] | None = None) -> Json:
        """GET as JSON; asserts the status, and problem+json for anything from 400 up.

        A query is given here or written into the path, not both.
        """
        answer = self.client.get(path, params=query)
        return read(answer, expect)

    def post(self, path: str, body: object, expect: int = 200, key: str | None = None) -> Json:
        """POST as JSON with an Idempotency-Key (a fresh one unless given)."""
        answer = self.client.post(path, json=body, headers={"Idempotency-Key": key or uuid.uuid4().hex})
        return read(answer, expect)

    def open(self, unit: str, expect: int = 201, key: str | None = None, **data: object) -> Json:
        """Logs an incident; a title nobody else uses is made up unless given."""
        known: dict[str, object] = {"title": f"台账 {uuid.uuid4().hex[:8]}", "category": "accident"}
        body = {name: value for name, value in {**known, **data, "unit": unit}.items() if value is not None}
        return self.post("/api/v1/incidents", body, expect, key)

    def tell(
        self, incident: str, command: str, expect: int = 200, key: str | None = None, **data: object
    ) -> Json:
        """One command for an incident: `reports`, `amendments`, `withdrawal` …"""
        return self.post(f"/api/v1/incidents/{incident}/{command}", data, expect, key)

    def incident(self, incident: str) -> Json:
        return self.get(f"/api/v1/incidents/{incident}")

    def appears(self, incident: str, within: float = 5.0) -> Json:
        """The incident, once it is there."""
        path = f"/api/v1/incidents/{incident}"

        def seen() -> Json:
            answer = self.client.get(path)
            return answer.json() if answer.status_code == 200 else None

        return eventually(seen, within=within, why=f"{path} answers 200")

    def ledger(self, incident: str) -> list[Json]:
        """The incident's ledger, checked line by line with our own checker."""
        lines: list[Json] = self.get(f"/api/v1/incidents/{incident}/ledger")["items"]
        check_chain(lines, incident)
        return lines

    def clock(self, incident: str, obligation: str) -> Json:
        return clock_of(self.incident(incident), obligation)

    def verdict(self, incident: str, obligation: str) -> str | None:
        verdict: str | None = self.clock(incident, obligation)["verdict"]
        return verdict

    def rejected(self, subject: str) -> list[Json]:
        """The rejected and held messages of one subject."""
        items: list[Json] = []
        path: str | None = "/api/v1/rejected"
        while path:
            page = self.get(path)
            items += [x for x in page["items"] if x["subject"] == subject]
            path = f"/api/v1/rejected?cursor={quote(page['next'])}" if page.get("next") else None
        return items


def clock_of(incident: Json, obligation: str) -> Json:
    """One clock of an incident document. AssertionError if it has no such clock."""
    found = [clock for clock in incident["clocks"] if clock["obligation"] == obligation]
    assert len(found) == 1, f"{obligation}: {incident['clocks']}"
    return found[0]


def read(answer: httpx.Response, expect: int) -> Json:
    """The JSON of an answer of the expected status; errors must be problem+json."""
    assert answer.status_code == expect, (
        f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text:.1500}"
    )
    kind = answer.headers["Content-Type"].split(";")[0]
    assert kind == ("application/problem+json" if expect >= 400 else "application/json"), kind
    return answer.json()
