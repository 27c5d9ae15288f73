"""Headers, case-blind, over the raw list of byte pairs that ASGI and the protocol class hand over.

Names in a raw list are lower case already: servers promise it for requests, and ``MutableHeaders`` keeps it.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, MutableMapping, ValuesView
from functools import lru_cache
from typing import overload

from covet.http.foreign import Absent

__all__ = ["Headers", "MutableHeaders", "RawHeaders"]

RawHeaders = list[tuple[bytes, bytes]]

# As numbers: for bytes, ``in`` makes an error first, to see that they are none, and takes ten times as long.
_LF, _CR, _NUL = b"\n\r\0"


@lru_cache(maxsize=512)
def raw_name(name: str) -> bytes:
    """Return a header's name as it stands in a raw list; refuse what cannot be one."""
    raw = name.lower().encode("latin-1")
    if not raw or not raw.translate(None, b"-_!#$%&'*+.^`|~").isalnum():
        raise ValueError(f"{name!r} cannot be the name of a header.")
    return raw


def raw_value(value: str | bytes) -> bytes:
    """Return a header's value as bytes; refuse line ends, which would let a value write headers of its own."""
    raw = value if isinstance(value, bytes) else value.encode("latin-1", "strict")
    if _LF in raw or _CR in raw or _NUL in raw:
        raise ValueError(f"A header's value cannot hold line ends or NUL: {value!r}.")
    return raw


class Headers(Mapping[str, str]):
    """Read-only headers of a request; ``getlist`` gives every value of a repeated one."""

    __slots__ = ("raw",)

    def __init__(self, raw: RawHeaders | Mapping[str, str] | None = None) -> None:
        if isinstance(raw, list):
            self.raw: RawHeaders = raw
        else:
            self.raw = [(raw_name(name), raw_value(value)) for name, value in (raw or {}).items()]

    def __getitem__(self, name: str) -> str:
        wanted = raw_name(name)
        for key, value in self.raw:
            if key == wanted:
                return value.decode("latin-1")
        raise KeyError(name)

    def getlist(self, name: str) -> list[str]:
        """Return every value of a header, in the order of arrival."""
        wanted = raw_name(name)
        return [value.decode("latin-1") for key, value in self.raw if key == wanted]

    @overload
    def combined(self, name: str) -> str | None: ...
    @overload
    def combined(self, name: str, default: str) -> str: ...
    def combined(self, name: str, default: str | None = None) -> str | None:
        """Return a header that is a list, such as ``Accept``, which may come in several lines (RFC 9110, 5.3)."""
        wanted = raw_name(name)
        found: str | None = None
        for key, value in self.raw:
            if key == wanted:
                text = value.decode("latin-1")
                found = text if found is None else f"{found}, {text}"
        return default if found is None else found

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        wanted = name.lower().encode("latin-1", "replace")
        return any(key == wanted for key, _ in self.raw)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(key.decode("latin-1") for key, _ in self.raw))

    def __len__(self) -> int:
        return len({key for key, _ in self.raw})

    def keys(self) -> KeysView[str]:
        """Return the names, lower case, each once."""
        return KeysView(self)

    def values(self) -> ValuesView[str]:
        """Return the first value of each name."""
        return ValuesView(self)

    def items(self) -> ItemsView[str, str]:
        """Return each name with its first value."""
        return ItemsView(self)

    def multi_items(self) -> list[tuple[str, str]]:
        """Return every name and value, repeated ones too."""
        return [(key.decode("latin-1"), value.decode("latin-1")) for key, value in self.raw]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.multi_items()!r})"


class MutableHeaders(Headers, MutableMapping[str, str]):
    """Headers of a response: set, add, delete."""

    __slots__ = ()

    append = Absent("append", "headers.add(name, value)", "MutableHeaders")

    def __setitem__(self, name: str, value: str) -> None:
        key, raw = raw_name(name), raw_value(value)
        kept = [pair for pair in self.raw if pair[0] != key]
        kept.append((key, raw))
        self.raw[:] = kept

    def __delitem__(self, name: str) -> None:
        key = raw_name(name)
        kept = [pair for pair in self.raw if pair[0] != key]
        if len(kept) == len(self.raw):
            raise KeyError(name)
        self.raw[:] = kept

    def add(self, name: str, value: str) -> None:
        """Append a value and keep those that are there, as ``Set-Cookie`` needs."""
        self.raw.append((raw_name(name), raw_value(value)))

    def setdefault(self, name: str, default: str = "") -> str:
        """Set a header unless it is there; return what it is then."""
        key = raw_name(name)
        for present, value in self.raw:
            if present == key:
                return value.decode("latin-1")
        self.raw.append((key, raw_value(default)))
        return default

    def add_vary(self, *names: str) -> None:
        """Add names to ``Vary``, keeping those that are there."""
        present = [part.strip() for value in self.getlist("vary") for part in value.split(",") if part.strip()]
        if "*" in present:
            return
        known = {name.lower() for name in present}
        present.extend(name for name in names if name.lower() not in known)
        self["vary"] = ", ".join(present)
