"""The algorithms keep to their rates, and count alike in memory and in Redis."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covet.limits import ALGORITHMS, MemoryStore, Rate, RedisStore, SlidingLog, Store, Verdict
from covet.limits.algorithms import Algorithm
from covet.redis import RedisPools, RedisUnavailable


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.25

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def pools() -> AsyncIterator[RedisPools]:
    made = RedisPools({"default": os.environ["COVET_TEST_REDIS_URL"]})
    yield made
    await made.close()


@pytest.fixture(params=["memory", "redis"])
def timed(request: pytest.FixtureRequest, pools: RedisPools) -> tuple[Store, Clock]:
    clock = Clock()
    if request.param == "memory":
        return MemoryStore(clock), clock
    return RedisStore(pools, prefix=f"covet-test-{secrets.token_hex(6)}", clock=clock), clock


async def hits(store: Store, algorithm: Algorithm, number: int) -> list[bool]:
    return [(await store.hit(algorithm, "k")).allowed for _ in range(number)]


@pytest.mark.parametrize("name", ALGORITHMS)
async def test_as_many_pass_as_the_rate_says_and_again_after_the_reset(name: str, timed: tuple[Store, Clock]) -> None:
    store, clock = timed
    algorithm = ALGORITHMS[name](Rate.parse("5/10s"))

    assert await hits(store, algorithm, 7) == [True] * 5 + [False] * 2
    refused = await store.hit(algorithm, "k")
    assert (refused.remaining, refused.limit) == (0, 5)
    assert refused.retry_s is not None
    assert 0 < refused.retry_s <= 20
    clock.now += refused.retry_s + 0.001
    assert (await store.hit(algorithm, "k")).allowed, "it said when to come back"
    clock.now += (await store.hit(algorithm, "k")).reset_s + 0.001
    assert await hits(store, algorithm, 6) == [True] * 5 + [False]
    assert (await store.hit(algorithm, "other")).allowed


@pytest.mark.parametrize("name", ALGORITHMS)
async def test_costs_count_and_what_costs_too_much_never_passes(name: str, timed: tuple[Store, Clock]) -> None:
    store, _ = timed
    algorithm = ALGORITHMS[name](Rate.parse("10/minute"))

    first = await store.hit(algorithm, "k", 7)
    second = await store.hit(algorithm, "k", 7)
    third = await store.hit(algorithm, "k", 3)
    never = await store.hit(algorithm, "k", 11)

    assert [one.allowed for one in (first, second, third, never)] == [True, False, True, False]
    assert [one.remaining for one in (first, second, third)] == [3, 3, 0]
    assert never.retry_s is None


@pytest.mark.parametrize("name", ["token-bucket", "leaky-bucket", "gcra", "sliding-counter"])
@pytest.mark.parametrize("rate", ["7/10s", "3/7s", "11/h"])
async def test_who_comes_back_when_told_to_the_moment_passes_each_time(
    name: str, rate: str, timed: tuple[Store, Clock]
) -> None:
    """Sums of doubles miss by a hair, and nobody is refused for that."""
    store, clock = timed
    clock.now = 1000.25
    algorithm = ALGORITHMS[name](Rate.parse(rate))

    for _ in range(40):
        verdict = await store.hit(algorithm, "k")
        if not verdict.allowed:
            assert verdict.retry_s is not None
            clock.now += verdict.retry_s
            assert (await store.hit(algorithm, "k")).allowed


async def test_a_leaky_bucket_spaces_requests_evenly(timed: tuple[Store, Clock]) -> None:
    store, _ = timed
    algorithm = ALGORITHMS["leaky-bucket"](Rate.parse("10/s"), burst=3)

    assert [round((await store.hit(algorithm, "k")).delay_s, 6) for _ in range(3)] == [0.0, 0.1, 0.2]
    assert not (await store.hit(algorithm, "k")).allowed


async def test_a_burst_is_what_may_pass_at_once(timed: tuple[Store, Clock]) -> None:
    store, clock = timed
    for name in ("token-bucket", "gcra"):
        algorithm = ALGORITHMS[name](Rate.parse("60/minute"), burst=2)
        assert [(await store.hit(algorithm, name)).allowed for _ in range(3)] == [True, True, False]
        clock.now += 1.001
        assert [(await store.hit(algorithm, name)).allowed for _ in range(2)] == [True, False]


STEPS = st.lists(st.tuples(st.floats(0, 4, allow_nan=False), st.integers(1, 6)), min_size=1, max_size=25)


@pytest.mark.parametrize("name", ALGORITHMS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_redis_counts_as_memory_does(name: str, pools: RedisPools, steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    memory = MemoryStore(clock)
    redis = RedisStore(pools, prefix=f"covet-test-{secrets.token_hex(6)}", clock=clock)
    algorithm = ALGORITHMS[name](Rate(5, 3.0))

    for wait, cost in steps:
        clock.now += wait
        ours, theirs = await memory.hit(algorithm, "k", cost), await redis.hit(algorithm, "k", cost)
        assert _rounded(ours) == _rounded(theirs)


def _rounded(verdict: Verdict) -> tuple[object, ...]:
    retry = None if verdict.retry_s is None else round(verdict.retry_s, 5)
    numbers = round(verdict.reset_s, 5), retry, round(verdict.delay_s, 5)
    return verdict.allowed, verdict.limit, verdict.remaining, *numbers


@given(steps=STEPS)
def test_the_log_lets_no_period_hold_more_than_the_limit(steps: list[tuple[float, int]]) -> None:
    algorithm, state, now = SlidingLog(Rate(5, 3.0)), (), 100.0
    passed: list[tuple[float, int]] = []
    for wait, cost in steps:
        now += wait
        new, verdict, _ = algorithm.decide(state, now, cost)
        state = state if new is None else new
        if verdict.allowed:
            passed.append((now, cost))
    for at, _ in passed:
        assert sum(cost for moment, cost in passed if at - 3.0 < moment <= at) <= 5


async def test_processes_share_the_count_in_redis_at_the_same_moment(pools: RedisPools) -> None:
    prefix = f"covet-test-{secrets.token_hex(6)}"
    stores = [RedisStore(pools, prefix=prefix) for _ in range(3)]
    algorithm = ALGORITHMS["gcra"](Rate.parse("10/hour"))

    found = await asyncio.gather(*(stores[number % 3].hit(algorithm, "k") for number in range(30)))

    assert sum(one.allowed for one in found) == 10


@pytest.mark.parametrize("name", ALGORITHMS)
async def test_redis_forgets_in_time_but_not_what_is_counted_by_another_clock(name: str, pools: RedisPools) -> None:
    """The server's clock goes on while the other one stands: it would drop what still counts."""
    algorithm, prefix = ALGORITHMS[name](Rate.parse("10/minute")), f"covet-test-{secrets.token_hex(6)}"
    await RedisStore(pools, prefix=prefix).hit(algorithm, "servers")
    await RedisStore(pools, prefix=prefix, clock=Clock()).hit(algorithm, "own")

    client = pools.client("default")
    servers, own = [await client.pttl(f"{prefix}:{key}") for key in ("servers", "own")]
    # -2 is that of a key which is gone already.
    assert servers == -2 or 0 <= servers <= 120_000
    assert 3_000_000 < own <= 3_720_000


async def test_memory_forgets_keys_that_are_over_and_the_oldest_of_too_many() -> None:
    clock = Clock()
    store = MemoryStore(clock, max_keys=3)
    algorithm = ALGORITHMS["gcra"](Rate.parse("2/s"))
    for key in "abcde":
        await store.hit(algorithm, key)

    assert len(store) == 3
    clock.now += 60
    await store.hit(algorithm, "f")
    await store.hit(algorithm, "g")
    assert len(store) <= 2


async def test_a_server_that_is_down_is_named() -> None:
    pools = RedisPools({"default": "redis://:hunter2@127.0.0.1:1/0"})
    with pytest.raises(RedisUnavailable) as caught:
        await RedisStore(pools).hit(ALGORITHMS["gcra"](Rate.parse("1/s")), "k")
    await pools.close()

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "5", "5/", "/s", "0/s", "5/0s", "5/year", "-5/s", "x/s"])
def test_a_text_that_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no rate"):
        Rate.parse(text)
