"""``JSONField`` and ``BinaryField``."""

from __future__ import annotations

import base64
import json as stdlib_json
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Literal, cast, overload

from typing_extensions import TypeVar, Unpack

from covet import checks, validators
from covet.db.models.fields.base import Convert, Field, FieldOptions, Text
from covet.db.models.fields.markers import NOT_PROVIDED
from covet.db.sql.dialect import Dialect, RawJSON, json_text
from covet.db.sql.nodes import ColumnType

__all__ = ["BinaryField", "JSONField"]

T = TypeVar("T", default=Any)


class JSONField(Field[T]):
    """Any value that JSON can say.

    ``None`` is stored as SQL ``NULL``; ``JSONNull()`` stores the JSON word ``null``.

    Args:
        encoder: A ``json.JSONEncoder`` class for values that JSON does not know; without one dates, UUIDs and decimals
            are written as texts.
        decoder: A ``json.JSONDecoder`` class for reading.
    """

    empty_strings_allowed = False
    default_error_messages = {"invalid": "Value must be valid JSON."}
    description = "A JSON object"

    def __init__(
        self,
        verbose_name: Text = None,
        *,
        encoder: type[stdlib_json.JSONEncoder] | None = None,
        decoder: type[stdlib_json.JSONDecoder] | None = None,
        null: bool = False,
        **options: Unpack[FieldOptions],
    ) -> None:
        if encoder is not None and not callable(encoder):
            raise ValueError(f"encoder must be a JSONEncoder class, not {encoder!r}.")
        if decoder is not None and not callable(decoder):
            raise ValueError(f"decoder must be a JSONDecoder class, not {decoder!r}.")
        super().__init__(verbose_name, null=null, **options)
        self.encoder = encoder
        self.decoder = decoder

    def column_type(self) -> ColumnType | None:
        """Return the JSON type."""
        return ColumnType("json")

    def get_prep_value(self, value: Any) -> Any:
        """Return the value as it is; with an ``encoder``, its finished text."""
        if value is None or self.encoder is None or isinstance(value, RawJSON):
            return value
        return RawJSON(stdlib_json.dumps(value, cls=self.encoder))

    def _make_adapter(self, dialect: Dialect) -> Convert | None:
        # Without an encoder get_prep_value has nothing to do: one call less for each value.
        adapt = dialect.adapter(ColumnType("json"))
        if self.encoder is not None or adapt is None or type(self).get_prep_value is not JSONField.get_prep_value:
            return super()._make_adapter(dialect)
        return lambda value: None if value is None else adapt(value)

    def _make_converter(self, dialect: Dialect) -> Convert | None:
        if self.decoder is None:
            return super()._make_converter(dialect)
        decoder = self.decoder

        def decode(value: Any) -> Any:
            return stdlib_json.loads(value, cls=decoder) if isinstance(value, (str, bytes, bytearray)) else value

        return decode

    def validate(self, value: Any, instance: Any) -> None:
        """Add: the value can be written as JSON."""
        super().validate(value, instance)
        try:
            if self.encoder is not None:
                stdlib_json.dumps(value, cls=self.encoder)
            else:
                json_text(value)
        except (TypeError, ValueError):
            raise self.error("invalid", value=value) from None

    def value_to_string(self, instance: Any) -> Any:
        """Return the value itself: fixtures are JSON too."""
        return self.value_from_object(instance)

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Add encoder and decoder."""
        name, path, args, kwargs = super().deconstruct()
        if self.encoder is not None:
            kwargs["encoder"] = self.encoder
        if self.decoder is not None:
            kwargs["decoder"] = self.decoder
        return name, path, args, kwargs

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Add: a default that all rows would share."""
        return [*super().check(**kwargs), *self._check_default()]

    def _check_default(self) -> Iterator[checks.CheckMessage]:
        if self.default is not NOT_PROVIDED and isinstance(self.default, (list, dict, set)):
            kind = type(self.default).__name__
            yield checks.Warning(
                f"The default is one {kind} that all instances share.",
                hint=f"Give a function instead: default={kind}.",
                obj=self,
                id="fields.E010",
            )


class BinaryField(Field[T]):
    """Bytes.

    Args:
        max_length: The greatest number of bytes.
    """

    empty_strings_allowed = False
    description = "Raw binary data"
    default_error_messages = {"invalid": "Enter bytes, or a text in base64."}

    @overload
    def __init__(
        self: BinaryField[bytes],
        verbose_name: Text = None,
        *,
        max_length: int | None = None,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: BinaryField[bytes | None],
        verbose_name: Text = None,
        *,
        max_length: int | None = None,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(
        self,
        verbose_name: Text = None,
        *,
        max_length: int | None = None,
        null: bool = False,
        **options: Unpack[FieldOptions],
    ) -> None:
        options.setdefault("editable", False)
        super().__init__(verbose_name, max_length=max_length, null=null, **options)

    def column_type(self) -> ColumnType | None:
        """Return the type of bytes."""
        return ColumnType("binary", length=self.max_length)

    @cached_property
    def validators(self) -> list[Callable[[Any], Any]]:
        """The field's own validators, and one for the length."""
        own = [*self.default_validators, *self._validators]
        if self.max_length is not None:
            own.append(validators.MaxLengthValidator(self.max_length))
        return own

    def get_default(self) -> Any:
        """Return the default; without one, no bytes."""
        if self.has_default() or self.has_db_default():
            default = super().get_default()
            return bytes(default) if isinstance(default, (bytearray, memoryview)) else default
        return None if self.null else b""

    def to_python(self, value: Any) -> Any:
        """Return ``bytes``; a text is read as strict base64, as fixtures write it."""
        if value is None or value.__class__ is bytes:
            return value
        if isinstance(value, str):
            try:
                return base64.b64decode(value.encode("ascii"), validate=True)
            except ValueError:
                raise self.error("invalid", value=value) from None
        if not isinstance(value, (bytearray, memoryview)):
            raise self.error("invalid", value=value)  # bytes(5) would be five bytes, and bytes(1.5) a TypeError
        return bytes(value)

    def get_prep_value(self, value: Any) -> Any:
        """Return ``bytes``."""
        if value is None or value.__class__ is bytes:
            return value
        if isinstance(value, (bytearray, memoryview)):
            return bytes(value)
        raise TypeError(f"{getattr(self, 'name', type(self).__name__)} expects bytes, not {value!r}.")

    def value_to_string(self, instance: Any) -> str:
        """Return base64."""
        value = self.value_from_object(instance)
        return "" if value is None else base64.b64encode(cast(bytes, value)).decode("ascii")

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Write ``editable`` only where it is on."""
        name, path, args, kwargs = super().deconstruct()
        if self.editable:
            kwargs["editable"] = True
        else:
            kwargs.pop("editable", None)
        return name, path, args, kwargs

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Add: the default is bytes."""
        found = super().check(**kwargs)
        fits = (
            self.default is None or callable(self.default) or isinstance(self.default, (bytes, bytearray, memoryview))
        )
        if self.has_default() and not fits:
            found.append(self._error("E170", "The default of a BinaryField is bytes.", "Write default=b'…'."))
        return found
