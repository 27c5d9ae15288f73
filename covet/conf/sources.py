"""Reads settings from environment, ``.env``, the module and the defaults, in that order, and types them.

Loaded when the first setting is read. Most values have their type already or are plain text of it; pydantic is imported
for the others only (``covet.conf.typed``): it would be over a third of what ``migrate`` takes. Every problem is collected, and
all are reported together.
"""

from __future__ import annotations

import copy
import json
import sys
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from covet import timezone
from covet.conf.defaults import Defaults, Setting, declared
from covet.exceptions import ImproperlyConfigured
from covet.loading import late_module
from covet.text import distance, suggest

if TYPE_CHECKING:
    from covet.conf import errors, typed
else:
    errors = late_module(__name__, "covet.conf.errors")
    typed = late_module(__name__, "covet.conf.typed")

__all__ = ["Loaded", "check_values", "load"]

PREFIX = "COVET_"
# Names of other parts of Covet that begin alike and are no settings.
RESERVED = frozenset({"SETTINGS_MODULE", "ENV_FILE", "ACCEL", "NO_ENV", "NEW_PASSWORD"})
RESERVED_PREFIXES = ("RUNSERVER_", "SERVE_", "TEST_", "SUPERUSER_", "BENCH_", "DEMO_")
# Names that hosts and tools set, and where they belong.
PLAIN = {
    "SECRET_KEY": ("SECRET_KEY", ()),
    "DATABASE_URL": ("DATABASES", ("default",)),
    "CACHE_URL": ("CACHES", ("default",)),
    "REDIS_URL": ("REDIS_URL", ()),
}
ALIASED = frozenset({"DATABASES", "CACHES", "CHANNELS"})
NEAR = 2
_UNCHECKED: Final = object()
# Numbers of this many digits and more are pydantic's to judge.
_LONG: Final = 19
# The types of most settings as they are written: to work one out takes as long as to compile a line of Python.
_PLAIN_HINTS: Final[dict[str | None, Any]] = {"str": str, "bool": bool, "int": int, "list[str]": list[str]}


class Loaded(Struct):
    """The settings of a process: typed values, and for each name where its value came from."""

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)


class _Draft(Struct):
    """Raw values while the sources are laid over one another."""

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, list[str]] = field(default_factory=dict)
    problems: list[errors.SettingProblem] = field(default_factory=list)

    def put(self, name: str, value: Any, source: str) -> None:
        self.values[name] = value
        self.sources[name] = [source]


def load(
    module_values: Mapping[str, Any], *, module_name: str, env_file: Path | None, environ: Mapping[str, str]
) -> Loaded:
    """Return the typed settings of a project.

    Args:
        module_values: The module's upper-case names.
        module_name: How the module is called where a source is shown.
        env_file: The ``.env`` file; None if there is none.
        environ: The process's environment.

    Raises:
        SettingsError: With every problem that was found.
    """
    draft = _Draft()
    extra = module_values.get("EXTRA_SETTINGS", ())
    for name, value in module_values.items():
        draft.put(name, value, module_name)
    draft.problems += near_misses(module_values, extra if isinstance(extra, (list, tuple, set, frozenset)) else ())
    if env_file is not None and env_file.is_file():
        from dotenv import dotenv_values  # only where there is a file to read

        found = {key: value for key, value in dotenv_values(env_file).items() if value is not None}
        _lay_over(draft, found, str(env_file.name))
    _lay_over(draft, environ, "environment")
    return _typed(draft)


def check_values(values: Mapping[str, Any], *, source: str) -> Loaded:
    """Return typed values of some settings, given by code rather than by a module.

    Raises:
        SettingsError: With every problem that was found.
    """
    draft = _Draft()
    for name, value in values.items():
        draft.put(name, value, source)
        if not name.isupper():
            draft.problems.append(errors.SettingProblem(name, None, "settings have upper-case names.", source=source))
    extra = values.get("EXTRA_SETTINGS", ())
    draft.problems += near_misses(values, extra if isinstance(extra, (list, tuple, set, frozenset)) else ())
    return _typed(draft)


# Near to a name of Covet's, and known names of Django's: check says what to do about them (covet.security.foreign).
_DJANGOS: Final = frozenset({"USE_L10N", "WSGI_APPLICATION"})


def near_misses(names: Iterable[str], extra: Iterable[str]) -> Iterator[errors.SettingProblem]:
    """Yield a problem for each name that looks like a misspelt known one and is not in EXTRA_SETTINGS."""
    known = declared()
    allowed = set(extra)
    for name in names:
        if name in known or name in allowed or name in _DJANGOS:
            continue
        limit = NEAR if len(name) > 5 else 1
        close = [(distance(name, candidate, limit=limit), candidate) for candidate in known]
        best = min(close, default=(limit + 1, ""))
        if best[0] <= limit:
            yield errors.SettingProblem(
                name,
                None,
                "there is no such setting.",
                f"Did you mean '{best[1]}'? If it is your own, add it to EXTRA_SETTINGS.",
            )


