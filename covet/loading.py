"""Names to objects: import a dotted path, look for a submodule, and say clearly what is wrong when it fails."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Final

from covet.exceptions import ImproperlyConfigured
from covet.text import suggest

__all__ = [
    "has_submodule",
    "import_module",
    "import_string",
    "is_frozen",
    "late_function",
    "late_module",
    "late_names",
    "module_folder",
    "submodules",
    "uncollected",
]

_PROGRAM: Final = 2_000

_SUFFIXES = frozenset({"py", "so", "pyd"})


def late_names(
    package: str, homes: Mapping[str, Iterable[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package that imports what it offers when it is first asked for.

    A package whose names live in many modules says them twice: to type checkers as imports below ``if TYPE_CHECKING``, and
    here by the modules that hold them. Who imports the package then pays for what they use of it.

    Args:
        package: The package's ``__name__``.
        homes: The names by their modules; a module of the package itself stands below the package.
    """
    known = {name: home for home, names in homes.items() for name in names}

    def find(name: str) -> Any:
        home = known.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
        found = (
            importlib.import_module(f"{package}.{name}")
            if home == package
            else getattr(importlib.import_module(home), name)
        )
        setattr(sys.modules[package], name, found)
        return found

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *known})

    return find, names


def late_module(asker: str, name: str, alias: str | None = None) -> Any:
    """Return a stand-in for a module that is imported when it is first asked for something.

    For what a module's functions use, and few programs call: most servers never delete a row, none does at its start. Type
    checkers read the import that stands below ``if TYPE_CHECKING`` beside it::

        if TYPE_CHECKING:
            from covet.db.models import deletion
        else:
            deletion = late_module(__name__, "covet.db.models.deletion")

    Args:
        asker: The ``__name__`` of the module that holds the stand-in.
        name: The module it stands for.
        alias: Its name in the asker; the last part of ``name`` where not given.
    """
    return _LateModule(asker, name, alias or name.rpartition(".")[2])


class _LateModule:
    __slots__ = ("_alias", "_asker", "_name")

    def __init__(self, asker: str, name: str, alias: str) -> None:
        self._asker, self._name, self._alias = asker, name, alias

    def __getattr__(self, name: str) -> Any:
        found = importlib.import_module(self._name)
        holder = vars(sys.modules[self._asker])
        # From now on the asker's functions find the module itself, at no cost.
        if holder.get(self._alias) is self:
            holder[self._alias] = found
        return getattr(found, name)

    def __repr__(self) -> str:
        return f"<{self._name}, imported when it is first used>"


def late_function(source: str, file: str, name: str, scope: dict[str, Any]) -> Callable[..., Any]:
    """Return an async function of Python written by the program, which its first call compiles.

    For functions of which a project has hundreds and a process calls few: to compile one takes a while.

    Args:
        source: The Python that defines it.
        file: What tracebacks call it.
        name: The function's name.
        scope: Its globals.
    """
    found = FunctionType(_uncompiled.__code__, scope, name)

    def compiled() -> Callable[..., Any]:
        exec(compile(source, file, "exec"), scope)  # noqa: S102  written by the caller, of names made there
        # The same function goes on with its own code, so that later calls cost nothing more.
        made = scope[name]
        found.__defaults__, found.__kwdefaults__, found.__code__ = made.__defaults__, made.__kwdefaults__, made.__code__
        return found

    scope["COMPILED"] = compiled
    return found


async def _uncompiled(*args: Any, **kwargs: Any) -> Any:
    """The code of a late function until its first call; its globals are then the function's."""
    return await globals()["COMPILED"]()(*args, **kwargs)


def is_frozen() -> bool:
    """Tell whether somebody has put what is loaded out of the collector's sight, as servers do before they fork.

    CPython 3.12 does so of its own accord with what is immortal: some hundred objects, where a program has many thousands.
    """
    return gc.get_freeze_count() >= _PROGRAM


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the cyclic collector from what is loaded inside: none of it is garbage, and to look takes as long as to load it.

    Afterwards the collector is as it was. A server freezes its program when it has started (``handlers.lifespan``).
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
        if not is_frozen():
            # Together these two move all objects to the oldest generation, where they would end after some rounds.
            gc.freeze()
            gc.unfreeze()
    finally:
        if was_on:
            gc.enable()


