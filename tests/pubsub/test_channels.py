"""What every channel does, whatever its broker."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covet.pubsub import ChannelError, MessageTooLarge, SlowReader, channel
from covet.pubsub.base import Broker, FanOut, Inbox, check_topic
from covet.pubsub.memory import MemoryBroker
from covet.pubsub.redis import RedisBroker
from covet.redis import RedisPools

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)


async def take(messages: Any, count: int) -> list[Any]:
    found = []
    async for message in messages:
        found.append(message)
        if len(found) == count:
            break
    await messages.aclose()
    return found


async def test_an_entered_channel_hears_what_is_published_from_then_on(broker: Broker) -> None:
    other = channel("news", broker=broker)
    await other.publish("too early")

    async with channel("news", broker=broker) as ch:
        await other.publish({"pk": 1})
        await other.publish([1, "two", None])
        async with asyncio.timeout(60):
            assert await take(ch.listen(), 2) == [{"pk": 1}, [1, "two", None]]


async def test_every_listener_gets_every_message_in_order(broker: Broker) -> None:
    async with channel("news", broker=broker) as first, channel("news", broker=broker) as second:
        for number in range(50):
            await first.publish(number)
        async with asyncio.timeout(60):
            assert await take(first.listen(), 50) == list(range(50))
            assert await take(second.listen(), 50) == list(range(50))


async def test_channels_of_different_names_do_not_hear_each_other(broker: Broker) -> None:
    async with channel("one", broker=broker) as one, channel("two", broker=broker) as two:
        await one.publish("for one")
        await two.publish("for two")
        async with asyncio.timeout(60):
            assert await take(one.listen(), 1) == ["for one"]
            assert await take(two.listen(), 1) == ["for two"]


async def test_a_channel_can_be_left_and_entered_again(broker: Broker) -> None:
    for number in range(3):
        async with channel("again", broker=broker) as ch:
            await ch.publish(number)
            async with asyncio.timeout(60):
                assert await take(ch.listen(), 1) == [number]


async def test_a_cancelled_listener_is_forgotten_by_the_broker() -> None:
    broker = MemoryBroker()

    async def listen() -> None:
        async for _ in channel("news", broker=broker).listen():
            pass

    task = asyncio.create_task(listen())
    while "news" not in broker._fan_out:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert broker._fan_out.topics == ()


async def test_who_gave_up_before_it_listened_leaves_no_subscription(pools: RedisPools) -> None:
    class Unconfirmed(RedisBroker):
        def _take(self, message: dict[str, Any], start: int) -> None:
            """Hear of no confirmation."""

    broker = Unconfirmed(pools, "default", prefix=f"covet-test-{secrets.token_hex(6)}")
    topic = broker._key("news")
    subscribing = asyncio.create_task(broker.subscribe("news", Inbox("news", 1, "drop_oldest")))
    async with asyncio.timeout(60):
        while await _listeners(broker, topic) == 0:
            await asyncio.sleep(0.005)

        subscribing.cancel()

        while await _listeners(broker, topic) != 0:
            await asyncio.sleep(0.005)
    await broker.close()


async def test_who_gave_up_while_the_broker_opened_leaves_no_connection_taken(pools: RedisPools) -> None:
    # Of a name so long that it does not go out at one go: the connection is taken, and waits.
    broker = RedisBroker(pools, "default", prefix="x" * 2**25)
    pool = broker._client.connection_pool
    opening = asyncio.create_task(broker.open())
    async with asyncio.timeout(60):
        while not any(
            one._writer is not None and one._writer.transport.get_write_buffer_size()
            for one in pool._in_use_connections
        ):
            assert not opening.done()
            await asyncio.sleep(0)

    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)

    assert opening.cancelled()
    assert not pool._in_use_connections
    assert broker._pubsub is None


async def _listeners(broker: RedisBroker, topic: bytes) -> int:
    ((_, count),) = await broker._client.pubsub_numsub(topic)
    return int(count)


async def test_closing_the_broker_ends_its_listeners(broker: Broker) -> None:
    async with channel("news", broker=broker) as ch:
        await ch.publish("last")
        async with asyncio.timeout(60):
            first = await take(ch.listen(), 1)
            await broker.close()
            rest = [message async for message in ch.listen()]

    assert first == ["last"]
    assert rest == []


async def test_entering_a_channel_twice_is_an_error_that_says_what_to_write(broker: Broker) -> None:
    async with channel("news", broker=broker) as ch:
        with pytest.raises(RuntimeError, match=r"channel\('news'\)"):
            await ch.__aenter__()


async def test_a_message_over_the_limit_is_refused_by_its_publisher(broker: Broker) -> None:
    with pytest.raises(MessageTooLarge, match="1048576"):
        await channel("news", broker=broker).publish("x" * 1024 * 1024)


@pytest.mark.parametrize("name", ["", " ", "two words", "line\nbreak", "x" * 201, "nul\x00"])
def test_a_name_that_cannot_be_a_channel_is_refused(name: str) -> None:
    with pytest.raises(ChannelError, match="visible characters"):
        check_topic(name)


def test_an_unknown_overflow_rule_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ChannelError, match="drop_oldest, drop_newest, close"):
        Inbox("news", 1, "explode")  # type: ignore[arg-type]


@given(value=JSON_VALUES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_value_arrives_as_it_was_sent(value: Any) -> None:
    async def send() -> Any:
        async with channel("values", broker=MemoryBroker()) as ch:
            await ch.publish(value)
            return (await take(ch.listen(), 1))[0]

    with asyncio.Runner() as runner:
        assert runner.run(send()) == value


async def test_drop_oldest_keeps_the_newest_messages() -> None:
    async with channel("news", broker=MemoryBroker(), limit=3, overflow="drop_oldest") as ch:
        for number in range(10):
            await ch.publish(number)

        assert await take(ch.listen(), 3) == [7, 8, 9]
        assert ch.dropped == 7


async def test_drop_newest_keeps_the_oldest_messages() -> None:
    async with channel("news", broker=MemoryBroker(), limit=3, overflow="drop_newest") as ch:
        for number in range(10):
            await ch.publish(number)

        assert await take(ch.listen(), 3) == [0, 1, 2]
        assert ch.dropped == 7


async def test_close_ends_a_slow_reader_with_an_error_that_names_the_channel() -> None:
    async with channel("news", broker=MemoryBroker(), limit=3, overflow="close") as ch:
        for number in range(4):
            await ch.publish(number)

        with pytest.raises(SlowReader, match="'news'"):
            await take(ch.listen(), 1)


@given(
    limit=st.integers(1, 5),
    rule=st.sampled_from(["drop_oldest", "drop_newest"]),
    steps=st.lists(st.booleans(), max_size=40),
)
@settings(deadline=None)
def test_an_inbox_never_holds_more_than_its_limit_and_keeps_order(limit: int, rule: Any, steps: list[bool]) -> None:
    async def run() -> list[int]:
        inbox = Inbox("t", limit, rule)
        got, sent = [], 0
        for put in steps:
            if put:
                inbox.put(str(sent).encode())
                sent += 1
            elif len(inbox):
                payload = await inbox.get()
                assert payload is not None
                got.append(int(payload))
            assert len(inbox) <= limit
        assert len(got) + len(inbox) + inbox.dropped == sent
        return got

    with asyncio.Runner() as runner:
        got = runner.run(run())
    assert got == sorted(set(got))


def test_fan_out_tells_the_first_and_the_last_listener() -> None:
    fan_out = FanOut()
    one, two = Inbox("t", 1, "drop_oldest"), Inbox("t", 1, "drop_oldest")

    assert [fan_out.add("t", one), fan_out.add("t", two)] == [True, False]
    assert [fan_out.discard("t", one), fan_out.discard("t", one), fan_out.discard("t", two)] == [False, False, True]
