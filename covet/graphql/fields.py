"""What stands on Query and on types: ``node()``, ``connection()``, ``field()`` and ``subscription()``.

``node`` and ``connection`` are Strawberry fields whose arguments are made when the schema is built, from the type that
they are annotated with.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import strawberry
from msgspec import Struct
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import StrawberryOptional, get_object_definition
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver

from covet import access
from covet.db.errors import DataError
from covet.exceptions import ImproperlyConfigured, ValidationError
from covet.graphql.errors import bad_input, not_found
from covet.graphql.filters import Filters, Ordering, make_filters, make_ordering
from covet.graphql.select import NEEDS, apply, inner_nodes, selection_of, selects
from covet.graphql.types import ModelType, model_type_of

if TYPE_CHECKING:
    from covet.graphql.merge import Registry

__all__ = [
    "PERMISSIONS",
    "Connection",
    "Edge",
    "PageInfo",
    "RootField",
    "connection",
    "field",
    "node",
    "subscription",
]

NodeType = TypeVar("NodeType")
Resolver = TypeVar("Resolver", bound=Callable[..., Any])

PERMISSIONS = "covet_permissions"
_CURSOR_PREFIX = "row:"


@strawberry.type(description="Where a page of a connection stands.")
class PageInfo:
    """Where a page stands, as the Relay specification has it."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type(description="A row of a connection, with its cursor.")
class Edge(Generic[NodeType]):
    """One row and its place."""

    node: NodeType
    cursor: str


@strawberry.type(description="A page of rows.")
class Connection(Generic[NodeType]):
    """A page of rows, as the Relay specification has it."""

    edges: list[Edge[NodeType]]
    page_info: PageInfo
    total_count: int


class RootField(StrawberryField):
    """A field of Query or Mutation that Covet resolves; subclasses write ``link`` and ``resolve``.

    Attributes:
        kind: The GraphQL type of its rows, known once it is linked.
        write: Whether it changes anything.
    """

    kind: ModelType
    write = False

    def __init__(self, *, permissions: Iterable[Any] | None = None, description: str | None = None) -> None:
        super().__init__(
            description=description,
            metadata={PERMISSIONS: None if permissions is None else tuple(permissions)},
        )

    def __copy__(self) -> Self:
        made = type(self)()
        made.__dict__.update(self.__dict__)
        for name in ("python_name", "type_annotation", "metadata", "_arguments"):
            setattr(made, name, getattr(self, name))
        return made

    @property
    def is_basic_field(self) -> bool:
        """It has a resolver of its own, though no function."""
        return False

    @property
    def permissions(self) -> tuple[Any, ...] | None:
        """The permissions given in the declaration."""
        found: tuple[Any, ...] | None = self.metadata[PERMISSIONS]
        return found

    @property
    def where(self) -> str:
        """The declaration, for messages."""
        origin = self.origin
        owner = f"{origin.__module__}.{origin.__qualname__}" if isinstance(origin, type) else "?"
        return f"{owner}.{self.python_name}"

    def link(self, registry: Registry) -> None:
        """Find the type and make the arguments; called once all apps' types are known."""
        raise ImproperlyConfigured(f"{type(self).__name__} cannot be used as a root field.")

    async def resolve(self, info: Any, **arguments: Any) -> Any:
        """Return the value of the field."""
        raise ImproperlyConfigured(f"{self.where} has no resolver.")

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        """Return the coroutine that resolves the field."""
        return self.resolve(info, **kwargs)

    def row_type(self, annotated: Any, wanted: str) -> ModelType:
        """Return the model type that the field is annotated with.

        Raises:
            ImproperlyConfigured: The annotation is something else.
        """
        found = model_type_of(annotated)
        if found is None:
            raise ImproperlyConfigured(
                f"{self.where} is annotated with {_name(annotated)}; {wanted} with a class decorated by @graphql.type(Model, …)."
            )
        return found


def _name(annotated: Any) -> str:
    return getattr(annotated, "__name__", None) or repr(annotated)


def _argument(
    name: str, annotation: Any, default: Any = strawberry.UNSET, description: str | None = None
) -> StrawberryArgument:
    return StrawberryArgument(
        python_name=name,
        graphql_name=None,
        type_annotation=StrawberryAnnotation(annotation),
        default=default,
        description=description,
    )