def import_string(path: str) -> Any:
    """Return the object that ``"package.module.Name"`` or ``"package.module:Name.attribute"`` names.

    Args:
        path: The dotted path. With a colon, what stands left of it is the module.

    Raises:
        ImproperlyConfigured: The path is no dotted path, the module cannot be imported, or it has no such name.
    """
    module_name, separator, attributes = path.partition(":")
    if not separator:
        module_name, _, attributes = path.rpartition(".")
    if not module_name or not attributes:
        raise ImproperlyConfigured(f"'{path}' is no dotted path to an object; write it as 'package.module.Name'.")
    try:
        found: Any = import_module(module_name, wanted_by=f"'{path}'")
    except ImproperlyConfigured as error:
        if type(error) is not ImproperlyConfigured or not isinstance(error.__cause__, ModuleNotFoundError):
            raise  # the module is there, and says itself what it lacks
        from covet.porting.hints import path_hint  # only a mistake needs it, and it reads syntax trees

        raise ImproperlyConfigured(f"{error}{path_hint(path)}") from error.__cause__
    for name in attributes.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            near = (
                suggest(name, [n for n in vars(found) if not n.startswith("_")]) if hasattr(found, "__dict__") else None
            )
            hint = f" Did you mean '{near}'?" if near else ""
            raise ImproperlyConfigured(f"Module '{module_name}' has no '{attributes}' (from '{path}').{hint}") from None
    return found


def import_module(name: str, *, wanted_by: str) -> ModuleType:
    """Import a module, and tell a module that does not exist from one that fails.

    Args:
        name: The dotted name of the module.
        wanted_by: Who asks, in a few words, for the message.

    Raises:
        ImproperlyConfigured: There is no such module. What a module raises while it runs passes through.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # Only a name on the way to the module means "not there"; another one is the module's own broken import.
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise ImproperlyConfigured(f"{wanted_by} cannot be loaded: there is no module '{error.name}'.") from error
        raise


def has_submodule(package: str, name: str) -> bool:
    """Tell whether ``package`` holds a module ``name``; imports the package, never the module."""
    try:
        return importlib.util.find_spec(f"{package}.{name}") is not None
    except ModuleNotFoundError:
        return False


def submodules(package: ModuleType) -> frozenset[str]:
    """Return the names of the modules and packages directly inside a package, by one listing of its folders.

    A folder without ``__init__.py`` counts as a package when it holds Python files, as Python itself treats it.
    """
    names: set[str] = set()
    for folder in getattr(package, "__path__", ()):
        try:
            entries = list(os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError):
            names.update(_listed_by_importer(folder))
            continue
        for entry in entries:
            stem, dot, suffix = entry.name.partition(".")
            if dot:
                if stem and suffix.rpartition(".")[2] in _SUFFIXES:
                    names.add(stem)
            elif stem.isidentifier() and stem != "__pycache__" and _is_package(entry):
                names.add(stem)
    return frozenset(names - {"__init__", "__main__"})


def _is_package(entry: os.DirEntry[str]) -> bool:
    # To look for the one file is less than to list the folder.
    return os.path.exists(f"{entry.path}{os.sep}__init__.py") or (
        entry.is_dir() and any(name.endswith(".py") for name in os.listdir(entry.path))
    )


def module_folder(name: str) -> Path | None:
    """Return the folder of a package without running it, or None where it has none (or does not exist)."""
    module = sys.modules.get(name)
    if module is not None:
        paths = list(getattr(module, "__path__", ()))
        return Path(paths[0]) if paths else None
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _listed_by_importer(folder: str) -> set[str]:
    import pkgutil  # a zipped package: rare, so its machinery is loaded only then

    return {found.name for found in pkgutil.iter_modules([folder])}
