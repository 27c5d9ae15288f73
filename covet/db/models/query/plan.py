"""``Query``: what a queryset asks for, immutable and cheap to copy; no SQL, no database.

A query is its *shape* (the key of compiled statements) and its run-time values, gathered in one pass: names and values
of ``filter(name=value)`` are kept apart from the start, and only the first query of a shape looks at the names. The
values stand in the order: conditions, annotations, ordering, members of a compound, limit and offset; the builder
counts its slots the same way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from covet.db.models.expressions.leaves import SCALARS
from covet.db.models.expressions.q import Q, check_depth
from covet.db.models.fields.base import Field
from covet.db.models.query import lookups
from covet.db.models.query.paths import Path, is_object, resolve_path, unknown_name
from covet.exceptions import FieldError
from covet.loading import late_module
from covet.timezone import get_current_timezone

if TYPE_CHECKING:
    from covet.db.models.expressions import filtered as filtered_relation
    from covet.db.models.expressions import refs
    from covet.db.models.query import composite
    from covet.db.models.query import filtered as filtered_links
else:
    refs = late_module(__name__, "covet.db.models.expressions.refs")
    filtered_relation = late_module(__name__, "covet.db.models.expressions.filtered", "filtered_relation")
    filtered_links = late_module(__name__, "covet.db.models.query.filtered", "filtered_links")
    composite = late_module(__name__, "covet.db.models.query.composite")

__all__ = ["NO_EXTRAS", "Annotation", "Combined", "Extras", "Locking", "Query"]


class Annotation(Struct, frozen=True):
    """A named expression.

    Attributes:
        name: The name.
        expression: The expression.
        shape: What the SQL depends on.
        values: The run-time values.
        selected: It is part of the rows; false for ``alias()``.
        after: For an aggregate, how many conditions came before it. Later ones do not narrow the related rows that it is made of.
    """

    name: str
    expression: Any
    shape: Hashable
    values: tuple[Any, ...]
    selected: bool = True
    after: int | None = None

    @property
    def is_relation(self) -> bool:
        """Whether the name stands for a filtered relation, and not for a value."""
        return isinstance(self.expression, filtered_relation.FilteredRelation)

    @property
    def is_key(self) -> bool:
        """Whether the name stands for a key of several columns, and not for one value."""
        return Field.any_is_composite and isinstance(self.expression, composite.Key)

    @property
    def key(self) -> Hashable:
        """What the SQL depends on."""
        return (self.name, self.shape, self.selected, self.after)


class Locking(Struct, frozen=True):
    """What ``select_for_update`` was given."""

    nowait: bool = False
    skip_locked: bool = False
    of: tuple[str, ...] = ()
    no_key: bool = False


class Combined(Struct, frozen=True):
    """``union`` and its kin: the operator and the member queries."""

    op: str
    queries: tuple[Query, ...]


class Extras(Struct, frozen=True):
    """The rarer parts of a query; most queries share the empty one.

    Attributes:
        annotations: Named expressions, in order.
        select_related: Paths of relations to join and read.
        only: Fields to read, and no others; ``defer`` names those to leave out.
        outputs: The names of ``values()``/``values_list()``, in order; ``None`` reads instances.
        group_by: ``True`` groups by the row itself, a tuple by these names; ``None`` not at all.
        sticky: The first two conditions share their joins (managers of relations).
        reads: Names of ``values()`` and annotations that read relations to many rows, each with the number of conditions
            that came before it: the rows that it joins are not those that later conditions are about.
        tables: Further tables, crossed with the model's (``extra``).
        zone: The time zone in which names such as ``published_at__hour`` are read, where there are any.
    """

    annotations: tuple[Annotation, ...] = ()
    select_related: tuple[str, ...] = ()
    only: frozenset[str] | None = None
    defer: frozenset[str] = frozenset()
    outputs: tuple[str, ...] | None = None
    group_by: bool | tuple[str, ...] | None = None
    distinct: bool = False
    distinct_on: tuple[str, ...] = ()
    lock: Locking | None = None
    combined: Combined | None = None
    empty: bool = False
    reversed: bool = False
    sticky: bool = False
    zone: Any = None
    tables: tuple[str, ...] = ()
    reads: tuple[tuple[int, str], ...] = ()
    _key: Hashable = None

    def but(self, **changes: Any) -> Extras:
        """Return a copy with some parts changed, which works out a key of its own."""
        return replace(self, _key=None, **changes)

    @property
    def key(self) -> Hashable:
        """What the SQL depends on."""
        if self._key is None:
            force_setattr(self, "_key", self._make_key())
        return self._key

    def _make_key(self) -> Hashable:
        combined = self.combined
        return (
            tuple([annotation.key for annotation in self.annotations]),
            self.select_related,
            self.only,
            self.defer,
            self.outputs,
            self.group_by,
            self.distinct,
            self.distinct_on,
            self.lock,
            None if combined is None else (combined.op, tuple([query.key() for query in combined.queries])),
            self.empty,
            self.reversed,
            self.sticky,
            None if self.zone is None else str(self.zone),
            self.tables,
            self.reads,
        )


NO_EXTRAS = Extras()
# So many combinations of names are remembered for each model: they may come from outside.
_MOST_PLANS = 10_000


class Query(Struct, eq=False):
    """The immutable intent behind a queryset.

    Attributes:
        model: The model whose rows are asked for.
        where: One entry for each ``filter``/``exclude``: a tuple of names when all values are plain, else the shape of a
            ``Q``, whose object stands in ``sources``.
        values: The run-time values of all conditions, in order.
        order: The shape of ``order_by``; ``None`` means the model's own ordering.
        low: The first row wanted.
        high: The row after the last one wanted.
    """

    model: Any
    where: tuple[Any, ...] = ()
    sources: tuple[Any, ...] = ()
    values: tuple[Any, ...] = ()
    order: tuple[Any, ...] | None = None
    order_items: tuple[Any, ...] = ()
    order_values: tuple[Any, ...] = ()
    low: int = 0
    high: int | None = None
    extras: Extras = NO_EXTRAS
    _key: Hashable = None
    #: Compiles a query, set by ``run``, which stands above this module: text, arguments and dialect.
    compiled: ClassVar[Callable[[Query, str | None], tuple[str, list[Any], Any]]]

    #: A record would show its values, which are the users'.
    __repr__ = object.__repr__

    def sql_with_params(self, using: str | None = None) -> tuple[str, tuple[Any, ...]]:
        """Return text and arguments as the driver gets them.

        Args:
            using: The database; the one that the router chooses for reading the model otherwise.
        """
        sql, args = Query.compiled(self, using)[:2]
        return sql, tuple(args)

    def __str__(self) -> str:
        """The SQL with its values written in, for people to read: never run it."""
        sql, args, dialect = Query.compiled(self, None)
        return with_values(sql, args, dialect)

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave out what is remembered: hashes of one process mean nothing in another."""
        state = {name: getattr(self, name) for name in Query.__struct_fields__ if name != "_key"}
        return _restored, (state,)

    def copy(self) -> Query:
        """Return a copy for one of the methods below to change; nobody else changes a query."""
        return replace(self, _key=None)

    def key(self) -> Hashable:
        """Return the shape: two queries of one shape have one SQL text per database."""
        key = self._key
        if key is None:
            extras = self.extras
            key = self._key = (
                self.model,
                self.where,
                self.order,
                self.low != 0,
                None if self.high is None else self.high > self.low,
                None if extras is NO_EXTRAS else extras.key,
            )
        return key

    def all_values(self) -> tuple[Any, ...]:
        """Return the run-time values in the order of the builder's slots."""
        values = self.values
        extras = self.extras
        if extras is not NO_EXTRAS:
            for annotation in extras.annotations:
                values += annotation.values
            values += self.order_values
            if extras.combined is not None:
                for query in extras.combined.queries:
                    values += query.all_values()
        elif self.order_values:
            values += self.order_values
        high = self.high
        if high is not None:
            low = self.low
            return (*values, high - low, low) if low else (*values, high)
        return (*values, self.low) if self.low else values

    @property
    def is_sliced(self) -> bool:
        """Whether rows are cut off at either end."""
        return self.high is not None or self.low != 0

    @property
    def names_one_row(self) -> bool:
        """Whether the conditions name the model's key, and beside it nothing but columns of the row itself.

        Then a limit stops nothing, and PostgreSQL would carry out a step more for it: a twentieth of what it does for a row by key.
        """
        meta = self.model._meta
        if self.extras is not NO_EXTRAS or self.is_sliced or not meta.managed:
            return False
        found = set()
        for names in self.where:
            if names.__class__ is not tuple:
                return False
            for name in names:
                field = meta.pk if name == "pk" else meta.fields_map.get(name)
                if field is None or not field.concrete or field.many_to_many:
                    return False
                found.add(field)
        return meta.pk in found

    @property
    def is_empty(self) -> bool:
        """Whether no row can match, so that no statement is needed."""
        return self.extras.empty or (self.high is not None and self.high <= self.low)

    def with_extras(self, **changes: Any) -> Query:
        """Return a copy with some of the rarer parts changed."""
        new = self.copy()
        new.extras = self.extras.but(**changes)
        return new

    # ── conditions

    def filtered(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, negate: bool, where: str) -> Query:
        """Return a copy with one more condition.

        Args:
            args: ``Q`` objects and conditional expressions.
            kwargs: Look-ups by name.
            negate: Keep the rows that do not match.
            where: The method's name, for messages.

        Raises:
            FieldError: A name or look-up does not exist.
            TypeError: An argument is no condition.
        """
        if not args and not negate:
            names = tuple(kwargs)
            values = tuple(kwargs.values())
            for value in values:
                if value.__class__ not in SCALARS:
                    break
            else:
                zoned = self.model._meta.plans.get(names)
                if zoned is None:
                    zoned = self._check(names, where)
                if not zoned:
                    return replace(
                        self,
                        where=(*self.where, names),
                        sources=(*self.sources, None),
                        values=self.values + values,
                        _key=None,
                    )
        for arg in args:
            if not isinstance(arg, Q) and not getattr(arg, "conditional", False):
                raise TypeError(f"{where}() takes Q objects, conditional expressions and look-ups, not {arg!r}.")
        # Not Q(**kwargs): names from outside must stay names, and never become its options.
        condition = Q.create((*args, *kwargs.items()))
        check_depth(condition, where)
        condition = _settled(condition)
        if Field.any_is_composite:
            condition = composite.split_keys(condition, self)
        if negate:
            condition = ~condition
        collected: list[Any] = []
        shape = condition.shape(collected)
        zone = get_current_timezone() if self._check_tree(condition, where) else None
        return replace(
            self,
            where=(*self.where, _Shape(shape, negate, zone)),
            sources=(*self.sources, condition),
            values=(*self.values, *collected),
            _key=None,
        )

    def _check(self, names: tuple[str, ...], where: str) -> bool:
        found = [self._check_name(name, where) for name in names]
        zoned = True in found
        if not self.extras.annotations and None not in found and len(self.model._meta.plans) < _MOST_PLANS:
            self.model._meta.plans[names] = zoned
        return zoned

    def _check_tree(self, condition: Q, where: str) -> bool:
        zoned = False
        for child in condition.children:
            if isinstance(child, Q):
                zoned |= self._check_tree(child, where)
            elif isinstance(child, tuple):
                zoned |= bool(self._check_name(child[0], where)) or lookups.reads_zone(child[1])
            else:
                zoned |= lookups.reads_zone(child)
        return zoned

    def _check_name(self, name: str, where: str) -> bool | None:
        """Raise for an unknown name; return whether its meaning depends on the current time zone.

        ``None`` means that nobody can tell yet: models are still being loaded.
        """
        meta = self.model._meta
        head = name.partition("__")[0]
        annotation, rest = self.named(name)
        if annotation is not None:
            if annotation.is_key:
                return True  # as a tree, like a key under its own name
            return "date" in rest or lookups.may_need_zone(tuple(rest.split("__")))
        place = f"{where}({name}=…)"
        try:
            path = self.path(name, place)
        except FieldError as error:
            if not meta.apps.models_ready and error.name:
                return None  # the first use of the query checks it
            known = [annotation.name for annotation in self.extras.annotations]
            raise (unknown_name(meta, head, place, known) if error.name == head and known else error) from None
        if path.field.is_composite or is_object(path):
            return True  # as a tree, whose names become those of the parts
        return lookups.check_rest(path, place)

    def merged(self, other: Query, connector: str) -> Query:
        """Return a copy whose conditions are this query's and the other's, joined by ``AND``, ``OR`` or ``XOR``."""
        new = self.copy()
        if connector == "AND":
            new.where = self.where + other.where
            new.sources = self.sources + other.sources
            new.values = self.values + other.values
            return new
        new.where = new.sources = new.values = ()
        left, right = self._as_q(), other._as_q()
        if connector == "OR" and not (left.children and right.children):
            return new  # one side has no condition, so every row fulfils it
        return new.filtered((Q.create((left, right), connector),), {}, negate=False, where="filter")

    def preceded(self, name: str, value: Any) -> Query:
        """Return a copy with a condition before all others, whose joins later names share."""
        first = Query(self.model).filtered((), {name: value}, negate=False, where="filter")
        new = self.copy()
        new.where = first.where + self.where
        new.sources = first.sources + self.sources
        new.values = first.values + self.values
        extras = self.extras
        if extras.annotations or extras.reads:  # what was read before all conditions still is, with joins of its own
            annotations = [replace(one, after=one.after + 1) if one.after else one for one in extras.annotations]
            reads = tuple([(after and after + 1, name) for after, name in extras.reads])
            new.extras = extras.but(annotations=tuple(annotations), reads=reads)
        return new

    def parted(self, expression: Any) -> Any:
        """Return an expression in which conditions on composite keys are conditions on their fields."""
        return composite.split_in(expression, self) if Field.any_is_composite else expression

    def parts(self, name: str) -> list[str]:
        """Return the names of the parts of a key of several columns that a name stands for; none if it is another value."""
        return composite.part_names(self, name) or [] if Field.any_is_composite else []

    def key_called(self, name: str, expression: Any) -> composite.Key | None:
        """Return the key of several columns that an annotation of that name stands for; ``None`` if it is another value."""
        return composite.named_key(self, expression, name) if Field.any_is_composite else None

    def reading(self, name: str, *, after: int) -> Query:
        """Return a copy in which an annotation reads the rows that are joined after so many conditions."""
        reads = self.extras.reads
        if all(read[1] != name for read in reads):
            return self
        return self.with_extras(reads=(*[read for read in reads if read[1] != name], (after, name)))

    def joins_many(self, expression: Any) -> bool:
        """Whether an expression reads a relation to many rows, other than for an aggregate."""
        for part in expression.walk() if hasattr(expression, "walk") else ():
            if isinstance(part, Q):
                names = [child[0] for child in part.children if child.__class__ is tuple]
            elif part.__class__ is refs.F:
                names = [part.name]
            else:
                continue
            for name in names:
                if self.named(name)[0] is None and self._is_many(name):
                    return True
        return False

    def _is_many(self, name: str) -> bool:
        try:
            return self.path(name, "").many
        except FieldError:
            return False  # whoever builds the query says what is wrong with it

    def _as_q(self) -> Q:
        parts: list[Any] = []
        offset = 0
        for entry, source in zip(self.where, self.sources, strict=True):
            if source is None:
                end = offset + len(entry)
                parts += zip(entry, self.values[offset:end], strict=True)
                offset = end
                continue
            scratch: list[Any] = []
            source.shape(scratch)
            offset += len(scratch)
            parts.append(source)
        return Q.create(parts)

    # ── order and slices

    def ordered(self, items: Iterable[Any]) -> Query:
        """Return a copy ordered by ``items``; none at all means no order."""
        items = tuple(items)
        for item in items:
            if item.__class__ is not str or "__" in item:
                break
        else:
            # Names of fields: what they depend on is all in them.
            return replace(self, order=items, order_items=items, order_values=(), _key=None)
        if not all(item.__class__ is str for item in items):
            items = tuple(map(self.parted, items))
        values: list[Any] = []
        order = tuple([item if item.__class__ is str else item.shape(values) for item in items])
        return replace(self, order=order, order_items=items, order_values=tuple(values), _key=None).zoned(items)

    def zoned(self, items: Iterable[Any]) -> Query:
        """Return this query, bound to the current time zone if one of the names and expressions depends on it."""
        if self.extras.zone is None and any(map(lookups.reads_zone, items)):
            return self.with_extras(zone=get_current_timezone())
        return self

    def sliced(self, low: int, high: int | None) -> Query:
        """Return a copy with the rows ``low`` to ``high`` of this query's own rows."""
        start, end = self.low, self.high
        if start or end is not None:
            low += start
            high = end if high is None else start + high
            if end is not None and high is not None:
                low, high = min(low, end), min(high, end)
        return replace(self, low=low, high=high, _key=None)

    def annotation(self, name: str) -> Annotation | None:
        """Return the annotation of that name; a filtered relation is none."""
        for annotation in self.extras.annotations:
            if annotation.name == name and not annotation.is_relation:
                return annotation
        return None

    def named(self, name: str) -> tuple[Annotation | None, str]:
        """Return the annotation that a name begins with, and what follows: ``tags__count__gt`` may be ``tags__count``."""
        return self._named(name, is_relation=False)

    def filtered_relation(self, name: str) -> tuple[Annotation | None, str]:
        """Return the filtered relation that a name begins with, and what follows."""
        return self._named(name, is_relation=True)

    def relation_before(self, annotation: Annotation, name: str) -> tuple[Annotation | None, str]:
        """Return the filtered relation that a name begins with in another one, which must have been there already."""
        return self._named(name, is_relation=True, before=annotation.name)

    def link(self, annotation: Annotation) -> filtered_links.FilteredLink:
        """Return what a filtered relation joins, to be looked at and not to be built."""

        def before(name: str) -> tuple[filtered_links.FilteredLink | None, str]:
            found, rest = self.relation_before(annotation, name)
            return None if found is None else self.link(found), rest

        return filtered_links.make_link(annotation, self.model._meta, before, filtered_links.unbuilt)

    def _named(self, name: str, *, is_relation: bool, before: str = "") -> tuple[Annotation | None, str]:
        found: Annotation | None = None
        for annotation in self.extras.annotations:
            own = annotation.name
            if own == before:
                break
            if annotation.is_relation is not is_relation or not name.startswith(own):
                continue
            goes_on = len(name) > len(own) + 2 and name.startswith(f"{own}__")
            if (name == own or goes_on) and (found is None or len(own) > len(found.name)):
                found = annotation
        return found, "" if found is None else name[len(found.name) + 2 :]

    def path(self, name: str, where: str) -> Path:
        """Return where a name leads from the model, also by a filtered relation.

        Raises:
            FieldError: The model has no such field.
        """
        relation, rest = self.filtered_relation(name)
        if relation is None:
            return resolve_path(self.model._meta, name, where)
        return filtered_links.filtered_path(self.link(relation), rest, where)


