"""Finds apps and their modules, and tells what is missing from what is broken and from what runs in a circle."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import ModuleType

from covet.apps.config import AppConfig
from covet.apps.part import AppPart
from covet.exceptions import CovetError, ImproperlyConfigured
from covet.loading import has_submodule, import_string
from covet.text import misspelt, suggest

__all__ = ["AppError", "make_config", "part_classes", "part_module", "sort_parts"]


class AppError(ImproperlyConfigured):
    """An app, one of its modules or a part cannot be used; the text names which, and why."""


def make_config(entry: str) -> AppConfig:
    """Return the config of one entry of INSTALLED_APPS: a package, or the dotted path of an AppConfig class.

    Raises:
        AppError: There is no such app, it fails to import, or which config is meant is unclear.
    """
    if not isinstance(entry, str) or not entry:
        raise AppError(f"INSTALLED_APPS holds {entry!r}; each entry is the dotted name of an app.")
    if not _exists(entry):
        parent, _, name = entry.rpartition(".")
        if parent and _exists(parent) and name[:1].isupper():
            return _named_config(entry, parent, name)
        raise _missing(entry)
    module = load(entry, label=entry.rpartition(".")[2], apps=[entry])
    if not has_submodule(entry, "apps"):
        return AppConfig(entry, module)
    configs = _configs_in(load(f"{entry}.apps", label=entry.rpartition(".")[2], apps=[entry]))
    chosen = [config for config in configs if config.__dict__.get("default")]
    if len(chosen) > 1:
        names = ", ".join(config.__name__ for config in chosen)
        raise AppError(f"'{entry}.apps' marks several configs as the default ({names}); leave one.")
    if not chosen:
        chosen = [config for config in configs if config.__dict__.get("default") is not False]
        if len(chosen) > 1:
            names = ", ".join(config.__name__ for config in chosen)
            raise AppError(
                f"'{entry}.apps' has several configs ({names}). Set default = True on one, or name it in INSTALLED_APPS."
            )
    if not chosen:
        return AppConfig(entry, module)
    return _make(chosen[0], entry)


def part_module(app: AppConfig, name: str | None, installed: Sequence[str]) -> ModuleType | None:
    """Return the app's submodule, or None if it has none; its folder is listed once, however many parts ask.

    Raises:
        AppError: The module is there and fails to import.
    """
    if name is None:
        return None
    head, _, rest = name.partition(".")
    if head not in app.submodules() or (rest and not has_submodule(app.name, name)):
        return None
    return load(f"{app.name}.{name}", label=app.label, apps=installed)


def load(name: str, *, label: str, apps: Sequence[str]) -> ModuleType:
    """Import a module of an app.

    Raises:
        AppError: It fails; names the app, the module, the place, and the circle if there is one.
    """
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise AppError(_why(name, label, error, apps)) from error


def part_classes(entries: Iterable[type[AppPart] | str], *, wanted_by: str) -> list[type[AppPart]]:
    """Return the part classes behind dotted paths.

    Raises:
        AppError: One is no AppPart, or cannot be imported.
    """
    found: list[type[AppPart]] = []
    for entry in entries:
        try:
            part = import_string(entry) if isinstance(entry, str) else entry
        except ImproperlyConfigured as error:
            raise AppError(f"{wanted_by} names the part '{entry}': {error}") from error
        if not (inspect.isclass(part) and issubclass(part, AppPart)):
            raise AppError(f"{wanted_by} names '{entry}', which is no AppPart.")
        found.append(part)
    return found


def sort_parts(parts: Iterable[type[AppPart]]) -> list[type[AppPart]]:
    """Return the parts, and those they need, each behind what it comes ``after``.

    A class in ``after`` is needed, and added; a dotted path only orders parts that are there anyway.

    Raises:
        AppError: Parts wait for each other.
    """
    wanted: dict[type[AppPart], None] = {}
    queue = list(parts)
    while queue:
        part = queue.pop(0)
        if part not in wanted:
            wanted[part] = None
            queue += [need for need in part.after if not isinstance(need, str)]
    by_path = {f"{part.__module__}.{part.__qualname__}": part for part in wanted}
    graph = {part: before(part, by_path) for part in wanted}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " → ".join(part.__name__ for part in reversed(error.args[1]))
        raise AppError(f"App parts wait for each other: {circle}. One of them must leave its 'after'.") from None


def before(part: type[AppPart], by_path: dict[str, type[AppPart]]) -> list[type[AppPart]]:
    """Return the parts among ``by_path`` that must come before ``part``."""
    found = [by_path.get(need) if isinstance(need, str) else need for need in part.after]
    return [need for need in found if need is not None]


def _exists(name: str) -> bool:
    if name in sys.modules:
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            return False
        raise AppError(f"The app '{name}' cannot be imported: {error}.") from error
    except Exception as error:  # the parent package runs when its child is looked for, and may raise anything
        raise AppError(_why(name, name.rpartition(".")[2], error, [name])) from error


def _named_config(entry: str, module_name: str, name: str) -> AppConfig:
    module = load(module_name, label=module_name.split(".", 1)[0], apps=[module_name])
    kind = getattr(module, name, None)
    if kind is None:
        known = [config.__name__ for config in _configs_in(module)]
        near = suggest(name, known)
        hint = f" Did you mean '{module_name}.{near}'?" if near else ""
        raise AppError(f"INSTALLED_APPS names '{entry}', and '{module_name}' has no '{name}'.{hint}")
    if not (inspect.isclass(kind) and issubclass(kind, AppConfig)):
        raise AppError(f"INSTALLED_APPS names '{entry}', which is no AppConfig.")
    return _make(kind, kind.name or module_name.removesuffix(".apps"))


def _make(kind: type[AppConfig], default_name: str) -> AppConfig:
    name = kind.name or default_name
    near = misspelt(kind, AppConfig)
    if near:
        raise AppError(f"{kind.__module__}.{kind.__qualname__}.{near[0]} is asked by nobody. Did you mean '{near[1]}'?")
    if not _exists(name):
        raise AppError(f"{kind.__module__}.{kind.__qualname__} has the name '{name}', and there is no such package.")
    return kind(name, load(name, label=name.rpartition(".")[2], apps=[name]))


def _configs_in(module: ModuleType) -> list[type[AppConfig]]:
    return [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, AppConfig)
        and value is not AppConfig
        and value.__module__ == module.__name__
    ]


def _missing(entry: str) -> AppError:
    if entry.startswith("django.contrib."):
        ours = f"covet.{entry.split('.')[2]}"
        if _exists(ours) and _exists(f"{ours}.apps"):
            return AppError(f"INSTALLED_APPS names '{entry}', which is Django's. Write '{ours}'.")
    near = suggest(entry, _candidates(entry))
    hint = f" Did you mean '{near}'?" if near else " Is it spelt right, and is its package installed?"
    return AppError(f"INSTALLED_APPS names '{entry}', and there is no such app.{hint}")


def _candidates(entry: str) -> set[str]:
    """Packages that lie where the app was looked for."""
    import pkgutil  # only a mistake needs it

    parent, _, _ = entry.rpartition(".")
    if parent:
        try:
            package = importlib.import_module(parent)
        except Exception:
            return set()
        names = {found.name for found in pkgutil.iter_modules(package.__path__) if found.ispkg}
        # Covet's rooms that are no apps would be wrong guesses.
        names = {name for name in names if parent != "covet" or Path(package.__path__[0], name, "apps.py").is_file()}
        return {f"{parent}.{name}" for name in names}
    top = {found.name for found in pkgutil.iter_modules() if found.ispkg}
    root = Path(__file__).resolve().parents[1]
    return top | {f"covet.{folder.name}" for folder in root.iterdir() if (folder / "apps.py").is_file()}


def _why(name: str, label: str, error: Exception, apps: Sequence[str]) -> str:
    if isinstance(error, AppError):
        return str(error)
    circle = _circle(error, apps)
    if circle:
        return (
            f"App '{label}': {name} cannot be imported, because modules import each other in a circle: "
            f"{' → '.join(circle)}. Import one of them inside the function that needs it, or name the model by a "
            "string ('app.Model')."
        )
    place = _place(error)
    what = str(error) if isinstance(error, CovetError) else f"{type(error).__name__}: {error}"
    return f"App '{label}': {name} cannot be imported{place}: {what}{_hint(error)}"


def _hint(error: Exception) -> str:
    from covet.porting.hints import import_hint, use_hint  # only a mistake needs them, and they read syntax trees

    hint = import_hint(error) or use_hint(error) or _near(error) or _hidden(error)
    return f".{hint}" if hint else ""


def _near(error: Exception) -> str:
    """The nearest name of the project's module that has none of that name, as in ``path("", views.hoem)``."""
    if not (isinstance(error, AttributeError) and isinstance(error.obj, ModuleType) and isinstance(error.name, str)):
        return ""
    near = suggest(error.name, sorted(name for name in vars(error.obj) if not name.startswith("_")))
    return f" Did you mean '{near}'?" if near else ""


