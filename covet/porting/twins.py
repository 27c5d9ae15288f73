"""Methods that Django has twice, once with an ``a`` in front: here each has one name, and is awaited."""

from __future__ import annotations

from collections.abc import Iterable

from covet.text import suggest

__all__ = ["no_attribute"]


def no_attribute(owner: object, name: str, names: Iterable[str]) -> AttributeError:
    """Return the error for an attribute that an object has not, with what was probably meant.

    Args:
        owner: The object.
        name: What was asked of it.
        names: What it may have been.
    """
    kind = type(owner)
    plain = name[1:]
    hint = ""
    if name[:1] == "a" and plain and callable(getattr(kind, plain, None)):
        hint = f" Nothing has a twin with an 'a' here: write await ….{plain}(…)."
    elif name[:1] != "_":
        near = suggest(name, [known for known in names if known[:1] != "_"])
        hint = f" Did you mean '{near}'?" if near else ""
    return AttributeError(
        f"'{kind.__name__}' object has no attribute '{name}'{'.' if hint else ''}{hint}", name=name, obj=owner
    )
