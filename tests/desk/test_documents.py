"""What machines read: OpenAPI, AsyncAPI, health, metrics."""

import re
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from openapi_spec_validator import validate
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from reporter import metrics
from reporter.core.terms import CommandKind, FactKind
from tests.desk.conftest import Json, World

RECEIPTS = "/api/receipts/{channel}"
CALLS = {
    ("get", "/api/v1/incidents"),
    ("post", "/api/v1/incidents"),
    ("get", "/api/v1/incidents/{incident_id}"),
    ("get", "/api/v1/incidents/{incident_id}/ledger"),
    *(
        ("post", f"/api/v1/incidents/{{incident_id}}/{command}")
        for command in (
            "reports",
            "amendments",
            "withdrawal",
            "closure",
            "reopening",
            "acknowledgements",
            "explanations",
            "findings",
        )
    ),
    ("put", "/api/v1/incidents/{incident_id}/restriction"),
    ("get", "/api/v1/desk-log"),
    ("get", "/api/v1/rejected"),
    ("get", "/api/v1/audit"),
    ("post", "/api/v1/channels/test"),
    ("post", RECEIPTS),
    ("get", "/api/v1/bulletins/{month}.{extension}"),
    ("get", "/api/v1/units"),
    *(
        ("get", f"/api/v1/rosters/{what}")
        for what in ("on-duty", "gaps", "grid", "changes", "feeds", "{unit}.ics")
    ),
    ("post", "/api/v1/rosters/changes"),
    ("post", "/api/v1/rosters/changes/{change}/cancellation"),
    ("post", "/api/v1/rosters/feeds"),
    ("post", "/api/v1/rosters/feeds/{feed}/revocation"),
    ("get", "/api/v1/roll-calls"),
    ("post", "/api/v1/roll-calls"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
    ("get", "/asyncapi.json"),
}


async def document(world: World, path: str) -> Json:
    """A document that needs no token."""
    answer = await (await world.browser()).get(path)
    assert answer.status_code == 200
    return dict(answer.json())


def resolved(root: Json, pointer: str) -> Any:
    """What a local reference points to."""
    found: Any = root
    for part in pointer.removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def references(value: object) -> list[str]:
    """Every `$ref` in a document."""
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [each for member in value.values() for each in references(member)]
    if isinstance(value, list):
        return [each for member in value for each in references(member)]
    return []


async def test_openapi_is_valid_and_names_every_call(world: World) -> None:
    openapi = await document(world, "/openapi.json")

    validate(openapi)

    operations = {(method, path) for path, methods in openapi["paths"].items() for method in methods}
    assert operations == CALLS
    reports = openapi["paths"][RECEIPTS]["post"]
    assert reports["security"] == []  # a signature proves it, no token
    assert "requestBody" in reports
    for method, path in CALLS - {("post", RECEIPTS)}:
        operation = openapi["paths"][path][method]
        if path.startswith("/api/"):
            assert operation["security"] == [{"bearer": []}]
            problems = {status for status in operation["responses"] if int(status) >= 400}
            assert {"401", "403", "422", "429", "503"} <= problems
            for status in problems:
                assert list(operation["responses"][status]["content"]) == ["application/problem+json"]
        if method == "post":
            assert "requestBody" in operation
            assert any(each["name"] == "Idempotency-Key" for each in operation["parameters"])


async def test_answers_are_as_openapi_says(world: World) -> None:
    openapi = await document(world, "/openapi.json")
    incident = await world.open(place={"text": "库"}, casualties={"dead": 1}, grade="II", category="accident")
    await world.pass_time(16)
    await world.post(
        incident, "reports", covers=["initial"], author="王五", elements={"cause": {"pending": "核实"}}
    )
    client = await world.client("admin")
    cases = {
        f"/api/v1/incidents/{incident['id']}": "Incident",
        "/api/v1/incidents": "Incidents",
        f"/api/v1/incidents/{incident['id']}/ledger": "Ledger",
        "/api/v1/rejected": "Rejected",
        "/api/v1/audit?month=2026-11": "Audit",
        "/api/v1/desk-log": "DeskLog",
        "/nowhere": "Problem",
        "/readyz": "Health",
    }

    for path, name in cases.items():
        schema = {"$ref": f"#/components/schemas/{name}", "components": openapi["components"]}
        jsonschema.validate((await client.get(path)).json(), schema, jsonschema.Draft202012Validator)


async def test_asyncapi_names_every_subject_and_all_it_refers_to(world: World) -> None:
    asyncapi = await document(world, "/asyncapi.json")

    assert asyncapi["asyncapi"] == "3.0.0"
    addresses = {channel["address"] for channel in asyncapi["channels"].values()}
    assert addresses == {
        None,
        "reporter.heartbeat",
        *(f"reporter.in.{door}.{{unit}}" for door in ("incident", "report", "ack", "cap")),
        *(f"reporter.out.{kind}.{{unit}}" for kind in [*FactKind, "rejected", "sealed"]),
    }
    for reference in references(asyncapi):
        resolved(asyncapi, reference)
    for channel in asyncapi["channels"].values():
        assert set(re.findall(r"{(\w+)}", channel["address"] or "")) == set(channel.get("parameters", {}))
    for operation in asyncapi["operations"].values():
        assert operation["action"] in ("send", "receive")
        messages = resolved(asyncapi, operation["channel"]["$ref"])["messages"]
        assert {each["$ref"].rpartition("/")[2] for each in operation["messages"]} <= set(messages)
    ApplicationSchema.model_validate(asyncapi)
    for schema in asyncapi["components"]["schemas"].values():
        jsonschema.Draft7Validator.check_schema(schema)


async def test_asyncapi_describes_every_command_of_the_bus(world: World) -> None:
    asyncapi = await document(world, "/asyncapi.json")
    messages = asyncapi["components"]["messages"]
    types = {message["name"] for message in messages.values()}

    over_http_only = {CommandKind.EXPLAINED, CommandKind.FOUND}
    assert {kind.value for kind in CommandKind} - over_http_only <= types
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "s",
        "type": "reporter.incident.occurred",
        "data": {"title": "爆燃"},
    }
    schema = {**messages["Occurred"]["payload"], "components": asyncapi["components"]}
    jsonschema.validate(event, schema, jsonschema.Draft7Validator)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**event, "data": {"title": ""}}, schema, jsonschema.Draft7Validator)


