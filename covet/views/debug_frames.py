"""Frames of an exception for the debug page: source, local values with secrets masked, and whose code it is."""

from __future__ import annotations

import linecache
import re
import site
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, TypeAlias

from msgspec import Struct

from covet.conf.errors import MASK, is_secret
from covet.views.sensitive import SENSITIVE

__all__ = ["ExceptionView", "FrameView", "Values", "hidden_names", "read_exception", "safe_repr"]

Values: TypeAlias = Callable[[FrameType], list[tuple[str, str]]]

_MAX_TEXT = 600
_MAX_ITEMS = 30
_MAX_DEPTH = 3
_CONTEXT_LINES = 5
_HEADERS = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization", "x-csrftoken", "sessionid"})
_IN_TEXT = re.compile(
    r"(?i)([\w-]*(?:pass(?:word|wd)?|secret|token|api_?key|credential|authorization|signature|sessionid)[\w-]*[\"']?\s*[=:]\s*)"
    r"(\"[^\"]*\"|'[^']*'|(?:(?:bearer|basic|token)\s+)?[^\s,)}\]&]+)"
)
_IN_URL = re.compile(r"(\w+://[^\s:/@]*:)[^\s@/]+@")


class FrameView(Struct, frozen=True):
    """One frame, ready to be shown.

    Attributes:
        path: The file.
        function: The function's name.
        line: The line that ran.
        lines: Lines of source round it, with their numbers.
        values: Local names with their masked texts.
        is_app: Whether it is the project's own code.
    """

    path: str
    function: str
    line: int
    lines: tuple[tuple[int, str], ...]
    values: tuple[tuple[str, str], ...]
    is_app: bool


class ExceptionView(Struct, frozen=True):
    """One exception of a chain.

    Attributes:
        kind: The class's name.
        text: What it says, secrets masked.
        link: How it led to the next one.
        frames: Outermost first.
    """

    kind: str
    text: str
    link: str
    frames: tuple[FrameView, ...]


def shown_values(frame: FrameType, hides: Callable[[str], bool] = is_secret, mark: str = MASK) -> list[tuple[str, str]]:
    """Return the local names of a frame and the texts of their values.

    Args:
        frame: The frame.
        hides: Whether a name's value is hidden; what ``sensitive_variables`` names is in any case.
        mark: What stands in its place.
    """
    hidden = hidden_names(frame)
    values = []
    for name, value in list(frame.f_locals.items())[:60]:
        if name.startswith("__"):
            continue
        is_hidden = hides(name) or hidden is True or (hidden and name in hidden)
        values.append((name, mark if is_hidden else safe_repr(value)))
    return values


def read_exception(error: BaseException, values: Values = shown_values) -> list[ExceptionView]:
    """Return the exception and those that led to it, the newest first. Reads source files: call it in a thread.

    Args:
        error: The exception.
        values: Gives the local names of a frame, and the texts to show for them.
    """
    chain: list[ExceptionView] = []
    current: BaseException | None = error
    seen: set[int] = set()
    link = ""
    while current is not None and id(current) not in seen and len(chain) < 10:
        seen.add(id(current))
        kind = f"{type(current).__module__}.{type(current).__qualname__}".removeprefix("builtins.")
        chain.append(
            ExceptionView(kind, mask_text(_text(current)), link, tuple(_frames(current.__traceback__, values)))
        )
        if current.__cause__ is not None:
            current, link = current.__cause__, "caused by"
        elif current.__context__ is not None and not current.__suppress_context__:
            current, link = current.__context__, "raised while handling"
        else:
            current = None
    return chain


def _text(error: BaseException) -> str:
    try:
        return "\n".join([str(error), *getattr(error, "__notes__", ())])
    except Exception as failure:
        return f"<its text cannot be made: {type(failure).__name__}>"


