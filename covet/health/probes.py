"""Asks every part whether what it needs can be used now. Many who ask at once share one round of questions."""

from __future__ import annotations

import asyncio
import logging
from weakref import WeakKeyDictionary

from msgspec import Struct

from covet.apps.part import AppPart
from covet.apps.registry import Apps

__all__ = ["Report", "probe_all"]

TIMEOUT_S = 3.0
# Anyone may ask: what was found holds this long, so that questions from outside cost the databases nothing.
FRESH_S = 1.0

logger = logging.getLogger("covet.health")


class Report(Struct, frozen=True):
    """What a round of questions found: the parts by name, and whether each can work."""

    parts: dict[str, bool]
    asked_at: float

    @property
    def is_ready(self) -> bool:
        """Whether all can."""
        return all(self.parts.values())


_rounds: WeakKeyDictionary[Apps, asyncio.Task[Report]] = WeakKeyDictionary()


async def probe_all(apps: Apps) -> Report:
    """Return what each part with a probe says, at most a second old.

    Args:
        apps: The registry whose parts are asked.
    """
    loop = asyncio.get_running_loop()
    latest = _rounds.get(apps)
    if latest is None or latest.get_loop() is not loop or _is_stale(latest, loop.time()):
        latest = loop.create_task(_ask(apps))
        _rounds[apps] = latest
    # Shielded: one who stops waiting must not end the round for the others.
    return await asyncio.shield(latest)


def _is_stale(task: asyncio.Task[Report], now: float) -> bool:
    if not task.done():
        return False
    return task.cancelled() or task.exception() is not None or now - task.result().asked_at > FRESH_S


async def _ask(apps: Apps) -> Report:
    asked = [part for part in apps.parts() if type(part).probe is not AppPart.probe]
    answers = await asyncio.gather(*(_can_work(part) for part in asked))
    names = [type(part).__name__.removesuffix("Part").lower() for part in asked]
    return Report(dict(zip(names, answers, strict=True)), asyncio.get_running_loop().time())


async def _can_work(part: AppPart) -> bool:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await part.probe()
    except Exception as error:  # whatever a driver raises is an answer here: no
        logger.warning("%s cannot work: %s: %s", type(part).__name__, type(error).__name__, error)
        return False
    return True
