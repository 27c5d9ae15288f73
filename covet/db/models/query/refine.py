"""``Refine``: the methods that return a new queryset; none of them waits or asks a database."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from covet.db.errors import NotSupportedError
from covet.db.models.expressions.q import check_depth, groups_rows
from covet.db.models.query.chain import Chain, M, R
from covet.db.models.query.paths import resolve_path, unknown_name
from covet.db.models.query.plan import NO_EXTRAS, Annotation, Combined, Locking, Query
from covet.db.models.query.related import single_relation
from covet.exceptions import FieldError
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.models.expressions import filtered as filtered_relation
    from covet.db.models.expressions import refs
    from covet.db.models.expressions.base import Expression
    from covet.db.models.query import filtered as filtered_links
    from covet.db.models.query import result_cache
else:
    result_cache = late_module(__name__, "covet.db.models.query.result_cache")
    refs = late_module(__name__, "covet.db.models.expressions.refs")
    filtered_relation = late_module(__name__, "covet.db.models.expressions.filtered", "filtered_relation")
    filtered_links = late_module(__name__, "covet.db.models.query.filtered", "filtered_links")

__all__ = ["Refine", "check_alias"]

_MOST_PLANS = 10_000
# What every instance keeps about itself.
_KEPT = frozenset({"_state", "_row_state", "_prefetched_objects_cache", "_untold"})


@cache
def _alias() -> re.Pattern[str]:
    # An alias becomes part of the SQL text; it is quoted, and yet nothing may be smuggled in.
    return re.compile(r"[^\W\d]\w*\Z")


def check_alias(name: str) -> None:
    """Raise for a name that cannot stand for a value of the query.

    Raises:
        ValueError: It holds anything but letters, digits and underscores, or begins with two underscores.
    """
    if not isinstance(name, str) or not _alias().match(name) or name.startswith("__") or name.endswith("__"):
        shown = name if len(str(name)) < 100 else f"{name[:100]}…"
        raise ValueError(f"{shown!r} cannot name an annotation: use letters, digits and underscores.")


class Refine(Chain[M, R]):
    """Lazy refinements: each returns a new queryset and leaves this one as it is."""

    __slots__ = ()

    def all(self) -> Self:
        """Return a copy, whose rows are read anew."""
        return self._chain(self.query)

    def none(self) -> Self:
        """Return a queryset without rows; awaiting it runs no statement."""
        new = self._chain(self.query.with_extras(empty=True))
        new._cache = []
        return new

    def filter(self, *args: Any, **kwargs: Any) -> Self:
        """Return the rows that fulfil all conditions.

        Conditions over relations to many rows that stand in one call mean one related row; in separate calls, any.

        Raises:
            FieldError: A field or look-up does not exist; the message suggests one.
            TypeError: The queryset is sliced already.
        """
        query = self.query
        if query.high is not None or query.low or query.extras.combined is not None:
            self._check_refinable("filter")
        if not args and not kwargs:
            return self._chain(query)
        return self._chain(query.filtered(args, kwargs, negate=False, where="filter"))

    def exclude(self, *args: Any, **kwargs: Any) -> Self:
        """Return the rows that do not fulfil the conditions taken together.

        Over relations to many rows: those of whose related rows none fulfils the condition.
        """
        self._check_refinable("exclude")
        if not args and not kwargs:
            return self._chain(self.query)
        return self._chain(self.query.filtered(args, kwargs, negate=True, where="exclude"))

    def complex_filter(self, condition: Any) -> Self:
        """Return the rows that fulfil a ``Q`` or a dictionary of look-ups (``limit_choices_to``)."""
        return self.filter(**condition) if isinstance(condition, dict) else self.filter(condition)

    def order_by(self, *items: Any) -> Self:
        """Return the rows in this order, in place of any other: ``"-date"``, ``"author__name"``, ``"?"``, ``F("x").desc()``.

        Without items the rows come in no order, not even the model's own.
        """
        query = self.query
        if query.high is not None or query.low:
            self._check_unsliced("order_by")
        known = self.model._meta.plans
        for item in items:
            if item.__class__ is str:
                if ("order ", item) not in known:
                    self._check_order(item)
            elif not hasattr(item, "resolve"):
                raise FieldError(f"order_by() takes names and expressions, not {item!r}.")
            else:
                check_depth(item, "order_by")
        return self._chain(query.ordered(items))

    def _check_order(self, item: str) -> None:
        name = item[1:] if item[:1] in {"-", "+"} else item
        if item == "?" or self.query.extras.combined is not None:
            return
        head = name.partition("__")[0]
        if self.query.named(name)[0] is not None:
            return
        meta = self.model._meta
        try:
            path = self.query.path(name, f"order_by('{item}')")
        except FieldError:
            if not meta.apps.models_ready:
                return
            known = [annotation.name for annotation in self.query.extras.annotations]
            raise unknown_name(meta, head, f"order_by('{item}')", known) from None
        if path.relation is not None and path.rest:
            raise unknown_name(path.at, path.rest[0], f"order_by('{item}')")
        if len(meta.plans) < _MOST_PLANS and not self.query.extras.annotations:
            meta.plans["order ", item] = True

    def reverse(self) -> Self:
        """Return the rows in the opposite order."""
        self._check_unsliced("reverse")
        return self._chain(self.query.with_extras(reversed=not self.query.extras.reversed))

    def distinct(self, *names: str) -> Self:
        """Return each row once; with names, the first row of each value of them (PostgreSQL)."""
        self._check_refinable("distinct")
        return self._chain(self.query.with_extras(distinct=True, distinct_on=names))

    def using(self, alias: str | None) -> Self:
        """Return the same on another database, past the routers."""
        new = self._chain(self.query)
        new._db = alias
        return new

    def fetch_mode(self, mode: Any) -> Self:
        """Return rows whose relations are loaded by ``mode``: ``models.FETCH_ONE``, ``FETCH_PEERS`` or ``FETCH_RAISE``."""
        new = self._chain(self.query)
        new._manner = new._manner.but(mode=mode)
        return new

    def cache(self, timeout: float | timedelta | None = 60, *, tags: Iterable[str] = ()) -> Self:
        """Return the same rows, kept for a time: asking again asks no database until one of their tables is written.

        It holds for rows, ``get()``, ``first()``, ``count()``, ``exists()`` and ``aggregate()``. Not kept are rows under a lock or
        in random order; ``iterator()`` and inside of transactions see the database.

        Args:
            timeout: Seconds for which a result may be given; ``None`` takes ``cache()`` back.
            tags: Names under which ``query_cache.invalidate(tags=[…])`` makes the results out of date.

        Raises:
            ValueError: The time is not positive.
            TypeError: ``tags`` is one text, or holds something that is none.
        """
        new = self._chain(self.query)
        if timeout is None:
            new._manner = new._manner.but(caching=None)
            return new
        timeout_s = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        if not timeout_s > 0:
            raise ValueError("cache(timeout=…) takes a positive number of seconds; cache(None) keeps nothing.")
        names = tuple(tags)
        if isinstance(tags, str) or not all(isinstance(tag, str) for tag in names):
            raise TypeError(f"cache(tags=…) takes several texts, as in tags=['front'], not {tags!r}.")
        new._manner = new._manner.but(caching=result_cache.Caching(timeout_s, tuple(sorted(set(names)))))
        return new

    # ── annotations

    def annotate(self, *args: Any, **kwargs: Any) -> Self:
        """Return rows with further values: ``annotate(n=Count("tags"))``.

        After ``values()`` the rows are grouped by the names chosen there; else each row is its own group.
        """
        return self._annotate(args, kwargs, selected=True)

    def alias(self, *args: Any, **kwargs: Any) -> Self:
        """Return the same rows; the expressions are names for later use and are not read."""
        return self._annotate(args, kwargs, selected=False)

    def _annotate(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, selected: bool) -> Self:
        method = "annotate" if selected else "alias"
        self._check_uncombined(method)
        expressions: dict[str, Expression[Any]] = {}
        for arg in args:
            if not hasattr(arg, "resolve"):
                raise TypeError(f"{method}() takes expressions, not {arg!r}.")
            check_depth(arg, method)
            name = arg.default_alias
            if name in kwargs or name in expressions:
                raise TypeError(f"{method}() is given '{name}' twice: name one of the expressions.")
            expressions[name] = arg
        expressions.update(kwargs)
        query = self.query
        for name, expression in expressions.items():
            query = self._add_annotation(query, name, expression, selected=selected, method=method)
        return self._chain(query)

    def _add_annotation(self, query: Query, name: str, expression: Any, *, selected: bool, method: str) -> Query:
        if not hasattr(expression, "resolve"):
            raise TypeError(f"{method}({name}=…) takes an expression, not {expression!r}: write Value({expression!r}).")
        check_alias(name)
        if name in _KEPT or (name.startswith("_") and hasattr(self.model, name)):
            raise ValueError(
                f"The annotation '{name}' would hide what {self.model._meta.object_name} keeps under that name."
            )
        check_depth(expression, method)
        if isinstance(expression, filtered_relation.FilteredRelation):
            selected = False
            relation = Annotation(name, expression, None, ())
            query.link(relation)
            query._check_tree(expression.condition, method)
            filtered_links.check_condition(query, relation)
        if self._manner.kind == "model" and name in self.model._meta.fields_map:
            raise ValueError(f"The annotation '{name}' conflicts with a field of {self.model._meta.object_name}.")
        former = query.annotation(name)
        if former is not None:
            expression = _substituted(expression, name, former.expression)
        key = query.key_called(name, expression)
        if key is not None:
            for part, source in zip(key.sources, query.parts(expression.name), strict=True):
                query = self._add_annotation(query, part.name, refs.F(source), selected=False, method=method)
            expression = key
        expression = query.parted(expression)
        values: list[Any] = []
        shape = expression.shape(values)
        extras = query.extras
        kept = tuple([one for one in extras.annotations if one.name != name])
        holds = _holds_aggregate(expression, kept)
        annotation = Annotation(name, expression, shape, tuple(values), selected, len(query.where) if holds else None)
        changes: dict[str, Any] = {"annotations": (*kept, annotation)}
        if holds and extras.outputs is not None:
            changes["group_by"] = extras.outputs  # in place of the rows that were grouped before values()
        elif holds and extras.group_by is None:
            changes["group_by"] = True
        elif not holds and not annotation.is_relation and query.joins_many(expression):
            changes["reads"] = (*extras.reads, (len(query.where), name))
        if extras.outputs is not None and selected and name not in extras.outputs:
            changes["outputs"] = (*extras.outputs, name)
        return query.with_extras(**changes).zoned((expression,))

    # ── what is read

    def select_related(self, *paths: Any) -> Self:
        """Return rows with relations to one row joined and loaded: ``select_related("author__company")``.

        ``select_related(None)`` takes it back.
        """
        query = self.query
        meta: Any = self.model._meta
        own = query.extras.annotations
        known = meta.plans.get(("joined", paths)) if query.extras is NO_EXTRAS and not query.is_sliced else None
        if known is not None and self._manner.kind == "model":
            joined = query.copy()
            joined.extras = known
            return self._chain(joined)
        if len(paths) == 1 and paths[0] is None:
            return self._chain(query.with_extras(select_related=()))
        if not paths:
            raise TypeError("select_related() needs the names of the relations to follow.")
        if self._manner.kind != "model":
            raise TypeError("select_related() after values() or values_list() has nothing to load relations into.")
        self._check_uncombined("select_related")
        if meta.apps.models_ready:
            for path in paths:
                at = meta
                filtered, rest = query.filtered_relation(path) if own else (None, path)
                if filtered is not None:
                    at = query.link(filtered).target
                for name in rest.split("__") if rest else ():
                    at = single_relation(at, name).hops[-1].target
        merged = dict.fromkeys((*query.extras.select_related, *paths))
        joined = query.with_extras(select_related=tuple(merged))
        if query.extras is NO_EXTRAS and meta.apps.models_ready:
            meta.plans["joined", paths] = joined.extras
        return self._chain(joined)

    def prefetch_related(self, *lookups: Any) -> Self:
        """Return rows whose relations to many rows are loaded too, one statement for each level.

        Args:
            lookups: Names such as ``"tags"`` or ``"author__articles"``, or ``Prefetch`` objects; ``None`` takes all back.
        """
        for lookup in lookups if self.query.extras.annotations else ():
            self._check_unfiltered(str(getattr(lookup, "lookup", lookup)), "prefetch_related")
        new = self._chain(self.query)
        prefetch = () if lookups == (None,) else (*self._manner.prefetch, *lookups)
        new._manner = new._manner.but(prefetch=prefetch)
        return new

    def only(self, *names: str) -> Self:
        """Return rows of which these fields are read, and the key; the others are loaded by ``await row``."""
        self._check_instances("only")
        if None in names:
            raise TypeError("only(None) means nothing; use defer(None) to read all fields again.")
        if not names:
            return self.defer(None)  # as in Django: names that were collected may be none
        extras = self.query.extras
        # What was deferred before stays so; of an only() before nothing stays.
        deferred = extras.defer if extras.only is None else frozenset()
        extras = extras.but(defer=frozenset(), only=frozenset(names) - deferred)
        return self._with_loaded(extras, names, "only")

    def defer(self, *names: Any) -> Self:
        """Return rows of which these fields are not read until ``await row``; ``defer(None)`` reads all again."""
        self._check_instances("defer")
        extras = self.query.extras
        if names == (None,):
            return self._chain(self.query.with_extras(only=None, defer=frozenset()))
        if extras.only is not None:
            extras = extras.but(only=extras.only - frozenset(names))
        return self._with_loaded(extras.but(defer=extras.defer | frozenset(names)), names, "defer")

    def _with_loaded(self, extras: Any, names: Iterable[str], method: str) -> Self:
        meta = self.model._meta
        for name in names if self.query.extras.annotations else ():
            self._check_unfiltered(name, method)
        if meta.apps.models_ready:
            for name in names:
                path = resolve_path(meta, name, f"{method}('{name}')")
                if path.rest:
                    raise unknown_name(path.at, path.rest[0], f"{method}('{name}')")
        query = self.query.copy()
        query.extras = extras
        return self._chain(query)

    def _check_unfiltered(self, name: str, method: str) -> None:
        if self.query.filtered_relation(name)[0] is not None:
            raise ValueError(
                f"{method}('{name[:200]}') names a FilteredRelation, which {method}() does not take: name the relation itself."
            )

    def _check_instances(self, method: str) -> None:
        if self._manner.kind != "model":
            raise TypeError(f"{method}() cannot follow values() or values_list().")
        self._check_uncombined(method)

    def select_for_update(
        self, nowait: bool = False, skip_locked: bool = False, of: Iterable[str] = (), no_key: bool = False
    ) -> Self:
        """Return rows that are locked until the transaction ends; it must be awaited inside one.

        Args:
            nowait: Fail at once when another transaction holds a lock.
            skip_locked: Leave out rows that another transaction has locked.
            of: Relations (and ``"self"``) whose rows are locked; all that are joined without it.
            no_key: Take the weaker lock that lets others refer to the rows (PostgreSQL).
        """
        if nowait and skip_locked:
            raise ValueError("select_for_update() takes nowait or skip_locked, not both.")
        new = self._chain(self.query.with_extras(lock=Locking(nowait, skip_locked, tuple(of), no_key)))
        new._for_write = True
        return new

    # ── set operations

    def union(self, *others: Any, all: bool = False) -> Self:
        """Return the rows of this queryset and of the others; duplicates once, unless ``all``."""
        return self._combine("UNION ALL" if all else "UNION", others)

    def intersection(self, *others: Any) -> Self:
        """Return the rows that are in all of them."""
        return self._combine("INTERSECT", others)

    def difference(self, *others: Any) -> Self:
        """Return the rows that are in none of the others."""
        return self._combine("EXCEPT", others)

    def _combine(self, op: str, others: tuple[Any, ...]) -> Self:
        queries: list[Query] = [self.query, *[other.query for other in others]]
        if op.startswith("UNION"):
            queries = [query for query in queries if not query.extras.empty]
        elif op == "EXCEPT":
            queries = [self.query, *[query for query in queries[1:] if not query.extras.empty]]
        if not queries or (op != "EXCEPT" and not op.startswith("UNION") and any(q.extras.empty for q in queries)):
            return self.none()
        if self.query.extras.empty and op == "EXCEPT":
            return self.none()
        query = Query(self.model).with_extras(
            combined=Combined(op, tuple(queries)), outputs=self.query.extras.outputs, annotations=()
        )
        new = self._chain(query)
        new._manner = new._manner.but(prefetch=())
        return new

    def __or__(self, other: Any) -> Self:
        return self._merge(other, "OR")

    def __and__(self, other: Any) -> Self:
        return self._merge(other, "AND")

    def __xor__(self, other: Any) -> Self:
        return self._merge(other, "XOR")

    def _merge(self, other: Any, connector: str) -> Self:
        """Return the rows of both conditions joined by the connector, in one query."""
        if not isinstance(other, Chain) or other.model is not self.model:
            raise TypeError("Two querysets of one model combine with & | ^, nothing else.")
        for side in (self, other):
            if side.query.is_sliced or side.query.extras.combined is not None:
                raise TypeError("A sliced or combined queryset does not combine with & | ^; use union().")
        if self.query.extras.empty or other.query.extras.empty:
            kept = self if other.query.extras.empty else other
            if connector == "AND":
                return self.none()
            return self._chain(kept.query)
        if self.query.extras.distinct != other.query.extras.distinct:
            raise TypeError("One of the querysets is distinct() and the other is not.")
        return self._chain(self.query.merged(other.query, connector))

    # ── checks

    def _check_unsliced(self, method: str) -> None:
        if self.query.is_sliced:
            raise TypeError(f"{method}() cannot follow a slice: write {method}() before [low:high].")

    def _check_refinable(self, method: str) -> None:
        self._check_unsliced(method)
        self._check_uncombined(method)

    def _check_uncombined(self, method: str) -> None:
        if self.query.extras.combined is not None:
            raise NotSupportedError(
                f"{method}() cannot follow union(), intersection() or difference(): apply it to the parts before."
            )


def _substituted(expression: Any, name: str, former: Any) -> Any:
    """Return an expression in which a name means what it meant before: ``annotate(x=F("x") + 1)`` over an older ``x``."""
    if expression.__class__ is refs.F:
        return former if expression.name == name else expression
    sources = getattr(expression, "sources", ())
    if not sources or not hasattr(expression, "copy"):
        return expression
    new = tuple([_substituted(source, name, former) for source in sources])
    if all(one is old for one, old in zip(new, sources, strict=True)):
        return expression
    changed = expression.copy()
    changed.sources = new
    return changed


def _holds_aggregate(expression: Any, annotations: Iterable[Annotation]) -> bool:
    """Whether an expression holds an aggregate, of its own or behind the name of an earlier annotation."""
    if groups_rows(expression):
        return True
    named = {one.name: one.expression for one in annotations}
    if not named or not hasattr(expression, "walk"):
        return False
    for part in expression.walk():
        name = getattr(part, "name", None)
        if isinstance(name, str) and name in named and _holds_aggregate(named[name], ()):
            return True
    return False