class NodeField(RootField):
    """One row by its key."""

    is_optional = False

    def link(self, registry: Registry) -> None:
        """Take the type from the annotation."""
        annotated = self.type
        self.is_optional = isinstance(annotated, StrawberryOptional)
        if isinstance(annotated, StrawberryOptional):
            annotated = annotated.of_type
        self.kind = self.row_type(annotated, "node() is")
        self.arguments = [_argument("id", strawberry.ID)]

    async def resolve(self, info: Any, **arguments: Any) -> Any:
        """Return the row with what is selected of it."""
        meta = self.kind.model._meta
        given = arguments["id"]
        try:
            key = meta.pk.to_python(given)
        except (ValidationError, ValueError):
            key = None
        found = None
        if key is not None:
            raw = info._raw_info
            rows = (await self.kind.queryset(info)).filter(pk=key)
            rows = await apply(rows, selection_of(self.kind, raw, raw.field_nodes), info)
            with contextlib.suppress(DataError):  # a number that the column cannot hold is no key of a row
                found = await rows.first()
        if found is None:
            if self.is_optional:
                return None
            raise not_found(f"There is no {meta.verbose_name} with the id {given!r}.")
        target = access.Target(False, self.kind.model, "view", self.python_name)
        held = access.effective(self.permissions, self.kind.model)
        await access.check_object(held, info.context.connection, target, found)
        return found


class ConnectionField(RootField):
    """The rows of a model, page by page."""

    def __init__(
        self,
        *,
        filters: Iterable[str] = (),
        ordering: Iterable[str] = (),
        permissions: Iterable[Any] | None = None,
        description: str | None = None,
        max_size: int | None = None,
    ) -> None:
        super().__init__(permissions=permissions, description=description)
        self.filter_names = tuple(filters)
        self.ordering_names = tuple(ordering)
        self.max_size = max_size
        self.filters: Filters | None = None
        self.ordering: Ordering | None = None

    def link(self, registry: Registry) -> None:
        """Take the type from the annotation, and make the filter input and the ordering enum."""
        annotated = self.type
        definition = get_object_definition(annotated) if isinstance(annotated, type) else None
        inner = definition.type_var_map.get("NodeType") if definition is not None else None
        self.kind = self.row_type(inner, "connection() is annotated with graphql.Connection[…]")
        arguments = [
            _argument("first", int | None, None, "How many rows at most, from the start or from after."),
            _argument("after", str | None, None, "The cursor behind which the page starts."),
            _argument("last", int | None, None, "How many rows at most, from the end or from before."),
            _argument("before", str | None, None, "The cursor before which the page ends."),
        ]
        name = registry.name_of(self)
        if self.filter_names:
            self.filters = make_filters(f"{name}Filter", self.kind.model, self.filter_names, self.where)
            arguments.append(_argument("filters", self.filters.cls | None, None))
        if self.ordering_names:
            self.ordering = make_ordering(f"{name}Order", self.kind.model, self.ordering_names, self.where)
            member: Any = self.ordering.cls
            arguments.append(_argument("order_by", list[member] | None, None))
        self.arguments = arguments

    async def resolve(self, info: Any, **arguments: Any) -> Any:
        """Return the page that the arguments ask for; counts only if the count is selected or needed."""
        rows = await self.kind.queryset(info)
        if arguments.get("filters") and self.filters is not None:
            rows = rows.filter(**self.filters.conditions(arguments["filters"]))
        # The key makes every order total, so that no row is on two pages or on none.
        if arguments.get("order_by") and self.ordering is not None:
            rows = rows.order_by(*self.ordering.names(arguments["order_by"]), "pk")
        elif not rows.totally_ordered:
            given = rows.query.order_items if rows.query.order is not None else self.kind.model._meta.ordering
            rows = rows.order_by(*given, "pk")
        raw = info._raw_info
        total = None
        if selects(raw, raw.field_nodes, "totalCount") or (arguments.get("last") and not arguments.get("before")):
            total = await rows.count()
        page = _page(arguments, total, self.max_size)
        nodes = inner_nodes(raw, raw.field_nodes, "edges", "node")
        found: Sequence[Any] = ()
        wants_rows = bool(nodes) or selects(raw, raw.field_nodes, "edges") or selects(raw, raw.field_nodes, "pageInfo")
        if page.size and wants_rows:
            rows = await apply(rows, selection_of(self.kind, raw, nodes), info)
            found = await rows[page.start : page.start + page.size + 1]
        has_more = len(found) > page.size
        edges = [Edge(node=row, cursor=_cursor(page.start + index)) for index, row in enumerate(found[: page.size])]
        return Connection(
            edges=edges,
            page_info=PageInfo(
                has_next_page=has_more,
                has_previous_page=page.start > 0,
                start_cursor=edges[0].cursor if edges else None,
                end_cursor=edges[-1].cursor if edges else None,
            ),
            total_count=total if total is not None else 0,
        )


class _Page(Struct, frozen=True):
    start: int
    size: int


def _page(arguments: Mapping[str, Any], total: int | None, max_size: int | None) -> _Page:
    """Return the rows that first, after, last and before name (Relay's connection specification, 4.4)."""
    from covet.conf import settings

    limit = max_size or settings.MAX_PAGE_SIZE
    first, last = (_size(arguments, name, limit) for name in ("first", "last"))
    start = _position(arguments["after"], "after") + 1 if arguments.get("after") else 0
    end: int | None = _position(arguments["before"], "before") if arguments.get("before") else total
    if first is not None and last is not None:
        raise bad_input("Give first or last, not both.", pointer="/last")
    if last is not None:
        assert end is not None
        low = max(start, end - last)
        return _Page(low, max(0, end - low))
    size = min(settings.PAGE_SIZE, limit) if first is None else first
    if arguments.get("before") and end is not None:
        size = min(size, max(0, end - start))
    return _Page(start, size)


