"""Texts: ``CharField``, ``TextField`` and the fields that hold texts of one form."""

from __future__ import annotations

import inspect
import ipaddress
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, overload

from typing_extensions import TypeVar, Unpack

from covet import checks, validators
from covet.concurrency import told
from covet.db.models.fields.base import Convert, Field, FieldOptions, Text
from covet.db.sql.dialect import AS_IS
from covet.db.sql.nodes import ColumnType

__all__ = ["CharField", "EmailField", "GenericIPAddressField", "SlugField", "TextField", "URLField"]

T = TypeVar("T", default=Any)


class _TextBase(Field[T]):
    """What all texts share: values become ``str`` on the way to the database, enumeration members their value."""

    db_collation: str | None = None

    def to_python(self, value: Any) -> Any:
        """Return a ``str``."""
        if value is None or value.__class__ is str:
            return value
        return self._spelled(value)

    def get_prep_value(self, value: Any) -> Any:
        """Return a plain ``str``: lazy texts and members of ``TextChoices`` are spelled out."""
        if value.__class__ is str or value is None:
            return value
        return self._spelled(value)

    def _spelled(self, value: Any) -> str:
        # Anything has a text. That of a call without await would be stored, and noticed much later.
        if inspect.iscoroutine(value):
            raise TypeError(f"Field '{getattr(self, 'name', '')}' expects a text, not {told(value)}.")
        return str(value)

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Add the collation."""
        name, path, args, kwargs = super().deconstruct()
        if self.db_collation is not None:
            kwargs["db_collation"] = self.db_collation
        return name, path, args, kwargs


AS_IS[_TextBase.get_prep_value] = str


class CharField(_TextBase[T]):
    """A text with a greatest length.

    Args:
        max_length: The greatest number of characters; the checks ask for it.
        db_collation: The collation of the column, by the database's name for it.
    """

    description = "String (up to %(max_length)s)"
    default_max_length: ClassVar[int | None] = None

    @overload
    def __init__(
        self: CharField[str],
        verbose_name: Text = None,
        *,
        max_length: int | None = None,
        db_collation: str | None = None,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: CharField[str | None],
        verbose_name: Text = None,
        *,
        max_length: int | None = None,
        db_collation: str | None = None,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(
        self,
        verbose_name: Text = None,
        *,
        max_length: int | None = None,
        db_collation: str | None = None,
        null: bool = False,
        **options: Unpack[FieldOptions],
    ) -> None:
        if max_length is None:
            max_length = self.default_max_length
        super().__init__(verbose_name, max_length=max_length, null=null, **options)
        self.db_collation = db_collation

    def column_type(self) -> ColumnType | None:
        """Return ``varchar(max_length)``."""
        return ColumnType("varchar", length=self.max_length, collation=self.db_collation)

    @cached_property
    def validators(self) -> list[Callable[[Any], Any]]:
        """The field's own validators, and one for the length."""
        own = [*self.default_validators, *self._validators]
        if self.max_length is not None:
            own.append(validators.MaxLengthValidator(self.max_length))
        return own

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Leave out the length where it is the class's own."""
        name, path, args, kwargs = super().deconstruct()
        if self.default_max_length is not None and kwargs.get("max_length") == self.default_max_length:
            # Written all the same: a later release may change the default, and a recorded column must not.
            kwargs["max_length"] = self.max_length
        return name, path, args, kwargs

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Add: ``max_length`` is there, and a positive number."""
        return [*super().check(**kwargs), *self._check_max_length()]

    def _check_max_length(self) -> Iterator[checks.CheckMessage]:
        length = self.max_length
        if length is None:
            yield self._error(
                "E120",
                f"{type(self).__name__} needs the option 'max_length'.",
                f"Write {type(self).__name__}(max_length=100), or use TextField for texts of any length.",
            )
        elif not isinstance(length, int) or isinstance(length, bool) or length <= 0:
            yield self._error("E121", f"'max_length' must be a positive whole number, not {length!r}.")


class EmailField(CharField[T]):
    """An e-mail address."""

    default_validators: ClassVar[Sequence[Callable[[Any], Any]]] = (validators.validate_email,)
    default_max_length = 254
    description = "Email address"
    if TYPE_CHECKING:

        @overload
        def __init__(
            self: EmailField[str],
            verbose_name: Text = None,
            *,
            max_length: int | None = None,
            db_collation: str | None = None,
            null: Literal[False] = False,
            **options: Unpack[FieldOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: EmailField[str | None],
            verbose_name: Text = None,
            *,
            max_length: int | None = None,
            db_collation: str | None = None,
            null: Literal[True],
            **options: Unpack[FieldOptions],
        ) -> None: ...
        def __init__(
            self,
            verbose_name: Text = None,
            *,
            max_length: int | None = None,
            db_collation: str | None = None,
            null: bool = False,
            **options: Unpack[FieldOptions],
        ) -> None: ...


class URLField(CharField[T]):
    """A URL."""

    default_validators: ClassVar[Sequence[Callable[[Any], Any]]] = (validators.validate_url,)
    default_max_length = 200
    description = "URL"
    if TYPE_CHECKING:

        @overload
        def __init__(
            self: URLField[str],
            verbose_name: Text = None,
            *,
            max_length: int | None = None,
            db_collation: str | None = None,
            null: Literal[False] = False,
            **options: Unpack[FieldOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: URLField[str | None],
            verbose_name: Text = None,
            *,
            max_length: int | None = None,
            db_collation: str | None = None,
            null: Literal[True],
            **options: Unpack[FieldOptions],
        ) -> None: ...
        def __init__(
            self,
            verbose_name: Text = None,
            *,
            max_length: int | None = None,
            db_collation: str | None = None,
            null: bool = False,
            **options: Unpack[FieldOptions],
        ) -> None: ...


class SlugField(CharField[T]):
    """A short label of letters, digits, hyphens and underscores; indexed unless ``db_index=False``.

    Args:
        allow_unicode: Letters of all scripts are allowed.
    """

    default_max_length = 50
    description = "Slug (up to %(max_length)s)"

    @overload
    def __init__(
        self: SlugField[str],
        verbose_name: Text = None,
        *,
        max_length: int | None = None,
        allow_unicode: bool = False,
        db_collation: str | None = None,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: SlugField[str | None],
        verbose_name: Text = None,
        *,
        max_length: int | None = None,
        allow_unicode: bool = False,
        db_collation: str | None = None,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(
        self,
        verbose_name: Text = None,
        *,
        max_length: int | None = None,
        allow_unicode: bool = False,
        db_collation: str | None = None,
        null: bool = False,
        **options: Unpack[FieldOptions],
    ) -> None:
        options.setdefault("db_index", True)
        # The choice of overload is the caller's; here ``null`` is either.
        base: Any = super()
        base.__init__(verbose_name, max_length=max_length, db_collation=db_collation, null=null, **options)
        self.allow_unicode = allow_unicode

    @cached_property
    def validators(self) -> list[Callable[[Any], Any]]:
        """Add the rule for slugs, by the script that is allowed."""
        rule = validators.validate_unicode_slug if self.allow_unicode else validators.validate_slug
        return [rule, *CharField.validators.func(self)]  # type: ignore[attr-defined]

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Write ``db_index`` only where it is off."""
        name, path, args, kwargs = super().deconstruct()
        if self.db_index:
            kwargs.pop("db_index", None)
        else:
            kwargs["db_index"] = False
        if self.allow_unicode:
            kwargs["allow_unicode"] = True
        return name, path, args, kwargs


