"""Named Redis pools: one client for each server, opened at start-up, shared by cache, pub/sub and tasks.

``redis`` is imported only when a pool is asked for. A pool is named by a URL, or by a key of ``settings.REDIS_URL``;
``RedisPart`` owns the pools of a process and closes them last.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar
from urllib.parse import urlsplit

from covet.apps import apps
from covet.apps.part import AppPart
from covet.conf import settings
from covet.exceptions import CovetError, ImproperlyConfigured, MissingDependency

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from covet.apps.registry import Apps

__all__ = ["RedisPart", "RedisPools", "RedisUnavailable", "StoresByUrl", "mask_url", "redis_errors"]

S = TypeVar("S")

CONNECT_TIMEOUT_S = 5.0
MAX_CONNECTIONS = 64
SCHEMES = frozenset({"redis", "rediss", "unix"})


class RedisUnavailable(CovetError):
    """A Redis server cannot be reached, or ended the connection.

    Args:
        url: The server; its password is masked in the message.
        reason: What the driver said.
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"Redis at {mask_url(url)} cannot be used: {reason}. Is the server running, and the URL right?"
        )
        self.url = mask_url(url)
        self.reason = reason


class RedisPools:
    """URL to Redis client; each client has a pool of its own and is closed with this object."""

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self._names = dict(names or {})
        self._clients: dict[str, Redis] = {}

    def client(self, name: str = "default") -> Redis:
        """Return the client of a URL or a configured name, the same one for every caller.

        Nothing is connected yet. Replies are bytes.

        Raises:
            ImproperlyConfigured: ``name`` is neither a URL nor configured.
            MissingDependency: ``redis`` is not installed.
        """
        url = self.url(name)
        client = self._clients.get(url)
        if client is None:
            client = self._clients[url] = _make_client(url)
        return client

    def url(self, name: str) -> str:
        """Return the URL behind a name; a URL is its own name."""
        url = name if "://" in name else self._names.get(name)
        if url is None:
            known = ", ".join(sorted(self._names)) or "none"
            raise ImproperlyConfigured(
                f"No Redis server is named {name!r} (known: {known}). Set REDIS_URL, or write a redis:// URL."
            )
        if urlsplit(url).scheme not in SCHEMES:
            raise ImproperlyConfigured(
                f"{mask_url(url)!r} is no Redis URL. Write redis://host:6379/0, rediss:// or unix://."
            )
        return url

    async def open(self) -> None:
        """Ping every server whose client was asked for, so that a wrong URL is found at start-up.

        Raises:
            RedisUnavailable: One does not answer.
        """
        # A copy: others may ask for further clients while these answer.
        for url, client in list(self._clients.items()):
            with redis_errors(url):
                ping = client.execute_command("PING")  # type: ignore[no-untyped-call]  # redis is half typed
                await asyncio.wait_for(ping, CONNECT_TIMEOUT_S)

    async def close(self) -> None:
        """Close every client; each may be asked for again."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.aclose()


class RedisPart(AppPart):
    """Owns the Redis pools of the process."""

    reads: ClassVar[frozenset[str]] = frozenset({"REDIS_URL"})

    def __init__(self) -> None:
        super().__init__()
        self.pools = RedisPools()

    def ready(self, apps: Apps) -> None:
        """Learn the names that settings give to servers."""
        from covet.conf import settings

        configured: Any = getattr(settings, "REDIS_URL", None)
        names = {"default": configured} if isinstance(configured, str) and configured else configured or {}
        self.pools = RedisPools(names)

    async def startup(self) -> None:
        """Ping the servers that other parts have asked for."""
        await self.pools.open()

    async def probe(self) -> None:
        """Ping the servers that are in use."""
        await self.pools.open()

    async def shutdown(self) -> None:
        """Close all pools."""
        await self.pools.close()


@contextmanager
def redis_errors(url: str) -> Iterator[None]:
    """Turn the driver's connection errors into ``RedisUnavailable``."""
    try:
        from redis.exceptions import RedisError
    except ImportError as error:
        raise _missing(url) from error
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise RedisUnavailable(url, str(error).strip().rstrip(".") or type(error).__name__) from error


def mask_url(url: str) -> str:
    """Return ``url`` with its password replaced by stars.

    >>> mask_url("redis://:secret@db:6379/0")
    'redis://:***@db:6379/0'
    """
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{parts.username or ''}:***@{host}").geturl()


def _missing(url: str) -> MissingDependency:
    return MissingDependency("redis", extra="redis", feature=f"A Redis server ({mask_url(url)})")


def _make_client(url: str) -> Redis:
    try:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import ExponentialBackoff
    except ImportError as error:
        raise _missing(url) from error
    try:
        return Redis.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            health_check_interval=30,
            retry=Retry(ExponentialBackoff(cap=0.5, base=0.02), 3),
        )
    except ValueError as error:
        raise ImproperlyConfigured(f"{mask_url(url)!r} is no Redis URL: {error}") from error


class StoresByUrl(Generic[S]):
    """Stores of one kind, by where they are: in this process, or on a Redis server. A project has one of each.

    Args:
        setting: The setting whose value is taken where no place is named; messages name it.
        purpose: What the stores are for, in messages: "count".
        memory: Makes the one in this process.
        redis: Makes one from the pools and a URL, or a name of ``REDIS_URL``.
    """

    def __init__(
        self, setting: str, purpose: str, memory: Callable[[], S], redis: Callable[[RedisPools, str], S]
    ) -> None:
        self._setting = setting
        self._purpose = purpose
        self._memory = memory
        self._redis = redis
        self._found: weakref.WeakKeyDictionary[Apps, dict[str, S]] = weakref.WeakKeyDictionary()

    def get(self, place: str | None = None) -> S:
        """Return the store of a place, the same one for every caller.

        Args:
            place: ``memory://``, a ``redis://`` URL or a name of ``REDIS_URL``; the setting's when left out.

        Raises:
            ImproperlyConfigured: It is none of these.
        """
        wished: str = place or getattr(settings, self._setting)
        current = apps.current()
        known = self._found.setdefault(current, {})
        found = known.get(wished)
        if found is None:
            found = known[wished] = self._make(wished, current)
        return found

    def _make(self, place: str, current: Apps) -> S:
        if place == "memory://":
            return self._memory()
        scheme, separator, _ = place.partition("://")
        if separator and scheme not in SCHEMES:
            raise ImproperlyConfigured(
                f"{self._setting}: {scheme}:// is no place to {self._purpose}. Write memory://, a redis:// URL, or a name of "
                "REDIS_URL."
            )
        return self._redis(current.part(RedisPart).pools, place)
