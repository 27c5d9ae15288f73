"""Documents parsed and validated once: clients send the same few over and over, and both cost more than a short query."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from graphql import (
    DocumentNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
    parse,
)
from msgspec import Struct

from covet.graphql.limits import Limits, over_limits

__all__ = ["Documents", "Prepared"]

MAX_DOCUMENTS = 500
MAX_PASSING = 16
# So that 500 of the longest that are allowed cannot fill the memory.
MAX_CACHED_LENGTH = 20_000


class Prepared(Struct, frozen=True):
    """A document, or what is wrong with it.

    Attributes:
        document: The parsed document; None if it could not be parsed.
        errors: Empty when it may be run.
        code: The code of errors that have none.
    """

    document: DocumentNode | None
    errors: tuple[GraphQLError, ...] = ()
    code: str = "GRAPHQL_VALIDATION_FAILED"

    def operation(self, name: str | None) -> OperationDefinitionNode | None:
        """Return the operation that a request means; None when the name is missing or unknown."""
        return None if self.document is None else get_operation_ast(self.document, name)

    def operation_type(self, name: str | None) -> OperationType | None:
        """Return whether that operation is a query, a mutation or a subscription."""
        found = self.operation(name)
        return None if found is None else found.operation


class Documents:
    """The cache of one schema.

    Args:
        validate: Gives the errors of a parsed document.
        limits: What a document may have at most.
    """

    def __init__(self, validate: Callable[[DocumentNode], list[GraphQLError]], limits: Limits) -> None:
        self._validate = validate
        self._limits = limits
        self._prepared: OrderedDict[str, Prepared] = OrderedDict()
        self._passing: OrderedDict[str, Prepared] = OrderedDict()

    def __len__(self) -> int:
        return len(self._prepared)

    def prepare(self, source: str) -> Prepared:
        """Return the document of a source text, from the cache if it was seen lately."""
        found = self._prepared.get(source)
        if found is not None:
            self._prepared.move_to_end(source)
            return found
        found = self._passing.get(source)
        if found is not None:
            return found
        made = self._make(source)
        # Nobody sends the same wrong text often, but an attacker could fill the cache with wrong or very long ones:
        # they are kept only for the few moments in which one request asks for its document several times.
        is_kept = not made.errors and len(source) <= MAX_CACHED_LENGTH
        documents, limit = (self._prepared, MAX_DOCUMENTS) if is_kept else (self._passing, MAX_PASSING)
        documents[source] = made
        if len(documents) > limit:
            documents.popitem(last=False)
        return made

    def _make(self, source: str) -> Prepared:
        try:
            document = parse(source, max_tokens=self._limits.tokens)
        except GraphQLError as error:
            return Prepared(None, (error,), "GRAPHQL_PARSE_FAILED")
        except RecursionError:
            return Prepared(None, (GraphQLError("The query nests too deep."),), "GRAPHQL_PARSE_FAILED")
        errors = over_limits(document, self._limits) or self._validate(document)
        return Prepared(document, tuple(errors))
