"""The algorithms: from what is remembered of a key, the time and a cost, to a verdict and what to remember next.

Each is written twice, in Python for the memory of a process and in Lua for Redis, where it runs as one atomic script. Both
work on doubles, in the same order of operations; a test holds them together. What is remembered is a few numbers (of the
log: two for each request), so any store that keeps a text can serve.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from functools import cache
from typing import ClassVar, Final, TypeAlias

from msgspec import Struct

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "FixedWindow",
    "Gcra",
    "LeakyBucket",
    "Rate",
    "SlidingCounter",
    "SlidingLog",
    "TokenBucket",
    "Verdict",
]

State: TypeAlias = tuple[float, ...]

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@cache
def _rate() -> re.Pattern[str]:
    return re.compile(r"(?P<limit>\d+)\s*/\s*(?P<count>\d*)\s*(?P<unit>s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)")


# Sums of doubles miss their mark by a hair; a thousandth of a request is no reason to refuse one.
_HAIR: Final = 1e-6


class Rate(Struct, frozen=True):
    """So many in such a time: ``Rate.parse("100/minute")``, ``"5/10s"``, ``"1000/day"``."""

    limit: int
    period_s: float

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Return the rate that a text names.

        Raises:
            ValueError: It names none.
        """
        found = _rate().fullmatch(text.strip().lower())
        if found is None or not int(found["limit"]) or found["count"] == "0":
            raise ValueError(f"{text!r} is no rate. Write how many in what time: '100/minute', '5/10s', '1000/day'.")
        return cls(int(found["limit"]), int(found["count"] or 1) * _UNITS[found["unit"][0]])

    def __str__(self) -> str:
        return f"{self.limit}/{self.period_s:g}s"


class Verdict(Struct, frozen=True):
    """What a limit says of one request.

    Attributes:
        allowed: Whether it may go on.
        limit: How many there may be.
        remaining: How many may follow at once.
        reset_s: Seconds until all of them may again.
        retry_s: Seconds until one of the same cost may; None where that is never.
        delay_s: Seconds to wait before going on, where requests queue.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_s: float
    retry_s: float | None = 0.0
    delay_s: float = 0.0


class Algorithm(ABC):
    """How requests are counted.

    Args:
        rate: How many in what time.
        burst: How many at once; the rate's number when left out. Windows know no burst.
    """

    name: ClassVar[str]
    lua: ClassVar[str]
    """Reads ``s`` (what is remembered, possibly empty), ``now``, ``cost``, ``limit``, ``period``, ``burst``, ``hair``;
    sets ``new`` (nil keeps all), ``allowed``, ``remaining``, ``reset``, ``retry``, ``delay``, ``keep`` (seconds)."""

    def __init__(self, rate: Rate, *, burst: int | None = None) -> None:
        self.rate = rate
        self.limit = rate.limit
        self.period_s = rate.period_s
        self.burst = rate.limit if burst is None else burst
        if self.burst < 1:
            raise ValueError(f"burst is {burst}; at least one request must be able to pass.")

    @abstractmethod
    def decide(self, state: State, now: float, cost: int) -> tuple[State | None, Verdict, float]:
        """Return what to remember (None keeps what is), the verdict, and for how many seconds to remember it."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.rate}>"


class FixedWindow(Algorithm):
    """Counts from each full minute, hour, day on. The cheapest; twice the limit may pass round the turn of a window."""

    name = "fixed-window"
    lua = """
    local window = math.floor(now / period)
    local count = 0
    if s[1] == window then count = s[2] end
    reset = (window + 1) * period - now
    if count + cost <= limit then
        new = {window, count + cost}; remaining = limit - count - cost
    else
        allowed = 0; remaining = limit - count; retry = reset
        if cost > limit then retry = -1 end
    end
    keep = reset
    """

    def decide(self, state: State, now: float, cost: int) -> tuple[State | None, Verdict, float]:
        """Count in the window of this moment."""
        window = math.floor(now / self.period_s)
        count = state[1] if state and state[0] == window else 0.0
        reset = (window + 1) * self.period_s - now
        if count + cost <= self.limit:
            left = int(self.limit - count - cost)
            return (float(window), count + cost), Verdict(True, self.limit, left, reset), reset
        retry = None if cost > self.limit else reset
        return None, Verdict(False, self.limit, int(self.limit - count), reset, retry), reset


