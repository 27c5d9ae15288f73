"""The URL module of the moment: the project's, or another that a middleware has chosen for a request, or code for itself."""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ["current_urlconf", "get_urlconf", "set_urlconf"]

# Each task has its own: what one request chooses, no other sees.
current_urlconf: ContextVar[str | None] = ContextVar("covet_urlconf", default=None)


def get_urlconf() -> str | None:
    """Return the name of the URL module that ``reverse()`` and ``resolve()`` ask now; ``None`` for ROOT_URLCONF."""
    return current_urlconf.get()


def set_urlconf(urlconf: str | None) -> None:
    """Let ``reverse()`` and ``resolve()`` ask another URL module, in this task and those that it starts.

    Args:
        urlconf: The dotted name of a module with ``urlpatterns``; ``None`` for ROOT_URLCONF again.
    """
    current_urlconf.set(urlconf)
