"""Loads the session when its cookie came, saves it when it was changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from covet.conf import settings
from covet.sessions.base import Session, SessionStore, is_key
from covet.sessions.stores.handler import session_store

if TYPE_CHECKING:
    from covet.http import Request, Response

__all__ = ["SessionMiddleware"]


class SessionMiddleware:
    """Gives ``request.session`` and ``ws.session``.

    Without a cookie nothing is loaded, and without a change nothing is written; an answer of 500 and above saves
    nothing. A session that was emptied has its cookie deleted.
    """

    # What answers for an error of the store, so that outer layers see an answer; the chain gives it.
    on_error: Callable[[Request, Exception], Awaitable[Response]] | None = None

    def __init__(self, get_response: Callable[[Request], Awaitable[Response]]) -> None:
        self.get_response = get_response
        self.store: SessionStore = session_store()
        self.make = self._make
        self.cookie_name: str = settings.SESSION_COOKIE_NAME

    async def __call__(self, request: Request) -> Response:
        """Load, let the request pass, save."""
        try:
            key = None
            for name, _ in request.raw_headers:
                if name == b"cookie":
                    key = request.cookies.get(self.cookie_name)
                    break
            if key is None:
                # Most requests of programs have no cookie, and nobody asks for their session.
                request._make_session = self.make
                response = await self.get_response(request)
                session = request._session
                if session is None:
                    return response
            else:
                session = request.session = await self.open(request)
                response = await self.get_response(request)
            if session.accessed:
                response.headers.add_vary("Cookie")
            if session.key is None and not session._data:
                if key is not None and (session.accessed or session.modified):
                    self._delete_cookie(response)
            elif (session.modified or settings.SESSION_SAVE_EVERY_REQUEST) and response.status < 500:
                await session.save()
                self._set_cookie(session, response)
            return response
        except Exception as error:
            if self.on_error is None:
                raise
            return await self.on_error(request, error)

    def _make(self, request: Request) -> Session:
        """Return the new session of a request without a cookie, and keep it for when the answer is there."""
        request._session = made = Session(self.store)
        return made

    async def process_websocket(self, ws: Any) -> None:
        """Load the session of a WebSocket's handshake."""
        ws.session = await self.open(ws)

    async def open(self, connection: Any) -> Session:
        """Return the session that the cookie of a request or WebSocket names, or a new one."""
        key = connection.cookies.get(self.cookie_name)
        if key is None or not is_key(key):
            return Session(self.store)
        data = await self.store.load(key)
        if data is None:
            # An unknown key is never adopted: whoever planted it must not know the visitor's next session.
            session = Session(self.store)
            session.accessed = True
            return session
        return Session(self.store, key, data)

    def _set_cookie(self, session: Session, response: Response) -> None:
        assert session.key is not None
        response.set_cookie(
            self.cookie_name,
            session.key,
            max_age=None if session.get_expire_at_browser_close() else session.get_expiry_age(),
            path=settings.SESSION_COOKIE_PATH,
            domain=settings.SESSION_COOKIE_DOMAIN,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=settings.SESSION_COOKIE_HTTPONLY,
            samesite=settings.SESSION_COOKIE_SAMESITE,  # type: ignore[arg-type]  # checked when the settings load
        )

    def _delete_cookie(self, response: Response) -> None:
        response.delete_cookie(
            self.cookie_name,
            path=settings.SESSION_COOKIE_PATH,
            domain=settings.SESSION_COOKIE_DOMAIN,
            samesite=settings.SESSION_COOKIE_SAMESITE,  # type: ignore[arg-type]  # checked when the settings load
        )
