"""Gives ``request.user`` and ``ws.user``: a claim until it is awaited; and a layer that lets in only who is logged in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from covet.auth.anonymous import AnonymousUser
from covet.auth.user_model import SESSION_KEY
from covet.concurrency import hands_over
from covet.http.errors import Unauthorized
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.auth import authentication, decorators
    from covet.http import Request, Response
else:
    decorators = late_module(__name__, "covet.auth.decorators")
    authentication = late_module(__name__, "covet.auth.authentication")

__all__ = ["AuthenticationMiddleware", "LoginRequiredMiddleware"]


class AuthenticationMiddleware:
    """Sets ``request.user`` from the session; needs ``SessionMiddleware`` before it.

    Nothing is loaded here. ``request.user.pk`` is what the session says; ``await request.user`` loads the user, checks
    the session's hash and whether the account is active, and is the ``User`` or an ``AnonymousUser`` from then on.
    """

    # Only in a project without sessions does the claim raise; the layer round this one answers then.
    raises_nothing = True

    def __init__(self, get_response: Callable[[Request], Awaitable[Response]]) -> None:
        self.get_response = get_response

    @hands_over
    def __call__(self, request: Request) -> Awaitable[Response]:
        """Set the claim and let the request pass."""
        # Nobody in particular, mostly, whose session nobody has asked for: that needs no call to find out.
        if (request._make_session is None or "session" in request.__dict__) and SESSION_KEY in request.session._data:
            request.user = authentication.claim(request)
        else:
            request._make_user = _anonymous
        return self.get_response(request)

    async def process_websocket(self, ws: Any) -> None:
        """Set the claim of a WebSocket's handshake."""
        ws.user = authentication.claim(ws)


def _anonymous(request: Request) -> AnonymousUser:
    user = AnonymousUser()
    user._session = request.session
    return user


class LoginRequiredMiddleware:
    """Lets in users who are logged in, for every view but those with ``@login_not_required``; stands after the others of auth.

    A person is sent to ``LOGIN_URL``, a program gets 401. Endpoints of REST and GraphQL are left to their permissions.
    """

    raises_nothing = True

    def __init__(self, get_response: Callable[[Request], Awaitable[Response]]) -> None:
        self.get_response = get_response

    @hands_over
    def __call__(self, request: Request) -> Awaitable[Response]:
        """Let the request pass; ``process_view`` has looked at it."""
        return self.get_response(request)

    async def process_view(
        self, request: Request, view: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Response | None:
        """Send away who is not logged in.

        Raises:
            Unauthorized: A program is not.
        """
        if not getattr(view, "login_required", True) or hasattr(view, "covet_endpoint"):
            return None
        if (await request.user).is_authenticated:
            return None
        if not request.accepts_html:
            raise Unauthorized("This needs a user who is logged in.")
        return decorators.to_login(request, None, "next")
