"""Validators of arrays, ranges and keys."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from covet import validators
from covet.exceptions import ValidationError

__all__ = [
    "ArrayMaxLengthValidator",
    "ArrayMinLengthValidator",
    "KeysValidator",
    "RangeMaxValueValidator",
    "RangeMinValueValidator",
]


class ArrayMaxLengthValidator(validators.MaxLengthValidator):
    """An array has at most so many items."""

    message = "The list holds %(show_value)d items; it may hold no more than %(limit_value)d."


class ArrayMinLengthValidator(validators.MinLengthValidator):
    """An array has at least so many items."""

    message = "The list holds %(show_value)d items; it must hold %(limit_value)d or more."


class RangeMaxValueValidator(validators.MaxValueValidator):
    """A range ends at a value at the latest; one without an end does not."""

    message = "The range must end at %(limit_value)s or before."

    def compare(self, value: Any, limit: Any) -> bool:
        """Return whether the end lies beyond the limit."""
        return not value.isempty and (value.upper is None or bool(value.upper > limit))


class RangeMinValueValidator(validators.MinValueValidator):
    """A range begins at a value at the earliest; one without a beginning does not."""

    message = "The range must begin at %(limit_value)s or after."

    def compare(self, value: Any, limit: Any) -> bool:
        """Return whether the beginning lies before the limit."""
        return not value.isempty and (value.lower is None or bool(value.lower < limit))


class KeysValidator:
    """A mapping has certain keys.

    Args:
        keys: The keys that must be there.
        strict: No others may be there.
        messages: Texts in place of the usual ones, by ``missing_keys`` and ``extra_keys``.
    """

    messages = {
        "missing_keys": "Some keys are missing: %(keys)s",
        "extra_keys": "Some unknown keys were given: %(keys)s",
    }

    def __init__(self, keys: Iterable[str], strict: bool = False, messages: Mapping[str, str] | None = None) -> None:
        self.keys = frozenset(keys)
        self.strict = strict
        self._messages = dict(messages or {})

    def __call__(self, value: Collection[str]) -> None:
        """Raise ``ValidationError`` for a mapping whose keys are not these."""
        given = set(value)
        missing = sorted(self.keys - given)
        if missing:
            raise self._error("missing_keys", missing)
        extra = sorted(given - self.keys)
        if self.strict and extra:
            raise self._error("extra_keys", extra)

    def _error(self, code: str, keys: list[str]) -> ValidationError:
        text = self._messages.get(code, self.messages[code])
        return ValidationError(text, code=code, params={"keys": ", ".join(keys)})

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return what makes an equal validator."""
        kwargs: dict[str, Any] = {"keys": sorted(self.keys)}
        if self.strict:
            kwargs["strict"] = True
        if self._messages:
            kwargs["messages"] = self._messages
        return "covet.postgres.validators.KeysValidator", (), kwargs

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeysValidator) and self.deconstruct() == other.deconstruct()

    def __hash__(self) -> int:
        return hash((self.keys, self.strict))
