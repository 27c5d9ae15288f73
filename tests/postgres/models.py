"""Models with every field that PostgreSQL alone has."""

from __future__ import annotations

from covet.apps import apps
from covet.db import models
from covet.postgres.constraints import ExclusionConstraint
from covet.postgres.fields import (
    ArrayField,
    BigIntegerRangeField,
    DateRangeField,
    DateTimeRangeField,
    DecimalRangeField,
    HStoreField,
    IntegerRangeField,
    RangeOperators,
    SearchVectorField,
)
from covet.postgres.indexes import (
    BloomIndex,
    BrinIndex,
    BTreeIndex,
    GinIndex,
    GistIndex,
    HashIndex,
    OpClass,
    SpGistIndex,
)
from covet.postgres.lookups import register

register()

with apps.isolate():

    class Post(models.Model):
        title = models.CharField(max_length=100)
        body = models.TextField(default="", blank=True)
        language = models.CharField(max_length=20, default="english")
        vector = SearchVectorField(null=True, blank=True)
        tags = ArrayField(models.CharField(max_length=20), default=list, blank=True)
        board = ArrayField(ArrayField(models.IntegerField()), null=True, blank=True)
        scores = ArrayField(models.IntegerField(null=True), size=5, null=True, blank=True)
        facts = ArrayField(models.JSONField(null=True), null=True, blank=True)
        moments = ArrayField(models.DateTimeField(), null=True, blank=True)
        views = models.IntegerField(default=0)
        is_open = models.BooleanField(default=True)

        class Meta:
            app_label = "pgtests"

    class Booking(models.Model):
        room = models.IntegerField(default=1)
        span = IntegerRangeField(null=True, blank=True)
        wide = BigIntegerRangeField(null=True, blank=True)
        price = DecimalRangeField(null=True, blank=True, default_bounds="[]")
        days = DateRangeField(null=True, blank=True)
        hours = DateTimeRangeField(null=True, blank=True)
        is_cancelled = models.BooleanField(default=False)

        class Meta:
            app_label = "pgtests"
            constraints = [
                ExclusionConstraint(
                    name="one_booking",
                    expressions=[("hours", RangeOperators.OVERLAPS), ("room", RangeOperators.EQUAL)],
                    condition=models.Q(is_cancelled=False),
                )
            ]

    class Thing(models.Model):
        data = HStoreField(null=True, blank=True)

        class Meta:
            app_label = "pgtests"

    class Indexed(models.Model):
        number = models.IntegerField()
        name = models.CharField(max_length=50)
        tags = ArrayField(models.IntegerField())
        span = IntegerRangeField(null=True, blank=True)

        class Meta:
            app_label = "pgtests"
            indexes = [
                BTreeIndex(fields=["number"], name="i_btree", fillfactor=70, deduplicate_items=False),
                GinIndex(fields=["tags"], name="i_gin", fastupdate=False, gin_pending_list_limit=512),
                GinIndex(OpClass("name", "gin_trgm_ops"), name="i_trgm"),
                GistIndex(fields=["span"], name="i_gist", fillfactor=80, buffering=True),
                BrinIndex(fields=["number"], name="i_brin", pages_per_range=16, autosummarize=True),
                HashIndex(fields=["name"], name="i_hash", fillfactor=60),
                SpGistIndex(fields=["span"], name="i_spgist", fillfactor=75),
                BloomIndex(fields=["number"], name="i_bloom", length=96, columns=[4]),
            ]


MODELS = [Post, Booking, Thing, Indexed]