class TextField(_TextBase[T]):
    """A text of any length.

    Args:
        max_length: For forms alone; the column has no limit.
        db_collation: The collation of the column, by the database's name for it.
    """

    description = "Text"

    @overload
    def __init__(
        self: TextField[str],
        verbose_name: Text = None,
        *,
        max_length: int | None = None,
        db_collation: str | None = None,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: TextField[str | None],
        verbose_name: Text = None,
        *,
        max_length: int | None = None,
        db_collation: str | None = None,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(
        self,
        verbose_name: Text = None,
        *,
        max_length: int | None = None,
        db_collation: str | None = None,
        null: bool = False,
        **options: Unpack[FieldOptions],
    ) -> None:
        super().__init__(verbose_name, max_length=max_length, null=null, **options)
        self.db_collation = db_collation

    def column_type(self) -> ColumnType | None:
        """Return the type of long texts."""
        return ColumnType("text", collation=self.db_collation)


_ADDRESSES: Final = {
    "both": validators.validate_ipv46_address,
    "ipv4": validators.validate_ipv4_address,
    "ipv6": validators.validate_ipv6_address,
}


class GenericIPAddressField(Field[T]):
    """An IPv4 or IPv6 address, as a ``str`` in its shortest usual form.

    Args:
        protocol: ``"both"``, ``"IPv4"`` or ``"IPv6"``.
        unpack_ipv4: Turn ``::ffff:192.0.2.1`` into ``192.0.2.1``; only with ``"both"``.
    """

    empty_strings_allowed = False
    default_error_messages = {"invalid": "Enter a valid %(protocol)s address."}
    description = "IP address"

    @overload
    def __init__(
        self: GenericIPAddressField[str],
        verbose_name: Text = None,
        *,
        protocol: str = "both",
        unpack_ipv4: bool = False,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: GenericIPAddressField[str | None],
        verbose_name: Text = None,
        *,
        protocol: str = "both",
        unpack_ipv4: bool = False,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(
        self,
        verbose_name: Text = None,
        *,
        protocol: str = "both",
        unpack_ipv4: bool = False,
        null: bool = False,
        **options: Unpack[FieldOptions],
    ) -> None:
        if unpack_ipv4 and protocol != "both":
            raise ValueError("unpack_ipv4 needs protocol='both': with one protocol there is nothing to unpack.")
        if protocol.lower() not in {"both", "ipv4", "ipv6"}:
            raise ValueError(f"protocol is 'both', 'IPv4' or 'IPv6', not {protocol!r}.")
        super().__init__(verbose_name, max_length=39, null=null, **options)
        self.protocol = protocol
        self.unpack_ipv4 = unpack_ipv4

    @cached_property
    def validators(self) -> list[Callable[[Any], Any]]:
        """The field's own validators, and one for the protocol."""
        return [*self.default_validators, _ADDRESSES[self.protocol.lower()], *self._validators]

    def canonical(self) -> Convert | None:
        """Return what spells an address in its usual form."""
        return self.get_prep_value if self._stores_as(GenericIPAddressField) else None

    def column_type(self) -> ColumnType | None:
        """Return the type of addresses."""
        return ColumnType("inet")

    def _parse(self, value: Any) -> str:
        address = ipaddress.ip_address(str(value).strip())
        wanted = self.protocol.lower()
        if (wanted == "ipv4" and address.version != 4) or (wanted == "ipv6" and address.version != 6):
            raise ValueError(value)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            return str(address.ipv4_mapped) if self.unpack_ipv4 else f"::ffff:{address.ipv4_mapped}"
        return str(address)

    def to_python(self, value: Any) -> Any:
        """Return the address as a ``str`` in its usual form; the empty text is no address."""
        if value is None or value == "":
            return None
        try:
            return self._parse(value)
        except ValueError:
            names = {"both": "IPv4 or IPv6", "ipv4": "IPv4", "ipv6": "IPv6"}
            raise self.error("invalid", protocol=names[self.protocol.lower()], value=value) from None

    def get_prep_value(self, value: Any) -> Any:
        """Return the address as a ``str``."""
        if value is None or value == "":
            return None
        try:
            return self._parse(value)
        except ValueError:
            return str(value)

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Add protocol and unpacking."""
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("max_length", None)
        if self.unpack_ipv4:
            kwargs["unpack_ipv4"] = True
        if self.protocol != "both":
            kwargs["protocol"] = self.protocol
        return name, path, args, kwargs

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Add: ``blank=True`` needs ``null=True``, since no address is stored as an empty text."""
        found = super().check(**kwargs)
        if self.blank and not self.null:
            found.append(
                self._error("E150", "GenericIPAddressField with blank=True needs null=True.", "Add null=True.")
            )
        return found
