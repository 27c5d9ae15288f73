"""Apps: the installed apps, their models by name, and the parts that collected from them.

The global ``apps`` is what a process serves. Tests and migrations have registries of their own; ``apps.current()`` is
the one of the moment, in which a model class registers when it is defined.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from msgspec import Struct, field

from covet.apps.config import AppConfig
from covet.apps.discovery import AppError, before, make_config, part_classes, part_module, sort_parts
from covet.apps.part import AppPart
from covet.exceptions import AppRegistryNotReady, ImproperlyConfigured
from covet.text import suggest

__all__ = ["Apps", "ModelConflict", "apps"]

P = TypeVar("P", bound=AppPart)
ModelKey = tuple[str, str]

# Overriding one of these changes which apps and parts there are, so everything is built anew.
WHOLE = frozenset({"INSTALLED_APPS", "APP_PARTS"})


class ModelConflict(AppError, RuntimeError):
    """Two models of one app have the same name."""


class _Run(Struct):
    """A part that is started, or being started: when it is open, and how many use it."""

    opened: asyncio.Future[None]
    users: int = 1


class _Before(Struct):
    """What a rebuild replaced, and what it opened."""

    app_configs: dict[str, AppConfig]
    parts: dict[type[AppPart], AppPart]
    running: dict[AppPart, _Run]
    all_parts: bool
    flags: tuple[bool, bool, bool]
    opened: list[AppPart] = field(default_factory=list)


class Apps:
    """A registry of apps.

    Attributes:
        app_configs: The installed apps by label, in the order of INSTALLED_APPS.
        all_models: Model classes by label and lower-case name, installed or not.
        apps_ready: Every app's package and config are loaded.
        models_ready: Every app's models are loaded.
        ready: Every part is ready, and so is every app.
        cache_clearers: Called by ``clear_cache``; for rooms that cache what depends on the set of models.
    """

    def __init__(self, *, ready: bool = False) -> None:
        self.app_configs: dict[str, AppConfig] = {}
        self.all_models: dict[str, dict[str, type[Any]]] = defaultdict(dict)
        self.apps_ready = self.models_ready = self.ready = ready
        self.cache_clearers: list[Callable[[], None]] = []
        self._parts: dict[type[AppPart], Any] = {}
        self._all_parts = False
        self._pending: list[tuple[Callable[..., Any], tuple[ModelKey, ...]]] = []
        self._running: dict[AppPart, _Run] = {}
        self._readied: set[str] = set()
        self._lock = threading.RLock()
        self._loading = False

    def __iter__(self) -> Iterator[AppConfig]:
        return iter(self.app_configs.values())

    def __repr__(self) -> str:
        return f"<Apps {', '.join(self.app_configs) or 'empty'}>"

    # -- loading

    def setup(
        self,
        installed: Iterable[str | AppConfig],
        parts: Iterable[type[AppPart] | str] = (),
        *,
        only: Iterable[type[AppPart] | str] | None = None,
    ) -> None:
        """Load the apps and let the parts collect from them. A second call adds the parts that are still missing.

        Args:
            installed: Entries of INSTALLED_APPS, or configs.
            parts: The built-in parts; the apps' own come behind them.
            only: Just these parts and those they need; None is all.

        Raises:
            AppError: An app or a part cannot be used.
        """
        with self._loads():
            if not self.apps_ready:
                self._populate(installed)
            self._load_parts(parts, only)
            # Without models nothing that an app's ready() relies on is there yet: a later setup() runs it.
            if self.models_ready:
                self._ready_apps()

    def populate(self, installed: Iterable[str | AppConfig]) -> None:
        """Load the apps' packages and configs, and no part; after it models may be imported. Done once.

        Raises:
            AppError: An app cannot be used.
        """
        with self._loads():
            if not self.apps_ready:
                self._populate(installed)

    @contextlib.contextmanager
    def _loads(self) -> Iterator[None]:
        with self._lock:
            if self._loading:
                raise AppError("setup() was called while the apps are being loaded; call it before, not in a module.")
            self._loading = True
            try:
                yield
            finally:
                self._loading = False

    def _populate(self, installed: Iterable[str | AppConfig]) -> None:
        configs: dict[str, AppConfig] = {}
        entries: set[str] = set()
        for entry in installed:
            if isinstance(entry, str) and entry in entries:
                raise AppError(f"INSTALLED_APPS lists '{entry}' twice; leave one.")
            config = make_config(entry) if isinstance(entry, str) else entry
            twin = configs.get(config.label)
            if twin is not None and twin.name == config.name:
                raise AppError(f"INSTALLED_APPS lists '{config.name}' twice; leave one.")
            if twin is not None:
                raise AppError(
                    f"Two apps have the label '{config.label}': '{twin.name}' and '{config.name}'. "
                    "Give the AppConfig of one of them another label."
                )
            if isinstance(entry, str):
                entries.add(entry)
            config.apps = self
            configs[config.label] = config
        self.app_configs = configs
        self.apps_ready = True
        self.clear_cache()

    def _load_parts(self, builtin: Iterable[type[AppPart] | str], only: Iterable[type[AppPart] | str] | None) -> None:
        if self._all_parts:
            return
        if only is None:
            classes = part_classes(builtin, wanted_by="APP_PARTS")
            for config in self.app_configs.values():
                classes += part_classes(config.parts, wanted_by=f"The app '{config.label}'")
        else:
            classes = part_classes(only, wanted_by="The command")
        ordered = sort_parts([*self._parts, *classes])
        fresh = [cls for cls in ordered if cls not in self._parts]
        made = {cls: cls() for cls in fresh}
        self._parts = {cls: self._parts.get(cls) or made[cls] for cls in ordered}
        try:
            self._collect(made.values())
            self.models_ready = self.models_ready or only is None
            for part in made.values():
                part.ready(self)
        except BaseException:
            # A part that failed half way is no part: a later setup() starts it anew and fails again, clearly.
            self._parts = {cls: part for cls, part in self._parts.items() if cls not in made}
            raise
        self._all_parts = only is None

    def _collect(self, parts: Iterable[AppPart]) -> None:
        names = [config.name for config in self.app_configs.values()]
        for part in parts:
            for config in self.app_configs.values():
                part.collect(config, part_module(config, part.module, names))
            if part.module == "models":
                # Modules collected behind it may ask for models while they are imported.
                self.models_ready = True
                self.clear_cache()

    def _ready_apps(self) -> None:
        self.ready = True
        for label, config in self.app_configs.items():
            if label not in self._readied and not config.has_async_ready:
                self._readied.add(label)
                config.ready()

    # -- parts

    def part(self, cls: type[P]) -> P:
        """Return this registry's part of that class.

        Raises:
            ImproperlyConfigured: The part is not loaded.
        """
        try:
            found: P = self._parts[cls]
        except KeyError:
            raise ImproperlyConfigured(
                f"The part {cls.__name__} is not loaded. Call covet.setup() first; in a command, name it in "
                f"@command(parts=[{cls.__name__}]); and see that APP_PARTS or an installed app brings "
                f"'{cls.__module__}.{cls.__qualname__}'."
            ) from None
        return found

    def has_part(self, cls: type[AppPart]) -> bool:
        """Tell whether the part is loaded."""
        return cls in self._parts

    def parts(self) -> list[AppPart]:
        """Return the loaded parts, each behind those it needs."""
        return list(self._parts.values())

    async def startup(self, only: Iterable[type[AppPart]] | None = None) -> list[AppPart]:
        """Start parts in order, then apps whose ``ready`` is async; give what was returned to ``shutdown``.

        A part that runs already is not started again: it gains a user, and runs until the last one has gone. One that
        another task is just starting is waited for. If one fails, those started before it are shut down again and its
        error is raised.
        """
        wanted = None if only is None else set(sort_parts(only))
        started: list[AppPart] = []
        try:
            for cls, part in list(self._parts.items()):
                if wanted is None or cls in wanted:
                    started.append(part)
                    await self._start(part)
            for label, config in self.app_configs.items():
                if config.has_async_ready and label not in self._readied:
                    self._readied.add(label)
                    result = config.ready()
                    if result is not None:
                        await result
        except BaseException:
            # The failing part shuts down too: it may have opened half of what it needs.
            await self.shutdown(started, quiet=True)
            raise
        return started

    async def _start(self, part: AppPart) -> None:
        run = self._running.get(part)
        if run is not None:
            run.users += 1
            # Shielded: this task's cancellation must not cancel the start of another one's part.
            await asyncio.shield(run.opened)
            return
        run = self._running[part] = _Run(asyncio.get_running_loop().create_future())
        try:
            await part.startup()
        except BaseException as error:
            run.opened.set_exception(error if isinstance(error, Exception) else RuntimeError(f"{part} did not start"))
            run.opened.exception()  # seen: nobody may be waiting for it
            raise
        run.opened.set_result(None)

    async def shutdown(self, started: Iterable[AppPart] | None = None, *, quiet: bool = False) -> None:
        """Shut down running parts in reverse order; each one is, whatever the others raise.

        Args:
            started: Only these, as ``startup`` returned them, and unless others use them; None is all that run.
            quiet: Leave out errors, because a worse one is being raised.

        Raises:
            ExceptionGroup: What parts raised, when several did; a single error is raised as it is.
        """
        errors: list[BaseException] = []
        for part in reversed(list(self._running) if started is None else list(started)):
            run = self._running.get(part)
            if run is None:
                continue
            run.users -= 1
            if run.users > 0 and started is not None:
                continue
            del self._running[part]
            try:
                await part.shutdown()
            except BaseException as error:
                errors.append(error)
        if quiet or not errors:
            return
        if len(errors) == 1:
            raise errors[0]
        raise BaseExceptionGroup("Several app parts failed to shut down", errors)

    @property
    def running(self) -> bool:
        """Whether any part is started."""
        return bool(self._running)

    # -- override (conf.holder.Rebuilder)

    def rebuild(self, names: Iterable[str]) -> _Before | None:
        """Build anew the parts that read one of the settings, and those behind them.

        Returns:
            What ``restore`` needs; None when nothing is loaded yet, so that there is nothing to put back.
        """
        changed = frozenset(names)
        if not self.apps_ready:
            return None
        flags = (self.apps_ready, self.models_ready, self.ready)
        state = _Before(dict(self.app_configs), dict(self._parts), dict(self._running), self._all_parts, flags)
        try:
            if changed & WHOLE:
                self._rebuild_whole()
            else:
                self._rebuild_parts(changed)
        except BaseException:
            self.restore(state)
            raise
        return state

    def _rebuild_whole(self) -> None:
        from covet.conf import settings

        loaded = None if self._all_parts else list(self._parts)
        self._parts, self._running, self._all_parts, self.apps_ready = {}, {}, False, False
        self.setup(settings.INSTALLED_APPS, settings.APP_PARTS, only=loaded)

    def _rebuild_parts(self, changed: frozenset[str]) -> None:
        by_path = {f"{cls.__module__}.{cls.__qualname__}": cls for cls in self._parts}
        affected: set[type[AppPart]] = set()
        for cls in self._parts:  # in order, so what stands behind an affected part is seen after it
            if cls.reads & changed or any(need in affected for need in before(cls, by_path)):
                affected.add(cls)
        made = {cls: cls() for cls in self._parts if cls in affected}
        self._parts = {cls: made.get(cls, part) for cls, part in self._parts.items()}
        kept = set(self._parts.values())
        self._running = {part: run for part, run in self._running.items() if part in kept}
        self._collect(made.values())
        for part in made.values():
            part.ready(self)

    def restore(self, before: _Before | None) -> None:
        """Put back the apps and parts that were there before ``rebuild``."""
        if before is None:
            return
        self.app_configs, self._parts = before.app_configs, before.parts
        self._running, self._all_parts = before.running, before.all_parts
        self.apps_ready, self.models_ready, self.ready = before.flags
        self.clear_cache()

    async def open(self, before: _Before | None) -> None:
        """Start the parts that ``rebuild`` made, if their forerunners run."""
        if before is not None and before.running:
            ran = {type(part) for part in before.running}
            before.opened = await self.startup([cls for cls in self._parts if cls in ran or cls not in before.parts])

    async def close(self, before: _Before | None) -> None:
        """Shut down what ``open`` started."""
        if before is not None and before.opened:
            await self.shutdown(before.opened)

    # -- look-up

    def check_apps_ready(self) -> None:
        """Raise AppRegistryNotReady unless the apps are loaded."""
        if not self.apps_ready:
            raise AppRegistryNotReady("The apps are not loaded yet. Call covet.setup() first.")

    def check_models_ready(self) -> None:
        """Raise AppRegistryNotReady unless the models are loaded."""
        if not self.models_ready:
            raise AppRegistryNotReady(
                "The models are not loaded yet. Call covet.setup() first; inside a models module, name another model "
                "by a string ('app.Model'); in a command, name the part: @command(parts=[ModelsPart])."
            )

    def get_app_configs(self) -> list[AppConfig]:
        """Return the installed apps, in the order of INSTALLED_APPS."""
        self.check_apps_ready()
        return list(self.app_configs.values())

    def get_app_config(self, label: str) -> AppConfig:
        """Return the app of that label.

        Raises:
            LookupError: There is none.
        """
        self.check_apps_ready()
        try:
            return self.app_configs[label]
        except KeyError:
            by_name = [config.label for config in self.app_configs.values() if config.name == label]
            near = by_name[0] if by_name else suggest(label, self.app_configs)
            hint = f" Did you mean '{near}'?" if near else ""
            raise LookupError(f"No installed app has the label '{label}'.{hint}") from None

    def is_installed(self, name: str) -> bool:
        """Tell whether the app of that dotted name is installed."""
        self.check_apps_ready()
        return any(config.name == name for config in self.app_configs.values())

    def get_containing_app_config(self, module_name: str) -> AppConfig | None:
        """Return the app in which the module lies; the innermost, if apps are nested."""
        found = [
            config
            for config in self.app_configs.values()
            if module_name == config.name or module_name.startswith(config.name + ".")
        ]
        return max(found, key=lambda config: len(config.name), default=None)

    # -- models

    def register_model(self, label: str, model: type[Any]) -> None:
        """Add a model class; called when it is defined.

        Raises:
            ModelConflict: The app has another model of that name.
        """
        name = model.__name__.lower()
        models = self.all_models[label]
        twin = models.get(name)
        if twin is not None:
            if (twin.__module__, twin.__qualname__) != (model.__module__, model.__qualname__):
                raise ModelConflict(
                    f"Two models of the app '{label}' are called '{name}': {twin.__module__}.{twin.__qualname__} and "
                    f"{model.__module__}.{model.__qualname__}. Rename one, or give it another Meta.app_label."
                )
            warnings.warn(
                f"The model '{label}.{name}' was defined again; its module was probably reloaded, which can leave "
                "relations pointing to the old class.",
                RuntimeWarning,
                stacklevel=3,
            )
        models[name] = model
        self.clear_cache()
        self._run_pending((label, name))

    def get_model(self, label: str, name: str | None = None, *, require_ready: bool = True) -> type[Any]:
        """Return a model by ``"blog.Article"`` or ``("blog", "article")``.

        Args:
            label: The app's label, or label and name with a dot between.
            name: The model's name, whatever its case.
            require_ready: Raise while models are still being loaded.

        Raises:
            LookupError: There is no such app or model.
            AppRegistryNotReady: Models are not loaded yet.
        """
        if name is None:
            label, dot, name = label.partition(".")
            if not dot:
                raise ValueError(f"'{label}' names no model; write it as 'app.Model'.")
        if require_ready:
            self.check_models_ready()
        models = self.all_models.get(label, {})
        model = models.get(name.lower())
        if model is not None:
            return model
        if require_ready and self.app_configs and label not in self.app_configs and not models:
            self.get_app_config(label)
        near = suggest(name, [m.__name__ for m in models.values()])
        hint = f" Did you mean '{label}.{near}'?" if near else ""
        raise LookupError(f"The app '{label}' has no model '{name}'.{hint}")

    def get_models(self, *, include_auto_created: bool = False, include_swapped: bool = False) -> list[type[Any]]:
        """Return the models of the installed apps, in the order in which they were defined."""
        self.check_models_ready()
        labels = self.app_configs or self.all_models
        return [
            model
            for label in labels
            for model in self.all_models.get(label, {}).values()
            if (include_auto_created or not model._meta.auto_created) and (include_swapped or not model._meta.swapped)
        ]

    def get_swappable_settings_name(self, label: str) -> str | None:
        """Return the setting by which the model ``"auth.User"`` can be swapped; None if it cannot."""
        from covet.conf import settings

        for models in self.all_models.values():
            for model in models.values():
                swappable: str | None = getattr(model._meta, "swappable", None)
                if swappable is None:
                    continue
                if model._meta.label.lower() == label.lower():
                    return swappable
                if str(getattr(settings, swappable, "")).lower() == label.lower():
                    return swappable
        return None

    def lazy_model_operation(self, function: Callable[..., Any], *model_keys: ModelKey | str) -> None:
        """Call ``function`` with the models as soon as all of them are registered, which may be now.

        Args:
            function: Takes as many model classes as there are keys.
            model_keys: ``("blog", "article")`` or ``"blog.Article"``.
        """
        keys = tuple(_key(key) for key in model_keys)
        if all(name in self.all_models.get(label, {}) for label, name in keys):
            function(*(self.all_models[label][name] for label, name in keys))
        else:
            self._pending.append((function, keys))

    def pending_models(self) -> set[ModelKey]:
        """Return the models that something waits for and that are not registered."""
        return {key for _function, key in self.pending_operations()}

    def pending_operations(self) -> list[tuple[Callable[..., Any], ModelKey]]:
        """Return the functions that wait for models, each with one that is not registered."""
        return [
            (function, (label, name))
            for function, keys in self._pending
            for label, name in keys
            if name not in self.all_models.get(label, {})
        ]

    def _run_pending(self, key: ModelKey) -> None:
        due = [item for item in self._pending if key in item[1] and self._has_all(item[1])]
        if due:
            self._pending = [item for item in self._pending if not any(item is ready for ready in due)]
            for function, keys in due:
                function(*(self.all_models[label][name] for label, name in keys))

    def _has_all(self, keys: Iterable[ModelKey]) -> bool:
        return all(name in self.all_models.get(label, {}) for label, name in keys)

    def clear_cache(self) -> None:
        """Forget what was derived from the set of models; called when one is added."""
        for clear in self.cache_clearers:
            clear()

    # -- registries side by side

    def current(self) -> Apps:
        """Return the registry of the moment: the one of the innermost ``isolate`` or ``use`` block, else this one."""
        return _current.get() or self

    @contextlib.contextmanager
    def use(self) -> Iterator[Apps]:
        """Make this registry the current one inside the block."""
        token = _current.set(self)
        try:
            yield self
        finally:
            _current.reset(token)

    @contextlib.contextmanager
    def isolate(self, *labels: str) -> Iterator[Apps]:
        """Make a new, ready registry the current one inside the block, so that models defined there stay there.

        Args:
            labels: Installed apps that the new registry has too, without their models.
        """
        isolated = Apps(ready=True)
        isolated.cache_clearers = list(self.cache_clearers)
        for label in labels:
            config = self.get_app_config(label)
            twin = type(config)(config.name, config.module)
            twin.apps = isolated
            isolated.app_configs[label] = twin
        with isolated.use():
            yield isolated


def _key(key: ModelKey | str) -> ModelKey:
    label, name = key.split(".", 1) if isinstance(key, str) else key
    return label, name.lower()


_current: contextvars.ContextVar[Apps | None] = contextvars.ContextVar("covet_apps", default=None)

apps = Apps()
"""The registry that this process serves."""
