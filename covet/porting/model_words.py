"""Words of Django's own rooms behind its models, and of what is installed beside them, for what is done in another way here."""

from __future__ import annotations

from typing import Final

__all__ = ["MEMBER_WORDS", "MODEL_ROOTS", "MODEL_WORDS", "TREE_WORDS"]

_ALERTS: Final = "assert_queries() of covet.test, and QUERY_BUDGET, which names the line that asks too often"
_ENCRYPTED: Final = "covet.db.models.EncryptedField"
_ENUM: Final = "covet.db.models.EnumField"
_MANAGER: Final = (
    "nothing to subclass: a relation's manager is made of the default manager of the model that it leads to"
)
_RANGE: Final = "covet.postgres.fields.Range"
_RELATION: Final = (
    "the signs of what _meta.get_fields() gives: auto_created and not concrete for the way back, with one_to_many, one_to_one or "
    "many_to_many"
)
_RESULTS: Final = "cache() of a queryset, whose results go when their tables change: docs/howto/cache-query-results.md"
_ROWS: Final = "from_db() of the model, which sees every row that is read; values() and values_list() give other forms"
_SQL: Final = "an Expression, Func or Lookup with as_sql(): docs/howto/raw-sql.md"
_STAMPED: Final = "two fields of an abstract model: DateTimeField(auto_now_add=True) and DateTimeField(auto_now=True)"
_VECTORS_OF_07: Final = "nothing yet; covet.postgres.fields.VectorField keeps four bytes of each number"

