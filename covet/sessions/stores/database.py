"""Sessions in a table: the default. The data is signed, so that who can write the table cannot make up a log-in."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from covet import timezone
from covet.db.errors import UniqueViolation
from covet.loading import late_module
from covet.sessions.base import new_key
from covet.sessions.models import Session

if TYPE_CHECKING:
    from covet import signing
else:
    signing = late_module(__name__, "covet.signing")

__all__ = ["DatabaseStore"]

_SALT = "covet.sessions.stores.database"


class DatabaseStore:
    """Keeps sessions in the table of ``covet.sessions``."""

    async def load(self, key: str) -> dict[str, Any] | None:
        """Return the data under the key, or ``None``."""
        row = await Session.objects.filter(session_key=key, expire_date__gt=timezone.now()).first()
        if row is None:
            return None
        try:
            data = signing.loads(row.session_data, salt=_SALT)
        except signing.BadSignature:
            # Signed with a key that is out of use, or written by somebody else: the visitor begins anew.
            return None
        return data if isinstance(data, dict) else None

    async def create(self, data: dict[str, Any], expires: datetime) -> str:
        """Write a new row and return its key."""
        while True:
            key = new_key()
            try:
                await Session.objects.create(session_key=key, session_data=_encode(data), expire_date=expires)
            except UniqueViolation:  # two of 36**32: practically a broken random source, and still right
                continue
            return key

    async def save(self, key: str, data: dict[str, Any], expires: datetime) -> bool:
        """Replace the row of the key; False when it is gone."""
        changed = await Session.objects.filter(session_key=key).update(session_data=_encode(data), expire_date=expires)
        return changed == 1

    async def delete(self, key: str) -> None:
        """Delete the row of the key."""
        await Session.objects.filter(session_key=key).delete()

    async def clear_expired(self) -> int:
        """Delete the rows that have expired."""
        return (await Session.objects.filter(expire_date__lt=timezone.now()).delete())[0]


def _encode(data: dict[str, Any]) -> str:
    return signing.dumps(data, salt=_SALT, compress=True)
