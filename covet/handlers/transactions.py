"""ATOMIC_REQUESTS: every view of a project inside a transaction of each database that asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from covet.http.request import Request
from covet.http.response import Response
from covet.middleware.base import GetResponse

__all__ = ["transaction_per_request"]


def transaction_per_request(databases: Mapping[str, Any]) -> Callable[[GetResponse], GetResponse] | None:
    """Return what wraps the view step, or ``None`` when no database has ``ATOMIC_REQUESTS``."""
    aliases = [alias for alias, config in databases.items() if config.atomic_requests]
    if not aliases:
        return None
    # The database rooms are loaded only where a database asks for it.
    from covet.db import transaction

    def wrap(step: GetResponse) -> GetResponse:
        for alias in aliases:
            step = _in_transaction(step, transaction, alias)
        return step

    return wrap


def _in_transaction(step: GetResponse, transaction: Any, alias: str) -> GetResponse:
    async def call(request: Request) -> Response:
        async with transaction.atomic(using=alias):
            return await step(request)

    return call