def _hidden(error: Exception) -> str:
    """What to do about a module that a name of the class body hides, as ``permissions = [permissions.AllowAny]`` does below it."""
    if not (isinstance(error, AttributeError) and isinstance(error.obj, (list, tuple)) and isinstance(error.name, str)):
        return ""
    if not error.name[:1].isupper():
        return ""
    return (
        f" If a module was meant, such as permissions: a name of the class body hides it there, below 'permissions = […]'. "
        f"Import {error.name} by its own name."
    )


def _place(error: Exception) -> str:
    """The file and line of the user's code that failed: the last one outside Covet and the import system."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}, line {error.lineno})"
    roots = [str(Path(__file__).resolve().parents[1]), "<"]
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and pydantic.__file__:
        # A class of a schema is made by its metaclass, which nobody wants to hear of.
        roots.append(str(Path(pydantic.__file__).parent))
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(tuple(roots)) and "importlib" not in frame.filename:
            return f" ({frame.filename}, line {frame.lineno})"
    return ""


def _circle(error: Exception, apps: Sequence[str]) -> list[str]:
    """The modules that import each other, when that is why an import failed."""
    text = str(error)
    if "partially initialized module" not in text:
        return []
    modules: list[str] = []
    current = error.__traceback__
    while current is not None:
        module = current.tb_frame.f_globals.get("__name__", "")
        is_top_level = current.tb_frame.f_code.co_name == "<module>"
        if is_top_level and (not modules or modules[-1] != module):
            modules.append(module)
        current = current.tb_next
    start = getattr(error, "name", None) or text.split("'")[1]
    if start in modules:
        modules = modules[modules.index(start) :]
    roots = {app.partition(".")[0] for app in apps}
    inside = [module for module in modules if module.partition(".")[0] in roots] or modules
    return [*inside, start] if inside and inside[-1] != start else inside
