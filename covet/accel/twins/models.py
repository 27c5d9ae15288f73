"""Values of schemas to JSON, straight from what they hold; the twin of ``covet_rust/src/models.rs``.

The bytes are those of pydantic for the same values. What is not exactly as the schemas declare it is answered with None:
pydantic knows what to do with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from covet.accel.plans import ModelShape

__all__ = ["ModelWriter"]

# From here on msgspec and pydantic write a float's exponent differently.
_HUGE: Final = 1e16


class ModelWriter:
    """Writes values of one class, and of those that stand inside them.

    Args:
        shapes: The outermost class first, then every class that may stand inside.
    """

    __slots__ = ("_encode", "_shapes", "_top")

    def __init__(self, shapes: Sequence[ModelShape]) -> None:
        self._top = shapes[0]
        self._shapes = {shape.kind: shape for shape in shapes}
        self._encode: Callable[[Any], bytes] | None = None
        if not any(shape.is_renamed for shape in shapes):
            self._encode = msgspec.json.Encoder(enc_hook=self._held).encode

    def one(self, value: Any) -> bytes | None:
        """Return one value as JSON, or None."""
        if self._encode is None or type(value) is not self._top.kind:
            return None
        try:
            return self._encode(self._held(value))
        except (TypeError, ValueError, RecursionError):
            # A subclass or a huge number, what was assigned later, half a character: pydantic shows it, or says why not.
            return None

    def many(self, values: list[Any]) -> bytes | None:
        """Return a list of values as JSON, or None."""
        if self._encode is None:
            return None
        kind, size = self._top.kind, len(self._top.names)
        if not all([type(value) is kind for value in values]):
            return None
        held = [value.__dict__ for value in values]
        if not all([len(one) == size for one in held]):
            return None
        try:
            for name in self._top.floats:
                for one in held:
                    number = one[name]
                    if number is not None and not -_HUGE < number < _HUGE:
                        return None
            return self._encode(held)
        except (TypeError, ValueError, LookupError, RecursionError):
            return None

    def _held(self, value: Any) -> Any:
        """Return what msgspec writes for a value; only the very classes that were declared may show what they hold."""
        shape = self._shapes.get(type(value))
        if shape is None:
            raise TypeError(type(value).__name__)
        held = value.__dict__
        if len(held) != len(shape.names):
            raise TypeError("something is left out, or kept beside the fields")
        for name in shape.floats:
            number = held.get(name)
            if number is not None and not -_HUGE < number < _HUGE:
                raise TypeError(name)
        return held