async def test_ready_tells_degraded_from_unusable(world: World) -> None:
    browser = await world.browser()

    assert (await browser.get("/readyz")).json()["status"] == "ok"
    world.checks["nats"] = {"ok": False, "since": "2026-11-23T06:00:00.000000Z"}
    degraded = await browser.get("/readyz")
    world.checks["database"] = {"ok": False}
    unusable = await browser.get("/readyz")
    alive = await browser.get("/healthz")

    assert (degraded.status_code, degraded.json()) == (
        200,
        {
            "status": "degraded",
            "now": "2026-11-23T06:05:00.000000Z",
            "checks": {
                "database": {"ok": True},
                "nats": {"ok": False, "since": "2026-11-23T06:00:00.000000Z"},
            },
        },
    )
    assert (unusable.status_code, unusable.json()["status"]) == (503, "unavailable")
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})


async def test_metrics_are_openmetrics(world: World) -> None:
    browser = await world.browser()
    await browser.get("/healthz")
    metrics.BREACH_LATENESS.observe(0.02)

    answer = await browser.get("/metrics")

    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    parsed = text_string_to_metric_families(answer.text)  # type: ignore[no-untyped-call]
    families = {family.name: family for family in parsed}
    assert families["reporter_breach_lateness_seconds"].type == "histogram"
    assert {"reporter_outbox_rows", "reporter_intake_messages", "reporter_commands"} <= set(families)
    routes = {
        sample.labels["route"]
        for sample in families["reporter_http_requests"].samples
        if "route" in sample.labels
    }
    assert "/healthz" in routes
