"""How things are measured: interleaved rounds, medians, ratios; never a lone time."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

Work = Callable[[], Awaitable[object]]


@dataclass
class Result:
    """Operations per second of one contender, a figure a round."""

    name: str
    rates: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)


async def throughput(work: Work, seconds: float, tasks: int) -> float:
    """Operations per second of ``work`` repeated by so many tasks at once."""
    done = 0
    end = time.perf_counter() + seconds

    async def repeat() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await work()
            done += 1

    started = time.perf_counter()
    await asyncio.gather(*(repeat() for _ in range(tasks)))
    return done / (time.perf_counter() - started)


async def compare(contenders: Mapping[str, Work], *, rounds: int, seconds: float, tasks: int) -> list[Result]:
    """Run the contenders in turn, round by round: the machine's moods meet them all alike."""
    results = {name: Result(name) for name in contenders}
    for work in contenders.values():
        await throughput(work, seconds / 4, tasks)
    for _ in range(rounds):
        for name, work in contenders.items():
            results[name].rates.append(await throughput(work, seconds, tasks))
    return list(results.values())


def table(title: str, columns: list[str], rows: list[tuple[str, list[str]]]) -> str:
    """A plain table: a title, a heading, a line a row."""
    width = max([len(title), *(len(name) for name, _ in rows)]) + 2
    lines = [f"{title:<{width}}" + "".join(f"{column:>16}" for column in columns)]
    lines += [f"{name:<{width}}" + "".join(f"{cell:>16}" for cell in cells) for name, cells in rows]
    return "\n".join(lines)
