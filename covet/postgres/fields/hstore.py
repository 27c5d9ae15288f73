"""``HStoreField``: keys and values that are texts; needs the extension ``hstore``."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from typing_extensions import TypeVar, Unpack

from covet import checks, json
from covet.db.models.expressions.base import Expression
from covet.db.models.expressions.functions import Func, parse
from covet.db.models.expressions.inference import TEXT
from covet.db.models.expressions.scope import Resolved, Scope
from covet.db.models.fields.base import Field, FieldOptions
from covet.db.models.fields.markers import NOT_PROVIDED
from covet.db.models.fields.text import TextField
from covet.db.models.query.lookups import LOOKUPS
from covet.db.sql import nodes
from covet.db.sql.nodes import ColumnType
from covet.postgres.conditions import OperatorLookup
from covet.postgres.fields.array import ArrayField
from covet.postgres.vendor import PostgresField, require_postgresql

if TYPE_CHECKING:
    from covet.db.sql.dialect import Dialect

__all__ = ["HStoreField", "KeyTransform", "hstore_text", "hstore_value"]

T = TypeVar("T", default=Any)
_TEXT = ColumnType("text")
_PAIR = re.compile(r'"((?:[^"\\]|\\.)*)"\s*=>\s*(?:NULL|"((?:[^"\\]|\\.)*)")\s*(?:,\s*|\Z)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def hstore_text(value: Mapping[str, Any]) -> str:
    """Return a mapping as PostgreSQL writes it: every key and value in quotes."""
    return ", ".join(f"{_quoted(key)}=>{'NULL' if item is None else _quoted(item)}" for key, item in value.items())


def hstore_value(text: str) -> dict[str, str | None]:
    """Return the mapping that PostgreSQL has written.

    Raises:
        ValueError: It is no such text.
    """
    found: dict[str, str | None] = {}
    position = 0
    while position < len(text):
        match = _PAIR.match(text, position)
        if match is None:
            raise ValueError(f"This is no hstore, from character {position} on.")
        key, item = match[1], match[2]
        found[_ESCAPED.sub(r"\1", key)] = None if item is None else _ESCAPED.sub(r"\1", item)
        position = match.end()
    return found


def _quoted(text: Any) -> str:
    escaped = str(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class HStoreField(PostgresField, Field[T]):
    """A mapping of texts to texts or ``None``; other values become texts."""

    empty_strings_allowed = False
    description = "Map of strings to strings/nulls"
    default_error_messages = {
        "not_a_string": "The value of “%(key)s” is not a string or null.",
        "invalid": "Enter an object of strings.",
    }

    @overload
    def __init__(
        self: HStoreField[dict[str, str | None]],
        verbose_name: Any = None,
        *,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: HStoreField[dict[str, str | None] | None],
        verbose_name: Any = None,
        *,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(self, verbose_name: Any = None, *, null: bool = False, **options: Unpack[FieldOptions]) -> None:
        super().__init__(verbose_name, null=null, **options)

    def column_type(self) -> ColumnType | None:
        """Return ``hstore``."""
        return ColumnType("postgresql", sql="hstore")

    def get_prep_value(self, value: Any) -> Any:
        """Return the database's own text.

        Raises:
            TypeError: The value is no mapping.
        """
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise TypeError(f"{getattr(self, 'name', 'HStoreField')} expects a mapping, not {value!r}.")
        return hstore_text(value)

    def _make_converter(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        return lambda value: None if value is None else hstore_value(value)

    def among(self, left: nodes.Node, values: nodes.Param) -> nodes.Node:
        """Return ``IN``: each mapping travels as a text."""
        texts = nodes.Param(values.slot, values.adapt, many=True)
        return nodes.Raw("(%s IN (SELECT covet_item::hstore FROM UNNEST(%s::text[]) AS covet_item))", (left, texts))

    def to_python(self, value: Any) -> Any:
        """Return a ``dict``; a text is read as JSON, as fixtures write it."""
        if value is None:
            return None
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                raise self.error("invalid") from None
        if not isinstance(value, Mapping):
            raise self.error("invalid")
        return {str(key): None if item is None else str(item) for key, item in value.items()}

    def validate(self, value: Any, instance: Any) -> None:
        """Add: every value is a text or ``None``."""
        super().validate(value, instance)
        for key, item in (value or {}).items():
            if item is not None and not isinstance(item, str):
                raise self.error("not_a_string", key=key)

    def value_to_string(self, instance: Any) -> str:
        """Return JSON."""
        value = self.value_from_object(instance)
        return "" if value is None else json.dumps(value).decode()

    def get_transform(self, name: str) -> Any:
        """Return ``keys``, ``values``, or the step to the value of any other key."""
        found = super().get_transform(name)
        if found is not None:
            return found
        if self.get_lookup(name) is not None or name in LOOKUPS or name in {"in", "range", "isnull"}:
            return None
        return _Key(name)

    def schema_annotation(self, annotate: Callable[[Any], Any]) -> Any:
        """Return the annotation in schemas."""
        return dict[str, str | None]

    def filter_annotation(self, lookups: Sequence[str], annotate: Callable[[Any], Any]) -> tuple[Any, bool] | None:
        """Return the annotation of a filter, and whether it takes several values; ``None`` where no filter can say it."""
        if lookups and lookups[-1] in {"has_keys", "has_any_keys"}:
            return list[str], True
        return (str, False) if lookups == ["has_key"] or (lookups and self.get_transform(lookups[0])) else None

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Add: a default that all rows would share."""
        found = super().check(**kwargs)
        if self.default is not NOT_PROVIDED and isinstance(self.default, dict):
            found.append(
                checks.Warning(
                    "The default of a HStoreField is one dict that all instances share.",
                    hint="Give a function instead: default=dict.",
                    obj=self,
                    id="postgres.E003",
                )
            )
        return found


