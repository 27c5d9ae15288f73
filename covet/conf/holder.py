"""The ``settings`` object: loaded at the first read, frozen but for ``override``.

Values live in the instance's own dict once they are read, so reading one costs what an attribute costs. This module
imports no pydantic: ``covet.conf.sources`` is loaded with the first read.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from types import FrameType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, cast

from covet import timezone
from covet.exceptions import ImproperlyConfigured
from covet.loading import late_module
from covet.text import suggest

if TYPE_CHECKING:
    from covet.conf import errors
    from covet.conf.defaults import Defaults
    from covet.conf.sources import Loaded
else:
    Defaults = object
    errors = late_module(__name__, "covet.conf.errors")

__all__ = ["ENVIRONMENT_VARIABLE", "Rebuilder", "Settings", "override", "settings"]

ENVIRONMENT_VARIABLE = "COVET_SETTINGS_MODULE"

F = TypeVar("F", bound=Callable[..., Any])


class Rebuilder(Protocol):
    """What builds anew after an override: the app registry hands itself over as this."""

    def rebuild(self, names: frozenset[str]) -> Any:
        """Build anew whatever reads one of the settings; returns what ``restore`` needs."""

    def restore(self, before: Any) -> None:
        """Put back what was there before ``rebuild``."""

    async def open(self, before: Any) -> None:
        """Start what was built anew, as far as its forerunner was running."""

    async def close(self, before: Any) -> None:
        """Shut down what ``open`` started."""


Watcher = Callable[[frozenset[str], bool], None]
"""Told the names that an override changes, and whether it begins (True) or has ended."""


class Settings(Defaults):
    """Typed access to the project's settings; upper-case names only.

    ``COVET_SETTINGS_MODULE`` names the module; scripts and tests call ``settings.configure(NAME=value)`` instead.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._loaded: Loaded | None = None
        self._module_name = ""
        self.rebuilder: Rebuilder | None = None
        self.watchers: list[Watcher] = []

    @property
    def configured(self) -> bool:
        """Whether the settings are loaded, or could be: a module is named or ``configure`` was called."""
        return self._loaded is not None or bool(os.environ.get(ENVIRONMENT_VARIABLE))

    @property
    def module_name(self) -> str:
        """The dotted name of the settings module; empty after ``configure``."""
        return self._module_name or ("" if self._loaded else os.environ.get(ENVIRONMENT_VARIABLE, ""))

    def configure(self, **values: Any) -> None:
        """Use these values and the defaults; no module, no environment. For scripts and tests.

        Raises:
            ImproperlyConfigured: Settings are loaded already; use ``override`` to change some.
            SettingsError: Values are wrong.
        """
        from covet.conf.sources import check_values

        with self._lock:
            if self._loaded is not None:
                raise ImproperlyConfigured(
                    "settings.configure() was called after the settings were loaded. "
                    "Call it first, or change values with covet.conf.override(NAME=value)."
                )
            self._adopt(check_values(values, source="settings.configure()"))

    def load(self) -> None:
        """Load the settings now; otherwise the first read does it. Loading twice does nothing.

        Raises:
            ImproperlyConfigured: No module is named, or it cannot be imported.
            SettingsError: Values are wrong; every one is listed.
        """
        with self._lock:
            if self._loaded is not None:
                return
            module = import_settings_module()
            from covet.conf.sources import load  # pydantic: only when settings are really read

            loaded = load(
                module_names(module), module_name=module.__name__, env_file=env_file(module), environ=os.environ
            )
            self._module_name = module.__name__
            self._adopt(loaded)

    def is_set(self, name: str) -> bool:
        """Tell whether the setting was given, rather than left at its default."""
        return name in self._state().sources

    def source(self, name: str) -> str:
        """Return where the value came from: a module's name, ``.env``, the environment, or ``"default"``."""
        return self._state().sources.get(name, "default")

    def names(self) -> list[str]:
        """Return every name: those that Covet knows, in the order of the reference, then the project's own."""
        from covet.conf.defaults import declared

        known = list(declared())
        return known + sorted(name for name in self._state().values if name not in set(known))

    def shown(self, name: str) -> Any:
        """Return the value as it may be shown: secrets masked."""
        from covet.conf.defaults import declared

        value = getattr(self, name)
        known = declared().get(name)
        if known is not None and known.secret and not errors.is_secret(name):
            return errors.MASK if value else value
        return errors.mask(name, value)

    def __getattr__(self, name: str) -> Any:
        if not name.isupper() or name.startswith("_"):
            raise AttributeError(f"Settings have upper-case names, and '{name}' is not one.")
        values = self._state().values
        if name not in values:
            from covet.conf.defaults import declared

            known = declared()
            if name not in known:
                near = suggest(name, [*known, *values])
                hint = f" Did you mean '{near}'?" if near else ""
                where = f" in {self._module_name}" if self._module_name else ""
                raise AttributeError(f"There is no setting '{name}'{where}.{hint}")
            values[name] = known[name].fresh()
        self.__dict__[name] = values[name]
        return values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        if name.isupper() and not name.startswith("_"):
            raise AttributeError(
                f"Settings do not change while a process runs. In a test write "
                f"`with override({name}=…)` (covet.conf.override) or use the fixture `settings`."
            )
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(self.names() if self._loaded is not None else ())]

    def __repr__(self) -> str:
        if self._loaded is None:
            return "<Settings, not loaded>"
        return f"<Settings of {self._module_name or 'configure()'}>"

    def _state(self) -> Loaded:
        if self._loaded is None:
            self.load()
        return cast("Loaded", self._loaded)

    def _adopt(self, loaded: Loaded) -> None:
        before = self._loaded
        self._replace(loaded)
        try:
            timezone.set_default_timezone(self.TIME_ZONE)
        except ImproperlyConfigured as error:
            self._replace(before)
            raise ImproperlyConfigured(f"TIME_ZONE: {error}") from None

    def _replace(self, loaded: Loaded | None) -> None:
        for name in [name for name in self.__dict__ if name.isupper() and not name.startswith("_")]:
            del self.__dict__[name]
        self._loaded = loaded


