"""GraphQL over HTTP: POST and GET, the right statuses and content types, and GraphiQL for browsers.

What the GraphQL-over-HTTP specification asks for: with ``application/graphql-response+json`` a request that could not be
run is 400; with the older ``application/json`` a well-formed one is 200 whatever it brings.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any, Final

from graphql import GraphQLError, OperationType
from msgspec import Struct
from strawberry.types.graphql import OperationType as StrawberryOperation

from covet.apps import apps as registry
from covet.conf import settings
from covet.db import connections, transaction
from covet.db.errors import IntegrityError
from covet.db.observe import query_budget
from covet.graphql.context import Context
from covet.graphql.engine import Schema
from covet.graphql.errors import format_error
from covet.graphql.mutations import broken_rule
from covet.graphql.pages import graphiql
from covet.graphql.part import GraphQLPart
from covet.http.errors import (
    BadRequest,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    UnsupportedMediaType,
)
from covet.http.negotiation import best_match
from covet.http.request import Request
from covet.http.response import Response
from covet.json import JSONDecodeError, dumps, loads

__all__ = ["GraphQLView", "Handshake", "Operation", "execute", "read_operation"]

MODERN: Final = "application/graphql-response+json"
LEGACY: Final = "application/json"
_METHODS: Final = ("GET", "POST")
_READS: Final = frozenset({StrawberryOperation.QUERY})
_ALL: Final = frozenset({StrawberryOperation.QUERY, StrawberryOperation.MUTATION})


class Operation(Struct, frozen=True):
    """One operation as a client asks for it."""

    query: str
    variables: dict[str, Any] | None = None
    name: str | None = None
    extensions: dict[str, Any] | None = None


class Answer(Struct, frozen=True):
    """A response's body, and whether the operation was run at all."""

    body: dict[str, Any]
    was_run: bool


class Handshake(Request):
    """The handshake of a WebSocket as what stands round the view sees it: a GET, which the view lets in."""

    is_let_in = False


class GraphQLView:
    """The address of the project's schema: ``path("graphql", GraphQLView())``.

    A decorator for views may stand round it, such as ``login_required``; it is asked about WebSockets, too.
    """

    async def __call__(self, request: Request, **params: Any) -> Response:
        """Answer one request; what decorators call."""
        return await self.covet_endpoint(request, params)

    async def covet_endpoint(self, request: Request, params: dict[str, Any]) -> Response:
        """Answer one request.

        Raises:
            HTTPException: The request is no GraphQL request.
        """
        if type(request) is Handshake:
            request.is_let_in = True
            return Response(b"", 204)
        if request.method not in _METHODS:
            raise MethodNotAllowed(_METHODS, "GraphQL answers to GET and POST.")
        part = registry.current().part(GraphQLPart)
        if part.schema is None:
            raise NotFound("No installed app defines a GraphQL Query in its schema.py.")
        if request.method == "GET":
            if part.graphiql and request.accepts_html:  # a link with ?query= is opened there, ready to run
                return graphiql(request)
            return await self._single(part.schema, request, _from_query(request), is_get=True)
        content = await _content(request)
        if isinstance(content, list):
            return await self._batch(part, request, content)
        return await self._single(part.schema, request, read_operation(content), is_get=False)

    async def _single(self, schema: Schema, request: Request, operation: Operation, *, is_get: bool) -> Response:
        media_type = _media_type(request)
        kind = schema.documents.prepare(operation.query).operation_type(operation.name)
        if is_get and kind not in (OperationType.QUERY, None):
            raise MethodNotAllowed(["POST"], "A mutation is sent by POST: links and images must not be able to write.")
        context = Context(request=request)
        answer = await execute(schema, operation, context, reads_only=is_get)
        if kind is OperationType.MUTATION:
            if "errors" in answer.body:
                _roll_back()
            else:
                request.state.commit_failed = partial(_commit_failed, context, media_type)
        status = 200 if answer.was_run or media_type == LEGACY else 400
        return Response(dumps(answer.body), status, media_type=f"{media_type}; charset=utf-8")

    async def _batch(self, part: GraphQLPart, request: Request, content: list[Any]) -> Response:
        assert part.schema is not None
        if not part.max_batch:
            raise BadRequest("This server takes one GraphQL operation at a time (GRAPHQL_MAX_BATCH is 0).")
        if not 0 < len(content) <= part.max_batch:
            raise BadRequest(f"A list of GraphQL operations has 1 to {part.max_batch} entries.")
        media_type = _media_type(request)
        operations = [read_operation(one) for one in content]
        # One after another: the entries may be mutations, and share the request's transaction.
        bodies = [(await execute(part.schema, one, Context(request=request))).body for one in operations]
        if any("errors" in body for body in bodies):
            _roll_back()
        return Response(dumps(bodies), 200, media_type=f"{media_type}; charset=utf-8")


