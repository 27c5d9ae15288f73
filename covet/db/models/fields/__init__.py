"""The fields of models; ``from covet.db import models`` offers them all."""

from covet.db.models.fields.base import Field
from covet.db.models.fields.composite import CompositePrimaryKey
from covet.db.models.fields.encrypted import DecryptionError, EncryptedField
from covet.db.models.fields.enumeration import EnumField
from covet.db.models.fields.files import FieldFile, FileField, ImageField, ImageFieldFile
from covet.db.models.fields.generated import GeneratedField
from covet.db.models.fields.identity import AutoField, BigAutoField, SmallAutoField, UUIDField
from covet.db.models.fields.markers import NOT_PROVIDED
from covet.db.models.fields.numbers import (
    BigIntegerField,
    BooleanField,
    DecimalField,
    FloatField,
    IntegerField,
    PositiveBigIntegerField,
    PositiveIntegerField,
    PositiveSmallIntegerField,
    SmallIntegerField,
)
from covet.db.models.fields.paths import FilePathField
from covet.db.models.fields.structured import BinaryField, JSONField
from covet.db.models.fields.temporal import DateField, DateTimeField, DurationField, TimeField
from covet.db.models.fields.text import (
    CharField,
    EmailField,
    GenericIPAddressField,
    SlugField,
    TextField,
    URLField,
)
from covet.db.models.fields.version import VersionField

__all__ = [
    "NOT_PROVIDED",
    "AutoField",
    "BigAutoField",
    "BigIntegerField",
    "BinaryField",
    "BooleanField",
    "CharField",
    "CompositePrimaryKey",
    "DateField",
    "DateTimeField",
    "DecimalField",
    "DecryptionError",
    "DurationField",
    "EmailField",
    "EncryptedField",
    "EnumField",
    "Field",
    "FieldFile",
    "FileField",
    "FilePathField",
    "FloatField",
    "GeneratedField",
    "GenericIPAddressField",
    "ImageField",
    "ImageFieldFile",
    "IntegerField",
    "JSONField",
    "PositiveBigIntegerField",
    "PositiveIntegerField",
    "PositiveSmallIntegerField",
    "SlugField",
    "SmallAutoField",
    "SmallIntegerField",
    "TextField",
    "TimeField",
    "URLField",
    "UUIDField",
    "VersionField",
]
