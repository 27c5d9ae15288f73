"""Values as Python source, with the imports that the source needs."""

from __future__ import annotations

import builtins
import datetime
import decimal
import enum
import functools
import math
import os
import pathlib
import re
import types
import uuid
import zoneinfo
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from covet.db.migrations.errors import MigrationError
from covet.db.migrations.layout import Atom, Group, Source, flat, quoted
from covet.db.migrations.operations.base import Operation
from covet.db.migrations.signature import plain_text
from covet.db.models.relations.spec import SettingsReference
from covet.i18n.lazy import LazyString

__all__ = ["Serializer", "register_serializer"]

_MODELS = "covet.db.models."
_registered: dict[type, Callable[[Any, Serializer], Source]] = {}


def register_serializer(kind: type, function: Callable[[Any, Serializer], Source]) -> None:
    """Teach migrations to write values of a type of your own.

    Args:
        kind: The type; its subclasses are written the same way.
        function: Takes the value and the serializer, returns the source (``serializer.call`` helps).
    """
    _registered[kind] = function


class Serializer:
    """Turns values into source and remembers the imports.

    Args:
        swappable: Labels of models that settings name, in lower case, with the names of the settings:
            ``{"auth.user": "AUTH_USER_MODEL"}``. A relation to one is written as ``settings.AUTH_USER_MODEL``.
    """

    def __init__(self, swappable: Mapping[str, str] | None = None) -> None:
        self.imports: set[str] = set()
        self.swappable = dict(swappable or {})

    def text(self, value: Any) -> str:
        """Return the source of a value on one line."""
        return flat(self.source(value))

    def source(self, value: Any) -> Source:
        """Return the source of a value.

        Raises:
            MigrationError: The value cannot be written down; the text says what to use instead.
        """
        for kind, function in _registered.items():
            if isinstance(value, kind):
                return function(value, self)
        if isinstance(value, LazyString):
            return Atom(quoted(plain_text(value)))
        if value is None or isinstance(value, bool | types.EllipsisType):
            return Atom(repr(value))
        if isinstance(value, enum.Enum):
            return self._enum(value)
        if isinstance(value, Operation):
            return self.operation(value)
        if isinstance(value, type):
            return self._type(value)
        if hasattr(value, "deconstruct"):
            return self._deconstructed(value)
        plain = self._plain(value)
        if plain is not None:
            return plain
        container = self._container(value)
        if container is not None:
            return container
        return self._callable(value)

    def call(self, name: str, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Group:
        """Return the source of a call; ``name`` is as it stands in the file."""
        items = [("", self.source(arg)) for arg in args]
        pairs = dict(kwargs or {})
        named = {key: value for key, value in pairs.items() if key.isidentifier()}
        items.extend((f"{key}=", self.source(item)) for key, item in named.items())
        others = {key: value for key, value in pairs.items() if key not in named}
        if others:
            items.append(("**", self.source(others)))
        return Group(f"{name}(", items)

    def operation(self, operation: Operation) -> Group:
        """Return the source of an operation: each argument, and each item of its lists, on a line of its own."""
        name, args, kwargs = operation.deconstruct()
        items = [("", self.source(arg)) for arg in args]
        for key, value in kwargs.items():
            broken = isinstance(value, list) and bool(value)
            source = self._sequence("[", value, "]", broken=True) if broken else self.source(value)
            items.append((f"{key}=", source))
        module = operation.public_module or type(operation).__module__
        if module.startswith("covet.db.migrations."):
            self.imports.add("from covet.db import migrations")
            prefix = "migrations."
        else:
            self.imports.add(f"import {module}")
            prefix = f"{module}."
        return Group(f"{prefix}{name}(", items, broken=bool(items))

    def reference(self, module: str, name: str) -> str:
        """Return how a name of a module is written, and remember the import."""
        if module == "builtins":
            return name
        path = f"{module}.{name}"
        if path.startswith(_MODELS) and self._is_public(module, name):
            self.imports.add("from covet.db import models")
            return f"models.{name}"
        if not all(part.isidentifier() for part in module.split(".")):
            # A migration's own module, "blog.migrations.0003_fill": no import statement can name it.
            self.imports.add("import importlib")
            return f"importlib.import_module({quoted(module)}).{name}"
        self.imports.add(f"import {module}")
        return path

    @staticmethod
    def _is_public(module: str, name: str) -> bool:
        """Whether the front door of the models offers what a module of theirs defines: then files use the front door."""
        from covet.db import models

        return name in models.__all__

    # ── kinds of values ──────────────────────────────────────────────────────────────────────────────────────────────

    def _plain(self, value: Any) -> Source | None:
        if isinstance(value, str):
            return Atom(quoted(str(value)))
        if isinstance(value, float) and not math.isfinite(value):
            return Atom(f'float("{value}")')
        if isinstance(value, bytes):
            return Atom(quoted(value))
        if isinstance(value, (int, float, range)):
            return Atom(repr(value))
        if isinstance(value, decimal.Decimal):
            self.imports.add("from decimal import Decimal")
            return Atom(f"Decimal({quoted(str(value))})")
        if isinstance(value, uuid.UUID):
            self.imports.add("import uuid")
            return Atom(f"uuid.UUID({quoted(str(value))})")
        if isinstance(value, zoneinfo.ZoneInfo):
            self.imports.add("import zoneinfo")
            return Atom(f"zoneinfo.ZoneInfo({quoted(value.key)})")
        if isinstance(value, (datetime.date, datetime.time, datetime.timedelta, datetime.timezone)):
            return self._moment(value)
        if isinstance(value, pathlib.PurePath):
            self.imports.add("import pathlib")
            kind = "Pure" if not isinstance(value, pathlib.Path) else ""
            flavour = "Windows" if isinstance(value, pathlib.PureWindowsPath) else "Posix"
            return Atom(f"pathlib.{kind or 'Pure'}{flavour}Path({quoted(value.as_posix())})")
        if isinstance(value, os.PathLike):
            return Atom(quoted(os.fsdecode(value)))
        return None

    def _moment(self, value: Any) -> Source:
        self.imports.add("import datetime")
        if isinstance(value, datetime.datetime) and isinstance(value.tzinfo, zoneinfo.ZoneInfo):
            # What a file holds must not depend on the zone's rules of the day it is read.
            value = value.astimezone(datetime.UTC)
        text = repr(value).replace("datetime.timezone.utc", "datetime.UTC")
        return Atom(text)

    def _enum(self, value: enum.Enum) -> Source:
        if isinstance(value, (str, int)) and hasattr(type(value), "choices"):
            # A choice is written as its value: the class may move or go.
            return self.source(value.value)
        if type(value).__qualname__ != type(value).__name__:
            raise MigrationError(
                f"{value!r} cannot be written to a migration: its class is not at a module's top level."
            )
        owner = self.reference(type(value).__module__, type(value).__qualname__)
        if (isinstance(value, enum.Flag) and value.name is None) or (
            isinstance(value, enum.Flag) and "|" in str(value.name)
        ):
            return Atom(" | ".join(f"{owner}[{quoted(str(item.name))}]" for item in value))
        return Atom(f"{owner}[{quoted(value.name)}]")

    def _type(self, value: type) -> Source:
        if value is type(None):
            return Atom("type(None)")
        if value.__module__ == "covet.db.models.base" and value.__name__ == "Model":
            self.imports.add("from covet.db import models")
            return Atom("models.Model")
        if "<locals>" in value.__qualname__:
            raise MigrationError(
                f"{value!r} cannot be written to a migration: move the class to the module's top level."
            )
        return Atom(self.reference(value.__module__, value.__qualname__))

    def _deconstructed(self, value: Any) -> Source:
        *rest, args, kwargs = value.deconstruct()
        if len(rest) == 3:
            as_manager, manager_path, queryset_path = rest
            return self._manager(queryset_path if as_manager else manager_path, as_manager, args, kwargs)
        path, kwargs = rest[-1], dict(kwargs)
        if getattr(value, "is_relation", False):
            for name in ("to", "through"):
                kwargs[name] = self._setting(kwargs.get(name))
                if kwargs[name] is None:
                    del kwargs[name]
        module, _, name = path.rpartition(".")
        if f"{module}." == _MODELS and not self._is_public(module, name):
            # What the front door does not offer (``F("a") + 1`` makes one) is written with the module that has it.
            module = type(value).__module__
        return self.call(self.reference(module, name), args, kwargs)

    def _manager(self, path: str, as_manager: bool, args: Any, kwargs: Any) -> Source:
        """Return a manager: by its class, or by the queryset that it was made of."""
        module, _, name = path.rpartition(".")
        found = self.reference(module, name)
        return Atom(f"{found}.as_manager()") if as_manager else self.call(found, args or (), kwargs or {})

    def _setting(self, target: Any) -> Any:
        if isinstance(target, SettingsReference):
            return _Setting(target.setting_name)
        if isinstance(target, str) and target.lower() in self.swappable:
            return _Setting(self.swappable[target.lower()])
        return target

    def _container(self, value: Any) -> Source | None:
        if isinstance(value, _Setting):
            self.imports.add("from covet.conf import settings")
            return Atom(f"settings.{value.name}")
        if isinstance(value, list):
            return self._sequence("[", value, "]")
        if isinstance(value, tuple):
            if hasattr(value, "_fields"):
                return self.call(self.reference(type(value).__module__, type(value).__qualname__), value)
            return self._sequence("(", value, ")", lone_comma=True)
        if isinstance(value, (set, frozenset)):
            # Sets have no order of their own: by source, so that the file is the same each time.
            items = sorted((self.source(item) for item in value), key=flat)
            if isinstance(value, frozenset):
                return Group("frozenset(", [("", Group("[", [("", item) for item in items], "]"))])
            return Group("{", [("", item) for item in items], "}") if items else Atom("set()")
        if isinstance(value, Mapping):
            return Group("{", [(f"{self.text(key)}: ", self.source(item)) for key, item in value.items()], "}")
        if isinstance(value, (functools.partial, functools.partialmethod)):
            self.imports.add("import functools")
            return self.call(f"functools.{type(value).__name__}", [value.func, *value.args], value.keywords)
        if isinstance(value, re.Pattern):
            return self._pattern(value)
        if isinstance(value, Iterable) and not callable(value):
            return self._sequence("(", list(value), ")", lone_comma=True)
        return None

    def _sequence(
        self, opening: str, items: Iterable[Any], closing: str, *, broken: bool = False, lone_comma: bool = False
    ) -> Group:
        return Group(opening, [("", self.source(item)) for item in items], closing, broken, lone_comma)

    def _pattern(self, value: re.Pattern[Any]) -> Source:
        self.imports.add("import re")
        # re.UNICODE is what a text pattern has anyway.
        flags = value.flags & ~re.compile("").flags if isinstance(value.pattern, str) else value.flags
        items: list[tuple[str, Source]] = [("", self.source(value.pattern))]
        if flags:
            items.append(("", Atom(f"re.RegexFlag({int(flags)})")))
        return Group("re.compile(", items)

    def _callable(self, value: Any) -> Source:
        if not callable(value):
            raise MigrationError(
                f"{value!r} cannot be written to a migration. Give its class a deconstruct() method, or teach "
                "migrations with register_serializer()."
            )
        owner = getattr(value, "__self__", None)
        if isinstance(owner, type):
            return Atom(f"{self.text(owner)}.{value.__name__}")
        name = getattr(value, "__qualname__", None)
        module = getattr(value, "__module__", None)
        if name is None or module is None:
            raise MigrationError(f"{value!r} cannot be written to a migration: it has no import path.")
        if value.__name__ == "<lambda>":
            raise MigrationError(
                f"A lambda ({module}, line {value.__code__.co_firstlineno}) cannot be written to a migration. "
                "Use a function defined at the module's top level."
            )
        if "<" in name:
            raise MigrationError(
                f"The function {name} of {module} cannot be written to a migration: move it to the module's top level."
            )
        if module == "builtins" and hasattr(builtins, name):
            return Atom(name)
        return Atom(self.reference(module, name))


class _Setting:
    """A relation's target that a setting names."""

    def __init__(self, name: str) -> None:
        self.name = name
