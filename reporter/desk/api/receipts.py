"""`POST /api/receipts/{channel}`: what the next hop of a channel says became of messages it took.

The sender proves itself by a secret of the setting `receipt_secrets`: `whsec_…` ones sign as Standard Webhooks
(`webhook-id`, `webhook-timestamp`, `webhook-signature`); any other one is shown as it is, in `Authorization: Bearer`
or `X-Receipt-Secret`, for gateways that cannot sign. A report may come twice, late, or out of order: it only raises.
"""

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from reporter.core.command import Problem
from reporter.core.ijson import NotIJson, loads
from reporter.core.terms import NoticeState
from reporter.desk.auth import Action
from reporter.desk.bodies import read_bounded
from reporter.desk.doors import allowed
from reporter.desk.problems import HttpProblem, not_found, unfit
from reporter.desk.schemas import ref
from reporter.desk.services import Desk
from reporter.store import notices
from reporter.timesource import SystemTime

SIGNING: Final = "whsec_"
TOLERANCE_S: Final = 300
REPORTS_MAX: Final = 1000
_BODY_BYTES_MAX: Final = 256 * 1024
_DETAIL_CHARS_MAX: Final = 160
_KINDS: Final = ("application/json", "application/x-www-form-urlencoded")
_REPORT: Final = {
    "description": "One report, a list of them, or `items`; Standard Webhooks have it in `data`.",
    "oneOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}],
}
_IDS: Final = ("notice", "id", "provider_id", "message_id", "msgid")
_STATES: Final = {
    "accepted": NoticeState.ACCEPTED,
    "delivered": NoticeState.DELIVERED,
    "failed": NoticeState.FAILED,
    # The words of SMPP, which SMS gateways hand on as they are.
    "delivrd": NoticeState.DELIVERED,
    "acceptd": NoticeState.ACCEPTED,
    "enroute": NoticeState.ACCEPTED,
    "undeliv": NoticeState.FAILED,
    "expired": NoticeState.FAILED,
    "rejectd": NoticeState.FAILED,
    "deleted": NoticeState.FAILED,
}


def router(desk: Desk) -> APIRouter:
    """The route."""
    routes = APIRouter(prefix="/api/receipts", tags=["channels"])
    services = desk.services

    @routes.post(
        "/{channel}",
        dependencies=[allowed(Action.PUBLIC)],  # the signature is the right
        openapi_extra={
            "security": [],
            "requestBody": {"required": True, "content": {kind: {"schema": _REPORT} for kind in _KINDS}},
        },
        responses={
            200: {"description": "Taken; `unknown` are ids that no notice has."},
            401: {"description": "Not signed by a secret of this channel."},
            404: {
                "description": "No such channel reports here, or none of the ids is known (yet): send it again."
            },
            422: {
                "description": "Not a report.",
                "content": {"application/problem+json": {"schema": ref("Problem")}},
            },
        },
    )
    async def take_receipts(request: Request, channel: str) -> Response:
        """Reports `{"id"|"provider_id", "state", "detail"}`, one or many (a list, or `items`); JSON or a form."""
        secrets = services.receipt_secrets.get(channel)
        body = await read_bounded(request, _BODY_BYTES_MAX)
        if not secrets:
            raise not_found()
        if not any(_is_proved(request.headers, body, secret) for secret in secrets):
            raise HttpProblem(401, "unauthorized", "签名不符 / the signature does not hold")
        found = _reports(request.headers.get("content-type", ""), body)
        async with services.database.snapshot() as connection:
            known = await notices.by_provider_ids(connection, channel, list(found))
        by_notice = {known.get(id_, id_): said for id_, said in found.items()}
        taken = await services.gate.delivered(channel, by_notice)
        unknown = [id_ for id_ in found if known.get(id_, id_) not in taken]
        if unknown and not taken:
            raise not_found()
        return JSONResponse({"taken": len(taken), "unknown": unknown})

    return routes


def _is_proved(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    if not secret.startswith(SIGNING):
        shown = headers.get("x-receipt-secret") or headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(shown.encode(), secret.encode())
    id_, at, said = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (id_ and at.isascii() and at.isdigit() and len(at) < 12):
        return False
    if abs(SystemTime().now().timestamp() - int(at)) > TOLERANCE_S:
        return False
    key = b64decode(secret.removeprefix(SIGNING))
    mac = hmac.digest(key, f"{id_}.{at}.".encode() + body, sha256)
    wanted = "v1," + b64encode(mac).decode()
    return any(hmac.compare_digest(each.encode(), wanted.encode()) for each in said.split(" "))


def _reports(kind: str, body: bytes) -> dict[str, tuple[NoticeState, str | None]]:
    """State and a word about it, by whichever id the report names. Errors: 422 with every path."""
    problems: list[Problem] = []
    found: dict[str, tuple[NoticeState, str | None]] = {}
    for path, report in _each(kind, body):
        id_ = next((str(report[name]) for name in _IDS if report.get(name)), "")
        said = str(report.get("state") or report.get("status") or report.get("stat") or "")
        state = _STATES.get(said.rpartition(".")[2].lower())
        if not id_ or state is None:
            listing = ", ".join(sorted(_STATES))
            problems.append(
                Problem(path, f"需有 id 与 state / an id and a state is needed; states: {listing}")
            )
            continue
        detail = " ".join(str(report.get("detail") or "").split())[:_DETAIL_CHARS_MAX]
        printable = "".join(each for each in detail if each.isprintable())
        found[id_] = state, printable or (said if state is NoticeState.FAILED else None)
    if problems or not found:
        raise unfit(problems or [Problem("", "没有回执 / no report in it")])
    return found


def _each(kind: str, body: bytes) -> Iterator[tuple[str, Mapping[str, object]]]:
    is_form = kind.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded"
    if is_form and not body.lstrip().startswith((b"{", b"[")):  # some gateways say form and send JSON
        yield "", dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=50))
        return
    try:
        document = loads(body)
    except (NotIJson, json.JSONDecodeError) as error:
        raise unfit([Problem("", str(error))], "not_json") from None
    if isinstance(document, dict) and isinstance(document.get("items"), list):
        document = document["items"]
    many = document if isinstance(document, list) else [document]
    for index, report in enumerate(many[:REPORTS_MAX]):
        # Standard Webhooks: {"type": "message.delivered", "data": {…}}
        if isinstance(report, dict) and isinstance(data := report.get("data"), dict):
            report = {"state": report.get("type"), **data}  # noqa: PLW2901
        yield str(index), report if isinstance(report, dict) else {}
