"""Our Strawberry schema: instances and querysets are values to the executor, documents are cached, errors are told apart.

Strawberry and graphql-core await whatever has ``__await__``. A model instance has: awaited one by one, a list of a
hundred would be a hundred queries. ``Executor`` is the one place where that test is replaced; the resolvers' results
are then completed together, by what the selection asks for (``covet.graphql.select``).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from types import CoroutineType, GeneratorType
from typing import Any, Final

import strawberry
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    NoSchemaIntrospectionCustomRule,
    get_named_type,
    specified_rules,
)
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext, validate_document
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.execution import ExecutionContext, ExecutionResult
from strawberry.types.field import StrawberryField

from covet import access
from covet.db.models import QuerySet
from covet.db.models.base import Model
from covet.exceptions import NotLoaded
from covet.graphql.documents import Documents
from covet.graphql.errors import located
from covet.graphql.fields import PERMISSIONS, ConnectionField, NodeField, RootField
from covet.graphql.limits import Limits
from covet.graphql.mutations import DeleteField
from covet.graphql.scalars import SCALARS
from covet.graphql.select import complete
from covet.graphql.types import ModelType, model_type_of
from covet.graphql.writers import GiveUp, Writers, is_written

__all__ = ["Executor", "Schema", "is_awaitable"]

_BACKREF: Final = GraphQLCoreConverter.DEFINITION_BACKREF
_PLAIN: Final = frozenset({type(None), bool, int, float, str, bytes, list, tuple, dict, set, frozenset})
_VALUES: Final = (Model, QuerySet)


def is_awaitable(value: Any) -> bool:
    """Tell whether the executor must wait for a value; instances and querysets are values themselves."""
    kind = type(value)
    if kind in _PLAIN:
        return False
    if kind is CoroutineType or isinstance(value, asyncio.Future):
        return True
    if isinstance(value, _VALUES):
        return False
    # A generator made a coroutine by types.coroutine has this flag and no __await__.
    if kind is GeneratorType:
        return bool(value.gi_code.co_flags & 0x100)
    return hasattr(value, "__await__")


class Executor(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's executor with our notion of what is awaited."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_awaitable = is_awaitable  # type: ignore[assignment]  # a TypeGuard there
        owner: Any = getattr(self.schema, "_strawberry_schema", None)
        # An extension that looks at every field's resolution must see every field.
        is_watched = self.middleware_manager is not None and self.middleware_manager.middlewares
        self._writers: Writers | None = None if is_watched else getattr(owner, "writers", None)

    def complete_value(self, return_type: Any, details: Any, info: Any, path: Any, result: Any, *rest: Any) -> Any:
        """Complete a value: by a compiled writer where there is one, else as graphql-core does."""
        if self._writers is not None and is_written(result):
            write = self._writers.writer(return_type, info)
            if write is not None:
                with contextlib.suppress(GiveUp, GraphQLError, NotLoaded, TypeError, ValueError):
                    return write(result)
        return super().complete_value(return_type, details, info, path, result, *rest)


class _Prepared(SchemaExtension):
    """Hands Strawberry the document that was parsed and validated already."""

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        if context.graphql_document is None and context.query:
            context.graphql_document = context.schema.documents.prepare(context.query).document  # type: ignore[attr-defined]
        yield

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        if context.query:
            context.pre_execution_errors = list(context.schema.documents.prepare(context.query).errors)  # type: ignore[attr-defined]
        yield


class Schema(strawberry.Schema):
    """A Strawberry schema that knows models.

    Args:
        limits: What a document may have at most.
        introspection: Whether clients may ask for the schema.
        debug: Show the text of unexpected errors.

    The other arguments are Strawberry's.
    """

    def __init__(
        self,
        query: type[Any],
        mutation: type[Any] | None = None,
        subscription: type[Any] | None = None,
        *,
        types: Iterable[Any] = (),
        extensions: Sequence[type[SchemaExtension]] = (),
        limits: Limits | None = None,
        introspection: bool = True,
        debug: bool = False,
    ) -> None:
        super().__init__(
            query,
            mutation,
            subscription,
            types=types,
            extensions=[_Prepared, *extensions],
            execution_context_class=Executor,
            config=StrawberryConfig(scalar_map=SCALARS, sort_schema=False, disable_field_suggestions=not introspection),
        )
        self.debug = debug
        self.writers = Writers()
        self._rules = (*specified_rules, *(() if introspection else (NoSchemaIntrospectionCustomRule,)))
        self.documents = Documents(self._errors_of, limits or Limits())
        _prepare_resolvers(self)

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Say nothing: what nobody expected is logged where it becomes an answer (``covet.graphql.errors``)."""

    def told(self, result: ExecutionResult) -> ExecutionResult:
        """Return a result whose errors hold what the client may know."""
        if result.errors:
            result.errors = [located(error, self.debug) for error in result.errors]
        return result

    def _errors_of(self, document: DocumentNode) -> list[GraphQLError]:
        return validate_document(self._schema, document, self._rules)


