"""AppPart: the one protocol by which a subsystem plugs into every installed app."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Iterable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, TypeAlias

if TYPE_CHECKING:
    from covet.apps.config import AppConfig
    from covet.apps.registry import Apps
    from covet.checks import CheckMessage

__all__ = ["AppPart", "Found"]

Found: TypeAlias = "Iterable[CheckMessage] | AsyncIterable[CheckMessage] | Awaitable[Iterable[CheckMessage]]"
"""What a check may give: messages, or a coroutine or async generator of them."""


class AppPart:
    """What one subsystem collects from every installed app.

    A part is made anew for each registry, so it may keep what it collects on itself. ``apps.part(MyPart)`` returns it.

    Attributes:
        module: The submodule looked for in each app; None for a part that wants none.
        folder: The folder looked for in each app, such as ``"templates"``; ``app.folder(…)`` gives its path.
        after: Parts that must have collected, and started, before.
        reads: Settings that the part was built from; when one is overridden, the part is built anew.
        tags: What its checks are about, for ``check --tag``.
    """

    module: ClassVar[str | None] = None
    folder: ClassVar[str | None] = None
    after: ClassVar[tuple[type[AppPart] | str, ...]] = ()
    reads: ClassVar[frozenset[str]] = frozenset()
    tags: ClassVar[tuple[str, ...]] = ()

    def collect(self, app: AppConfig, module: ModuleType | None) -> None:
        """Take what this part wants from one app; called for each app, in the order of INSTALLED_APPS.

        Args:
            app: The app.
            module: Its submodule of the part's name; None if the app has none.
        """

    def ready(self, apps: Apps) -> None:
        """Link, compile and freeze: every app has been collected."""

    def check(self, apps: Apps) -> Found:
        """Give what ``manage.py check`` should report; may be async."""
        return ()

    def check_deploy(self, apps: Apps) -> Found:
        """Give what ``manage.py check --deploy`` should report besides; may be async."""
        return ()

    def check_databases(self, apps: Apps, databases: Sequence[str]) -> Found:
        """Give what ``manage.py check --database`` should report of the databases of these aliases; may be async."""
        return ()

    async def startup(self) -> None:
        """Open what serving, or a command that needs this part, uses."""

    async def probe(self) -> None:
        """Find out whether what this part needs can be used now; raise if not. ``/readyz`` asks, at most once a second."""

    async def shutdown(self) -> None:
        """Close what ``startup`` opened; called in reverse order, and always."""
