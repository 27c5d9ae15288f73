"""Decorators of views: who may come in."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from covet.access.permissions import says_yes
from covet.concurrency import is_async, to_thread
from covet.conf import settings
from covet.exceptions import PermissionDenied
from covet.http import RedirectResponse
from covet.urls import reverse
from covet.urls.endpoint import decorated_by

if TYPE_CHECKING:
    from covet.http import Request, Response

__all__ = ["login_not_required", "login_required", "permission_required", "to_login", "user_passes_test"]

View = TypeVar("View", bound=Callable[..., Any])


def user_passes_test(
    test: Callable[[Any], Awaitable[bool] | bool], login_url: str | None = None, redirect_field_name: str = "next"
) -> Callable[[View], View]:
    """Let in whom ``test(user)`` accepts, and send others to the log-in page; ``test`` may be async."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        async def guarded(request: Request, *args: Any, **kwargs: Any) -> Any:
            if not await says_yes(test(await request.user)):
                return to_login(request, login_url, redirect_field_name)
            if is_async(view):
                return await view(request, *args, **kwargs)
            return await to_thread(view, request, *args, **kwargs)

        return decorated_by(decorate, view, guarded)  # type: ignore[return-value]  # same call, now async

    return decorate


def login_required(view: View | None = None, login_url: str | None = None, redirect_field_name: str = "next") -> Any:
    """Let in users who are logged in, and send others to ``LOGIN_URL``; ``@login_required`` or with arguments."""
    decorator = user_passes_test(lambda user: bool(user.is_authenticated), login_url, redirect_field_name)
    return decorator if view is None else decorator(view)


def login_not_required(view: View) -> View:
    """Let everybody in where ``LoginRequiredMiddleware`` stands; for the log-in page itself, and pages for all."""
    view.login_required = False  # type: ignore[attr-defined]  # a mark on the function
    return view


def permission_required(
    perm: str | tuple[str, ...] | list[str], login_url: str | None = None, raise_exception: bool = False
) -> Callable[[View], View]:
    """Let in users who have the permission, or all of several; with ``raise_exception`` others get a 403."""
    perms = (perm,) if isinstance(perm, str) else tuple(perm)

    async def allowed(user: Any) -> bool:
        if await user.has_perms(perms):
            return True
        if raise_exception:
            raise PermissionDenied(f"This needs the permission {', '.join(perms)}.")
        return False

    return user_passes_test(allowed, login_url)


def to_login(request: Request, login_url: str | None, redirect_field_name: str) -> Response:
    """Return the way to the log-in page, and back from there."""
    url = login_url or settings.LOGIN_URL
    if not url.startswith(("/", "http:", "https:")):
        url = reverse(url)
    joint = "&" if "?" in url else "?"
    return RedirectResponse(f"{url}{joint}{redirect_field_name}={quote(request.get_full_path())}")