async def _commit_failed(context: Context, media_type: str, error: IntegrityError) -> Response:
    """Return the answer to a mutation of which the commit found that it breaks a rule: nothing of it stands."""
    told = [await broken_rule(error, model, values) for model, values in context.written]
    # Of several writes the database does not say which one it was; the one with a place in its input is.
    pointed = [one for one in told if one.extensions and "errors" in one.extensions] or told
    found = pointed[0] if pointed else GraphQLError("The values break a rule of the database.")
    body = {"errors": [format_error(found, "CONFLICT")], "data": None}
    return Response(dumps(body), 200, media_type=f"{media_type}; charset=utf-8")


def _roll_back() -> None:
    """Undo what the request wrote, where it runs in one transaction: errors are answers here and never reach that."""
    for alias, config in settings.DATABASES.items():
        if config.atomic_requests and connections[alias].in_atomic_block:
            transaction.set_rollback(True, using=alias)


def _named(operation: Operation) -> str:
    return f"The GraphQL operation {operation.name}" if operation.name else "A GraphQL operation"


async def execute(schema: Schema, operation: Operation, context: Context, *, reads_only: bool = False) -> Answer:
    """Run a query or a mutation.

    Args:
        schema: The schema.
        operation: What to run.
        context: What resolvers get.
        reads_only: Refuse mutations.
    """
    prepared = schema.documents.prepare(operation.query)
    if prepared.errors:
        return Answer({"errors": [format_error(error, prepared.code) for error in prepared.errors]}, was_run=False)
    kind = prepared.operation_type(operation.name)
    if kind is None:
        return _refusal(
            f"The document has no operation named {operation.name!r}."
            if operation.name
            else "The document has several operations; say which by operationName.",
            "OPERATION_NOT_FOUND",
        )
    if kind is OperationType.SUBSCRIPTION:
        return _refusal("A subscription runs over a WebSocket (graphql-transport-ws).", "SUBSCRIPTION_NOT_SUPPORTED")
    # Each operation has the budget of a request: a batch has several, and a WebSocket none of its own.
    budget = settings.QUERY_BUDGET
    with nullcontext() if budget is None else query_budget(budget.max, refuse=budget.refuse, what=_named(operation)):
        result = await schema.execute(
            operation.query,
            variable_values=operation.variables,
            context_value=context,
            operation_name=operation.name,
            allowed_operation_types=_READS if reads_only else _ALL,
            operation_extensions=operation.extensions,
        )
    schema.told(result)
    errors = result.errors or []
    body: dict[str, Any] = {}
    if errors:
        body["errors"] = [format_error(error, "BAD_USER_INPUT") for error in errors]
    # Wrong variables are found by the executor before it starts: errors without data, and without a path.
    was_run = not (errors and result.data is None and all(error.path is None for error in errors))
    if was_run:
        body["data"] = result.data
    if result.extensions:
        body["extensions"] = result.extensions
    return Answer(body, was_run)


def _refusal(message: str, code: str) -> Answer:
    return Answer({"errors": [format_error(GraphQLError(message), code)]}, was_run=False)


def read_operation(content: Any) -> Operation:
    """Return the operation that a decoded JSON object asks for.

    Raises:
        BadRequest: A member is missing or of the wrong kind.
    """
    if not isinstance(content, Mapping):
        raise BadRequest("A GraphQL request is a JSON object with query, and variables and operationName if need be.")
    query = content.get("query")
    if not isinstance(query, str) or not query.strip():
        raise BadRequest("The GraphQL request has no query: send {'query': '…'}.")
    name = content.get("operationName")
    if name is not None and not isinstance(name, str):
        raise BadRequest("operationName is a text.")
    members: dict[str, dict[str, Any] | None] = {}
    for member in ("variables", "extensions"):
        value = content.get(member)
        if value is not None and not isinstance(value, dict):
            raise BadRequest(f"{member} is a JSON object.")
        members[member] = value
    return Operation(query, members["variables"], name or None, members["extensions"])


def _from_query(request: Request) -> Operation:
    content: dict[str, Any] = {
        name: request.query[name] for name in ("query", "operationName") if name in request.query
    }
    for name in ("variables", "extensions"):
        text = request.query.get(name)
        if text:
            try:
                content[name] = loads(text)
            except JSONDecodeError:
                raise BadRequest(f"The parameter {name} is no JSON.") from None
    return read_operation(content)


async def _content(request: Request) -> Any:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (LEGACY, MODERN):
        # Not application/graphql or a form: a page of another site can send those without a preflight.
        raise UnsupportedMediaType("A GraphQL request is sent as application/json.")
    try:
        return loads(await request.body())
    except (JSONDecodeError, UnicodeDecodeError):
        raise BadRequest("The body is no JSON.") from None


def _media_type(request: Request) -> str:
    accept = request.headers.combined("accept")
    if not accept:
        return MODERN
    found = best_match(accept, [MODERN, LEGACY])
    if found is None:
        raise NotAcceptable(f"GraphQL answers as {MODERN} or {LEGACY}.")
    return found
