"""DingTalk: a custom robot of a group. Answers carry `errcode` and `errmsg`, with HTTP 200 also for refusals.

The signature (where the robot asks for one): HMAC-SHA256 of `<milliseconds>\\n<secret>` under the secret, in
base64, in the query beside `timestamp`. At most 20 messages a minute; beyond, 130101 for up to ten minutes.
"""

import base64
import hmac
import json
from typing import Final, Literal
from urllib.parse import quote

from pydantic import SecretStr

from reporter.channels.accounts import Account, Accounts, WebAddress, accounts
from reporter.channels.contract import Message, Receipt, refusal_of
from reporter.channels.posting import Poster
from reporter.channels.robots import (
    ALL,
    JSON,
    Dialect,
    account_of,
    cut,
    harmless,
    markdown,
    mobiles,
    part,
    split,
)
from reporter.settings import Settings
from reporter.timesource import SystemTime

NAME: Final = "dingtalk"
TEXT_BYTES_MAX: Final = 16_000
DIALECT: Final = Dialect(
    codes=("errcode",),
    texts=("errmsg",),
    busy={-1: 1, 130101: 60, 410100: 60},
    # 310000: keyword, signature, time or source address; the others: token, robot or group gone, content refused.
    never=frozenset(
        {310000, 300001, 300005, 400013, 400101, 400102, 400105, 400106, 430101, 430102, 430103, 430104}
        | {40035, 43004}
    ),
)


class Robot(Account):
    """One robot. `base_url` is another one in a private deployment."""

    token: SecretStr
    secret: SecretStr | None = None
    base_url: WebAddress = "https://oapi.dingtalk.com"
    form: Literal["markdown", "text"] = "markdown"


def sign(secret: str, timestamp_ms: int) -> str:
    """The signature, in base64, not yet quoted for a query."""
    mac = hmac.digest(secret.encode(), f"{timestamp_ms}\n{secret}".encode(), "sha256")
    return base64.b64encode(mac).decode()


class DingTalk:
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
        url = f"{robot.base_url.rstrip('/')}/robot/send?access_token={_quoted(robot.token)}"
        secrets = [robot.token]
        if robot.secret is not None:
            timestamp_ms = int(SystemTime().now().timestamp() * 1000)
            signed = quote(sign(robot.secret.get_secret_value(), timestamp_ms), safe="")
            url += f"&timestamp={timestamp_ms}&sign={signed}"
            secrets.append(robot.secret)
        body = json.dumps(_body(message, robot, named), ensure_ascii=False).encode()
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


def _quoted(secret: SecretStr) -> str:
    return quote(secret.get_secret_value(), safe="")


def _body(message: Message, robot: Robot, named: list[str]) -> dict[str, object]:
    numbers = mobiles(message, named)
    at = {"atMobiles": numbers, "isAtAll": ALL in named}
    if robot.form == "text":
        content = f"{message.subject}\n{message.text}"
        return {"msgtype": "text", "text": {"content": cut(content, TEXT_BYTES_MAX)}, "at": at}
    # A mention shows, and rings, only if the text names the number too.
    mentions = "".join(f"\n\n@{number}" for number in numbers)
    text = cut(markdown(message, "\n\n"), TEXT_BYTES_MAX) + mentions
    title = cut(harmless(message.subject), 200)
    return {"msgtype": "markdown", "markdown": {"title": title, "text": text}, "at": at}


def make(settings: Settings) -> DingTalk | None:
    robots = accounts(settings, NAME, Robot)
    return DingTalk(robots) if robots else None


CHANNEL = make
