"""Named pools: one client for a server, clear errors, nothing imported before it is needed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from covet.exceptions import ImproperlyConfigured, MissingDependency
from covet.redis import RedisPools, RedisUnavailable, mask_url

URL = os.environ["COVET_TEST_REDIS_URL"]


async def test_a_name_and_its_url_are_the_same_client() -> None:
    pools = RedisPools({"default": URL})

    assert pools.client() is pools.client(URL)
    assert await pools.client().execute_command("ECHO", "hello") == b"hello"
    await pools.close()


async def test_closed_pools_can_be_used_again() -> None:
    pools = RedisPools({"default": URL})
    await pools.client().execute_command("PING")
    await pools.close()

    assert await pools.client().execute_command("ECHO", "again") == b"again"
    await pools.close()


def test_an_unknown_name_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"'cache' \(known: default\)"):
        RedisPools({"default": URL}).client("cache")


def test_a_url_of_another_kind_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="no Redis URL"):
        RedisPools().client("http://127.0.0.1")


async def test_opening_finds_a_server_that_does_not_answer_and_hides_the_password() -> None:
    pools = RedisPools()
    pools.client("redis://:topsecret@127.0.0.1:1/0")

    with pytest.raises(RedisUnavailable, match=r"127\.0\.0\.1:1/0") as caught:
        await pools.open()
    await pools.close()

    assert "topsecret" not in str(caught.value)


async def test_a_client_may_be_asked_for_while_the_others_are_pinged() -> None:
    pools = RedisPools({"default": URL})
    pools.client()

    opening = asyncio.ensure_future(pools.open())
    await asyncio.sleep(0)
    pools.client(f"{URL}?client_name=another")
    await opening
    await pools.close()


def test_a_missing_package_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)

    with pytest.raises(MissingDependency, match=r"pip install 'covet\[redis\]'"):
        RedisPools().client(URL)


def test_the_driver_is_imported_only_when_a_pool_is_asked_for() -> None:
    code = "import sys, covet.redis, covet.pubsub; assert 'redis' not in sys.modules, 'redis was imported'"

    subprocess.run([sys.executable, "-c", code], check=True)


def test_masking_leaves_urls_without_password_alone() -> None:
    assert mask_url("redis://db:6379/0") == "redis://db:6379/0"
    assert mask_url("redis://ann:secret@db:6379/0") == "redis://ann:***@db:6379/0"
