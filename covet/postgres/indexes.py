"""The kinds of index that PostgreSQL has, with their parameters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from covet import checks
from covet.db.models.expressions.functions import Func
from covet.db.models.indexes import Index
from covet.db.sql import nodes
from covet.postgres.vendor import OnlyPostgreSQL

if TYPE_CHECKING:
    from covet.db.models.base import Model

__all__ = [
    "BTreeIndex",
    "BloomIndex",
    "BrinIndex",
    "GinIndex",
    "GistIndex",
    "HashIndex",
    "HnswIndex",
    "IvfflatIndex",
    "OpClass",
    "PostgresIndex",
    "SpGistIndex",
]

# More dimensions fit in no page of the index.
_MOST_INDEXED = 2000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?\Z")


class OpClass(OnlyPostgreSQL, Func):
    """An expression with the operator class that an index shall use: ``OpClass(Lower("name"), "gin_trgm_ops")``.

    Args:
        expression: The expression; a text names a field.
        name: The operator class.
    """

    public_module = "covet.postgres.indexes"

    def __init__(self, expression: Any, name: str) -> None:
        if not _NAME.match(name):
            raise ValueError(f"{name!r} cannot be the name of an operator class.")
        super().__init__(expression)
        self.opclass = name

    def node(self, args: tuple[nodes.Node, ...], field: Any) -> nodes.Node:
        """Return the expression: the class belongs to the index."""
        return args[0]


class PostgresIndex(Index):
    """The base: storage parameters are arguments, and ``None`` leaves the database's own.

    On other databases the index is left out, as the checks say.
    """

    #: Parameters by the name of the argument, in the order of the SQL.
    options: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A name that is made ends with the kind: one that is longer than "idx" must not make it too long for the check.
        cls.max_name_length = Index.max_name_length + max(0, len(cls.suffix) - len(Index.suffix))

    def _keep(self, **given: Any) -> None:
        self._given = {name: value for name, value in given.items() if value is not None}

    def parameters(self) -> tuple[str, ...]:
        """Return the storage parameters."""
        return tuple(f"{self.options[name]} = {_written(value)}" for name, value in self._given.items())

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Add the parameters."""
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, **self._given}


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(int(value))


class BTreeIndex(PostgresIndex):
    """The usual kind.

    Args:
        expressions: What is indexed, where it is no plain field.
        fillfactor: How full pages are made, in percent.
        deduplicate_items: Keep equal keys once.
        options: What all indexes take: ``fields``, ``name``, ``condition``, ``opclasses``, ``include``.
    """

    suffix = "btree"
    method = "btree"
    options = {"fillfactor": "fillfactor", "deduplicate_items": "deduplicate_items"}

    def __init__(
        self, *expressions: Any, fillfactor: int | None = None, deduplicate_items: bool | None = None, **options: Any
    ) -> None:
        super().__init__(*expressions, **options)
        self._keep(fillfactor=fillfactor, deduplicate_items=deduplicate_items)


class GinIndex(PostgresIndex):
    """For values with parts: arrays, JSON, search vectors, trigrams.

    Args:
        expressions: What is indexed, where it is no plain field.
        fastupdate: Gather new entries before they are sorted in.
        gin_pending_list_limit: How many kilobytes are gathered.
        options: What all indexes take.
    """

    suffix = "gin"
    method = "gin"
    options = {"fastupdate": "fastupdate", "gin_pending_list_limit": "gin_pending_list_limit"}

    def __init__(
        self,
        *expressions: Any,
        fastupdate: bool | None = None,
        gin_pending_list_limit: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*expressions, **options)
        self._keep(fastupdate=fastupdate, gin_pending_list_limit=gin_pending_list_limit)


class GistIndex(PostgresIndex):
    """For ranges, geometry, nearest neighbours and exclusion.

    Args:
        expressions: What is indexed, where it is no plain field.
        buffering: Build it with buffers.
        fillfactor: How full pages are made, in percent.
        options: What all indexes take.
    """

    suffix = "gist"
    method = "gist"
    options = {"buffering": "buffering", "fillfactor": "fillfactor"}

    def __init__(
        self, *expressions: Any, buffering: bool | None = None, fillfactor: int | None = None, **options: Any
    ) -> None:
        super().__init__(*expressions, **options)
        self._keep(buffering=buffering, fillfactor=fillfactor)


class BrinIndex(PostgresIndex):
    """A small index for large tables whose rows lie in the order of the column.

    Args:
        expressions: What is indexed, where it is no plain field.
        autosummarize: Sum a range of pages up as soon as it is full.
        pages_per_range: How many pages are summed up together.
        options: What all indexes take.
    """

    suffix = "brin"
    method = "brin"
    options = {"autosummarize": "autosummarize", "pages_per_range": "pages_per_range"}

    def __init__(
        self, *expressions: Any, autosummarize: bool | None = None, pages_per_range: int | None = None, **options: Any
    ) -> None:
        if pages_per_range is not None and pages_per_range <= 0:
            raise ValueError("pages_per_range is None or a positive number.")
        super().__init__(*expressions, **options)
        self._keep(autosummarize=autosummarize, pages_per_range=pages_per_range)


