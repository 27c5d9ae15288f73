"""What goes wrong with templates before they run."""

from __future__ import annotations

from collections.abc import Sequence

from covet.exceptions import CovetError

__all__ = ["TemplateDoesNotExist"]


class TemplateDoesNotExist(CovetError, LookupError):
    """No folder has a template of that name.

    Args:
        names: The names that were asked for.
        tried: The folders that were looked through.
        near: A template with a name like it.
        place: File and line of the template that extends, includes or imports it.
    """

    def __init__(
        self, names: Sequence[str], tried: Sequence[str] = (), near: str | None = None, place: str | None = None
    ) -> None:
        shown = " or ".join(repr(name) for name in names)
        hint = f" Did you mean {near!r}?" if near else ""
        folders = (
            f" Looked in: {', '.join(tried)}."
            if tried
            else " No app has a templates folder, and TEMPLATES has no DIRS."
        )
        asked = f", which {place} asks for" if place else ""
        super().__init__(f"There is no template {shown}{asked}.{hint}{folders}")
        self.names = list(names)
        self.tried = list(tried)
        self.place = place