def _frames(traceback: TracebackType | None, values: Values) -> list[FrameView]:
    frames: list[FrameView] = []
    while traceback is not None and len(frames) < 100:
        frames.append(_frame(traceback.tb_frame, traceback.tb_lineno, values))
        traceback = traceback.tb_next
    return frames


def _frame(frame: FrameType, line: int, values: Values) -> FrameView:
    code = frame.f_code
    path = code.co_filename
    lines = []
    linecache.checkcache(path)
    for number in range(max(1, line - _CONTEXT_LINES), line + _CONTEXT_LINES + 1):
        text = linecache.getline(path, number, frame.f_globals)
        if text:
            lines.append((number, mask_text(text.rstrip("\n"))))
    is_app = not _is_library(path)
    function = getattr(code, "co_qualname", code.co_name)
    if function == "<module>" and "__jinja_exception__" in frame.f_globals:
        # The engine makes such a frame for a line of a template.
        function = "template"
    return FrameView(path, function, line, tuple(lines), tuple(values(frame)), is_app)


def hidden_names(frame: FrameType) -> frozenset[str] | bool:
    """Return the names that ``sensitive_variables`` hides in this frame; ``True`` for all of them."""
    names = SENSITIVE.get(frame.f_code)
    return frozenset() if names is None else names or True


def _library_roots() -> tuple[str, ...]:
    here = str(Path(__file__).resolve().parent.parent)
    roots = {here, sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), *site.getsitepackages()}
    roots.add(sysconfig.get_path("purelib"))
    return tuple(root.rstrip("/\\") + ("/" if "/" in root else "\\") for root in roots if root)


_LIBRARIES = _library_roots()


def _is_library(path: str) -> bool:
    return path.startswith(_LIBRARIES) or path.startswith("<") or path in (sys.executable,)


def mask_text(text: str) -> str:
    """Return a text with what looks like a secret taken out."""
    text = _IN_URL.sub(rf"\1{MASK}@", text)
    return _IN_TEXT.sub(rf"\1{MASK}", text)


def safe_repr(value: Any, depth: int = 0) -> str:
    """Return a value as text: secrets masked, long ones cut, never raising."""
    try:
        return _cut(_repr(value, depth))
    except Exception as error:
        return f"<{type(value).__name__}: its repr raised {type(error).__name__}>"


def _repr(value: Any, depth: int) -> str:
    if isinstance(value, (int, float, bool, type(None))):
        return repr(value)
    if isinstance(value, (str, bytes)):
        # Cut first: repr of a long text is work, and masking it more.
        return mask_text(repr(value[: _MAX_TEXT + 50]))
    if depth >= _MAX_DEPTH and isinstance(value, (Mapping, list, tuple, set, frozenset)):
        return "…"
    if isinstance(value, Mapping) and type(value).__module__ in ("builtins", "collections", "covet.http.headers"):
        items = []
        for place, (key, item) in enumerate(value.items()):
            if place == _MAX_ITEMS:
                items.append("…")
                break
            name = key if isinstance(key, str) else ""
            shown = MASK if name and (is_secret(name) or name.lower() in _HEADERS) else safe_repr(item, depth + 1)
            items.append(f"{safe_repr(key, depth + 1)}: {shown}")
        return "{" + ", ".join(items) + "}"
    if type(value) in (list, tuple, set, frozenset):
        if _is_raw_header(value):
            return f"({value[0]!r}, {MASK})"
        parts = []
        for place, item in enumerate(value):
            if place == _MAX_ITEMS:
                parts.append("…")
                break
            parts.append(safe_repr(item, depth + 1))
        opening, closing = "[]" if isinstance(value, list) else "()" if isinstance(value, tuple) else "{}"
        return opening + ", ".join(parts) + closing
    return mask_text(repr(value)[: _MAX_TEXT + 50])


def _is_raw_header(value: Any) -> bool:
    return (
        type(value) is tuple
        and len(value) == 2
        and isinstance(value[0], bytes)
        and value[0].lower().decode("latin-1") in _HEADERS
    )


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"
