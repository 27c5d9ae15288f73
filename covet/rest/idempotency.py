"""``Idempotency-Key``: the answer to a write is kept, so that the client who asks again gets it and nothing is done twice.

A key belongs to one user and one endpoint. What was asked is remembered by its fingerprint: the same key with another
request is refused. While the first request runs, others of its key are told to come back.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct

from covet.conf import settings
from covet.http.errors import BadRequest, Conflict, HTTPException, ServiceUnavailable, UnprocessableContent
from covet.http.request import Request
from covet.http.response import Response
from covet.problems import ProblemError
from covet.redis import RedisPools, RedisUnavailable, StoresByUrl, redis_errors
from covet.rest.errors import answer

__all__ = ["KEY_PATTERN", "IdempotencyStore", "MemoryStore", "RedisStore", "idempotent", "store_of"]

log = logging.getLogger("covet.rest")

_HEADER: Final = "Idempotency-Key"
_MAX_LENGTH: Final = 255
KEY_PATTERN: Final = r"^[!#-~]([ -~]*[!#-~])?$"
"""What keys look like, for the documentation: printable, no space or quote at the ends (which headers lose)."""
_LOCK_S: Final = 600.0
"""How long a key stays taken by a request that never ended, since its process is gone; longer than any request runs."""
_KEPT: Final = (b"content-type", b"location", b"etag", b"last-modified", b"content-language", b"link", b"vary")
_MAX_KEPT_BODY: Final = 1024 * 1024


class Entry(msgspec.Struct, array_like=True):
    """What is kept of a key: the fingerprint, and the answer once there is one."""

    fingerprint: str
    token: str
    status: int = 0
    headers: list[tuple[bytes, bytes]] = []
    body: bytes = b""


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Entry).decode


class IdempotencyStore(Protocol):
    """Keeps entries by key."""

    async def begin(self, key: str, entry: bytes, seconds: float) -> bytes | None:
        """Take a key, or return what is kept of it; one of several at once takes it."""

    async def finish(self, key: str, pending: bytes, entry: bytes, seconds: float) -> None:
        """Keep another entry of a key, if it is still this pending one's."""

    async def release(self, key: str, pending: bytes) -> None:
        """Forget a key, if it is still this pending entry's."""