class SlidingLog(Algorithm):
    """Remembers the time of each request: exact at any moment, for the memory of as many numbers as the limit."""

    name = "sliding-log"
    lua = """
    local kept, used = {}, 0
    for i = 1, #s, 2 do
        if s[i] > now - period then kept[#kept + 1] = s[i]; kept[#kept + 1] = s[i + 1]; used = used + s[i + 1] end
    end
    if used + cost <= limit then
        kept[#kept + 1] = now; kept[#kept + 1] = cost; used = used + cost; new = kept
    else
        allowed = 0; retry = -1
        local free = limit - used
        for i = 1, #kept, 2 do
            free = free + kept[i + 1]
            if free >= cost then retry = kept[i] + period - now; break end
        end
    end
    remaining = limit - used
    reset = 0
    if #kept > 0 then reset = kept[#kept - 1] + period - now end
    keep = period
    """

    def decide(self, state: State, now: float, cost: int) -> tuple[State | None, Verdict, float]:
        """Count the costs of one period back from now."""
        pairs = [(at, spent) for at, spent in zip(state[::2], state[1::2], strict=True) if at > now - self.period_s]
        used = sum(spent for _, spent in pairs)
        if used + cost <= self.limit:
            pairs.append((now, float(cost)))
            left = int(self.limit - used - cost)
            verdict = Verdict(True, self.limit, left, now + self.period_s - now)
            return tuple(number for pair in pairs for number in pair), verdict, self.period_s
        free, retry = self.limit - used, None
        for at, spent in pairs:
            free += spent
            if free >= cost:
                retry = at + self.period_s - now
                break
        reset = pairs[-1][0] + self.period_s - now if pairs else 0.0
        return None, Verdict(False, self.limit, int(self.limit - used), reset, retry), self.period_s


class SlidingCounter(Algorithm):
    """Counts two windows, and weighs the former by how much of it a period back from now still covers.

    Two numbers a key. It is exact when requests of the former window came evenly; when they did not, up to as many too many
    or too few may pass as that window was uneven.
    """

    name = "sliding-counter"
    lua = """
    local window = math.floor(now / period)
    local count, before = 0, 0
    if s[1] == window then count = s[2]; before = s[3] elseif s[1] == window - 1 then before = s[2] end
    local part = now / period - window
    local used = before * (1 - part) + count
    if used + cost <= limit + hair then
        count = count + cost; used = used + cost; new = {window, count, before}
    elseif cost > limit then
        allowed = 0; retry = -1
    elseif count + cost <= limit then
        allowed = 0; retry = ((1 - (limit - count - cost) / before) - part) * period
    else
        allowed = 0; retry = (1 - part + (1 - (limit - cost) / count)) * period
    end
    remaining = math.max(0, math.floor(limit - used + hair))
    if count > 0 then reset = (2 - part) * period else reset = (1 - part) * period end
    keep = 2 * period
    """

    def decide(self, state: State, now: float, cost: int) -> tuple[State | None, Verdict, float]:
        """Count this window, and a share of the former."""
        window = math.floor(now / self.period_s)
        count = before = 0.0
        if state and state[0] == window:
            count, before = state[1], state[2]
        elif state and state[0] == window - 1:
            before = state[1]
        part = now / self.period_s - window
        used = before * (1 - part) + count
        new: State | None = None
        retry: float | None = 0.0
        if used + cost <= self.limit + _HAIR:
            count, used = count + cost, used + cost
            new = (float(window), count, before)
        elif cost > self.limit:
            retry = None
        elif count + cost <= self.limit:
            retry = ((1 - (self.limit - count - cost) / before) - part) * self.period_s
        else:
            retry = (1 - part + (1 - (self.limit - cost) / count)) * self.period_s
        left = max(0, math.floor(self.limit - used + _HAIR))
        reset = (2 - part) * self.period_s if count > 0 else (1 - part) * self.period_s
        return new, Verdict(new is not None, self.limit, left, reset, retry), 2 * self.period_s


