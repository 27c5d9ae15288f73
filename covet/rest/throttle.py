"""Throttles: how often an endpoint may be asked, by whom it counts, and what an answer tells of it.

A throttle is asked before permissions and the body, so that guessing is slowed down as well. Answers carry ``RateLimit`` and
``RateLimit-Policy`` (draft-ietf-httpapi-ratelimit-headers); a refusal is a 429 with ``Retry-After``.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import ipaddress
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.http.errors import ServiceUnavailable, TooManyRequests
from covet.http.response import ProblemResponse, Response
from covet.loading import import_string, late_module
from covet.problems import problem_for
from covet.redis import RedisUnavailable
from covet.text import suggest

if TYPE_CHECKING:
    from covet.http.request import Request
    from covet.limits import algorithms, stores
else:
    stores = late_module(__name__, "covet.limits.stores")
    algorithms = late_module(__name__, "covet.limits.algorithms")

__all__ = ["Throttle", "effective_throttles", "throttled"]

log = logging.getLogger("covet.rest")

By: TypeAlias = "Literal['user', 'ip', 'route'] | Callable[[Request], str | Awaitable[str | None] | None]"
Run: TypeAlias = "Callable[[Request, dict[str, Any]], Awaitable[Response]]"

# What a key says in clear is no longer than this: a path that no route matches may have thousands of characters.
_LONGEST: Final = 100
_EXCEEDED: Final = "https://iana.org/assignments/http-problem-types#quota-exceeded"


class Throttle:
    """One limit: ``Throttle("100/minute")``, ``Throttle("5/hour", by="ip", algorithm="sliding-log")``.

    Endpoints that name the same throttle share its numbers, unless ``by`` has ``"route"``; throttles of one name that count by
    other algorithms, or in other times, have numbers of their own.

    Args:
        rate: How many in what time: ``"100/minute"``, ``"5/10s"``, ``"1000/day"``.
        by: For whom it counts: ``"user"`` (who is logged in, else the address), ``"ip"`` (of IPv6 the network of 64 bits),
            ``"route"`` (each endpoint alone), a function of the request, or several of them. A function that gives None
            lets the request pass uncounted; what else it gives may be a secret, such as an API key, since stores get a hash.
        algorithm: ``"gcra"``, ``"token-bucket"``, ``"leaky-bucket"``, ``"fixed-window"``, ``"sliding-log"`` or
            ``"sliding-counter"``.
        burst: How many at once, where the algorithm knows bursts; the rate's number when left out.
        cost: What a request counts, or a function that says so; 0 is free.
        name: Names the limit in headers and keys; made of the rate when left out.
        store: A store, or the URL of one; ``THROTTLE_STORE`` when left out.
        fail_open: Whether requests pass while the store cannot be reached; else they are refused with 503.

    Raises:
        ImproperlyConfigured: The rate, the algorithm or ``by`` is none.
    """

    def __init__(
        self,
        rate: str,
        *,
        by: By | Sequence[By] = "user",
        algorithm: str = "gcra",
        burst: int | None = None,
        cost: int | Callable[[Request], int | Awaitable[int]] = 1,
        name: str | None = None,
        store: stores.Store | str | None = None,
        fail_open: bool = True,
    ) -> None:
        kind = algorithms.ALGORITHMS.get(algorithm)
        if kind is None:
            near = suggest(algorithm, algorithms.ALGORITHMS)
            hint = f" Did you mean {near!r}?" if near else f" There are: {', '.join(algorithms.ALGORITHMS)}."
            raise ImproperlyConfigured(f"Throttle({rate!r}): there is no algorithm {algorithm!r}.{hint}")
        try:
            self.algorithm = kind(algorithms.Rate.parse(rate), burst=burst)
        except ValueError as error:
            raise ImproperlyConfigured(f"Throttle({rate!r}): {error}") from error
        self.by = (by,) if isinstance(by, str) or callable(by) else tuple(by)
        for one in self.by:
            if not callable(one) and one not in ("user", "ip", "route"):
                raise ImproperlyConfigured(
                    f"Throttle({rate!r}): by={one!r} is not 'user', 'ip', 'route' or a function of the request."
                )
        self.cost = cost
        label = "-".join(one if isinstance(one, str) else getattr(one, "__name__", "custom") for one in self.by)
        self.name = name or f"{self.algorithm.limit}-per-{self.algorithm.period_s:g}s-{label}"
        if not self.name.isascii() or not self.name.isprintable() or '"' in self.name or "\\" in self.name:
            raise ImproperlyConfigured(f"Throttle({rate!r}): the name {self.name!r} cannot stand in a header.")
        self.fail_open = fail_open
        self._store = store
        # What one algorithm remembers another one misreads, as it does what was counted in another time: either would let pass.
        self._key = f"{self.name}:{self.algorithm.name}:{self.algorithm.period_s:g}s"
        self.policy = f'"{self.name}";q={self.algorithm.limit};w={math.ceil(self.algorithm.period_s)}'

    async def hit(self, request: Request) -> algorithms.Verdict | None:
        """Count a request and say whether it may pass; None when it is not counted.

        Raises:
            ServiceUnavailable: The store cannot be reached, and ``fail_open`` is off.
        """
        cost = self.cost
        if callable(cost):
            asked = cost(request)
            cost = await asked if inspect.isawaitable(asked) else asked
        if cost <= 0:
            return None
        parts = [self._key]
        for by in self.by:
            part = await _part(by, request)
            if part is None:
                return None
            parts.append(part)
        store = (
            self._store
            if self._store is not None and not isinstance(self._store, str)
            else stores.store_of(self._store)
        )
        try:
            return await store.hit(self.algorithm, "|".join(parts), cost)
        except RedisUnavailable as error:
            if not self.fail_open:
                raise ServiceUnavailable("Requests cannot be counted at the moment.") from error
            log.warning("A request passes uncounted, since the throttle %s has no store: %s", self.name, error)
            return None

    def __repr__(self) -> str:
        return f"<Throttle {self.name!r} {self.algorithm!r}>"


async def _part(by: By, request: Request) -> str | None:
    """Return what one ``by`` adds to the key: no two of them read alike, however they are put together."""
    found = await _identity(by, request)
    if found is None:
        return None
    if callable(by) or len(found) > _LONGEST:
        # Of what a function gives nothing is known: it may be an API key, which is not for whoever may look into the store.
        secret = settings.SECRET_KEY.encode()[: hashlib.blake2b.MAX_KEY_SIZE]
        text = f"{found}".encode("utf-8", "surrogatepass")
        return f"#{hashlib.blake2b(text, digest_size=16, key=secret).hexdigest()}"
    return found.replace("%", "%25").replace("|", "%7C")


async def _identity(by: By, request: Request) -> str | None:
    if callable(by):
        found = by(request)
        return await found if inspect.isawaitable(found) else found
    if by == "route":
        route = request.route
        return f"{request.method} {route.pattern}" if route is not None else request.path
    if by == "user" and request.has_user:
        user = await request.user
        if user.is_authenticated:
            return f"user {user.pk}"
    return f"ip {_network(request.client[0] if request.client else '')}"


def _network(address: str) -> str:
    """Return what an address counts as: whoever has one of IPv6 has 2⁶⁴."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address or "unknown"
    if parsed.version == 4:
        return str(parsed)
    assert isinstance(parsed, ipaddress.IPv6Address)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def effective_throttles(given: Iterable[Any] | None, *, where: str = "throttles") -> tuple[Throttle, ...]:
    """Return the throttles that hold: those given, else ``DEFAULT_THROTTLES``; rates and dotted names are made throttles.

    Args:
        given: Throttles, rates and dotted names.
        where: Who gave them, for messages.

    Raises:
        ImproperlyConfigured: One of them is no throttle.
    """
    if given is None:
        where = "DEFAULT_THROTTLES"
    if isinstance(given, (str, Throttle)):
        raise ImproperlyConfigured(f"{where} is a list; put brackets round {given!r}.")
    made: list[Throttle] = []
    for one in settings.DEFAULT_THROTTLES if given is None else given:
        found = one
        if isinstance(one, str) and ("/" in one or "." in one):
            found = Throttle(one) if "/" in one else import_string(one)
        if isinstance(found, type) and issubclass(found, Throttle):
            found = found()  # type: ignore[call-arg]  # a subclass that fixes its rate
        if not isinstance(found, Throttle):
            raise ImproperlyConfigured(
                f"{where}: {one!r} is no throttle. Write a rate such as '100/minute', or Throttle('100/minute', by='ip')."
            )
        made.append(found)
    return tuple(made)