class KeyTransform(Expression[Any]):
    """The value of a key, as a text: ``KeyTransform("breed", "data")``, for keys that no name can hold.

    Args:
        key: The key.
        expression: The mapping; a text names a field.
    """

    public_module = "covet.postgres.fields"

    def __init__(self, key: str, expression: Any) -> None:
        super().__init__()
        self.key = key
        self.sources = (parse(expression),)

    def shape(self, values: list[Any]) -> Hashable:
        """Return the key and the mapping's shape."""
        return (KeyTransform, self.key, self.sources[0].shape(values))

    def resolve(self, scope: Scope) -> Resolved:
        """Return the value of the key."""
        require_postgresql(scope.dialect, "KeyTransform")
        inner = self.sources[0].resolve(scope)
        return Resolved(nodes.Raw("(%s -> %s)", (inner.node, nodes.Bound(self.key, _TEXT))), TEXT)


class _Key:
    """The step to a key that stands in a name: ``filter(data__breed="collie")``."""

    is_transform = True
    result = TEXT

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, value: Any) -> KeyTransform:
        return KeyTransform(self.name, value)


class _Texts:
    """All keys, or all values, as an array."""

    is_transform = True
    result: Field[Any] = ArrayField(TextField())

    def __init__(self, lookup_name: str, function: str) -> None:
        self.lookup_name = lookup_name
        self.function = function

    def __call__(self, value: Any) -> Expression[Any]:
        return Func(value, function=self.function, output_field=self.result)


class HStoreContains(OperatorLookup):
    """The mapping has all these keys with these values."""

    lookup_name = "contains"
    operator = "@>"


class HStoreContainedBy(OperatorLookup):
    """The mapping has nothing beside these keys with these values."""

    lookup_name = "contained_by"
    operator = "<@"


class HasKey(OperatorLookup):
    """The mapping has a key."""

    lookup_name = "has_key"
    operator = "?"

    @classmethod
    def value_field(cls, field: Field[Any] | None) -> Field[Any] | None:
        """Return the field of a key."""
        return TEXT


class HasKeys(OperatorLookup):
    """The mapping has all of several keys."""

    lookup_name = "has_keys"
    operator = "?&"

    @classmethod
    def value_field(cls, field: Field[Any] | None) -> Field[Any] | None:
        """Return the field of keys."""
        return _Texts.result


class HasAnyKeys(HasKeys):
    """The mapping has one of several keys."""

    lookup_name = "has_any_keys"
    operator = "?|"


for _lookup in (
    HStoreContains,
    HStoreContainedBy,
    HasKey,
    HasKeys,
    HasAnyKeys,
    _Texts("keys", "AKEYS"),
    _Texts("values", "AVALS"),
):
    HStoreField.register_lookup(_lookup)
