"""Whether an object of a JSON text has a key twice; the twin of ``covet_rust/src/keys.rs``."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["duplicate_key"]


def duplicate_key(data: bytes) -> str | None:
    """Return the first key that stands twice in the first object to close that has one, or None.

    RFC 8259 leaves open what such an object means, and programs differ: the one that checks a body may see another value
    than the one that uses it.

    Args:
        data: A JSON text in UTF-8 that was decoded before: it is not checked again.
    """
    found: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        names = {name for name, _ in pairs}
        if len(names) < len(pairs) and not found:
            seen: set[str] = set()
            # ``add`` returns None, which is false: the first name that was there already.
            found.append(next(name for name, _ in pairs if name in seen or seen.add(name)))  # type: ignore[func-returns-value]

    try:
        # Numbers are left alone: int() refuses those of thousands of digits, which are JSON all the same.
        json.loads(data, object_pairs_hook=look, parse_int=_nothing, parse_float=_nothing)
    except RecursionError:
        return None
    return found[0].encode("utf-8", "surrogatepass").decode("utf-8", "replace") if found else None


def _nothing(text: str) -> None:
    return None