class MemoryStore:
    """Keeps entries in this process; each worker has its own.

    Args:
        clock: Tells the time in seconds.
        max_keys: How many are kept; the oldest go first.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, max_keys: int = 10_000) -> None:
        self._clock = clock
        self._max_keys = max_keys
        self._entries: dict[str, tuple[bytes, float]] = {}

    async def begin(self, key: str, entry: bytes, seconds: float) -> bytes | None:
        """Take a key, or return what is kept; nothing is awaited, so nobody comes between."""
        now = self._clock()
        known = self._entries.get(key)
        if known is not None and known[1] > now:
            return known[0]
        self._put(key, entry, now + seconds)
        return None

    async def finish(self, key: str, pending: bytes, entry: bytes, seconds: float) -> None:
        """Keep the answer."""
        known = self._entries.get(key)
        if known is None or known[0] == pending:
            self._put(key, entry, self._clock() + seconds)

    async def release(self, key: str, pending: bytes) -> None:
        """Forget the key."""
        known = self._entries.get(key)
        if known is not None and known[0] == pending:
            del self._entries[key]

    def _put(self, key: str, entry: bytes, until: float) -> None:
        self._entries.pop(key, None)
        self._entries[key] = entry, until
        now = self._clock()
        for _ in range(2):
            oldest = next(iter(self._entries))
            if self._entries[oldest][1] > now and len(self._entries) <= self._max_keys:
                return
            del self._entries[oldest]
            if not self._entries:
                return

    def __len__(self) -> int:
        return len(self._entries)


_FINISH: Final = """
local known = redis.call('GET', KEYS[1])
if known == false or known == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
"""
_RELEASE: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class RedisStore:
    """Keeps entries in Redis, for all processes together.

    Args:
        pools: The clients.
        name: A URL, or a name of REDIS_URL.
        prefix: Stands before all keys.
    """

    def __init__(self, pools: RedisPools, name: str = "default", *, prefix: str = "covet:idempotency") -> None:
        self._pools = pools
        self._name = name
        self._prefix = prefix

    async def begin(self, key: str, entry: bytes, seconds: float) -> bytes | None:
        """Take a key, or return what is kept, in one command."""
        with redis_errors(self._pools.url(self._name)):
            client: Any = self._pools.client(self._name)
            known: bytes | None = await client.set(
                f"{self._prefix}:{key}", entry, px=max(1, int(seconds * 1000)), nx=True, get=True
            )
        return known

    async def finish(self, key: str, pending: bytes, entry: bytes, seconds: float) -> None:
        """Keep the answer."""
        with redis_errors(self._pools.url(self._name)):
            client: Any = self._pools.client(self._name)
            await client.eval(_FINISH, 1, f"{self._prefix}:{key}", pending, entry, max(1, int(seconds * 1000)))

    async def release(self, key: str, pending: bytes) -> None:
        """Forget the key."""
        with redis_errors(self._pools.url(self._name)):
            client: Any = self._pools.client(self._name)
            await client.eval(_RELEASE, 1, f"{self._prefix}:{key}", pending)


_stores: StoresByUrl[IdempotencyStore] = StoresByUrl("IDEMPOTENCY_STORE", "keep answers", MemoryStore, RedisStore)


def store_of(url: str | None = None) -> IdempotencyStore:
    """Return the store of a URL, the same one for each caller of a project.

    Args:
        url: ``memory://``, a ``redis://`` URL or a name of ``REDIS_URL``; ``IDEMPOTENCY_STORE`` when left out.

    Raises:
        ImproperlyConfigured: It is none of these.
    """
    return _stores.get(url)


class _Claim(Struct, frozen=True):
    """A key that this request has taken."""

    store: IdempotencyStore
    key: str
    fingerprint: str
    pending: bytes

    async def keep(self, response: Response) -> None:
        """Keep an answer; what may turn out otherwise next time is forgotten, so that the client can try again."""
        is_final = response.status < 500 and response.status not in (401, 403, 408, 409, 425, 429)
        if not is_final or response.is_streaming or len(response.body) > _MAX_KEPT_BODY:
            await self.release()
            return
        headers = [(name, value) for name, value in response.raw_headers if name in _KEPT]
        entry = Entry(self.fingerprint, "", response.status, headers, response.body)
        try:
            await self.store.finish(self.key, self.pending, _encode(entry), settings.IDEMPOTENCY_TTL_S)
        except RedisUnavailable:
            # The work is done, so its answer goes out; who repeats the request is told that it still runs.
            log.exception("An answer could not be kept for its Idempotency-Key")

    async def release(self) -> None:
        """Give the key back."""
        try:
            await self.store.release(self.key, self.pending)
        except RedisUnavailable:
            log.exception("An Idempotency-Key could not be given back; it is free again in %.0f s", _LOCK_S)


def idempotent(
    run: Callable[[Request, dict[str, Any]], Awaitable[Response]], path: str
) -> Callable[[Request, dict[str, Any]], Awaitable[Response]]:
    """Return ``run`` with its answers kept by ``Idempotency-Key``; without the header nothing is different.

    Args:
        run: The endpoint.
        path: The path it is at, parameters in braces.
    """

    async def kept(request: Request, params: dict[str, Any]) -> Response:
        given = request.headers.get(_HEADER)
        if given is None:
            return await run(request, params)
        try:
            claim = await _claim(request, given, path)
        except HTTPException as error:
            return await answer(error, request=request)
        if isinstance(claim, Response):
            return claim
        try:
            response = await run(request, params)
        except BaseException:
            # Also when the client has gone or the server stops: shielded, so that the key is free again.
            await asyncio.shield(claim.release())
            raise
        await asyncio.shield(claim.keep(response))
        return response

    return kept


async def _claim(request: Request, given: str, path: str) -> _Claim | Response:
    """Take the key, or return the answer that is kept.

    Raises:
        BadRequest: The key is no key.
        Conflict: The first request of the key still runs.
        UnprocessableContent: The key was used for another request.
        ServiceUnavailable: The store cannot be reached.
    """
    name = given.strip().strip('"')
    if not name or len(name) > _MAX_LENGTH or not name.isprintable():
        raise BadRequest(f"An {_HEADER} has 1 to {_MAX_LENGTH} printable characters.", type="#idempotency-key")
    key = _hash(await _owner(request), request.method, path, name)
    body = await request.body()
    fingerprint = _hash(request.path, request.query.urlencode(), request.content_type, body)
    pending = _encode(Entry(fingerprint, secrets.token_hex(8)))
    claim = _Claim(store_of(), key, fingerprint, pending)
    try:
        known = await claim.store.begin(key, pending, _LOCK_S)
    except RedisUnavailable as error:
        raise ServiceUnavailable("The request cannot be made safe to repeat right now.") from error
    except asyncio.CancelledError:
        # The client has gone, and the store may have taken the key all the same: who asks again is not to wait for nobody.
        await asyncio.shield(claim.release())
        raise
    if known in (None, pending):  # its own: the client of a store asks again where an answer was lost
        return claim
    entry = _decode(known)
    if entry.fingerprint != fingerprint:
        raise UnprocessableContent(
            f"This {_HEADER} was used for another request.",
            type="#idempotency-mismatch",
            errors=[ProblemError("Take a new key for a new request.", header=_HEADER, code="idempotency_mismatch")],
        )
    if not entry.status:
        raise Conflict(
            f"The first request of this {_HEADER} still runs.",
            type="#idempotency-in-progress",
            headers={"Retry-After": "1"},
        )
    response = Response(entry.body, entry.status)
    response.raw_headers = list(entry.headers)
    response.headers["Idempotency-Replayed"] = "true"
    return response


async def _owner(request: Request) -> str:
    """Return whose key it is: the user's, else that of the credentials which a dependency of the project may read."""
    if request.has_user:
        user = await request.user
        if user.is_authenticated:
            return f"user {getattr(user, 'pk', '')}"
    told = [request.headers.get("authorization", "")]
    for scheme in settings.OPENAPI_SECURITY.values():
        if isinstance(scheme, dict) and scheme.get("type") == "apiKey":
            bag: Any = {"header": request.headers, "cookie": request.cookies, "query": request.query}[scheme["in"]]
            told.append(bag.get(scheme["name"], ""))
    return _hash(*told) if any(told) else "-"


def _hash(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        raw = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    return digest.hexdigest()