class TokenBucket(Algorithm):
    """Fills at the rate up to ``burst`` tokens; a request takes as many as it costs."""

    name = "token-bucket"
    lua = """
    local speed = limit / period
    local tokens = burst
    if s[1] then tokens = math.min(burst, s[1] + math.max(0, now - s[2]) * speed) end
    if tokens + hair >= cost then
        tokens = tokens - cost; new = {tokens, now}
    else
        allowed = 0; retry = (cost - tokens) / speed
        if cost > burst then retry = -1 end
    end
    remaining = math.max(0, math.floor(tokens + hair))
    reset = (burst - tokens) / speed
    keep = burst / speed
    """

    def decide(self, state: State, now: float, cost: int) -> tuple[State | None, Verdict, float]:
        """Fill the bucket up to now, and take from it."""
        speed = self.limit / self.period_s
        tokens = float(self.burst)
        if state:
            tokens = min(self.burst, state[0] + max(0.0, now - state[1]) * speed)
        new: State | None = None
        retry: float | None = 0.0
        if tokens + _HAIR >= cost:
            tokens -= cost
            new = (tokens, now)
        else:
            retry = None if cost > self.burst else (cost - tokens) / speed
        left = max(0, math.floor(tokens + _HAIR))
        reset = (self.burst - tokens) / speed
        return new, Verdict(new is not None, self.burst, left, reset, retry), self.burst / speed


class LeakyBucket(Algorithm):
    """Runs out at the rate; a request that would make it overflow is refused, and the others wait for their turn.

    ``delay_s`` says how long: behind this limit, requests go on evenly spaced, however they came.
    """

    name = "leaky-bucket"
    lua = """
    local speed = limit / period
    local level = 0
    if s[1] then level = math.max(0, s[1] - math.max(0, now - s[2]) * speed) end
    if level + cost <= burst + hair then
        delay = level / speed; level = level + cost; new = {level, now}
    else
        allowed = 0; retry = (level + cost - burst) / speed
        if cost > burst then retry = -1 end
    end
    remaining = math.max(0, math.floor(burst - level + hair))
    reset = level / speed
    keep = burst / speed
    """

    def decide(self, state: State, now: float, cost: int) -> tuple[State | None, Verdict, float]:
        """Let the bucket run out up to now, and pour into it."""
        speed = self.limit / self.period_s
        level = max(0.0, state[0] - max(0.0, now - state[1]) * speed) if state else 0.0
        new: State | None = None
        retry: float | None = 0.0
        delay = 0.0
        if level + cost <= self.burst + _HAIR:
            delay = level / speed
            level += cost
            new = (level, now)
        else:
            retry = None if cost > self.burst else (level + cost - self.burst) / speed
        left = max(0, math.floor(self.burst - level + _HAIR))
        verdict = Verdict(new is not None, self.burst, left, level / speed, retry, delay)
        return new, verdict, self.burst / speed


class Gcra(Algorithm):
    """The generic cell rate algorithm: a token bucket in one number, the time at which the next request is due."""

    name = "gcra"
    lua = """
    local step = period / limit
    local due = now
    if s[1] and s[1] > now then due = s[1] end
    local late = due + step * cost - step * burst
    if late <= now + hair then
        due = due + step * cost; new = {due}
    else
        allowed = 0; retry = late - now
        if cost > burst then retry = -1 end
    end
    remaining = math.max(0, math.floor((now - due) / step + burst + hair))
    reset = due - now
    keep = step * burst
    """

    def decide(self, state: State, now: float, cost: int) -> tuple[State | None, Verdict, float]:
        """Move the due time on by what the request costs, if it is not too far ahead then."""
        step = self.period_s / self.limit
        due = state[0] if state and state[0] > now else now
        late = due + step * cost - step * self.burst
        new: State | None = None
        retry: float | None = 0.0
        if late <= now + _HAIR:
            due += step * cost
            new = (due,)
        else:
            retry = None if cost > self.burst else late - now
        left = max(0, math.floor((now - due) / step + self.burst + _HAIR))
        return new, Verdict(new is not None, self.burst, left, due - now, retry), step * self.burst


ALGORITHMS: Final[dict[str, type[Algorithm]]] = {
    kind.name: kind for kind in (FixedWindow, SlidingLog, SlidingCounter, TokenBucket, LeakyBucket, Gcra)
}
"""The algorithms by name."""
