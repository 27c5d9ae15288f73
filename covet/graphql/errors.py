"""Exceptions to GraphQL errors: a code for machines, words for people, and nothing that is nobody's business.

Codes stand in ``extensions.code``; wrong values in ``extensions.errors``, each with a JSON pointer into the arguments.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

from graphql import GraphQLError

from covet.problems import Problem, problem_for

__all__ = ["CODES", "bad_input", "format_error", "located", "not_found", "settle"]

logger = logging.getLogger("covet.graphql")

CODES: Final[Mapping[int, str]] = {
    400: "BAD_USER_INPUT",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "CONFLICT",
    412: "PRECONDITION_FAILED",
    413: "TOO_LARGE",
    422: "BAD_USER_INPUT",
    429: "RATE_LIMITED",
    503: "UNAVAILABLE",
}
MASKED: Final = "Something went wrong."


def bad_input(message: str, *, pointer: str = "", errors: Iterable[Mapping[str, Any]] | None = None) -> GraphQLError:
    """Return an error about what the client sent."""
    extensions: dict[str, Any] = {"code": "BAD_USER_INPUT"}
    listed = list(errors) if errors is not None else [{"detail": message, "pointer": pointer}] if pointer else []
    if listed:
        extensions["errors"] = listed
    return GraphQLError(message, extensions=extensions)


def not_found(message: str) -> GraphQLError:
    """Return an error about something that is not there."""
    return GraphQLError(message, extensions={"code": "NOT_FOUND"})


def settle(error: BaseException, debug: bool) -> GraphQLError:
    """Return what a client may know of an exception; one that nobody expected is logged, once, and masked.

    Args:
        error: What was raised in a resolver.
        debug: Show the text of unexpected exceptions.
    """
    problem: Problem = problem_for(error, debug)
    code = CODES.get(problem.status)
    if code is None:
        logger.error("GraphQL resolver failed: %s", error, exc_info=error)
        message = f"{type(error).__name__}: {error}" if debug else MASKED
        return GraphQLError(message, extensions={"code": "INTERNAL_SERVER_ERROR"})
    extensions: dict[str, Any] = {"code": code}
    if problem.errors:
        extensions["errors"] = [one.as_dict() for one in problem.errors]
    return GraphQLError(problem.detail or problem.title, extensions=extensions)


def located(error: GraphQLError, debug: bool) -> GraphQLError:
    """Return an execution error as it is sent: the client's part of its cause, at the place where it happened."""
    cause = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if cause is None:
        return error
    said = cause if isinstance(cause, GraphQLError) else settle(cause, debug)
    return GraphQLError(said.message, nodes=error.nodes, path=error.path, extensions=said.extensions)


def format_error(error: GraphQLError, code: str) -> dict[str, Any]:
    """Return an error as the response holds it; ``code`` is for one that has none."""
    formatted: dict[str, Any] = dict(error.formatted)
    extensions = dict(formatted.get("extensions") or {})
    extensions.setdefault("code", code)
    formatted["extensions"] = extensions
    return formatted
