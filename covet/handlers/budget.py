"""QUERY_BUDGET: how many statements a request may run. Nothing is counted, or wrapped, where it is not set."""

from __future__ import annotations

from collections.abc import Callable

from covet.conf.budget import Budget
from covet.db.observe import query_budget
from covet.http.request import Request
from covet.http.response import Response
from covet.middleware.base import GetResponse

__all__ = ["budget_per_request"]


def budget_per_request(budget: Budget) -> Callable[[GetResponse], GetResponse]:
    """Return what wraps the answering of a request, middleware included."""

    def wrap(step: GetResponse) -> GetResponse:
        async def call(request: Request) -> Response:
            with query_budget(budget.max, refuse=budget.refuse, what=f"{request.method} {request.path}"):
                return await step(request)

        return call

    return wrap
