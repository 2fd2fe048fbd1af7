"""`reporter channel test`: does a message get through? And `channel list`: which channels there are here."""

from dataclasses import asdict
from typing import Annotated

import typer

from reporter.cli.stored import opened
from reporter.cli.trouble import Trouble, WrongUsage
from reporter.cli.verb import SERVICE, Call, verb


def register(app: typer.Typer) -> None:
    """Adds the verbs."""
    group = typer.Typer(help="通知渠道。The ways to send notices.", no_args_is_help=True)
    app.add_typer(group, name="channel")

    @verb(group, "test", *SERVICE)
    async def channel_test(
        call: Call,
        address: Annotated[
            str | None,
            typer.Argument(metavar="[ADDRESS]", help="值班表中的写法。As a roster has it: sms:138…"),
        ] = None,
        person: Annotated[
            str | None,
            typer.Option(
                "--person", help="值班表中此人的全部地址。All addresses the roster has of a person."
            ),
        ] = None,
    ) -> int:
        """发一条标明【测试】的消息并说明结果。Sends a marked test message and says what came of it."""
        from reporter.channels import close_channels, load_channels
        from reporter.engine.trial import attempt
        from reporter.logs import configure
        from reporter.render import Renderer
        from reporter.timesource import SystemTime

        if (address is None) == (person is None):
            raise WrongUsage("给出一个地址，或 --person", "give one address, or --person")
        configure(call.settings.log_level, call.settings.log_format)
        addresses, phone = [address] if address else [], None
        if person is not None:
            addresses, phone = await _addresses(call, person)
        channels = load_channels(call.settings)
        try:
            found = await attempt(
                channels,
                Renderer(call.settings.zone, call.settings.language),
                SystemTime(),
                addresses,
                by="cli",
                person=person,
                phone=phone,
                public_url=call.settings.public_url,
            )
        finally:
            await close_channels(channels.values())
        call.answer(
            {"items": [asdict(each) for each in found]},
            lambda: "\n".join(
                f"{'✔' if each.is_sent else '■'} {each.address}: {each.state.value} {each.detail} ({each.took_ms} ms)"
                for each in found
            ),
        )
        return int(not all(each.is_sent for each in found))

    @verb(group, "list", *SERVICE)
    async def channel_list(call: Call) -> None:
        """列出可用的渠道与账户名。Lists the channels and accounts there are here, without any secret."""
        from reporter.channels import close_channels, load_channels

        channels = load_channels(call.settings)
        await close_channels(channels.values())
        tables = call.settings.channels.document
        items = []
        for name in sorted(channels):
            table = tables.get(name)
            items.append({"channel": name, "accounts": sorted(table) if isinstance(table, dict) else []})
        call.answer(
            {"items": items},
            lambda: "\n".join(f"{each['channel']}: {', '.join(each['accounts']) or '-'}" for each in items),
        )


async def _addresses(call: Call, person: str) -> tuple[list[str], str | None]:
    """The person's addresses and phone. Errors: Trouble for somebody nobody knows, or who has no address."""
    from reporter.store.reach import reach_of
    from reporter.timesource import SystemTime

    async with opened(call.settings) as database, database.snapshot() as connection:
        reach = await reach_of(connection, person, SystemTime().now())
    if reach is None:
        raise Trouble(f"值班表中没有 {person}", f"the roster knows no {person}")
    if not reach.addresses:
        raise Trouble(
            f"{person} 没有任何地址，只能由值班台通知",
            f"{person} has no address: only the desk shows notices",
        )
    return list(reach.addresses), reach.phone or None
