"""The session itself: a mapping that knows whether it was read or changed, and the protocol of what keeps it.

Reading and changing are plain and synchronous, since the middleware has loaded the data by then; what reaches the
store is awaited.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterator, MutableMapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from covet import timezone
from covet.conf import settings
from covet.exceptions import SuspiciousOperation
from covet.http.foreign import Absent

__all__ = ["KEY_LENGTH", "Session", "SessionInterrupted", "SessionStore", "new_key"]

KEY_LENGTH = 32
_ALPHABET = string.ascii_lowercase + string.digits
_EXPIRY = "_session_expiry"


class SessionInterrupted(SuspiciousOperation):
    """The session was deleted (a log-out elsewhere) while a request that uses it was under way; answered with 400."""


class SessionStore(Protocol):
    """What keeps sessions: ``SESSION_ENGINE`` names a class with these five coroutines."""

    async def load(self, key: str) -> dict[str, Any] | None:
        """Return the data under the key; ``None`` when there is none, it has expired or was tampered with."""

    async def create(self, data: dict[str, Any], expires: datetime) -> str:
        """Keep new data and return the new, random key."""

    async def save(self, key: str, data: dict[str, Any], expires: datetime) -> bool:
        """Replace the data under an existing key; False when the key is gone, and nothing is written then."""

    async def delete(self, key: str) -> None:
        """Forget a key; one that is unknown is no error."""

    async def clear_expired(self) -> int:
        """Delete what has expired and return how many sessions that were."""


def new_key() -> str:
    """Return a new random key: 32 letters and digits, some 165 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(KEY_LENGTH))


def is_key(text: str) -> bool:
    """Tell whether a cookie's value can be a key at all."""
    return len(text) == KEY_LENGTH and all(letter in _ALPHABET for letter in text)


class Session(MutableMapping[str, Any]):
    """The data of one visitor, as JSON values under string keys.

    Attributes:
        key: The key in the store; ``None`` until a new session is saved.
        accessed: Something was read or changed: the answer depends on the cookie.
        modified: It will be saved with the response. Set it by hand after changing a value in place.
    """

    # What most sessions have stands on the class: nearly each request makes one, and few are looked at.
    key: str | None = None
    accessed = False
    modified = False

    def __init__(self, store: SessionStore, key: str | None = None, data: dict[str, Any] | None = None) -> None:
        self.store = store
        self._data: dict[str, Any] = {} if data is None else data
        if key is not None:
            self.key = key

    def __getitem__(self, name: str) -> Any:
        self.accessed = True
        return self._data[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.accessed = self.modified = True
        self._data[name] = value

    def __delitem__(self, name: str) -> None:
        self.accessed = True
        del self._data[name]
        self.modified = True

    def __iter__(self) -> Iterator[str]:
        self.accessed = True
        return iter(self._data)

    def __len__(self) -> int:
        self.accessed = True
        return len(self._data)

    def __contains__(self, name: object) -> bool:
        self.accessed = True
        return name in self._data

    def __repr__(self) -> str:
        return f"<Session of {len(self._data)} values{'' if self.key else ', not saved yet'}>"  # the key is a secret

    @property
    def is_empty(self) -> bool:
        """Nothing is in it and it was never saved."""
        return self.key is None and not self._data

    # -- how long it lives

    def set_expiry(self, value: int | timedelta | datetime | None) -> None:
        """Let this session end at a time of its own.

        Args:
            value: Seconds or a timedelta from the last change; an aware datetime; 0 for the end of the browser's own
                session; ``None`` for ``SESSION_COOKIE_AGE`` again.
        """
        if value is None:
            self.pop(_EXPIRY, None)
        elif isinstance(value, datetime):
            self[_EXPIRY] = value.isoformat()
        else:
            self[_EXPIRY] = int(value.total_seconds()) if isinstance(value, timedelta) else int(value)

    def get_expiry_date(self) -> datetime:
        """Return when the session ends, if nothing changes it before."""
        own = self._data.get(_EXPIRY)
        if isinstance(own, str):
            return datetime.fromisoformat(own)
        return timezone.now() + timedelta(seconds=own or settings.SESSION_COOKIE_AGE)

    def get_expiry_age(self) -> int:
        """Return the seconds until the session ends; never below zero."""
        return max(0, round((self.get_expiry_date() - timezone.now()).total_seconds()))

    def get_expire_at_browser_close(self) -> bool:
        """Tell whether the cookie ends with the browser."""
        own = self._data.get(_EXPIRY)
        return settings.SESSION_EXPIRE_AT_BROWSER_CLOSE if own is None else own == 0

    # -- what reaches the store

    async def save(self) -> None:
        """Write the data now. The middleware does it for requests; on a WebSocket it is the handler's to call.

        Raises:
            SessionInterrupted: The session was deleted meanwhile.
        """
        expires = self.get_expiry_date()
        if self.key is None:
            self.key = await self.store.create(self._data, expires)
        elif not await self.store.save(self.key, self._data, expires):
            raise SessionInterrupted("The session was deleted while this request was using it; log in again.")
        self.modified = False

    async def flush(self) -> None:
        """Forget everything: the data, the key, and the row in the store."""
        if self.key is not None:
            await self.store.delete(self.key)
        self.key = None
        self._data = {}
        self.accessed = self.modified = True

    async def cycle_key(self) -> None:
        """Move the data to a new key, so that one an attacker may have planted is worth nothing after a log-in."""
        old, self.key = self.key, None
        await self.save()
        self.accessed = self.modified = True
        if old is not None:
            await self.store.delete(old)


for _name, _advice in {
    "acycle_key": "await session.cycle_key()",
    "aflush": "await session.flush()",
    "aget": "session.get(name), as it is loaded already",
    "asave": "await session.save()",
    "aset": "session[name] = value",
    "delete": "await session.flush()",
    "session_key": "session.key",
}.items():
    setattr(Session, _name, Absent(_name, _advice, "A session"))
