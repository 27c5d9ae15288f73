"""ATOMIC_REQUESTS: every view of a project inside a transaction of each database that asks for it.

Some rules are checked by the commit alone, after the view: foreign keys on PostgreSQL and SQLite. What broke one answers by
``request.state.commit_failed``, an async function of the error, where it has set one; else it is a fault of the server.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from covet.db import transaction
from covet.db.errors import IntegrityError
from covet.http.request import Request
from covet.http.response import Response
from covet.middleware.base import GetResponse

__all__ = ["transaction_per_request"]


def transaction_per_request(databases: Mapping[str, Any]) -> Callable[[GetResponse], GetResponse]:
    """Return what wraps the view step in transactions of the databases that have ``ATOMIC_REQUESTS``."""
    aliases = [alias for alias, config in databases.items() if config.atomic_requests]

    def wrap(step: GetResponse) -> GetResponse:
        for alias in aliases:
            step = _in_transaction(step, alias)
        return step

    return wrap


def _in_transaction(step: GetResponse, alias: str) -> GetResponse:
    async def call(request: Request) -> Response:
        if alias in _without(request.route):
            return await step(request)
        answered = False
        try:
            async with transaction.atomic(using=alias):
                response = await step(request)
                answered = True
            return response
        except IntegrityError as error:
            explain = getattr(request.state, "commit_failed", None) if answered else None
            if explain is None:
                raise
            failed: Response = await explain(error)
            return failed

    return call


def _without(route: Any) -> Collection[str]:
    """Return the aliases that the view of a route does without, by ``non_atomic_requests``."""
    view = getattr(route, "view", None)
    marks: Collection[str] = getattr(view, "non_atomic_requests", ()) or getattr(
        getattr(view, "handler", None), "non_atomic_requests", ()
    )
    return marks