def _prepare_resolvers(schema: Schema) -> None:
    """Put permissions before the root fields, and loading behind the resolvers that give models."""
    core = schema._schema
    roots = {core.query_type: False, core.mutation_type: True, core.subscription_type: False}
    for kind in core.type_map.values():
        if not isinstance(kind, GraphQLObjectType) or kind.name.startswith("__"):
            continue
        for name, graphql_field in kind.fields.items():
            own = graphql_field.extensions.get(_BACKREF)
            if not isinstance(own, StrawberryField):
                continue
            rows = _rows_of(graphql_field)
            if rows is not None and _gives_rows(own):
                graphql_field.resolve = _completing(graphql_field.resolve, rows, own, schema)
            if kind in roots:
                _guard(graphql_field, own, rows, write=roots[kind], name=name)


def _rows_of(graphql_field: GraphQLField) -> ModelType | None:
    definition = getattr(get_named_type(graphql_field.type), "extensions", {}).get(_BACKREF)
    return model_type_of(getattr(definition, "origin", None))


def _gives_rows(own: StrawberryField) -> bool:
    """Whether a field's resolver may give rows that nothing has been read for."""
    if isinstance(own, RootField):
        return not isinstance(own, (NodeField, ConnectionField, DeleteField))
    return own.base_resolver is not None


def _completing(
    resolve: Callable[..., Any] | None, rows: ModelType, own: StrawberryField, schema: Schema
) -> Callable[..., Any]:
    assert resolve is not None
    inner = resolve

    async def load(value: Any, info: Any) -> Any:
        if is_awaitable(value):
            value = await value
        return await complete(value, rows, info, schema.config.info_class(_raw_info=info, _field=own))

    def resolved(source: Any, info: Any, **arguments: Any) -> Any:
        return load(inner(source, info, **arguments), info)

    return resolved


def _guard(
    graphql_field: GraphQLField, own: StrawberryField, rows: ModelType | None, *, write: bool, name: str
) -> None:
    """Ask permissions before a root field is resolved; ask nobody where everybody passes."""
    kind = getattr(own, "kind", None) or rows
    model = None if kind is None else kind.model
    action: Any = getattr(own, "action", "view" if not write else None)
    held = access.effective(own.metadata.get(PERMISSIONS), model)
    if all(permission.allows_anyone(write=write) for permission in held):
        return

    def guarded(resolve: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        async def checked(source: Any, info: Any, **arguments: Any) -> Any:
            await access.check(held, info.context.connection, write=write, model=model, action=action, name=name)
            value = resolve(source, info, **arguments)
            return await value if is_awaitable(value) else value

        return checked

    if own.is_subscription:
        assert graphql_field.subscribe is not None
        graphql_field.subscribe = guarded(graphql_field.subscribe)
    else:
        assert graphql_field.resolve is not None
        graphql_field.resolve = guarded(graphql_field.resolve)