settings = Settings()


class _Block:
    """A block in which settings are overridden, and what was there before it."""

    __slots__ = ("built", "closed", "ended", "names", "place", "state")

    def __init__(self, names: frozenset[str], state: Loaded, place: str) -> None:
        self.names = names
        self.state = state
        self.place = place
        self.built: Any = None  # what the rebuilder needs to put back; None where there is nothing
        self.closed = False
        self.ended = False

    def __str__(self) -> str:
        return f"override({', '.join(f'{name}=…' for name in sorted(self.names))}) at {self.place}"

    async def close(self) -> None:
        """Shut down what the block has opened, once."""
        if settings.rebuilder is not None and self.built is not None and not self.closed:
            self.closed = True
            await settings.rebuilder.close(self.built)

    def put_back(self) -> None:
        """Bring back what was there before."""
        settings._adopt(self.state)
        _tell(self.names, False)
        # Nothing was built before a block in which the apps were set up first: there is nothing to put back.
        if settings.rebuilder is not None and self.built is not None:
            settings.rebuilder.restore(self.built)
        _announce(self.names, False)


class override:
    """Change settings inside a block, for tests: ``with override(DEBUG=True):`` or ``async with``, or as a decorator.

    Whatever was built from one of the settings (routes, middleware, databases, caches, templates) is built anew, and
    put back afterwards. Use ``async with`` when that holds connections: it opens and closes them; ``with`` leaves them
    to be opened on first use.

    Settings are one for the whole process, so blocks end in the reverse order of their beginnings. One that ends while
    a block that began inside it goes on raises ``ImproperlyConfigured``, and is put back when that one has ended.
    """

    _blocks: ClassVar[list[_Block]] = []
    """The blocks that are not put back, the innermost last."""

    def __init__(self, **changes: Any) -> None:
        self._changes = changes
        self._own: list[_Block] = []
        self._place = ""

    def __enter__(self) -> Settings:
        from covet.conf.sources import Loaded, check_values

        state = settings._state()
        checked = check_values(self._changes, source="override")
        block = _Block(frozenset(self._changes), state, self._place or _place_of_caller())
        settings._adopt(Loaded({**state.values, **checked.values}, {**state.sources, **checked.sources}))
        _tell(block.names, True)
        if settings.rebuilder is not None:
            try:
                block.built = settings.rebuilder.rebuild(block.names)
            except BaseException:
                settings._adopt(state)
                _tell(block.names, False)
                raise
        self._own.append(block)
        self._blocks.append(block)
        try:
            _announce(block.names, True)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return settings

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        block = self._end()
        self._put_back()
        self._check_order(block)

    async def __aenter__(self) -> Settings:
        self.__enter__()
        if settings.rebuilder is not None:
            try:
                await settings.rebuilder.open(self._own[-1].built)
            except BaseException:
                self.__exit__(None, None, None)
                raise
        return settings

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        import asyncio  # the settings are read by commands that never start a loop

        block = self._end()
        try:
            while self._blocks and self._blocks[-1].ended:
                innermost = self._blocks[-1]
                await asyncio.shield(innermost.close())
                # Another task may have begun a block, or put this one back, meanwhile.
                if self._blocks and self._blocks[-1] is innermost:
                    self._blocks.pop().put_back()
        finally:
            self._put_back()  # all of them, also where one could not be closed
        self._check_order(block)

    def _end(self) -> _Block:
        block = self._own.pop()
        block.ended = True
        return block

    def _put_back(self) -> None:
        while self._blocks and self._blocks[-1].ended:
            self._blocks.pop().put_back()

    def _check_order(self, block: _Block) -> None:
        if block in self._blocks:
            inner = self._blocks[self._blocks.index(block) + 1]
            raise ImproperlyConfigured(
                f"{block} ends while {inner}, which began inside it, goes on. Settings are one for the whole process: end "
                "such blocks in the reverse order, and let tasks and threads that run side by side share one block. "
                "These settings are put back when the inner block ends."
            )

    def __call__(self, function: F) -> F:
        """Run the decorated function, sync or async, with the changes."""
        if inspect.iscoroutinefunction(function):
            call_async = cast("Callable[..., Awaitable[Any]]", function)

            @functools.wraps(function)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                async with self._for(function):
                    return await call_async(*args, **kwargs)

            return cast(F, run_async)

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self._for(function):
                return function(*args, **kwargs)

        return cast(F, run)

    def _for(self, function: Callable[..., Any]) -> override:
        """The block of one call; a decorator stands for as many as there are calls."""
        block = override(**self._changes)
        block._place = f"the decorator of {function.__module__}.{function.__qualname__}"
        return block


