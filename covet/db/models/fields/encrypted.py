"""``EncryptedField``: a text that the database, its backups and its logs see encrypted alone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, overload

from typing_extensions import TypeVar, Unpack

from covet import checks
from covet.conf import settings
from covet.db.models.fields.base import FieldOptions, Text
from covet.db.models.fields.text import TextField
from covet.db.sql.nodes import Column
from covet.exceptions import CovetError, FieldError, ImproperlyConfigured, MissingDependency

if TYPE_CHECKING:
    from covet.db.models.expressions.scope import Resolved
    from covet.db.sql.nodes import ColumnType, Node

__all__ = ["DecryptionError", "EncryptedField"]

T = TypeVar("T", default=Any)

_RANDOM = "r1"
_FIXED = "d1"
_FEWEST_CHARACTERS = 32


class DecryptionError(CovetError):
    """A stored value cannot be read: its key is no longer in ``FIELD_ENCRYPTION_KEYS``, or it was changed."""


class EncryptedField(TextField[T]):
    """A text that is encrypted on its way to the database and decrypted on its way back.

    The first of ``FIELD_ENCRYPTION_KEYS`` encrypts, all of them decrypt: put a new key in front, save the rows anew,
    then take the old one away. Each value is encrypted and signed (AES-256-GCM) with a random part of its own, so that
    equal texts look different and the database cannot compare them: ``isnull`` is the only look-up.

    Args:
        deterministic: Encrypt equal texts to equal values (AES-SIV), so that ``exact`` and ``in`` work, and ``unique``.
            Whoever reads the database then sees which rows are equal. Look-ups find what the first key has encrypted.
    """

    empty_strings_allowed = True
    description = "Encrypted text"
    #: No other column can hold what this one holds.
    is_encrypted: ClassVar[bool] = True
    plain_json = True  # JSON has the text that is read, and never what the column holds
    allowed_lookups: frozenset[str] | None = frozenset({"isnull"})
    _searchable: ClassVar[frozenset[str]] = frozenset({"isnull", "exact", "in"})

    @overload
    def __init__(
        self: EncryptedField[str],
        verbose_name: Text = None,
        *,
        deterministic: bool = False,
        max_length: int | None = None,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: EncryptedField[str | None],
        verbose_name: Text = None,
        *,
        deterministic: bool = False,
        max_length: int | None = None,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(
        self,
        verbose_name: Text = None,
        *,
        deterministic: bool = False,
        max_length: int | None = None,
        null: bool = False,
        **options: Unpack[FieldOptions],
    ) -> None:
        # The choice of overload is the caller's; here ``null`` is either.
        base: Any = super()
        base.__init__(verbose_name, max_length=max_length, null=null, **options)
        self.deterministic = deterministic
        if deterministic:
            self.allowed_lookups = self._searchable

    def column_type(self) -> ColumnType | None:
        """Return the type of long texts; of limited ones for a value that has an index."""
        from covet.db.sql.nodes import ColumnType

        # MySQL has no index on a text without limit: 255 characters hold an encrypted text of up to 150 bytes.
        return ColumnType("varchar", length=255) if self.unique or self.db_index else ColumnType("text")

    def get_prep_value(self, value: Any) -> Any:
        """Return the text, encrypted by the first key."""
        return None if value is None else _encrypt(str(value), fixed=self.deterministic)

    def written_node(self, found: Resolved) -> Node:
        """Return the SQL of another encrypted column, whose values are copied as they are; the database can encrypt nothing.

        Raises:
            FieldError: It is any other expression, which would put clear text into the column.
        """
        source = found.field
        if not (
            isinstance(found.node, Column)
            and isinstance(source, EncryptedField)
            and source.deterministic is self.deterministic
        ):
            raise FieldError(
                f"{self} is encrypted before it reaches the database, which cannot encrypt what an expression gives: give "
                "the text itself, row by row where it differs.",
                name=self.name,
            )
        return found.node

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Return the text.

        Raises:
            DecryptionError: No key of ``FIELD_ENCRYPTION_KEYS`` fits, or the value was changed.
        """
        return None if value is None else _decrypt(value, self)

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Add that equal texts are equal."""
        name, path, args, kwargs = super().deconstruct()
        if self.deterministic:
            kwargs["deterministic"] = True
        return name, path, args, kwargs

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Add: there is a key, and no option asks the database to look at the text."""
        return [*super().check(**kwargs), *self._check_options()]

    def _check_options(self) -> Iterator[checks.CheckMessage]:
        if self.has_db_default():
            yield self._error("E191", "An EncryptedField has no db_default: the database would store it in clear.")
        if (self.unique or self.db_index) and not self.deterministic:
            yield self._error(
                "E192",
                "The database cannot compare the values of this EncryptedField: unique and db_index do nothing.",
                "Remove them, or write deterministic=True.",
            )
        try:
            _keys()
        except ImproperlyConfigured as error:
            yield self._error("E193", str(error))


