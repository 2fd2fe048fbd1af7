"""The ecosystem's own tools read what we say about ourselves."""

from __future__ import annotations

import httpx
import pytest
from faststream.specification.asyncapi.v2_6_0.schema import ApplicationSchema as AsyncApi2
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema as AsyncApi3
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from .desk import Desk
from .district import District
from .ledgercheck import KINDS
from .moments import ago, eventually, text

OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0; charset=utf-8"}


def test_openapi_describes_every_call_of_the_contract(town: District) -> None:
    document = httpx.get(f"{town.service.http}/openapi.json").json()

    validator = pytest.importorskip(
        "openapi_spec_validator", reason="openapi-spec-validator is not installed"
    )
    validator.validate(document)
    paths = {(path, method) for path, item in document["paths"].items() for method in item}
    plain = {
        (path.replace("{incident}", "{id}").replace("{incident_id}", "{id}"), method)
        for path, method in paths
    }
    commands = [
        "reports",
        "amendments",
        "withdrawal",
        "closure",
        "reopening",
        "acknowledgements",
        "explanations",
        "findings",
    ]
    expected = {(f"/api/v1/incidents/{{id}}/{command}", "post") for command in commands}
    expected |= {
        ("/api/v1/incidents", "get"),
        ("/api/v1/incidents", "post"),
        ("/api/v1/incidents/{id}", "get"),
    }
    expected |= {
        ("/api/v1/incidents/{id}/ledger", "get"),
        ("/api/v1/rejected", "get"),
        ("/api/v1/audit", "get"),
    }
    assert expected <= plain, expected - plain


def test_asyncapi_names_every_subject_and_is_read_by_asyncapis_own_model(town: District) -> None:
    document = httpx.get(f"{town.service.http}/asyncapi.json").json()

    model = AsyncApi3 if document["asyncapi"].startswith("3") else AsyncApi2
    model.model_validate(document)
    said = str(document["channels"])
    for subject in ("reporter.in.incident", "reporter.in.report", "reporter.in.ack", "reporter.in.cap"):
        assert subject in said, subject
    assert "reporter.out" in said
    assert "reporter.heartbeat" in said


def test_metrics_are_openmetrics_with_a_histogram_of_breach_lateness(town: District, desk: Desk) -> None:
    town.publisher("east").open(occurred=text(ago(minutes=19, seconds=59)))

    def families() -> dict[str, str]:
        answer = desk.client.get("/metrics", headers=OPENMETRICS)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text"), answer.headers
        parsed = text_string_to_metric_families(answer.text)  # type: ignore[no-untyped-call]  # it has no types
        return {x.name: x.type for x in parsed}

    found = eventually(
        lambda: {name: kind for name, kind in families().items() if "breach" in name and kind == "histogram"},
        within=5,
    )
    assert all(name.startswith("reporter_") for name in found)
    assert desk.client.get("/metrics").text.endswith("# EOF\n")


def test_a_healthy_service_is_ready_and_says_so_to_anyone(town: District) -> None:
    alive = httpx.get(f"{town.service.http}/healthz")
    ready = httpx.get(f"{town.service.http}/readyz")

    assert alive.status_code == ready.status_code == 200
    assert ready.json()["status"] == "ok", ready.json()
    assert ready.json()["checks"]["database"] == {"ok": True}
    assert ready.json()["checks"]["nats"]["ok"] is True


def test_the_ready_line_names_where_everything_is(town: District) -> None:
    assert town.service.ready == {
        "ready": True,
        "http": town.service.http,
        "nats": town.service.nats,
        "database": "sqlite",
    }


def test_the_heartbeat_is_on_the_bus_and_in_no_stream(town: District) -> None:
    heard = town.nats.subscribe("reporter.heartbeat")

    assert heard.next(within=15).data
    heard.close()


def test_what_goes_out_is_named_by_kind_and_unit(town: District) -> None:
    heard = town.nats.subscribe("reporter.out.>")
    town.publisher("west").open(occurred=text(ago(minutes=1)))

    subject = heard.next(within=5).subject.split(".")
    assert subject[2] in KINDS | {"rejected", "sealed"}
    assert len(subject) == 4
    heard.close()
