"""``@command``: a function, sync or async, becomes a command of ``manage.py``.

It stands above click's own decorators. The command's name is the name of its file, in an app's ``management/commands``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from covet.concurrency import is_async, to_thread

if TYPE_CHECKING:
    from covet.apps.part import AppPart

__all__ = ["ALL", "Command", "command", "json_option"]


class _All:
    """Every part there is."""

    def __repr__(self) -> str:
        return "ALL"


ALL: Final = _All()
"""``@command(parts=ALL)``: the command uses every part; what a project's own command does by default."""

PartNames = Iterable["type[AppPart] | str"]

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
"""The option of every command that lists, inspects or plans; the function gets ``as_json``."""


class Command(click.Command):
    """A click command that may be async and says which app parts it needs.

    Attributes:
        parts: The parts it needs; None is all.
        starts: Those of them that run while it does; None is all.
        needs_settings: Whether settings and apps are loaded before it runs.
        owns_loop: Whether it runs on the main thread with no event loop, because it starts its own.
        hints: What to write in place of options that it has not, and that others have: ``{"--port": "Write …"}``.
    """

    parts: tuple[type[AppPart] | str, ...] | None
    starts: tuple[type[AppPart] | str, ...] | None
    needs_settings: bool
    owns_loop: bool
    hints: Mapping[str, str]

    def __init__(
        self,
        *args: Any,
        parts: tuple[type[AppPart] | str, ...] | None,
        starts: tuple[type[AppPart] | str, ...] | None,
        needs_settings: bool,
        owns_loop: bool,
        hints: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.parts = parts
        self.starts = starts
        self.needs_settings = needs_settings
        self.owns_loop = owns_loop
        self.hints = hints or {}

    def start(self, context: click.Context) -> Any:
        """Call the function with the parsed parameters; an async one gives a coroutine."""
        if self.callback is None:
            return None
        with context.scope(cleanup=False):
            return self.callback(**context.params)

    async def run(self, context: click.Context) -> Any:
        """Call the function and wait for it; a sync one runs in a thread, where ``covet.run_sync`` works."""
        try:
            if self.callback is not None and not is_async(inspect.unwrap(self.callback)):
                result = await to_thread(self.start, context)
            else:
                result = self.start(context)
            return await result if inspect.iscoroutine(result) else result
        finally:
            context.close()


def command(
    *,
    parts: PartNames | _All | None = ALL,
    starts: PartNames | None = None,
    help: str | None = None,
    owns_loop: bool = False,
    **attributes: Any,
) -> Callable[[Callable[..., Any]], Command]:
    """Make the decorated function a command.

    Args:
        parts: The app parts that the command needs, as classes or dotted paths. ``ALL`` is every part, an empty list
            is settings and apps alone, and None is nothing: neither settings nor apps are loaded.
        starts: Which of these parts run while the command does; by default all of them. A command that only looks at what
            was collected starts fewer, and then works while a broker is down.
        help: What ``--help`` says; by default the function's docstring.
        owns_loop: Call the function on the main thread with no event loop; for a command that runs its own.
        attributes: Further attributes of ``click.Command``, such as ``epilog`` or ``context_settings``; or ``hints``.
    """
    needed = None if parts is None or isinstance(parts, _All) else tuple(parts)

    def decorate(function: Callable[..., Any]) -> Command:
        # click's decorators below this one left their parameters on the function, the last first.
        params = list(reversed(getattr(function, "__click_params__", [])))
        name = function.__module__.rpartition(".")[2]
        made = Command(
            name=name if name != "__main__" else function.__name__,
            callback=function,
            params=params,
            help=inspect.cleandoc(help or inspect.getdoc(function) or ""),
            parts=needed,
            starts=needed if starts is None else tuple(starts),
            needs_settings=parts is not None,
            owns_loop=owns_loop,
            **attributes,
        )
        made.__module__ = function.__module__
        made.__doc__ = function.__doc__
        return made

    return decorate
