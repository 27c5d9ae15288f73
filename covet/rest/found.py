"""The REST endpoints among a project's routes: what the part counts and the document tells of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from covet.rest.endpoint import Compiled

if TYPE_CHECKING:
    from covet.urls.resolver import CompiledRoute

__all__ = ["compiled_endpoints"]


def compiled_endpoints(routes: Iterable[CompiledRoute]) -> list[tuple[CompiledRoute, Compiled]]:
    """Return the REST endpoints among routes; of an address with several versions, one for each."""
    found = []
    for route in routes:
        compiled = getattr(route.endpoint, "compiled", None)
        if isinstance(compiled, Compiled):
            found.append((route, compiled))
        found.extend((route, one) for one in getattr(route.endpoint, "versions", {}).values())
    return found
