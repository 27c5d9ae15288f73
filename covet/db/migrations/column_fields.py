"""Which field a column's type means, for ``inspectdb``."""

from __future__ import annotations

import re

from msgspec.structs import replace

from covet.db.backends.introspection import ColumnInfo

__all__ = ["FIELDS", "GUESSES", "POSTGRESQL_FIELDS", "SIZE", "item_of"]

SIZE = re.compile(r"\s*\([^)]*\)")

# By the type's name without sizes, in lower case; the databases' names do not contradict each other.
FIELDS = {
    "smallint": "SmallIntegerField",
    "integer": "IntegerField",
    "int": "IntegerField",
    "mediumint": "IntegerField",
    "tinyint": "SmallIntegerField",
    "bigint": "BigIntegerField",
    "double precision": "FloatField",
    "double": "FloatField",
    "float": "FloatField",
    "real": "FloatField",
    "numeric": "DecimalField",
    "decimal": "DecimalField",
    "boolean": "BooleanField",
    "bool": "BooleanField",
    "character varying": "CharField",
    "varchar": "CharField",
    "nvarchar": "CharField",
    "text": "TextField",
    "tinytext": "TextField",
    "mediumtext": "TextField",
    "longtext": "TextField",
    "clob": "TextField",
    "date": "DateField",
    "time": "TimeField",
    "time without time zone": "TimeField",
    "datetime": "DateTimeField",
    "timestamp": "DateTimeField",
    "timestamp with time zone": "DateTimeField",
    "interval": "DurationField",
    "uuid": "UUIDField",
    "bytea": "BinaryField",
    "blob": "BinaryField",
    "tinyblob": "BinaryField",
    "mediumblob": "BinaryField",
    "longblob": "BinaryField",
    "json": "JSONField",
    "jsonb": "JSONField",
    "inet": "GenericIPAddressField",
}
GUESSES = {
    "character": "CharField",
    "char": "CharField",
    "bpchar": "CharField",
    "timestamp without time zone": "DateTimeField",
    "time with time zone": "TimeField",
    "cidr": "GenericIPAddressField",
    "enum": "CharField",
    "set": "CharField",
    "year": "IntegerField",
    "varbinary": "BinaryField",
    "binary": "BinaryField",
    "bit": "BinaryField",
    "point": "TextField",
}
# Classes of ``covet.postgres.fields``.
POSTGRESQL_FIELDS = {
    "int4range": "IntegerRangeField",
    "int8range": "BigIntegerRangeField",
    "numrange": "DecimalRangeField",
    "daterange": "DateRangeField",
    "tstzrange": "DateTimeRangeField",
    "hstore": "HStoreField",
    "tsvector": "SearchVectorField",
    "vector": "VectorField",
}


def item_of(column: ColumnInfo) -> ColumnInfo:
    """Return what an item of an array column is, as a column."""
    whole = column.type.lower()
    size = SIZE.search(whole)
    digits = [] if size is None else [int(text) for text in size[0].strip("() ").split(",") if text.strip().isdigit()]
    length = digits[0] if "char" in whole and len(digits) == 1 else None
    precision, scale = digits if "numeric" in whole and len(digits) == 2 else (None, None)
    return replace(column, type=column.type[:-2], length=length, precision=precision, scale=scale, identity=False)
