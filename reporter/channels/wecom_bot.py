"""WeCom: a robot of a group. Answers carry `errcode` and `errmsg`, with HTTP 200 also for refusals.

The key in the address is the only secret. At most 20 messages a minute. Mobile numbers can be mentioned in
plain text only, which is why a message that mentions somebody is plain whatever `form` says.
"""

import json
from typing import Final, Literal
from urllib.parse import quote

from pydantic import SecretStr

from reporter.channels.accounts import Account, Accounts, WebAddress, accounts
from reporter.channels.contract import Message, Receipt, refusal_of
from reporter.channels.posting import Poster
from reporter.channels.robots import ALL, JSON, Dialect, account_of, cut, markdown, mobiles, part, split
from reporter.settings import Settings

NAME: Final = "wecom_bot"
TEXT_BYTES_MAX: Final = 2048
MARKDOWN_BYTES_MAX: Final = 4096
DIALECT: Final = Dialect(
    codes=("errcode",),
    texts=("errmsg",),
    busy={-1: 1, 45009: 60, 45033: 5},
    # Key wrong or robot gone; content empty, too long, of an unknown kind, or not as it must be.
    never=frozenset({93000, 93004, 93008, 40008, 40058, 44004, 45002}),
)


class Robot(Account):
    """One robot. `base_url` is another one in a private deployment."""

    key: SecretStr
    base_url: WebAddress = "https://qyapi.weixin.qq.com"
    form: Literal["markdown", "text"] = "markdown"


class WeComBot:
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
        key = quote(robot.key.get_secret_value(), safe="")
        url = f"{robot.base_url.rstrip('/')}/cgi-bin/webhook/send?key={key}"
        body = json.dumps(_body(message, robot, named), ensure_ascii=False).encode()
        answer = await self._poster.send("POST", url, body, JSON, robot.timeout_s)
        return DIALECT.receipt(answer, (robot.key,))

    def flaw_of(self, address: str) -> str | None:
        return refusal_of(self._receiver, address)

    async def close(self) -> None:
        await self._poster.close()

    def _receiver(self, address: str) -> tuple[Robot, list[str]]:
        """Which robot, and whom it mentions. Errors: ChannelError, permanent."""
        account, named = split(address)
        return self._robots.of(account), named


def _body(message: Message, robot: Robot, named: list[str]) -> dict[str, object]:
    mentioned = mobiles(message, named) + (["@all"] if ALL in named else [])
    if robot.form == "markdown" and not mentioned:
        content = cut(markdown(message, "\n"), MARKDOWN_BYTES_MAX)
        return {"msgtype": "markdown", "markdown": {"content": content}}
    content = cut(f"{message.subject}\n{message.text}", TEXT_BYTES_MAX)
    return {"msgtype": "text", "text": {"content": content, "mentioned_mobile_list": mentioned}}


def make(settings: Settings) -> WeComBot | None:
    robots = accounts(settings, NAME, Robot)
    return WeComBot(robots) if robots else None


CHANNEL = make
