"""Feishu (Lark): a custom robot of a group. Answers carry `code` and `msg`, with HTTP 200 also for refusals.

The signature (where the robot asks for one): HMAC-SHA256 of nothing under the key `<seconds>\\n<secret>`, in
base64, in the body beside `timestamp`. At most 100 messages a minute, 5 a second. A message is a `post`: its
parts are structured, so that no title can be a link or a mention. Mentioned are user ids (`feishu:ops@ou_…`),
since a custom robot knows no phone numbers.
"""

import base64
import hmac
import json
from typing import Final
from urllib.parse import quote

from pydantic import SecretStr

from reporter.channels.accounts import Account, Accounts, WebAddress, accounts
from reporter.channels.contract import Message, Receipt, refusal_of
from reporter.channels.posting import Poster
from reporter.channels.robots import JSON, Dialect, account_of, cut, part, split
from reporter.settings import Settings
from reporter.timesource import SystemTime

NAME: Final = "feishu"
TEXT_BYTES_MAX: Final = 12_000
DIALECT: Final = Dialect(
    codes=("code", "StatusCode"),
    texts=("msg", "StatusMessage"),
    busy={11232: 5, 99991400: 5},
    # Token wrong, parameters, signature or time, source address, keyword.
    never=frozenset({19001, 19002, 19021, 19022, 19024}),
)


class Robot(Account):
    """One robot. `base_url` is another one for Lark and in a private deployment."""

    token: SecretStr
    secret: SecretStr | None = None
    base_url: WebAddress = "https://open.feishu.cn"


def sign(secret: str, timestamp: int) -> str:
    """The signature, in base64."""
    return base64.b64encode(hmac.digest(f"{timestamp}\n{secret}".encode(), b"", "sha256")).decode()


class Feishu:
    """Posts to groups."""

    name = NAME
    at_once = 32
    part = staticmethod(part)
    account_of = staticmethod(account_of)

    def __init__(self, robots: Accounts[Robot]) -> None:
        self._robots = self.accounts = robots
        self._poster = Poster()
        self.timeout_s = robots.timeout_s

    async def send(self, message: Message) -> Receipt:
        robot, named = self._receiver(message.address)
        token = quote(robot.token.get_secret_value(), safe="")
        document = _body(message, named)
        secrets = [robot.token]
        if robot.secret is not None:
            timestamp = int(SystemTime().now().timestamp())
            document["timestamp"] = str(timestamp)
            document["sign"] = sign(robot.secret.get_secret_value(), timestamp)
            secrets.append(robot.secret)
        url = f"{robot.base_url.rstrip('/')}/open-apis/bot/v2/hook/{token}"
        body = json.dumps(document, ensure_ascii=False).encode()
        answer = await self._poster.send("POST", url, body, JSON, robot.timeout_s)
        return DIALECT.receipt(answer, tuple(secrets))

    def flaw_of(self, address: str) -> str | None:
        return refusal_of(self._receiver, address)

    async def close(self) -> None:
        await self._poster.close()

    def _receiver(self, address: str) -> tuple[Robot, list[str]]:
        """Which robot, and whom it mentions. Errors: ChannelError, permanent."""
        account, named = split(address)
        return self._robots.of(account), named


def _body(message: Message, named: list[str]) -> dict[str, object]:
    ours = [url for url in (message.ack_url, message.link) if url]
    lines: list[list[dict[str, str]]] = []
    for line in cut(message.text, TEXT_BYTES_MAX).splitlines():
        url = next((url for url in ours if url in line), None)
        before, _, after = line.partition(url) if url else (line, "", "")
        parts = [{"tag": "text", "text": text} for text in (before, after)]
        if url:
            parts.insert(1, {"tag": "a", "text": url, "href": url})
        lines.append([part for part in parts if part["text"]])
    if named:
        lines.append([{"tag": "at", "user_id": name} for name in named])
    content = {"zh_cn": {"title": message.subject, "content": [line for line in lines if line]}}
    return {"msg_type": "post", "content": {"post": content}}


def make(settings: Settings) -> Feishu | None:
    robots = accounts(settings, NAME, Robot)
    return Feishu(robots) if robots else None


CHANNEL = make
