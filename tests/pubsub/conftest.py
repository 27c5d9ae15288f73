"""The brokers under test: one in memory, one on a real Redis, with names of this run's own."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator

import pytest

from covet.pubsub.base import Broker
from covet.pubsub.memory import MemoryBroker
from covet.pubsub.redis import RedisBroker
from covet.redis import RedisPools


@pytest.fixture
async def pools() -> AsyncIterator[RedisPools]:
    made = RedisPools({"default": os.environ["COVET_TEST_REDIS_URL"]})
    yield made
    await made.close()


@pytest.fixture
async def redis_broker(pools: RedisPools) -> AsyncIterator[RedisBroker]:
    broker = RedisBroker(pools, "default", prefix=f"covet-test-{secrets.token_hex(6)}")
    yield broker
    await broker.close()


@pytest.fixture(params=["memory", "redis"])
async def broker(request: pytest.FixtureRequest, pools: RedisPools) -> AsyncIterator[Broker]:
    """Each kind of broker in turn."""
    made: Broker
    if request.param == "redis":
        made = RedisBroker(pools, "default", prefix=f"covet-test-{secrets.token_hex(6)}")
    else:
        made = MemoryBroker()
    yield made
    await made.close()
