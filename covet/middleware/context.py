"""What every template that is rendered for a request can use."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from covet.http.request import Request
from covet.middleware.csrf import FORM_FIELD, get_token

__all__ = ["request_values"]


class _LazyToken:
    """The CSRF token, made (and so its cookie set) only by a template that shows it."""

    __slots__ = ("_request",)

    def __init__(self, request: Request) -> None:
        self._request = request

    def __str__(self) -> str:
        return get_token(self._request)

    def __html__(self) -> str:
        return str(self)

    def __len__(self) -> int:
        return len(str(self))

    def __bool__(self) -> bool:
        return True  # asked without being shown, so that no cookie is set for it

    def __call__(self) -> _LazyToken:
        """Return itself: ``{{ csrf_token() }}`` is how Flask's users have always written it."""
        return self


class _LazyInput(_LazyToken):
    """The hidden field with the token."""

    def __html__(self) -> str:
        return Markup('<input type="hidden" name="{}" value="{}">').format(FORM_FIELD, get_token(self._request))


class _LazyNonce(_LazyToken):
    """The nonce of the Content-Security-Policy."""

    def __str__(self) -> str:
        return self._request.csp_nonce


async def request_values(request: Request) -> dict[str, Any]:
    """Return ``user`` and ``session`` where middleware set them, ``csrf_token``, ``csrf_input`` and ``csp_nonce``.

    The user is loaded and checked, since a template asks it what a mere claim cannot answer (``is_authenticated``); without
    credentials that costs nothing.
    """
    values: dict[str, Any] = {
        "csrf_token": _LazyToken(request),
        "csrf_input": _LazyInput(request),
        "csp_nonce": _LazyNonce(request),
    }
    if request.has_user:
        user = request.user
        values["user"] = await user if hasattr(type(user), "__await__") else user
    if request.has_session:
        values["session"] = request.session
    return values
