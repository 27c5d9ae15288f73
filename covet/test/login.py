"""Sessions for the test client: logging in without a password, looking into one, and ending it."""

from __future__ import annotations

from typing import Any

from covet.auth import get_user_model, login, logout
from covet.auth.authentication import get_user
from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.http.request import Request
from covet.sessions.base import Session
from covet.sessions.stores.handler import session_store

__all__ = ["end_session", "make_admin", "open_session", "session_cookie"]


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


async def open_session(key: str | None) -> Session:
    """Return the session under a key, or a new one, which is kept at once so that its key can be handed out."""
    store = session_store()
    data = await store.load(key) if key else None
    session = Session(store, key if data is not None else None, data)
    if session.key is None:
        await session.save()
    return session


async def end_session(key: str) -> None:
    """Delete the session under a key; a user who is logged in is logged out, with the signal of that."""
    request = Request.from_parts("GET", "/")
    request.session = session = await open_session(key)
    request.user = user = await get_user(request)
    if user.is_authenticated:
        await logout(request)
    else:
        await session.flush()


async def make_admin() -> Any:
    """Return a superuser named ``admin`` with the password ``password``; the one that is there, if one is."""
    model = get_user_model()
    address = "admin@example.com"
    name = address if model.get_email_field_name() == model.USERNAME_FIELD else "admin"
    found = await model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()
    if found is not None:
        return found
    fields = {model.USERNAME_FIELD: name, "password": "password"}
    if "email" in model.REQUIRED_FIELDS:
        fields["email"] = address
    return await model._default_manager.create_superuser(**fields)


def _first_backend() -> str:
    from covet.auth.backends import load_backend

    for path in settings.AUTHENTICATION_BACKENDS:
        if hasattr(load_backend(path), "get_user"):
            return path
    raise ImproperlyConfigured("force_login() needs a backend in AUTHENTICATION_BACKENDS that can load users.")