MODEL_WORDS: Final = {
    "bulk_update_or_create": "bulk_create() of a queryset, with update_conflicts=True",
    "cachalot": _RESULTS,
    "cacheops": _RESULTS,
    "concurrency.fields": "covet.db.models.VersionField, as docs/howto/optimistic-locking.md says",
    "django.contrib.contenttypes.fields.GenericRel": _RELATION,
    "django.contrib.contenttypes.fields.create_generic_related_manager": _MANAGER,
    "django.contrib.contenttypes.fields.ReverseGenericManyToOneDescriptor": _MANAGER,
    "django.contrib.postgres.fields.CIText": "db_collation=… of a text field, of a collation that knows no case",
    "django.contrib.postgres.forms": "a covet.rest.Schema with lists, or a ModelSchema of the model",
    "django.contrib.postgres.operations.CITextExtension": "covet.postgres.operations.CreateCollation, for db_collation of a text field",
    "django.db.backends": "connections[alias] of covet.db, with dialect, features and introspection: docs/porting/from-django.md",
    "django.db.migrations.autodetector": "covet.db.migrations.autodetect.detect(), or manage.py makemigrations --check",
    "django.db.migrations.exceptions": "covet.db.migrations.errors",
    "django.db.migrations.executor": "covet.db.migrations.execute.Executor, or its migrate()",
    "django.db.migrations.loader.MigrationLoader": "covet.db.migrations.loader.Loader",
    "django.db.migrations.questioner": "covet.db.migrations.questioner.Answers",
    "django.db.migrations.recorder.MigrationRecorder": "covet.db.migrations.recorder.Recorder",
    "django.db.migrations.serializer": "covet.db.migrations.serialize.register_serializer()",
    "django.db.migrations.writer": "covet.db.migrations.write.migration_source()",
    "django.db.models.BLANK_CHOICE_DASH": "[('', '---------')], which get_choices() of a field begins with",
    "django.db.models.ForeignObjectRel": _RELATION,
    "django.db.models.ManyToManyRel": _RELATION,
    "django.db.models.ManyToOneRel": _RELATION,
    "django.db.models.OneToOneRel": _RELATION,
    "django.db.models.base.ModelState": "_state of an instance, with adding and db",
    "django.db.models.constants.LOOKUP_SEP": "the text '__'",
    "django.db.models.constants.OnConflict": "ignore_conflicts=True or update_conflicts=True of bulk_create()",
    "django.db.models.enums.ChoicesMeta": "covet.db.models.choices.ChoicesType",
    "django.db.models.expressions": _SQL,
    "django.db.models.expressions.DurationExpression": "F('moment') + F('span'), which each database adds in its own way",
    "django.db.models.expressions.SQLiteNumericMixin": "nothing: computed decimals come back as decimals",
    "django.db.models.fields.BLANK_CHOICE_DASH": "[('', '---------')], which get_choices() of a field begins with",
    "django.db.models.fields.mixins": "is_cached(), get_cached_value() and set_cached_value() of a relation's field",
    "django.db.models.fields.proxy": "order_with_respect_to in class Meta",
    "django.db.models.fields.related.RelatedField": "is_relation of a field",
    "django.db.models.fields.related_descriptors": _MANAGER,
    "django.db.models.fields.related_lookups": _SQL,
    "django.db.models.fields.reverse_related": _RELATION,
    "django.db.models.functions.datetime.TimezoneMixin": "tzinfo=… of Trunc and Extract",
    "django.db.models.functions.datetime.TruncBase": "covet.db.models.functions.Trunc",
    "django.db.models.functions.mixins": "output_field = … in the class of a function",
    "django.db.models.loading": "apps.get_model() of covet.apps",
    "django.db.models.lookups": "covet.db.models.lookups, whose classes may be subclassed: docs/howto/raw-sql.md",
    "django.db.models.query.BaseIterable": _ROWS,
    "django.db.models.query.EmptyQuerySet": "none() of a queryset",
    "django.db.models.query.ModelIterable": _ROWS,
    "django.db.models.query.RawQuerySet": "covet.db.models.query.raw.RawQuerySet, which raw() of a manager returns",
    "django.db.models.query.ValuesIterable": _ROWS,
    "django.db.models.query.ValuesListIterable": _ROWS,
    "django.db.models.query_utils.DeferredAttribute": "get_deferred_fields() of an instance; on the class Article.title is the field",
    "django.db.models.query_utils.PathInfo": "names with '__', which filter() and F() follow",
    "django.db.models.query_utils.RegisterLookupMixin": "register_lookup() of every class of field",
    "django.db.models.sql": "sql_with_params() of queryset.query to see the SQL, and RawSQL, Func or raw() to write some: docs/howto/raw-sql.md",
    "django.db.models.utils": "model._meta.label, and Python's own; these are internals of Django",
    "django.db.utils.ConnectionHandler": "connections of covet.db",
    "django.db.utils.load_backend": "connections of covet.db",
    "django_cryptography": _ENCRYPTED,
    "django_enum": _ENUM,
    "django_enumfield": _ENUM,
    "django_extensions.db.models.TimeStampedModel": _STAMPED,
    "encrypted_fields": _ENCRYPTED,
    "encrypted_model_fields": _ENCRYPTED,
    "enumfields": _ENUM,
    "fernet_fields": _ENCRYPTED,
    "jsonfield": "covet.db.models.JSONField",
    "model_utils.Choices": "covet.db.models.TextChoices",
    "model_utils.models.TimeStampedModel": _STAMPED,
    "nplusone": _ALERTS,
    "pgvector": "covet.postgres.fields.VectorField, and the distances of covet.postgres.vectors",
    "pgvector.django.BitField": "nothing yet",
    "pgvector.django.CosineDistance": "covet.postgres.vectors.CosineDistance",
    "pgvector.django.HalfVectorField": _VECTORS_OF_07,
    "pgvector.django.HammingDistance": "nothing yet",
    "pgvector.django.HnswIndex": "covet.postgres.indexes.HnswIndex",
    "pgvector.django.IvfflatIndex": "covet.postgres.indexes.IvfflatIndex",
    "pgvector.django.JaccardDistance": "nothing yet",
    "pgvector.django.L1Distance": "covet.postgres.vectors.L1Distance",
    "pgvector.django.L2Distance": "covet.postgres.vectors.L2Distance",
    "pgvector.django.MaxInnerProduct": "covet.postgres.vectors.MaxInnerProduct",
    "pgvector.django.SparseVectorField": _VECTORS_OF_07,
    "pgvector.django.VectorExtension": "covet.postgres.operations.VectorExtension",
    "pgvector.django.VectorField": "covet.postgres.fields.VectorField",
    "psycopg.types.range": _RANGE,
    "psycopg2._range": _RANGE,
    "psycopg2.extras.DateRange": _RANGE,
    "psycopg2.extras.DateTimeRange": _RANGE,
    "psycopg2.extras.DateTimeTZRange": _RANGE,
    "psycopg2.extras.NumericRange": _RANGE,
    "zeal": _ALERTS,
}
"""What there is instead, by the dotted path; a path with names below it speaks for them too."""

