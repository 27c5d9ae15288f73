"""The fields of models; ``from covet.db import models`` offers them all."""

from typing import TYPE_CHECKING

from covet.loading import late_names

if TYPE_CHECKING:
    from covet.db.models.fields.base import Field
    from covet.db.models.fields.composite import CompositePrimaryKey
    from covet.db.models.fields.encrypted import DecryptionError, EncryptedField
    from covet.db.models.fields.enumeration import EnumField
    from covet.db.models.fields.files import FieldFile, FileField
    from covet.db.models.fields.generated import GeneratedField
    from covet.db.models.fields.identity import AutoField, BigAutoField, SmallAutoField, UUIDField
    from covet.db.models.fields.images import ImageField, ImageFieldFile
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

if not TYPE_CHECKING:
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "covet.db.models.fields.base": ("Field",),
            "covet.db.models.fields.composite": ("CompositePrimaryKey",),
            "covet.db.models.fields.encrypted": ("DecryptionError", "EncryptedField"),
            "covet.db.models.fields.enumeration": ("EnumField",),
            "covet.db.models.fields.files": ("FieldFile", "FileField"),
            "covet.db.models.fields.generated": ("GeneratedField",),
            "covet.db.models.fields.identity": ("AutoField", "BigAutoField", "SmallAutoField", "UUIDField"),
            "covet.db.models.fields.images": ("ImageField", "ImageFieldFile"),
            "covet.db.models.fields.markers": ("NOT_PROVIDED",),
            "covet.db.models.fields.numbers": (
                "BigIntegerField",
                "BooleanField",
                "DecimalField",
                "FloatField",
                "IntegerField",
                "PositiveBigIntegerField",
                "PositiveIntegerField",
                "PositiveSmallIntegerField",
                "SmallIntegerField",
            ),
            "covet.db.models.fields.paths": ("FilePathField",),
            "covet.db.models.fields.structured": ("BinaryField", "JSONField"),
            "covet.db.models.fields.temporal": ("DateField", "DateTimeField", "DurationField", "TimeField"),
            "covet.db.models.fields.text": (
                "CharField",
                "EmailField",
                "GenericIPAddressField",
                "SlugField",
                "TextField",
                "URLField",
            ),
            "covet.db.models.fields.version": ("VersionField",),
        },
    )
