"""Choices: enumerations whose members have labels, and the forms in which a field takes its choices."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

__all__ = [
    "ChoiceGroups",
    "Choices",
    "ChoicesType",
    "IntegerChoices",
    "TextChoices",
    "flatten_choices",
    "normalize_choices",
]

#: Everything that ``Field(choices=…)`` takes.
ChoiceGroups: TypeAlias = "Iterable[Any] | Mapping[Any, Any] | type[Choices] | Callable[[], Any]"


class ChoicesType(enum.EnumMeta):
    """The metaclass of ``Choices``: takes the label off each member and offers them as lists."""

    def __new__(metacls, classname: str, bases: Any, classdict: Any, **kwds: Any) -> ChoicesType:
        """Make the class with values alone, and give each member its label."""
        labels: list[Any] = []
        for key in classdict._member_names:
            value = classdict[key]
            label: Any
            if isinstance(value, (list, tuple)) and len(value) > 1 and _is_label(value[-1]):
                *value, label = value
                value = tuple(value)
            else:
                label = key.replace("_", " ").title()
            labels.append(label)
            # Enum's own dict warns about a name that is set twice; this is not the user's second definition.
            dict.__setitem__(classdict, key, value)
        cls = super().__new__(metacls, classname, bases, classdict, **kwds)
        members: list[Any] = list(cls.__members__.values())
        for member, label in zip(members, labels, strict=True):
            member._label_ = label
        unique: Any = enum.unique
        return unique(cls)  # type: ignore[no-any-return]  # the class itself

    def __contains__(cls, member: object) -> bool:
        if not isinstance(member, enum.Enum):
            # Allow ``"draft" in Status``, as Python 3.12 does.
            return any(item.value == member for item in cls._members())
        return super().__contains__(member)

    def _members(cls) -> list[Any]:
        return list(cls)

    @property
    def names(cls) -> list[str]:
        """Names of the members; ``__empty__`` first when there is a label for no value."""
        empty = ["__empty__"] if hasattr(cls, "__empty__") else []
        return empty + [member.name for member in cls._members()]

    @property
    def choices(cls) -> list[tuple[Any, Any]]:
        """Pairs of value and label."""
        empty = [(None, cls.__empty__)] if hasattr(cls, "__empty__") else []
        return empty + [(member.value, member.label) for member in cls._members()]

    @property
    def labels(cls) -> list[Any]:
        """Labels alone."""
        return [label for _value, label in cls.choices]

    @property
    def values(cls) -> list[Any]:
        """Values alone."""
        return [value for value, _label in cls.choices]


class Choices(enum.Enum, metaclass=ChoicesType):
    """The base of enumerations for ``Field(choices=…)``: members are ``NAME = value, "label"``.

    Without a label the name in title case is one; ``__empty__ = "label"`` names the missing value.
    """

    # ``label`` is no member of subclasses, whatever they are called; a property of Enum's own kind leaves the name free.
    @enum.property
    def label(self) -> Any:
        """The name of this member for people."""
        return self._label_

    if TYPE_CHECKING:
        _label_: Any

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}.{self.name}"


class IntegerChoices(int, Choices):
    """Choices whose values are integers."""


class TextChoices(str, Choices):
    """Choices whose values are texts; a member without a value has its own name."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[Any]) -> str:
        return name


def normalize_choices(value: Any) -> list[Any] | None:
    """Return choices in the one form that the rest reads: pairs, or pairs of a group's name and its pairs.

    Args:
        value: Pairs, a mapping (nested for groups), a ``Choices`` class, or a function that returns one of these.

    Raises:
        TypeError: It is none of these.
        ValueError: An item is no pair.
    """
    if value is None:
        return None
    if isinstance(value, ChoicesType):
        return list(value.choices)
    if callable(value):
        return normalize_choices(value())
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"choices must be a mapping or an iterable of pairs, not {value!r}.")
    items = value.items() if isinstance(value, Mapping) else value
    return [_pair(item) for item in items]


def flatten_choices(choices: Iterable[Any]) -> list[tuple[Any, Any]]:
    """Return normalised choices with the groups opened."""
    flat: list[tuple[Any, Any]] = []
    for value, label in choices:
        if isinstance(label, list):
            flat.extend(label)
        else:
            flat.append((value, label))
    return flat


def _pair(item: Any) -> tuple[Any, Any]:
    if isinstance(item, str) or not isinstance(item, Iterable):
        raise ValueError(f"{item!r} is no pair of a value and a label.")
    value, label = item
    if not isinstance(label, str) and isinstance(label, (Mapping, list, tuple)):
        pairs = label.items() if isinstance(label, Mapping) else label
        return (value, [_pair(pair) for pair in pairs])
    if isinstance(value, enum.Enum):
        value = value.value
    return (value, label)


def _is_label(value: Any) -> bool:
    """Whether the last part of a member's value is a label: a text, or a lazy translation of one."""
    return isinstance(value, str) or (hasattr(value, "__mod__") and not isinstance(value, (int, float, complex, bytes)))