def _lay_over(draft: _Draft, found: Mapping[str, str], label: str) -> None:
    """Lay the names of an environment over what is there: plain names first, so that COVET_ ones win."""
    for plain, (name, path) in PLAIN.items():
        if found.get(plain):
            _set(draft, name, path, found[plain], f"{label} ({plain})")
    # Shorter names first: COVET_DATABASES__DEFAULT replaces the entry that …__DEFAULT__PASSWORD then refines.
    for key in sorted((k for k in found if k.startswith(PREFIX)), key=lambda k: (k.count("__"), k)):
        name, *rest = key.removeprefix(PREFIX).split("__")
        if name in RESERVED or name.startswith(RESERVED_PREFIXES):
            continue
        if name not in declared() and name not in draft.values and name not in _extra(draft):
            near = suggest(name, [*declared(), *draft.values])
            hint = f"Did you mean '{PREFIX}{near}'?" if near else "Known names are listed by `manage.py settings`."
            draft.problems.append(errors.SettingProblem(key, None, "there is no such setting.", hint, label))
            continue
        _set(draft, name, tuple(rest), found[key], f"{label} ({key})")


def _set(draft: _Draft, name: str, path: tuple[str, ...], text: str, source: str) -> None:
    if not path:
        try:
            draft.put(name, _parse(name, text, draft.values.get(name)), source)
        except ValueError as error:
            shown = errors.MASK if _secret(name) else repr(errors.mask(name, text))
            draft.problems.append(errors.SettingProblem(name, shown, f"{error}.", source=source))
        return
    if name in draft.values:
        root = copy.copy(draft.values[name])
    else:
        default = declared().get(name)
        root = copy.deepcopy(default.default) if default is not None else {}
    if not isinstance(root, Mapping):
        draft.problems.append(errors.SettingProblem(name, None, "it holds no sub-keys.", source=source))
        return
    merged: dict[str, Any] = dict(root)
    here = merged
    *parents, last = path
    for part in parents:
        key = _key(here, part, name)
        inner = here.get(key, {})
        if isinstance(inner, str) and name in ALIASED:
            inner = {"url": inner}  # a sub-key refines a URL
        here[key] = dict(inner) if isinstance(inner, Mapping) else {}
        here = here[key]
    key = _key(here, last, name)
    here[key] = _loose(text) if len(path) > 1 or name not in ALIASED else _entry(text)
    draft.values[name] = merged
    draft.sources.setdefault(name, ["default"]).append(source)


def _key(mapping: Mapping[str, Any], part: str, name: str) -> str:
    """An environment's names are upper-case; the mapping's own spelling wins, then aliases and parts are lower-case."""
    for key in mapping:
        if isinstance(key, str) and key.lower() == part.lower():
            return key
    return part.lower() if name in ALIASED else part


def _entry(text: str) -> Any:
    return json.loads(text) if text.lstrip().startswith("{") else text


def _loose(text: str) -> Any:
    """A value inside a mapping has no declared type: JSON if it is a list, mapping, true or false; else the text."""
    if text[:1] in ("[", "{") or text in ("true", "false", "null"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _parse(name: str, text: str, current: Any) -> Any:
    """Turn an environment's text into what the setting's type wants; ``_typed`` does the rest."""
    wanted = _hint(name)
    if wanted is None:
        wanted = type(current) if current is not None else str
    options = typing.get_args(wanted) if _is_union(wanted) else (wanted,)
    if type(None) in options and text.lower() in ("", "none", "null"):
        return None
    kind = next((o for o in options if o is not type(None)), str)
    origin = typing.get_origin(kind) or kind
    stripped = text.strip()
    if origin in (list, tuple, set, frozenset):
        if stripped.startswith("["):
            return _json(stripped, "a JSON list")
        return [part.strip() for part in stripped.split(",") if part.strip()]
    if origin is dict:
        if not stripped.startswith("{"):
            single = f" or name the entry, as in {PREFIX}{name}__DEFAULT" if name in ALIASED else ""
            raise ValueError(f"it must be a JSON object{single}")
        return _json(stripped, "a JSON object")
    if _hint(name) is None and kind in (bool, int, float):
        return typed.from_text(stripped, kind)
    return text if kind is str else stripped


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"it must be {what}: {error}") from None


def _extra(draft: _Draft) -> tuple[str, ...]:
    extra = draft.values.get("EXTRA_SETTINGS", ())
    return tuple(extra) if isinstance(extra, (list, tuple, set, frozenset)) else ()


@cache
def _hint(name: str) -> Any:
    """Return the type of a setting, None of an unknown one. Each by itself: all two hundred take several milliseconds."""
    written = Defaults.__annotations__.get(name)
    if written is None or written in _PLAIN_HINTS:
        return _PLAIN_HINTS.get(written)
    one = SimpleNamespace(__annotations__={name: written})
    return typing.get_type_hints(one, globalns=vars(sys.modules[Defaults.__module__]))[name]


