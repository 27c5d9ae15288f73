"""Rows and what they refer to, by generated code: which of them lack it, and the setting of it.

A loop that asks each row for attributes by their names takes twice as long as one that has the names in it; and this is
done to every row of a result as soon as one of them is asked for its relation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from keyword import iskeyword
from typing import Any

from covet.db.models.state import State

__all__ = ["Made", "by_attribute", "made_for", "match"]


class Made:
    """What is done to each of many rows for one relation, with the names of its attributes written into the code.

    Attributes:
        wanting: ``(rows, field, is_open)`` gives the rows that have a key, and nothing loaded for it.
        untouched: ``(rows, owner, state)`` gives the key of each row, if all of them have this state, a key, and nothing loaded
            for it (what the owner has is for the caller to know), and the owner is one of them; else ``None``.
        link: ``(rows, keys, find)`` sets what is found for the key of each row, and gives the rows that need more care. Where a
            row has another key since, what is set does not count: it is not the object of that key.
    """

    __slots__ = ("link", "untouched", "wanting")

    def __init__(self, attname: str, cache_name: str) -> None:
        names: dict[str, Any] = {}
        # Identifiers, as the checks have it; until they are run a name may be anything that ``getattr`` takes.
        plain = all(name.isidentifier() and not iskeyword(name) for name in (attname, cache_name))
        key, cached = (f"row.{attname}", f"row.{cache_name}") if plain else _asked(attname, cache_name)
        put = f"{cached} = one" if plain else f"setattr(row, {cache_name!r}, one)"
        source = f"""
def wanting(rows, field, is_open):
    return [row for row in rows if {key} is not None and ({cached} is None or is_open(field, row))]

def untouched(rows, owner, state):
    try:
        keys = [{key} for row in rows if row._row_state is state and ({cached} is None or row is owner)]
    except AttributeError:
        # The list is in the hands of the project, which has put other things into it.
        return None
    if len(keys) == len(rows) and None not in keys:
        for row in rows:
            if row is owner:
                return keys
    return None

def link(rows, keys, find):
    rest = []
    for row, one in zip(rows, map(find, keys)):
        if one is not None and {cached} is None:
            {put}
        else:
            rest.append(row)
    return rest
"""
        exec(source, names)  # noqa: S102  # identifiers, or quoted
        self.wanting: Callable[[Sequence[Any], Any, Callable[[Any, Any], bool]], list[Any]] = names["wanting"]
        self.untouched: Callable[[Sequence[Any], Any, State], list[Any] | None] = names["untouched"]
        self.link: Callable[[Sequence[Any], Sequence[Any], Callable[[Any], Any]], list[Any]] = names["link"]


def _asked(attname: str, cache_name: str) -> tuple[str, str]:
    return f"getattr(row, {attname!r})", f"getattr(row, {cache_name!r})"


_made = cache(Made)


@cache
def by_attribute(name: str) -> Callable[[Sequence[Any]], dict[Any, Any]]:
    """Return the function that gives rows by the value of an attribute of theirs."""
    one = f"one.{name}" if name.isidentifier() and not iskeyword(name) else f"getattr(one, {name!r})"
    made: Callable[[Sequence[Any]], dict[Any, Any]] = eval(f"lambda rows: {{{one}: one for one in rows}}")  # noqa: S307  # as above
    return made


def made_for(field: Any) -> Made:
    """Return the functions for a relation."""
    made: Made | None = field._made
    if made is None:
        made = field._made = _made(field.attname, field.cache_name)
    return made


async def match(key: Any, found: dict[Any, Any], field: Any, asked: set[Any], queryset: Any, lookup: str) -> Any:
    """Return the row of a key for which none was found as it is; ``None`` where there is no such row.

    What the project sets may be spelled otherwise than the database gives it: the text of a number or of a UUID. And where
    the database takes texts for the same that Python does not, only it can say whose a row is.

    Args:
        key: The key.
        found: The rows, by the key that the database gives.
        field: The field of the key.
        asked: The keys that were asked for, as the field spells them.
        queryset: Where the rows are from.
        lookup: The name of the field of theirs that holds the key.
    """
    spelled = found.get(field.to_python(key))
    if spelled is not None or found.keys() <= asked:
        return spelled
    rows = await queryset.filter(**{lookup: key})
    return rows[0] if rows else None