def _place_of_caller() -> str:
    """The line that begins a block: the nearest one that is not this module's or ``contextlib``'s."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename in (__file__, contextlib.__file__):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else "an unknown place"


def _tell(names: frozenset[str], begins: bool) -> None:
    for watcher in settings.watchers:
        watcher(names, begins)


def _announce(names: frozenset[str], begins: bool) -> None:
    """Send ``setting_changed`` for each name; who listens has imported its module, so nobody else has to."""
    signals = sys.modules.get("covet.signals")
    if signals is None or not signals.setting_changed.has_listeners(Settings):
        return
    for name in sorted(names):
        value = getattr(settings, name, None)
        signals.setting_changed.send_sync(Settings, setting=name, value=value, enter=begins)


def import_settings_module() -> ModuleType:
    """Import the module that COVET_SETTINGS_MODULE names, without reading it.

    Raises:
        ImproperlyConfigured: None is named, or it does not exist or fails.
    """
    name = os.environ.get(ENVIRONMENT_VARIABLE, "")
    if not name:
        raise ImproperlyConfigured(
            f"Settings are needed, and none are named. Set the environment variable {ENVIRONMENT_VARIABLE} to the "
            "module (for example 'mysite.settings'), run the command through manage.py, or call settings.configure()."
        )
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise ImproperlyConfigured(
                f"The settings module '{name}' cannot be imported{_place(error)}: {error}.{_hint(error)}"
            ) from error
        raise ImproperlyConfigured(
            f"{ENVIRONMENT_VARIABLE} is '{name}', and there is no module '{error.name}'. "
            "Is the name right, and is the project's folder the current one?"
        ) from error
    except SyntaxError as error:
        raise ImproperlyConfigured(
            f"The settings module '{name}' is no valid Python: {error.msg} ({error.filename}, line {error.lineno})."
        ) from error
    except Exception as error:
        hint = _hint(error)
        raise ImproperlyConfigured(
            f"The settings module '{name}' cannot be imported{_place(error)}: {type(error).__name__}: {error}"
            f"{'.' if hint else ''}{hint}"
        ) from error


def _hint(error: Exception) -> str:
    from covet.porting.hints import import_hint  # only a mistake needs it, and it reads syntax trees

    return import_hint(error)


def _place(error: Exception) -> str:
    """The last line of the project's own that ran, behind the import system's."""
    found = ""
    current = error.__traceback__
    while current is not None:
        file = current.tb_frame.f_code.co_filename
        if not file.startswith("<") and file not in (__file__, importlib.__file__):
            found = f" ({file}, line {current.tb_lineno})"
        current = current.tb_next
    return found


def module_names(module: ModuleType) -> dict[str, Any]:
    """Return the upper-case names of a settings module."""
    return {name: value for name, value in vars(module).items() if name.isupper() and not name.startswith("_")}


def env_file(module: ModuleType) -> Path:
    """Return where the project's ``.env`` lies: COVET_ENV_FILE, else in BASE_DIR, else beside the top package."""
    named = os.environ.get("COVET_ENV_FILE")
    if named:
        return Path(named)
    base = getattr(module, "BASE_DIR", None)
    if isinstance(base, (str, Path)):
        return Path(base) / ".env"
    depth = module.__name__.count(".")
    source = Path(module.__file__ or "settings.py").resolve()
    return source.parents[min(depth, len(source.parents) - 1)] / ".env"


def peek(names: Iterable[str]) -> dict[str, Any]:
    """Return raw values from the settings module alone: no environment, no types, no pydantic. For ``--help``."""
    module = import_settings_module()
    return {name: getattr(module, name) for name in names if hasattr(module, name)}
