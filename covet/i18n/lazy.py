"""LazyString: a text translated when it is shown, for what is written once and shown in many languages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from covet import json

__all__ = ["LazyString"]


class LazyString:
    """A text that asks for its translation each time it is turned into a ``str``.

    It can be compared, joined, filled in with ``%`` and asked for the methods of a text; all of these give plain texts,
    but for ``%``, which stays lazy. Migration files write the call that made it.

    Args:
        function: ``gettext`` or one of its kin.
        path: The dotted name by which a migration file calls the lazy twin.
        args: Its arguments.
    """

    __slots__ = ("_args", "_filling", "_function", "_path")

    def __init__(self, function: Callable[..., str], path: str, args: tuple[Any, ...], filling: Any = None) -> None:
        self._function = function
        self._path = path
        self._args = args
        self._filling = filling

    def __str__(self) -> str:
        args = self._args
        if self._filling is None:
            return self._function(*args)
        if self._function.__name__ in ("ngettext", "npgettext") and isinstance(args[-1], str):
            # ngettext_lazy("%(n)d book", "%(n)d books", "n"): the number comes with the values.
            args = (*args[:-1], self._filling[args[-1]] if isinstance(self._filling, dict) else self._filling)
        filled: str = self._function(*args) % self._filling
        return filled

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return the call that makes this text again.

        Raises:
            TypeError: It was filled in with values, which a file cannot write.
        """
        if self._filling is not None:
            raise TypeError(f"{self!r} was filled in with values; give the migration the text without them.")
        return self._path, self._args, {}

    def __mod__(self, values: Any) -> LazyString:
        return LazyString(self._function, self._path, self._args, values)

    def __add__(self, other: Any) -> str:
        return str(self) + str(other) if isinstance(other, (str, LazyString)) else NotImplemented

    def __radd__(self, other: Any) -> str:
        return str(other) + str(self) if isinstance(other, str) else NotImplemented

    def __mul__(self, times: int) -> str:
        return str(self) * times

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other) if isinstance(other, (str, LazyString)) else NotImplemented

    def __lt__(self, other: Any) -> bool:
        return str(self) < str(other) if isinstance(other, (str, LazyString)) else NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))

    def __len__(self) -> int:
        return len(str(self))

    def __bool__(self) -> bool:
        return bool(str(self))

    def __contains__(self, part: str) -> bool:
        return part in str(self)

    def __iter__(self) -> Iterator[str]:
        return iter(str(self))

    def __getitem__(self, place: Any) -> str:
        return str(self)[place]

    def __format__(self, how: str) -> str:
        return format(str(self), how)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(str(self), name)

    def __reduce__(self) -> tuple[Any, ...]:
        return LazyString, (self._function, self._path, self._args, self._filling)

    def __copy__(self) -> LazyString:
        return self

    def __deepcopy__(self, memo: Any) -> LazyString:
        return self

    def __repr__(self) -> str:
        return f"{self._path.rpartition('.')[2]}({', '.join(map(repr, self._args))})"


json.register_encoder(LazyString, str)
