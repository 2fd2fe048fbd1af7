"""A channel that fails twice in a row is told on the board; one that works again is not; both are kept."""

from datetime import timedelta

from reporter.engine.channelwatch import ChannelWatch
from reporter.store import channelstates
from reporter.store.channelstates import Faring
from tests.contract.hooks import status
from tests.unit.noticeworld import NOW, World, eventually, running


async def faring(world: World) -> dict[str, Faring]:
    async with world.database.snapshot() as connection:
        return {each.channel: each for each in await channelstates.load(connection)}


async def test_two_failures_in_a_row_are_kept_with_the_last_success(world: World) -> None:
    watch = ChannelWatch(world.database, world.time)
    await watch.note("sms", None)
    await watch.save()
    world.time.advance(timedelta(minutes=1))
    await watch.note("sms", "HTTP 500")
    world.time.advance(timedelta(minutes=1))
    await watch.note("sms", "HTTP 502")
    await watch.save()

    assert (await faring(world))["sms"] == Faring(
        "sms", 2, NOW + timedelta(minutes=1), "HTTP 502", NOW, NOW + timedelta(minutes=2)
    )

    after_restart = ChannelWatch(world.database, world.time)
    await after_restart.note("sms", None)
    await after_restart.save()
    assert (await faring(world))["sms"].failures == 0


async def test_the_loop_tells_of_what_it_sends(world: World) -> None:
    world.hooks.answers["/"] = status(500)
    await world.add(2, "webhook", world.hooks.url())

    async def failing() -> bool:
        return (found := (await faring(world)).get("webhook")) is not None and found.failures == 2

    async def working() -> bool:
        return (await faring(world))["webhook"].failures == 0

    async with running(world.notifier()):
        await eventually(failing)
        world.hooks.answers.clear()
        world.time.advance(timedelta(seconds=5))
        await eventually(working)
    assert (await faring(world))["webhook"].last_success_at == NOW + timedelta(seconds=5)


async def test_a_channel_that_hangs_holds_up_no_other_and_opens_no_more_than_its_bound(world: World) -> None:
    world.hooks.answers["/hangs"] = None
    await world.add(200, "webhook", world.hooks.url("/hangs"))
    await world.add(40, "webhook", world.hooks.url("/well"))
    await world.add(1, "console")

    async def others() -> bool:
        return await world.states(channel="console") == ["delivered"] and set(
            await world.states(address=world.hooks.url("/well"))
        ) == {"accepted"}

    async with running(world.notifier(send_timeout_s=30)):
        await eventually(others, within_s=10)
        assert len(world.hooks.about("/hangs")) <= 8
        assert world.hooks.connections <= 32