def _secret(name: str) -> bool:
    known = declared().get(name)
    return errors.is_secret(name) if known is None else known.secret or errors.is_secret(name)


def _plain(declaration: Setting, value: Any) -> Any:
    """Return a value that needs no pydantic, as most do; else _UNCHECKED."""
    if declaration.convert is not None:
        try:
            return declaration.convert(value)
        except (ValueError, AssertionError):
            return _UNCHECKED  # pydantic tells of it, with the rest
    hint = _hint(declaration.name)
    if _has_type(value, hint):
        return copy.copy(value) if type(value) in (list, dict) else value  # pydantic gives a new one too
    options = typing.get_args(hint) if _is_union(hint) else (hint,)
    if type(value) is int and float in options:
        return float(value)
    return _of_text(value, options) if type(value) is str else _UNCHECKED


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _has_type(value: Any, hint: Any) -> bool:
    """Tell whether a value has this very type, so that pydantic would give back what is equal to it."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if _is_union(hint):
        return any(_has_type(value, option) for option in inner)
    if origin is list:
        return type(value) is list and all(_has_type(item, inner[0]) for item in value)
    if origin is tuple:
        return type(value) is tuple and len(value) == len(inner) and all(map(_has_type, value, inner))
    if origin is dict:
        return type(value) is dict and all(_has_type(k, inner[0]) and _has_type(v, inner[1]) for k, v in value.items())
    return isinstance(value, Path) if hint is Path else type(value) is hint


def _of_text(text: str, options: tuple[Any, ...]) -> Any:
    """Read the texts that an environment holds most often; else _UNCHECKED."""
    if Path in options:
        return Path(text)
    if bool in options:
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), _UNCHECKED)
    if int in options and text.isascii() and text.isdigit() and len(text) < _LONG:
        return int(text)
    return _UNCHECKED


def _typed(draft: _Draft) -> Loaded:
    known = declared()
    given = {name: value for name, value in draft.values.items() if name in known}
    loaded = Loaded()
    checked = {name: value for name in given if (value := _plain(known[name], given[name])) is not _UNCHECKED}
    unchecked = {name: value for name, value in given.items() if name not in checked}
    if unchecked:
        wanted = {name: known[name].convert or _hint(name) for name in unchecked}
        converted, mistakes = typed.convert(unchecked, wanted)
        draft.problems += _problems(mistakes, draft)
        checked |= converted
    draft.problems += _zone_problems(draft)
    if draft.problems:
        raise errors.SettingsError(draft.problems)
    loaded.values = {**{k: v for k, v in draft.values.items() if k not in known}, **checked}
    loaded.sources = {name: " + ".join(sources) for name, sources in draft.sources.items()}
    return loaded


def _zone_problems(draft: _Draft) -> Iterator[errors.SettingProblem]:
    """The zone's name is looked up here, so that it is told with the rest; a wrong type is told already."""
    zone = draft.values.get("TIME_ZONE")
    if not isinstance(zone, str):
        return
    try:
        timezone.override(zone)
    except ImproperlyConfigured as error:
        source = ", ".join(draft.sources.get("TIME_ZONE", ())) or None
        yield errors.SettingProblem("TIME_ZONE", repr(zone), str(error), _near_zone(zone), source)


def _near_zone(zone: str) -> str | None:
    import zoneinfo  # only a mistake needs the list

    near = suggest(zone, zoneinfo.available_timezones())
    return f"Did you mean '{near}'?" if near else None


def _problems(mistakes: Iterable[typed.Mistake], draft: _Draft) -> Iterator[errors.SettingProblem]:
    for mistake in mistakes:
        name, inner, reason = mistake.name, mistake.inner, mistake.reason
        value = mistake.value if inner else draft.values.get(name)
        shown = errors.MASK if _secret(name) else f"{errors.mask(name, value)!r:.120}"
        if mistake.converter and name in ALIASED:
            shown = ""
        at = f"[{inner}] " if inner else ""
        yield errors.SettingProblem(
            name,
            shown or None,
            f"{at}{reason[:1].lower() + reason[1:]}{'' if reason.endswith('?') else '.'}",
            _instead(name, value),
            ", ".join(draft.sources.get(name, ())) or None,
        )


def _instead(name: str, value: Any) -> str | None:
    """What to write instead, for the mistakes that people make."""
    hint = _hint(name)
    origin = typing.get_origin(hint)
    if _secret(name):
        return None
    if origin is list and (isinstance(value, str) or (hint == list[str] and type(value) is int)):
        return f"Write {name} = [{str(value)!r}]."
    if origin is dict and isinstance(value, str) and name in ALIASED:
        return f"Write {name} = {{'default': {errors.mask(name, value)!r}}}."
    if name == "TEMPLATES" and isinstance(value, (list, tuple)):
        return 'Write TEMPLATES = {"DIRS": […]}: there is one engine, Jinja2.'
    if hint is bool:
        return f"Write {name} = True or {name} = False."
    if hint is str and isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"Write {name} = '{value}'."
    return None