def throttled(run: Run, throttles: Sequence[Throttle]) -> Run:
    """Return ``run`` behind these throttles; they are asked one after another, and the first that refuses ends it."""
    policy = ", ".join(one.policy for one in throttles)

    async def limited(request: Request, params: dict[str, Any]) -> Response:
        told: list[str] = []
        delay_s = 0.0
        for throttle in throttles:
            try:
                verdict = await throttle.hit(request)
            except ServiceUnavailable as error:
                return ProblemResponse(problem_for(error))
            if verdict is None:
                continue
            # An integer of seconds, as the draft has it; rounded up, so that who waits so long is not refused again.
            told.append(f'"{throttle.name}";r={verdict.remaining};t={math.ceil(verdict.reset_s)}')
            if not verdict.allowed:
                return _refuse(throttle, verdict, told, policy)
            delay_s = max(delay_s, verdict.delay_s)
        if delay_s > 0:
            await asyncio.sleep(delay_s)
        response = await run(request, params)
        if told:
            response.headers["RateLimit-Policy"] = policy
            response.headers["RateLimit"] = ", ".join(told)
        return response

    return limited


def _refuse(throttle: Throttle, verdict: algorithms.Verdict, told: Sequence[str], policy: str) -> Response:
    if verdict.retry_s is None:
        detail, retry_s = "This request costs more than may ever be asked at once.", None
    else:
        retry_s = max(1, math.ceil(verdict.retry_s))
        detail = f"Too many requests. Try again in {retry_s} second{'' if retry_s == 1 else 's'}."
    error = TooManyRequests(
        detail,
        retry_after_s=retry_s,
        type=_EXCEEDED,
        title="Too Many Requests",
        extra={"violated-policies": [throttle.name]},
    )
    response = ProblemResponse(problem_for(error))
    response.headers["RateLimit-Policy"] = policy
    response.headers["RateLimit"] = ", ".join(told)
    return response
