"""``render_to_string()``: a template of the installed apps, filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from covet.apps import apps
from covet.http.request import Request
from covet.templates.errors import TemplateDoesNotExist
from covet.templates.part import TemplatesPart

__all__ = ["TemplateDoesNotExist", "render_to_string"]


async def render_to_string(
    name: str | Sequence[str], context: Mapping[str, Any] | None = None, request: Request | None = None
) -> str:
    """Return a template filled in; with a request, the context processors add their values.

    Args:
        name: The template's path below a ``templates`` folder; of several, the first that exists.
        context: Values; querysets among them are awaited first.
        request: For the context processors.

    Raises:
        TemplateDoesNotExist: There is none of that name.
    """
    registry = apps.current()
    if not registry.has_part(TemplatesPart):
        raise TemplateDoesNotExist([name] if isinstance(name, str) else list(name))
    return await registry.part(TemplatesPart).engine.render(name, context, request)