def _keys() -> tuple[str, ...]:
    keys = tuple(settings.FIELD_ENCRYPTION_KEYS)
    if not keys:
        raise ImproperlyConfigured(
            "FIELD_ENCRYPTION_KEYS has no key, and an EncryptedField needs one. Make one with: "
            "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    if any(len(key) < _FEWEST_CHARACTERS for key in keys):
        raise ImproperlyConfigured(
            f"A key of FIELD_ENCRYPTION_KEYS has fewer than {_FEWEST_CHARACTERS} characters. Make one with: "
            "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    return keys


@lru_cache(maxsize=64)
def _ciphers(key: str) -> tuple[str, Any, Any]:
    """Return the key's name in stored values, and its two ciphers; each has a part of its own derived from the key."""
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    except ImportError as error:
        raise MissingDependency("cryptography", extra="encryption", feature="EncryptedField") from error

    def derived(purpose: bytes, length: int) -> bytes:
        made: bytes = HKDF(SHA256(), length, None, b"covet.EncryptedField " + purpose).derive(key.encode())
        return made

    name = hashlib.sha256(derived(b"name", 32)).hexdigest()[:8]
    return name, AESGCM(derived(b"random", 32)), AESSIV(derived(b"fixed", 64))


def _encrypt(text: str, *, fixed: bool) -> str:
    import os

    name, random_cipher, fixed_cipher = _ciphers(_keys()[0])
    if fixed:
        # AES-SIV of some versions takes no empty text: one byte in front keeps it from being empty.
        data = fixed_cipher.encrypt(b"\x01" + text.encode(), None)
    else:
        nonce = os.urandom(12)
        data = nonce + random_cipher.encrypt(nonce, text.encode(), None)
    return f"{_FIXED if fixed else _RANDOM}.{name}.{base64.urlsafe_b64encode(data).decode()}"


def _decrypt(stored: str, field: Any) -> str:
    from cryptography.exceptions import InvalidTag

    kind, _dot, rest = stored.partition(".")
    name, _dot, encoded = rest.partition(".")
    for key in _keys():
        known, random_cipher, fixed_cipher = _ciphers(key)
        if known != name:
            continue
        try:
            data = base64.urlsafe_b64decode(encoded)
            if kind == _FIXED:
                return bytes(fixed_cipher.decrypt(data, None))[1:].decode()
            return bytes(random_cipher.decrypt(data[:12], data[12:], None)).decode()
        except (InvalidTag, ValueError):
            raise DecryptionError(
                f"A value of {field} was changed after it had been encrypted, or was cut short; it cannot be read."
            ) from None
    raise DecryptionError(
        f"A value of {field} was encrypted by a key that FIELD_ENCRYPTION_KEYS no longer has, or is not encrypted at all. "
        "Put the old key behind the new one until every row has been saved anew."
    )
