"""Remarks about anything, and a few things to remark on."""

from __future__ import annotations

from covet.contenttypes import ContentType, GenericForeignKey, GenericRelation
from covet.db import models


class Remark(models.Model):
    text = models.CharField(max_length=100)
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE, null=True)
    object_id = models.BigIntegerField(null=True)
    about = GenericForeignKey()

    class Meta:
        ordering = ["pk"]


class Label(models.Model):
    """Refers by a text, and to proxies as such."""

    name = models.CharField(max_length=20)
    kind = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    key = models.CharField(max_length=40)
    thing = GenericForeignKey("kind", "key", for_concrete_model=False)


class Remarkable(models.Model):
    remarks = GenericRelation(Remark, related_query_name="%(class)s")

    class Meta:
        abstract = True


class Painter(models.Model):
    name = models.CharField(max_length=50)


class Painting(Remarkable):
    title = models.CharField(max_length=50)
    painter = models.ForeignKey(Painter, on_delete=models.CASCADE, null=True)
    labels = GenericRelation(Label, "kind", "key", for_concrete_model=False, related_query_name="painting")

    class Meta:
        ordering = ["pk"]


class Landscape(Painting):
    """A proxy."""

    class Meta:
        proxy = True


class Statue(Remarkable):
    title = models.CharField(max_length=50)


class Fountain(Statue):
    """Has a table of its own."""

    jets = models.IntegerField(default=1)


class Poster(models.Model):
    id = models.UUIDField(primary_key=True)
    labels = GenericRelation(Label, "kind", "key", related_query_name="poster")


class Tile(models.Model):
    """Its key has two fields, so that no remark can be about it."""

    pk = models.CompositePrimaryKey("left", "right")
    left = models.IntegerField()
    right = models.IntegerField()


MODELS = (Remark, Label, Painter, Painting, Statue, Fountain, Poster, Tile)