def _size(arguments: Mapping[str, Any], name: str, limit: int) -> int | None:
    given = arguments.get(name)
    if given is None:
        return None
    if not 0 <= given <= limit:
        raise bad_input(f"{name} is 0 to {limit}, not {given}.", pointer=f"/{name}")
    return int(given)


def _cursor(index: int) -> str:
    return base64.urlsafe_b64encode(f"{_CURSOR_PREFIX}{index}".encode()).decode()


def _position(cursor: str, name: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor.encode()).decode()
        if text.startswith(_CURSOR_PREFIX) and text[len(_CURSOR_PREFIX) :].isdigit() and len(text) < 20:
            return int(text[len(_CURSOR_PREFIX) :])
    except (binascii.Error, UnicodeError):
        pass
    raise bad_input(f"{name} is no cursor of this connection.", pointer=f"/{name}")


def node(*, permissions: Iterable[Any] | None = None, description: str | None = None) -> Any:
    """Declare a field that finds one row by its key: ``article: ArticleType = graphql.node()``.

    A key that is not there is an error with the code NOT_FOUND, or null where the annotation says ``| None``.

    Args:
        permissions: Who may ask, instead of the model's policy or ``DEFAULT_PERMISSIONS``.
        description: What GraphiQL shows.
    """
    return NodeField(permissions=permissions, description=description)


def connection(
    *,
    filters: Iterable[str] = (),
    ordering: Iterable[str] = (),
    permissions: Iterable[Any] | None = None,
    description: str | None = None,
    max_size: int | None = None,
) -> Any:
    """Declare a field that pages through rows: ``articles: graphql.Connection[ArticleType] = graphql.connection()``.

    Args:
        filters: Fields and look-ups that clients may filter by: ``"title"``, ``"title__icontains"``, ``"author"``.
        ordering: Fields that clients may order by.
        permissions: Who may ask, instead of the model's policy or ``DEFAULT_PERMISSIONS``.
        description: What GraphiQL shows.
        max_size: The longest page, instead of ``MAX_PAGE_SIZE``.
    """
    return ConnectionField(
        filters=filters, ordering=ordering, permissions=permissions, description=description, max_size=max_size
    )


def field(
    *,
    needs: Iterable[str] | None = None,
    permissions: Iterable[Any] | None = None,
    name: str | None = None,
    description: str | None = None,
) -> Callable[[Resolver], Resolver]:
    """Make a method a field of its type.

    Args:
        needs: What the method reads of its row: columns and paths such as ``"author__name"``. Without it every column
            of the model is loaded where the field is selected.
        permissions: Who may ask for it, on Query and Mutation.
        name: The name in GraphQL.
        description: What GraphiQL shows; the docstring when left out.

    Example:
        @graphql.field(needs=["body"])
        def excerpt(self, row: graphql.Parent[Article]) -> str:
            return row.body[:80]
    """

    def mark(resolver: Resolver) -> Resolver:
        return StrawberryField(  # type: ignore[return-value]  # to checkers it stays the method
            graphql_name=name,
            description=description or _docstring(resolver),
            base_resolver=StrawberryResolver(resolver),
            metadata=_metadata(needs, permissions),
        )

    return mark


def subscription(
    of: Any, *, permissions: Iterable[Any] | None = None, name: str | None = None, description: str | None = None
) -> Callable[[Resolver], Resolver]:
    """Make an async generator a subscription; what it yields is shown as ``of``.

    Args:
        of: The GraphQL type of each event: a class of ``@graphql.type``, and the generator yields its model's
            instances; or any type that Strawberry knows.
        permissions: Who may subscribe; a subscription counts as a read.
        name: The name in GraphQL.
        description: What GraphiQL shows; the docstring when left out.
    """

    def mark(resolver: Resolver) -> Resolver:
        return StrawberryField(  # type: ignore[return-value]  # to checkers it stays the method
            graphql_name=name,
            type_annotation=StrawberryAnnotation(of),
            description=description or _docstring(resolver),
            base_resolver=StrawberryResolver(resolver),
            is_subscription=True,
            metadata=_metadata(None, permissions),
        )

    return mark


def _metadata(needs: Iterable[str] | None, permissions: Iterable[Any] | None) -> dict[str, Any]:
    return {
        NEEDS: None if needs is None else tuple(needs),
        PERMISSIONS: None if permissions is None else tuple(permissions),
    }


def _docstring(resolver: Any) -> str | None:
    text = getattr(resolver, "__doc__", None)
    return " ".join(text.split()) if text else None