MODEL_ROOTS: Final = frozenset(path.partition(".")[0] for path in MODEL_WORDS) - {"django"}
"""The packages that these are, without Django itself."""

_KEPT: Final = "Nothing to override: what a queryset has in its attributes goes on to those that are chained from it."
_LOADED: Final = "Await the queryset: it keeps its rows, and len(), indexes and loops read them."
_THROUGH: Final = "The columns are those of field.remote_field.through, a model with two foreign keys."
_STORED: Final = "Write field.is_cached(row), field.get_cached_value(row) and field.set_cached_value(row, value)."
_PARTS: Final = "queryset.query is no tree to be changed: chain the queryset, and look at query.sql_with_params()."

MEMBER_WORDS: Final = {
    ("Field", "formfield"): "There are no forms yet: a covet.rest.Schema checks what comes in.",
    ("Field", "get_cache_name"): _STORED,
    ("Field", "get_path_info"): "Names with '__' lead on from a relation, in filter() and F().",
    ("Field", "rel_db_type"): "Write field.rel_column_type(), which each dialect spells.",
    ("ManyToManyField", "m2m_column_name"): _THROUGH,
    ("ManyToManyField", "m2m_db_table"): "Write field.remote_field.through._meta.db_table.",
    ("ManyToManyField", "m2m_field_name"): _THROUGH,
    ("ManyToManyField", "m2m_reverse_field_name"): _THROUGH,
    ("ManyToManyField", "m2m_reverse_name"): _THROUGH,
    ("Model", "_do_insert"): "Override save(), or connect pre_save and post_save.",
    ("Model", "_do_update"): "Override save(), or connect pre_save and post_save.",
    ("Model", "_get_pk_val"): "Write instance.pk.",
    ("Model", "_perform_unique_checks"): "Write await instance.validate_unique().",
    ("Model", "save_base"): "Write await instance.save().",
    ("Options", "has_auto_field"): "Write _meta.auto_field is not None.",
    ("Options", "index_together"): "Write indexes = [models.Index(fields=[…])].",
    ("Query", "add_annotation"): _PARTS,
    ("Query", "add_q"): _PARTS,
    ("Query", "alias_map"): _PARTS,
    ("Query", "annotations"): _PARTS,
    ("Query", "clear_ordering"): "Write queryset.order_by().",
    ("Query", "get_compiler"): _PARTS,
    ("Query", "get_initial_alias"): _PARTS,
    ("Query", "group_by"): "Write values(…) before annotate(): its names are the groups.",
    ("Query", "join"): _PARTS,
    ("Query", "order_by"): "queryset.ordered says whether there is an order; queryset.order_by(…) makes another one.",
    ("Query", "set_limits"): "Write queryset[low:high].",
    ("QuerySet", "_clone"): _KEPT,
    ("QuerySet", "_fetch_all"): _LOADED,
    ("QuerySet", "_iterable_class"): f"Write {_ROWS}.",
    ("QuerySet", "_prefetch_related_lookups"): "prefetch_related(None) takes them all away.",
    (
        "QuerySet",
        "_raw_delete",
    ): "Write await queryset.delete(): one DELETE, where no signal and no relation wants more.",
    ("QuerySet", "_result_cache"): _LOADED,
    ("State", "fields_cache"): _STORED,
}
"""What to write in the place of an attribute that only Django has, by the class and its name."""

TREE_WORDS: Final = "The children of a Q do not change: write q.add((name, value), Q.AND), or q &= Q(name=value)."