class HashIndex(PostgresIndex):
    """For ``=`` on long values.

    Args:
        expressions: What is indexed, where it is no plain field.
        fillfactor: How full pages are made, in percent.
        options: What all indexes take.
    """

    suffix = "hash"
    method = "hash"
    options = {"fillfactor": "fillfactor"}

    def __init__(self, *expressions: Any, fillfactor: int | None = None, **options: Any) -> None:
        super().__init__(*expressions, **options)
        self._keep(fillfactor=fillfactor)


class SpGistIndex(PostgresIndex):
    """For values that a space divides unevenly: prefixes, points, ranges.

    Args:
        expressions: What is indexed, where it is no plain field.
        fillfactor: How full pages are made, in percent.
        options: What all indexes take.
    """

    suffix = "spgist"
    method = "spgist"
    options = {"fillfactor": "fillfactor"}

    def __init__(self, *expressions: Any, fillfactor: int | None = None, **options: Any) -> None:
        super().__init__(*expressions, **options)
        self._keep(fillfactor=fillfactor)


class BloomIndex(PostgresIndex):
    """One index for ``=`` on any of many columns; needs the extension ``bloom``.

    Args:
        expressions: What is indexed, where it is no plain field.
        length: The bits of a signature, up to 4096.
        columns: The bits of each column, in the order of the columns.
        options: What all indexes take.
    """

    suffix = "bloom"
    method = "bloom"

    def __init__(
        self, *expressions: Any, length: int | None = None, columns: Sequence[int] = (), **options: Any
    ) -> None:
        super().__init__(*expressions, **options)
        count = len(self.fields) + len(self.expressions)
        if len(columns) > count:
            raise ValueError(f"columns has {len(columns)} numbers for {count} columns.")
        if any(not 0 < bits <= 4095 for bits in columns):
            raise ValueError("Each of columns is a number from 1 to 4095.")
        if length is not None and not 0 < length <= 4096:
            raise ValueError("length is None or a number from 1 to 4096.")
        self._keep(length=length, columns=tuple(columns) or None)

    def parameters(self) -> tuple[str, ...]:
        """Return the storage parameters."""
        found = []
        if "length" in self._given:
            found.append(f"length = {int(self._given['length'])}")
        bits = self._given.get("columns", ())
        return (*found, *[f"col{number} = {int(each)}" for number, each in enumerate(bits, 1)])


class _VectorIndex(PostgresIndex):
    """An index of pgvector: finds the nearest rows for one distance, which its operator class says.

    It answers ``order_by`` of that distance with a slice, and it may pass over a row that is near.
    """

    def check(self, model: type[Model]) -> list[checks.CheckMessage]:
        """Add: the operator class is told, and the columns have dimensions, not too many."""
        found = super().check(model)
        if not self.expressions and not self.opclasses:
            found.append(
                checks.Error(
                    f"'{self.name}' does not say for which distance it is.",
                    hint="Give the operator class: opclasses=['vector_l2_ops'] for L2Distance, 'vector_cosine_ops' for "
                    "CosineDistance, 'vector_ip_ops' for MaxInnerProduct, 'vector_l1_ops' for L1Distance (HNSW alone).",
                    obj=model,
                    id="postgres.E009",
                )
            )
        fields = {field.name: field for field in model._meta.local_concrete_fields}
        for name, _order in self.fields_orders:
            field = fields.get(name)
            dimensions = getattr(field, "dimensions", 0)
            if field is None or (isinstance(dimensions, int) and 1 <= dimensions <= _MOST_INDEXED):
                continue
            if not hasattr(field, "dimensions"):
                what, hint = f"{type(field).__name__} '{name}' holds no vectors", "Index a VectorField."
            elif dimensions is None:
                what, hint = f"'{name}' has no dimensions", "Give the field dimensions=…, which the index needs."
            else:
                what, hint = (
                    f"'{name}' has {dimensions} dimensions, and such an index takes {_MOST_INDEXED} at most",
                    "Keep shorter vectors, or do without the index.",
                )
            found.append(
                checks.Error(f"'{self.name}' cannot be made: {what}.", hint=hint, obj=model, id="postgres.E010")
            )
        return found


class HnswIndex(_VectorIndex):
    """Finds the nearest vectors by a graph, which takes long to build and misses few; needs the extension ``vector``.

    Args:
        expressions: What is indexed, where it is no plain field.
        m: How many neighbours each vector is linked with.
        ef_construction: How many candidates are looked at for each, while it is built.
        options: What all indexes take; ``opclasses`` says for which distance it is.
    """

    suffix = "hnsw"
    method = "hnsw"
    options = {"m": "m", "ef_construction": "ef_construction"}

    def __init__(
        self, *expressions: Any, m: int | None = None, ef_construction: int | None = None, **options: Any
    ) -> None:
        super().__init__(*expressions, **options)
        self._keep(m=m, ef_construction=ef_construction)


class IvfflatIndex(_VectorIndex):
    """Finds the nearest vectors by lists round centres, which it takes from the rows that are there when it is made.

    Args:
        expressions: What is indexed, where it is no plain field.
        lists: How many lists there are.
        options: What all indexes take; ``opclasses`` says for which distance it is.
    """

    suffix = "ivfflat"
    method = "ivfflat"
    options = {"lists": "lists"}

    def __init__(self, *expressions: Any, lists: int | None = None, **options: Any) -> None:
        super().__init__(*expressions, **options)
        self._keep(lists=lists)
