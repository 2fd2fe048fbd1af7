"""The OpenAPI document: each route says its own part with these helpers, `install` adds what they share."""

from typing import Any  # documents of JSON have no narrower type

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from reporter import __version__
from reporter.desk.problems import MEDIA_TYPE
from reporter.desk.rosterschemas import ROSTER_SCHEMAS
from reporter.desk.schemas import SCHEMAS, Schema, ref

_BEARER = "bearer"
_PROBLEMS = {
    401: "No token, or a wrong or revoked one.",
    403: "The caller may not do this, or not there.",
    404: "There is no such thing, or it is not the caller's to see.",
    408: "The body did not come in time.",
    409: "The command does not fit the incident as it stands.",
    413: "The body is larger than 256 KiB.",
    422: "The request cannot be used: `errors` names every path; `code` may be `identity_reused`.",
    429: "Too many wrong tokens from this address.",
    501: "Not available in this format yet.",
    503: "The database cannot be used at the moment.",
}
_CALLED = (401, 403, 422, 429, 503)


def answers(
    schema: str, *problems: int, also: dict[int, str] | None = None, media: str = "application/json"
) -> Any:
    """The `responses` of a route that needs a token: 200 (and `also`) with the schema, and problems."""
    described = {200: "The answer.", **(also or {})}
    content = {media: {"schema": ref(schema)}}
    made: dict[int, Schema] = {
        status: {"description": text, "content": content} for status, text in described.items()
    }
    for status in sorted({*_CALLED, *problems}):
        made[status] = {
            "description": _PROBLEMS[status],
            "content": {MEDIA_TYPE: {"schema": ref("Problem")}},
        }
    return made


def secured(*parameters: Schema, body: str | None = None) -> dict[str, Any]:
    """The `openapi_extra` of a route that needs a token; `body` names the schema of what is posted."""
    extra: dict[str, Any] = {"security": [{_BEARER: []}]}
    if parameters:
        extra["parameters"] = list(parameters)
    if body is not None:
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": ref(body)}}}
    return extra


def query(name: str, schema: Schema, description: str, *, required: bool = False) -> Schema:
    """A query parameter."""
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": description}


IDEMPOTENCY_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "Names the command for ever: sent again, it has no effect. Absent: a random one.",
}


def install(app: FastAPI) -> None:
    """Makes `app.openapi` answer the whole document, made once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title="Reporter 突发事件直报时限跟踪",
                version=__version__,
                openapi_version="3.1.0",
                summary="Opens incidents, takes reports, and tells what the statutory clocks say.",
                license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
                routes=app.routes,
            )
            components = made.setdefault("components", {})
            components["schemas"] = SCHEMAS | ROSTER_SCHEMAS
            components["securitySchemes"] = {
                _BEARER: {"type": "http", "scheme": "bearer", "description": "`reporter token create`"}
            }
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]
