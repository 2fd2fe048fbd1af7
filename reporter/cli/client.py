"""Speaks to a running service: one HTTP connection, one Idempotency-Key per command, errors in words."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx

from reporter.cli.trouble import Trouble, WrongUsage
from reporter.cli.verb import Document
from reporter.core.instants import read_back
from reporter.settings import Settings
from reporter.timesource import SystemTime, sleep

TRIES = 4
PAUSE_S = 0.2
TIMEOUT_S = 30.0
PAGE = 200
PAGES_MAX = 50
API = "/api/v1"


class Api:
    """The HTTP API as one account sees it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def get(self, path: str, **query: object) -> Document:
        """GET as JSON; None among the query is left out. Raises Trouble."""
        answer = await self._send("GET", path, params={k: str(v) for k, v in query.items() if v is not None})
        return _document(answer)

    async def fetch(self, path: str) -> httpx.Response:
        """GET of whatever it is, a workbook say. Raises Trouble."""
        return await self._send("GET", path)

    async def post(self, path: str, body: Document, key: str | None = None) -> Document:
        """POST as JSON. The key is made once and kept over every try, so a lost answer never acts twice."""
        return _document(
            await self._send("POST", path, json=body, headers={"Idempotency-Key": key or uuid.uuid4().hex})
        )

    async def pages(self, path: str, limit: int | None = None, **query: object) -> list[Document]:
        """The items of a paged list, from its start, at most `limit` (all that fit in 50 pages if None)."""
        items: list[Document] = []
        cursor: str | None = None
        for _ in range(PAGES_MAX):
            size = PAGE if limit is None else min(PAGE, limit - len(items))
            page = await self.get(path, **query, limit=size, cursor=cursor)
            items += page["items"]
            cursor = page.get("next")
            if not cursor or (limit is not None and len(items) >= limit):
                break
        return items

    async def incident_id(self, name: str) -> str:
        """The id of the incident called `name`: an id, or a code (the newest incident that has it)."""
        try:
            return str(uuid.UUID(name))
        except ValueError:
            wanted = name.upper()
        for words in (wanted, None):  # the search first, though it need not know codes
            for incident in await self.pages(f"{API}/incidents", q=words):
                if incident["code"] == wanted:
                    return str(incident["id"])
        raise Trouble(
            f"没有编号或代码为 {name} 的事件；用 `reporter board` 查看在办事件",
            f"no incident has the id or code {name}; `reporter board` lists the open ones",
        )

    async def now(self) -> datetime:
        """The service's own time (a demo's runs apart from the machine's)."""
        answer = await self._request("GET", "/readyz")
        told = answer.json().get("now") if "json" in answer.headers.get("content-type", "") else None
        return read_back(told) if told else SystemTime().now()

    async def _send(self, method: str, path: str, **more: Any) -> httpx.Response:  # Any: httpx's own keywords
        answer = await self._request(method, path, **more)
        if answer.is_success:
            return answer
        raise _refusal(answer)

    async def _request(self, method: str, path: str, **more: Any) -> httpx.Response:  # Any: as above
        for attempt in range(1, TRIES + 1):
            try:
                return await self._client.request(method, path, **more)
            except httpx.InvalidURL as wrong:
                msg = f"{self._client.base_url}: {wrong}"
                raise WrongUsage(f"地址有误：{msg}", f"wrong address: {msg}") from None
            except httpx.TransportError as reason:
                if attempt == TRIES:
                    raise _unreachable(str(self._client.base_url), reason) from None
                await sleep(PAUSE_S * attempt)
        raise AssertionError  # the last try returns or raises


@asynccontextmanager
async def service(settings: Settings) -> AsyncIterator[Api]:
    """A connection to the service named by the settings."""
    headers = {"Authorization": f"Bearer {settings.token}"} if settings.token else {}
    # Reading every trusted certificate takes longer than the request; plain http needs none.
    verify = settings.url.startswith("https:")
    async with httpx.AsyncClient(
        base_url=settings.url, headers=headers, timeout=TIMEOUT_S, verify=verify
    ) as client:
        yield Api(client)


def _document(answer: httpx.Response) -> Document:
    try:
        document = answer.json()
    except ValueError:
        document = None
    if isinstance(document, dict):
        return document
    where = str(answer.url)
    raise Trouble(
        f"{where} 的回答不是 JSON：那里是别的服务？", f"{where} did not answer JSON: another service?"
    )


def _unreachable(url: str, reason: Exception) -> Trouble:
    why = str(reason) or type(reason).__name__
    return Trouble(
        f"连不上服务 {url}（{why}）。先运行 `reporter serve`（或 `reporter demo`），"
        "或用 --url / REPORTER_URL 指明地址",
        f"no service answers at {url} ({why}). Start one with `reporter serve` (or `reporter demo`), "
        "or name its address with --url or REPORTER_URL",
    )


_HINTS = {
    401: (
        "需要有效的令牌：用 `reporter token create 名称 --role duty` 创建，放入 REPORTER_TOKEN",
        "a valid token is needed: make one with `reporter token create NAME --role duty`, "
        "put it in REPORTER_TOKEN",
    ),
    403: ("此令牌的角色或单位不允许这样做", "this token's role or unit does not allow it"),
    404: ("没有这一项，或不在此令牌的单位范围内", "there is no such thing, or not within this token's unit"),
    409: ("与现有状态冲突", "it conflicts with the present state"),
    422: ("内容有误", "the content is wrong"),
    429: ("请求过多，请稍后再试", "too many requests: try again later"),
    501: ("此功能尚未提供", "not available yet"),
    503: ("服务暂不可用：运行 `reporter doctor`", "the service cannot work now: run `reporter doctor`"),
}


def _refusal(answer: httpx.Response) -> Trouble:
    """The problem document (RFC 9457) of a refusal, in words."""
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"title": answer.reason_phrase, "status": answer.status_code, "detail": answer.text[:300]}
    zh, en = _HINTS.get(answer.status_code, ("服务拒绝了请求", "the service refused"))
    said = problem.get("detail") or problem.get("title") or ""
    lines = [f"  {each.get('path') or '-'}: {each.get('message')}" for each in problem.get("errors") or ()]
    tail = "".join(f"\n{line}" for line in lines)
    return Trouble(
        f"{zh}（{answer.status_code}）：{said}{tail}",
        f"{en} ({answer.status_code}): {said}{tail}",
        document=problem,
    )
