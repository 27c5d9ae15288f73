"""How Covet's own modules are found and loaded: as Python does it, by fewer steps.

A start imports some two hundred modules of ours, and for each of them Python's finders ask all places where a module might be, in all
the ways in which it might be written. ``OwnModules`` knows both: the folder of the package, and a ``.py`` file with bytecode that
is no older. Whatever is otherwise (no bytecode yet, a zip file, a compiled module, a folder without ``__init__.py``) is
left to Python's finders, which stand behind it; so is every module that is not Covet's. ADR 0019 tells what it saves.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES, BuiltinImporter, ModuleSpec, SourceFileLoader
from importlib.util import MAGIC_NUMBER, cache_from_source
from io import open_code
from marshal import loads
from os import sep
from struct import Struct
from types import CodeType, ModuleType

__all__ = ["OwnLoader", "OwnModules", "install"]

# The names in a folder, and what stands before and after a module's name in the path of its bytecode.
_Folder = tuple[frozenset[str], str, str]

_PACKAGE = "covet."
# What bytecode begins with that is checked against the time and the size of its source, and not by a hash.
_HEAD = MAGIC_NUMBER + bytes(4)
_FITTING = Struct("<8sII").pack
# How the line of a compiled module's file ends.
_EXTENSIONS = tuple(f"{suffix}\n" for suffix in EXTENSION_SUFFIXES)


def install(package: ModuleSpec | None) -> None:
    """Put the finder in front of Python's own, once.

    Behind those of others that come first, such as pytest's, which rewrites assertions.

    Args:
        package: Covet's own spec. Where another loader than Python's has loaded it (from a zip file, a frozen program, with
            assertions rewritten), that loader is to load all of it, and there is nothing to do.
    """
    if package is None or type(package.loader) is not SourceFileLoader:
        return
    # By name, as the class is another one where Covet is imported anew.
    others = [each for each in sys.meta_path if getattr(type(each), "__module__", None) != __name__]
    if BuiltinImporter in others:
        others.insert(others.index(BuiltinImporter), OwnModules())
        sys.meta_path[:] = others


class OwnLoader(SourceFileLoader):
    """Python's loader of source files, which takes bytecode at once where it fits its source."""

    def __init__(self, name: str, path: str, bytecode: str) -> None:
        # What the base class does, without a call of it.
        self.name, self.path, self.bytecode = name, path, bytecode

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module, with these two names set: Python looks for them in vain, and then sets them."""
        module = ModuleType(spec.name)
        vars(module).update(__file__=spec.origin, __cached__=self.bytecode)
        return module

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the module's code; what is unusual in any way (old bytecode, none, a hash in it) is the base class's."""
        path = self.path
        try:
            source = os.stat(path)
            with open_code(self.bytecode) as file:
                data = file.read()
            fits = _FITTING(_HEAD, int(source.st_mtime) & 0xFFFFFFFF, source.st_size & 0xFFFFFFFF)
            if data[:16] == fits and fullname == self.name:
                code: CodeType = loads(memoryview(data)[16:])  # noqa: S302  Python's own cache, as its loader reads it
                # Compiled elsewhere and moved here (an image built in stages), its tracebacks would name files that are not there.
                if code.co_filename == path:
                    return code
        except (OSError, EOFError, ValueError, TypeError):
            pass
        return super().get_code(fullname)


class OwnModules:
    """The finder: answers for modules below ``covet`` that are plain files in the folder of their package."""

    __slots__ = ("_folders",)

    def __init__(self) -> None:
        self._folders: dict[tuple[str, str | None], _Folder] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of one of Covet's modules, or None, whereupon Python's own finders look.

        Args:
            name: The module's full name.
            path: The ``__path__`` of its package. Its first folder is the first that Python would look into.
            target: The module that is loaded anew, if any; of no interest here.
        """
        # A package of folders in many places has another kind of path.
        if path.__class__ is not list or not path or name[:6] != _PACKAGE:
            return None
        folder, stem = path[0], name.rpartition(".")[2]
        names, before, after = self._folders.get((folder, sys.pycache_prefix)) or self._listed(folder)
        is_package = stem in names
        if is_package:
            folder = f"{folder}{sep}{stem}"
            names, before, after = self._folders.get((folder, sys.pycache_prefix)) or self._listed(folder)
            stem = "__init__"
        source = stem + ".py"
        if source not in names:
            return None
        file, bytecode = f"{folder}{sep}{source}", f"{before}{stem}{after}"
        spec = ModuleSpec(name, OwnLoader(name, file, bytecode), origin=file, is_package=is_package)
        spec.has_location = True
        spec.cached = bytecode
        if is_package:
            spec.submodule_search_locations = [folder]
        return spec

    def invalidate_caches(self) -> None:
        """Look into the folders anew: ``importlib.invalidate_caches()`` asks for it."""
        self._folders.clear()

    def _listed(self, folder: str) -> _Folder:
        """Return what is known of a folder from now on.

        Its names are listed, not asked for one by one: file systems that do not tell ``Conf`` from ``conf`` would find both. What is
        added later is found by Python's finders.
        """
        found: _Folder = frozenset(), "", ""
        try:
            names = os.listdir(folder)
            before, _, after = cache_from_source(f"{folder}{sep}=.py").rpartition("=")
        except (OSError, TypeError, ValueError, NotImplementedError):
            pass  # no folder, or a Python that keeps no bytecode
        else:
            # Python takes a compiled module before the source beside it.
            text = "\n".join([*names, ""])
            if folder == os.path.abspath(folder) and not any(extension in text for extension in _EXTENSIONS):
                found = frozenset(names), before, after
        self._folders[folder, sys.pycache_prefix] = found
        return found
