"""Log a user in without a password, as the test client's ``force_login`` does."""

from __future__ import annotations

from typing import Any

from covet.auth import login
from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.http.request import Request
from covet.sessions.base import Session
from covet.sessions.stores.handler import session_store

__all__ = ["session_cookie"]


async def session_cookie(key: str | None, user: Any, backend: str | None = None) -> tuple[str, str]:
    """Return name and value of the cookie of a session in which the user is logged in.

    Args:
        key: The session that the client has, whose data go on; ``None`` starts a new one.
        user: Who is logged in.
        backend: The dotted path of an authentication backend; by default the first that can load users.

    Raises:
        ImproperlyConfigured: No backend can load users.
    """
    if backend is None:
        backend = getattr(user, "backend", None) or _first_backend()
    store = session_store()
    data = await store.load(key) if key else None
    request = Request.from_parts("GET", "/")
    request.session = Session(store, key if data is not None else None, data)
    await login(request, user, backend)
    assert request.session.key is not None
    return settings.SESSION_COOKIE_NAME, request.session.key


def _first_backend() -> str:
    from covet.auth.backends import load_backend

    for path in settings.AUTHENTICATION_BACKENDS:
        if hasattr(load_backend(path), "get_user"):
            return path
    raise ImproperlyConfigured("force_login() needs a backend in AUTHENTICATION_BACKENDS that can load users.")
