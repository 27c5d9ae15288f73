"""CHANNELS to brokers: the alias, the kind, the options, and what cannot be used."""

from __future__ import annotations

import os
from typing import Any

import pytest

from covet.apps import Apps
from covet.conf import override
from covet.conf.service_url import parse_channel
from covet.exceptions import ImproperlyConfigured
from covet.pubsub import channel
from covet.pubsub.handler import Brokers, make_broker
from covet.pubsub.memory import MemoryBroker
from covet.pubsub.part import PubSubPart, broker_of
from covet.pubsub.redis import RedisBroker
from covet.redis import RedisPools

URL = os.environ["COVET_TEST_REDIS_URL"]


class Quiet(MemoryBroker):
    """A broker of the project's own."""

    def __init__(self, url: str, volume: str = "low") -> None:
        super().__init__()
        self.url, self.volume = url, volume


def test_an_alias_has_one_broker_of_the_kind_that_its_url_names() -> None:
    brokers = Brokers(
        {"default": parse_channel("memory://"), "wide": parse_channel(f"{URL}?prefix=shop")}, RedisPools()
    )

    assert isinstance(brokers["default"], MemoryBroker)
    assert brokers["default"] is brokers["default"]
    wide = brokers["wide"]
    assert isinstance(wide, RedisBroker)
    assert wide._prefix == "shop:0"
    assert list(brokers) == ["default", "wide"]


def test_an_unknown_alias_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"no alias 'wide' \(known: default\)"):
        Brokers({"default": parse_channel("memory://")}, RedisPools())["wide"]


def test_an_option_that_the_broker_does_not_have_is_an_error() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"memory broker in CHANNELS has no option speed"):
        make_broker(parse_channel("memory://?speed=9"), RedisPools())


def test_a_project_may_bring_its_own_broker() -> None:
    made: Any = make_broker(
        parse_channel({"BACKEND": f"{__name__}.Quiet", "OPTIONS": {"volume": "high"}}), RedisPools()
    )

    assert isinstance(made, Quiet)
    assert made.volume == "high"


async def test_the_part_opens_and_closes_the_brokers_of_the_settings() -> None:
    with override(CHANNELS={"default": f"{URL}?prefix=test-part"}):
        apps = Apps()
        apps.setup([], [PubSubPart])
        with apps.use():
            await apps.startup()
            async with channel("room") as ch:
                await ch.publish("hello")
                async for message in ch.listen():
                    assert message == "hello"
                    break
            broker: Any = broker_of()
            was_open = broker._pubsub is not None
            await apps.shutdown()

    assert was_open
    assert broker._pubsub is None


def test_a_wrong_entry_is_found_by_check() -> None:
    with override(CHANNELS={"default": "memory://?speed=9"}):
        apps = Apps()
        apps.setup([], [PubSubPart])

        messages = list(apps.part(PubSubPart).check(apps))

    assert [message.id for message in messages] == ["pubsub.E001"]
