"""Two processes on one Redis: messages and presence cross, and a lost connection is found again."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from covet.pubsub import channel
from covet.pubsub.redis import RedisBroker
from covet.redis import RedisPools, RedisUnavailable

OTHER = """
import asyncio, os, sys
from covet.pubsub import channel
from covet.pubsub.redis import RedisBroker
from covet.redis import RedisPools

async def main():
    pools = RedisPools({"default": os.environ["COVET_TEST_REDIS_URL"]})
    broker = RedisBroker(pools, "default", prefix=sys.argv[1])
    async with channel("room", presence="other", broker=broker) as ch:
        async for message in ch.listen():
            await ch.publish({"heard": message})
            break
    await broker.close()
    await pools.close()

asyncio.run(main())
"""


async def test_messages_and_presence_cross_processes(redis_broker: RedisBroker) -> None:
    async with channel("room", broker=redis_broker) as ch:
        changes = ch.presence.changes()
        coming = asyncio.create_task(anext(changes))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", OTHER, redis_broker._prefix, env=os.environ.copy()
        )
        async with asyncio.timeout(60):
            joined = await coming
            leaving = asyncio.create_task(anext(changes))
            await ch.publish("hello")
            heard = []
            async for message in ch.listen():
                heard.append(message)
                if len(heard) == 2:
                    break
            left = await leaving
            await changes.aclose()
            assert await process.wait() == 0

    assert heard == ["hello", {"heard": "hello"}]
    assert [member.key for member in joined.joins] == ["other"]
    assert [member.key for member in left.leaves] == ["other"]


async def test_a_lost_connection_is_made_again_and_its_topics_with_it(redis_broker: RedisBroker) -> None:
    async with channel("room", broker=redis_broker) as ch:
        before = await _own_id(redis_broker)
        await redis_broker._client.client_kill_filter(_id=str(before))

        async with asyncio.timeout(60):
            listening = asyncio.create_task(anext(ch.listen()))
            while not listening.done():
                # What is said while nobody listens is lost, by design: say it until it is heard.
                await ch.publish("again")
                await asyncio.wait([listening], timeout=0.05)

        after = await _own_id(redis_broker)

    assert listening.result() == "again"
    assert after != before


async def _own_id(broker: RedisBroker) -> int:
    """The server's id of the listening connection, found by its local port."""
    assert broker._pubsub is not None
    connection = broker._pubsub.connection
    port = connection._writer.get_extra_info("sockname")[1]
    for entry in await broker._client.client_list():
        if entry["addr"].endswith(f":{port}"):
            return int(entry["id"])
    raise AssertionError("the listening connection is not known to the server")


async def test_a_server_that_is_not_there_is_found_at_start_up_with_one_clear_line() -> None:
    pools = RedisPools()
    broker = RedisBroker(pools, "redis://:secret@127.0.0.1:1/0")

    with pytest.raises(RedisUnavailable, match=r"Redis at redis://:\*\*\*@127\.0\.0\.1:1/0 cannot be used") as caught:
        await broker.open()
    with pytest.raises(RedisUnavailable):
        await channel("room", broker=broker).publish("x")
    await pools.close()

    assert "\n" not in str(caught.value)