def _settled(condition: Q) -> Q:
    """Return the tree as one of its own, and every iterator among its values as a list: shapes are taken more than once."""
    children: list[Any] = []
    changed = False
    for child in condition.children:
        new = child
        if isinstance(child, Q):
            new = _settled(child)
            if new is child:
                new = child.copy()  # add() may change a tree that was given
        elif child.__class__ is tuple and hasattr(child[1], "__next__"):
            new = (child[0], list(child[1]))
        changed |= new is not child
        children.append(new)
    return Q.create(children, condition.connector, condition.negated) if changed else condition


class _Shape:
    """The shape of a ``Q`` beside what else its SQL depends on: the sign and, for date parts, the time zone."""

    __slots__ = ("_hash", "negated", "shape", "zone")

    def __init__(self, shape: Hashable, negated: bool, zone: Any) -> None:
        self.shape = shape
        self.negated = negated
        self.zone = zone
        self._hash = hash((shape, negated, str(zone)))

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return _Shape, (self.shape, self.negated, self.zone)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Shape):
            return NotImplemented
        return self.shape == other.shape and self.negated == other.negated and str(self.zone) == str(other.zone)


def _restored(state: dict[str, Any]) -> Query:
    """Make a query anew from what was pickled."""
    new = Query(state["model"])
    for name, value in state.items():
        setattr(new, name, value)
    extras = new.extras.but()  # without the key that it remembers
    new.extras = NO_EXTRAS if extras == NO_EXTRAS else extras
    return new


def with_values(sql: str, args: Iterable[Any], dialect: Any) -> str:
    """Return the text with its values in place of the placeholders."""
    texts = [dialect.literal(value) for value in args]
    if dialect.reuses_placeholders:
        return re.sub(r"\$(\d+)", lambda found: texts[int(found[1]) - 1], sql)
    mark = dialect.placeholder(1)
    pieces = sql.split(mark)
    if len(pieces) - 1 != len(texts):
        return sql
    return "".join([piece + text for piece, text in zip(pieces, [*texts, ""], strict=True)])
