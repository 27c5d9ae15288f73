"""Alias to broker: what ``settings.CHANNELS`` names, made when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from covet.exceptions import ImproperlyConfigured
from covet.loading import import_string, late_module

if TYPE_CHECKING:
    from covet.conf.service_url import ChannelConfig
    from covet.pubsub import memory
    from covet.pubsub import redis as redis_broker
    from covet.pubsub.base import Broker
    from covet.redis import RedisPools
else:
    memory = late_module(__name__, "covet.pubsub.memory")
    redis_broker = late_module(__name__, "covet.pubsub.redis", "redis_broker")

__all__ = ["Brokers", "make_broker"]


class Brokers:
    """The brokers of one process, by alias."""

    def __init__(self, channels: Mapping[str, ChannelConfig], pools: RedisPools) -> None:
        self._channels = dict(channels)
        self._pools = pools
        self._made: dict[str, Broker] = {}

    def __getitem__(self, alias: str) -> Broker:
        broker = self._made.get(alias)
        if broker is None:
            if alias not in self._channels:
                known = ", ".join(sorted(self._channels)) or "none"
                raise ImproperlyConfigured(f"CHANNELS has no alias {alias!r} (known: {known}).")
            broker = self._made[alias] = make_broker(self._channels[alias], self._pools)
        return broker

    def __iter__(self) -> Iterator[str]:
        return iter(self._channels)

    async def open(self) -> None:
        """Connect every configured broker."""
        for alias, entry in self._channels.items():
            # One in memory has nothing to connect: it is made when somebody asks for it. It has no options either, and says so.
            if entry.backend != "memory" or entry.options:
                await self[alias].open()

    async def close(self) -> None:
        """Disconnect every broker that was made; each may be used again."""
        for broker in self._made.values():
            await broker.close()


def make_broker(entry: ChannelConfig, pools: RedisPools) -> Broker:
    """Return the broker that an entry of CHANNELS describes.

    ``redis://host:6379/0?prefix=shop`` puts another word than ``covet`` before every key.

    Raises:
        ImproperlyConfigured: The entry names no broker, or an option that its broker does not have.
    """
    options = dict(entry.options)
    broker: Broker
    if entry.backend == "memory":
        broker = memory.MemoryBroker()
    elif entry.backend == "redis":
        prefix = str(options.pop("prefix", "covet"))
        database = urlsplit(entry.url).path.strip("/") or "0"
        # Redis' pub/sub does not know database numbers: without this, /0 and /1 would hear each other.
        broker = redis_broker.RedisBroker(pools, entry.url or "default", prefix=f"{prefix}:{database}")
    else:
        broker = import_string(entry.backend)(entry.url, **options)
        options.clear()
    if options:
        raise ImproperlyConfigured(
            f"The {entry.backend} broker in CHANNELS has no option {', '.join(sorted(options))}."
        )
    return broker
