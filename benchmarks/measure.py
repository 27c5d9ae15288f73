"""How things are measured: contenders in short turns, medians of ratios; never a lone time."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

Work = Callable[[], Awaitable[object]]

# The columns of ``ratios``, and what they are to be.
HEADS = ["1 task", "16 tasks", "client CPU", "aim"]

# Turns are short, so that the moods of a shared machine meet all contenders alike.
_TURN_S = 0.05


@dataclass
class Result:
    """One contender's figures, one of each a round.

    Attributes:
        rates: Operations per second.
        costs: Seconds of this process's own CPU per operation: the client's part alone, and steadier than the rate.
    """

    name: str
    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    def faster(self, other: Result) -> float:
        """How many times as many operations as another: the median over the rounds."""
        return statistics.median([mine / theirs for mine, theirs in zip(self.rates, other.rates, strict=True)])

    def cheaper(self, other: Result) -> float:
        """How many times less CPU in this process than another: the median over the rounds."""
        return statistics.median([theirs / mine for mine, theirs in zip(self.costs, other.costs, strict=True)])


@dataclass
class _Sum:
    done: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0


async def _turn(work: Work, seconds: float, tasks: int, into: _Sum) -> None:
    """Repeat ``work`` by so many tasks at once."""
    started, cpu = time.perf_counter(), time.process_time()
    end = started + seconds

    async def repeat() -> None:
        while True:
            await work()
            into.done += 1
            if time.perf_counter() >= end:
                return

    await asyncio.gather(*(repeat() for _ in range(tasks)))
    into.wall_s += time.perf_counter() - started
    into.cpu_s += time.process_time() - cpu


async def compare(contenders: Mapping[str, Work], *, rounds: int, seconds: float, tasks: int) -> list[Result]:
    """Run the contenders in turn until each has had ``seconds`` in each of the rounds."""
    results = {name: Result(name) for name in contenders}
    for work in contenders.values():
        await _turn(work, seconds / 4, tasks, _Sum())
    order = list(contenders)
    for _ in range(rounds):
        gc.collect()
        sums = {name: _Sum() for name in contenders}
        while min(one.wall_s for one in sums.values()) < seconds:
            for name in order:
                await _turn(contenders[name], _TURN_S, tasks, sums[name])
            order.reverse()
        for name, one in sums.items():
            results[name].rates.append(one.done / one.wall_s)
            results[name].costs.append(one.cpu_s / one.done)
    return list(results.values())


async def ratios(
    name: str, contenders: Mapping[str, Work], rounds: int, seconds: float, tasks: tuple[int, ...]
) -> list[str]:
    """Return the cells of a row: operations per second at 1 and at 16 tasks, and the client's CPU at 1; bare = 1.

    Args:
        name: The row.
        contenders: The bare thing, Covet, and maybe one more, whose operations per second are a cell of their own.
        rounds: How often, for the medians.
        seconds: Of each contender in each round.
        tasks: How many at once.
    """
    rates, costs, others = [], [], []
    for count in tasks:
        bare, ours, *other = await compare(contenders, rounds=rounds, seconds=seconds, tasks=count)
        rates.append(f"{ours.faster(bare):.2f}")
        costs.append(f"{ours.cheaper(bare):.2f}")
        others += [f"{one.faster(bare):.2f}" for one in other]
    beside = f", {list(contenders)[-1]} {' / '.join(others)}" if others else ""
    print(f"  {name}: {' / '.join(rates)}, CPU {' / '.join(costs)}{beside}", flush=True)
    return [*rates, *[""] * (2 - len(rates)), costs[0], *([" / ".join(others)] if len(contenders) > 2 else [])]


def table(title: str, columns: list[str], rows: list[tuple[str, list[str]]]) -> str:
    """A plain table: a title, a heading, a line a row."""
    width = max([len(title), *(len(name) for name, _ in rows)]) + 2
    lines = [f"{title:<{width}}" + "".join(f"{column:>16}" for column in columns)]
    lines += [f"{name:<{width}}" + "".join(f"{cell:>16}" for cell in cells) for name, cells in rows]
    return "\n".join(lines)
