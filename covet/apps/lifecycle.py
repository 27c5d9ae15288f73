"""From nothing to a running project and back: ``setup``, ``started``, ``run``."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from covet.apps.part import AppPart
from covet.apps.registry import Apps, apps
from covet.concurrency import serving_loop
from covet.conf import settings

__all__ = ["prepare", "run", "setup", "started"]

T = TypeVar("T")


def setup(parts: Iterable[type[AppPart] | str] | None = None) -> Apps:
    """Load the settings and fill the registry; calling it again does nothing.

    Args:
        parts: Just these parts and those they need, as a command does; None is all. A later call adds what is missing.

    Returns:
        The registry.

    Raises:
        ImproperlyConfigured: Settings, an app or a part cannot be used.
    """
    # Loading makes many objects that stay: collecting meanwhile finds nothing and takes a tenth of the time.
    collects = gc.isenabled()
    gc.disable()
    try:
        prepare()
        apps.setup(settings.INSTALLED_APPS, settings.APP_PARTS, only=parts)
    finally:
        if collects:
            gc.enable()
    return apps


def prepare() -> Apps:
    """Load the settings and the apps' packages, and no part: enough to import a module of an app.

    Raises:
        ImproperlyConfigured: Settings or an app cannot be used.
    """
    from covet.log import configure_logging  # the log reads settings, and so waits until they can be read

    settings.load()
    if not apps.apps_ready:
        configure_logging()
    settings.rebuilder = apps
    apps.populate(settings.INSTALLED_APPS)
    return apps


@contextlib.asynccontextmanager
async def started(parts: Iterable[type[AppPart]] | None = None) -> AsyncIterator[Apps]:
    """Start the loaded parts inside the block, and shut them down afterwards whatever happens.

    Inside another such block only what is not yet running is started, and stopped again.

    Args:
        parts: Just these parts and those they need; None is all that are loaded.
    """
    with serving_loop():
        running = await apps.startup(parts)
        try:
            yield apps
        finally:
            # Shielded: a cancelled server must still close its pools.
            await asyncio.shield(_shutdown(running))


async def _shutdown(running: list[AppPart]) -> None:
    await apps.shutdown(running)


def run(
    coroutine: Coroutine[Any, Any, T] | Callable[[], Coroutine[Any, Any, T]],
    *,
    parts: Iterable[type[AppPart]] | None = None,
) -> T:
    """Run one coroutine with everything opened and closed round it, and return its result; for scripts.

    Args:
        coroutine: The coroutine, or an async function without arguments that is called once all is open.
        parts: Just these parts and those they need; None is all.

    Raises:
        RuntimeError: An event loop is running already; ``await`` the coroutine there.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        if isinstance(coroutine, Coroutine):
            coroutine.close()
        raise RuntimeError("covet.run() was called inside a running event loop; write `await …` there instead.")
    try:
        setup(parts)
    except BaseException:
        if isinstance(coroutine, Coroutine):
            coroutine.close()
        raise

    async def main() -> T:
        async with started(parts):
            return await (coroutine() if callable(coroutine) else coroutine)

    return asyncio.run(main())
