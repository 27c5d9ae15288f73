"""What may be said of a route, for type checkers: ``Router.get(route, **options)``."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from covet.db.models.base import Model
    from covet.rest.deprecation import Deprecation
    from covet.rest.params import Depends
    from covet.rest.routes import Router

__all__ = ["RouteOptions"]


class RouteOptions(TypedDict, total=False):
    """What may be said of a route; see ``Router.route``."""

    response: Any
    status: int | None
    permissions: Sequence[Any] | None
    throttles: Sequence[Any] | None
    name: str | None
    tags: Sequence[str]
    summary: str | None
    description: str | None
    operation_id: str | None
    deprecated: bool | Deprecation
    include_in_schema: bool
    responses: Mapping[int | str, Any] | None
    model: type[Model] | None
    formats: Sequence[Any] | None
    conditional: bool
    last_modified: Callable[[Any], datetime.datetime | None] | None
    select_fields: bool
    expandable: Mapping[str, Any] | None
    exclude_unset: bool
    exclude_defaults: bool
    exclude_none: bool
    idempotent: bool
    page_size: int | None
    max_page_size: int | None
    dependencies: Sequence[Depends]
    openapi_extra: Mapping[str, Any] | None
    security: Sequence[str | Mapping[str, Sequence[str]]] | None
    callbacks: Mapping[str, Router] | None
