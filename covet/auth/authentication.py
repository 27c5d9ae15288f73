"""Prove who somebody is, log them in and out, and tell who a request or a WebSocket comes from."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from covet import timezone
from covet.auth.anonymous import AnonymousUser
from covet.auth.backends import get_backends, load_backend
from covet.auth.signals import user_logged_in, user_logged_out, user_login_failed
from covet.auth.user_model import SESSION_KEY, get_user_model
from covet.concurrency import maybe_await, signature
from covet.conf import settings
from covet.exceptions import PermissionDenied
from covet.security.random import constant_time_compare

if TYPE_CHECKING:
    from covet.auth.models import AbstractBaseUser
    from covet.sessions import Session

__all__ = [
    "SESSION_KEY",
    "authenticate",
    "claim",
    "get_user",
    "login",
    "logout",
    "update_session_auth_hash",
]

BACKEND_SESSION_KEY = "_auth_user_backend"
HASH_SESSION_KEY = "_auth_user_hash"

_SECRETS = ("api", "token", "key", "secret", "password", "signature", "credential")


async def authenticate(request: Any = None, **credentials: Any) -> Any:
    """Return the user whose credentials these are, or ``None``.

    Each backend that takes these credentials is asked; one that raises ``PermissionDenied`` ends the search. A failure
    sends ``user_login_failed``.
    """
    for path, backend in zip(settings.AUTHENTICATION_BACKENDS, get_backends(), strict=True):
        try:
            signature(backend.authenticate).bind(request, **credentials)
        except TypeError:
            continue  # a backend for credentials of another kind
        try:
            user = await backend.authenticate(request, **credentials)
        except PermissionDenied:
            break
        if user is not None:
            user.backend = path
            return user
    cleaned = {k: "********" if any(word in k.lower() for word in _SECRETS) else v for k, v in credentials.items()}
    await user_login_failed.send(__name__, credentials=cleaned, request=request)
    return None


async def login(request: Any, user: Any, backend: str | None = None) -> None:
    """Remember the user in the session, under a new key; a session of somebody else is flushed first.

    Args:
        request: The request; ``request.user`` becomes the user.
        user: An active user, as ``authenticate`` returned it.
        backend: The dotted path of its backend; needed only when there are several and ``authenticate`` was not used.

    Raises:
        ValueError: Several backends are configured and none was named.
    """
    backend = backend or getattr(user, "backend", None)
    if backend is None:
        if len(settings.AUTHENTICATION_BACKENDS) != 1:
            raise ValueError(
                "Several AUTHENTICATION_BACKENDS are configured: pass login(request, user, backend='dotted.path')."
            )
        backend = settings.AUTHENTICATION_BACKENDS[0]
    session = request.session
    key, digest = _key_of(user), _hash_of(user)
    if SESSION_KEY in session:
        same = session[SESSION_KEY] == key and constant_time_compare(session.get(HASH_SESSION_KEY, ""), digest)
        if not same:
            await session.flush()
    session[SESSION_KEY], session[BACKEND_SESSION_KEY], session[HASH_SESSION_KEY] = key, backend, digest
    await session.cycle_key()
    request.user = user
    _rotate_csrf_token(request)
    if hasattr(user, "last_login"):
        user.last_login = timezone.now()
        await maybe_await(user.save(update_fields=["last_login"]))
    await user_logged_in.send(type(user), request=request, user=user)


async def logout(request: Any) -> None:
    """Forget the user and everything in the session."""
    user = await request.user
    await user_logged_out.send(type(user), request=request, user=user)
    await request.session.flush()
    request.user = AnonymousUser()


async def update_session_auth_hash(request: Any, user: Any) -> None:
    """Keep this session logged in after the user's password was changed; all others end."""
    request.session[HASH_SESSION_KEY] = _hash_of(user)
    await request.session.cycle_key()
    request.user = user


async def get_user(connection: Any) -> Any:
    """Return the user that the session of a request or WebSocket stands for, checked: the session's hash, the backend,
    and whether the account is active. An ``AnonymousUser`` otherwise.
    """  # noqa: D205  # one sentence, longer than a line
    session: Session = connection.session
    path = session.get(BACKEND_SESSION_KEY)
    if SESSION_KEY not in session or path not in settings.AUTHENTICATION_BACKENDS:
        return AnonymousUser()
    user = await load_backend(path).get_user(_pk_of(session))
    if user is None:
        return AnonymousUser()
    told = session.get(HASH_SESSION_KEY, "")
    if constant_time_compare(told, _hash_of(user)):
        return user
    if any(constant_time_compare(told, old) for old in user.get_session_auth_fallback_hash()):
        # SECRET_KEY was changed and the old one is still a fallback: carry the session over to the new one.
        session[HASH_SESSION_KEY] = _hash_of(user)
        await session.cycle_key()
        return user
    await session.flush()
    return AnonymousUser()


def claim(connection: Any) -> Any:
    """Return who the session says this is, unchecked: a user that knows its key only, or an ``AnonymousUser``.

    Awaiting the claim loads and checks the user once, and puts the result in its place as ``connection.user``.
    """
    session: Session = connection.session
    # Peeked at, not accessed: only an answer that asks for the user depends on the cookie.
    if SESSION_KEY not in session._data:
        return _nobody(session)
    try:
        key = _pk_of(session)
    except ValueError:
        return _nobody(session)
    user: AbstractBaseUser = get_user_model().unloaded(key)
    lock = asyncio.Lock()

    async def complete(_: Any) -> Any:
        session.accessed = True
        async with lock:
            if connection.user is user:
                connection.user = await get_user(connection)
        return connection.user

    user._state.loader = complete
    return user


def _nobody(session: Session) -> AnonymousUser:
    user = AnonymousUser()
    user._session = session
    return user


def _pk_of(session: Session) -> Any:
    from covet.exceptions import ValidationError

    try:
        return get_user_model()._meta.pk.to_python(session._data[SESSION_KEY])
    except ValidationError as error:  # the user model was changed to keys of another kind
        raise ValueError("The session's user key is of another kind.") from error


def _key_of(user: Any) -> str:
    return str(user.pk)


def _hash_of(user: Any) -> str:
    return str(user.get_session_auth_hash()) if hasattr(user, "get_session_auth_hash") else ""


def _rotate_csrf_token(request: Any) -> None:
    from covet.middleware.csrf import rotate_token

    rotate_token(request)
