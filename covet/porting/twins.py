"""Methods that Django has twice, once with an ``a`` in front: here each has one name, and is awaited."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

from covet.text import suggest

__all__ = ["explain_twin", "no_attribute"]


def explain_twin(error: BaseException) -> None:
    """Add to the error about ``queryset.aget()`` or ``auth.alogin()`` what to write; others stay as they are.

    It is found once such an error has been raised: a ``__getattr__`` would make every other attribute slower.
    """
    if not isinstance(error, AttributeError) or not isinstance(error.name, str) or hasattr(error, "__notes__"):
        return
    owner, plain = error.obj, error.name[1:]
    home = owner.__name__ if inspect.ismodule(owner) else type(owner).__module__
    if error.name[:1] == "a" and plain and home.partition(".")[0] == "covet" and callable(getattr(owner, plain, None)):
        error.add_note(f"Nothing has a twin with an 'a' here: write await ….{plain}(…).")


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
