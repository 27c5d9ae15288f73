"""``set_language``: the view by which a visitor chooses a language. ``path("i18n/", include("covet.views.i18n"))`` mounts it."""

from __future__ import annotations

from typing import Any

from covet.conf import settings
from covet.http.hosts import url_has_allowed_host_and_scheme
from covet.http.request import Request
from covet.http.response import RedirectResponse, Response
from covet.i18n.language import normalise
from covet.urls.localized import translate_url
from covet.urls.patterns import path

__all__ = ["set_language", "urlpatterns"]


async def set_language(request: Request) -> Response:
    """Keep the language of the form's field ``language`` in a cookie, and go to ``next``, or back to the page that asked.

    Addresses of ``i18n_patterns()`` lead to the page in that language. A script that names no ``next`` gets 204. A language that is none
    of ``LANGUAGES`` changes nothing.
    """
    form = await request.form()
    hosts, secure = {request.get_host()}, request.is_secure
    target = form.get("next") or request.query.get("next")
    wants_page = request.accepts_html
    if not isinstance(target, str) or not url_has_allowed_host_and_scheme(target, hosts, require_https=secure):
        named = bool(target)
        target = request.headers.get("referer", "") if wants_page or named else ""
        if not url_has_allowed_host_and_scheme(target, hosts, require_https=secure):
            target = "/" if wants_page or named else ""
    wished = form.get("language")
    known = {code.lower(): code for code, _ in settings.LANGUAGES}
    chosen = known.get(normalise(wished)) if isinstance(wished, str) else None
    if target and chosen is not None:
        target = translate_url(target, chosen)
    response: Response = RedirectResponse(target) if target else Response(b"", 204)
    if chosen is not None:
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            chosen,
            max_age=settings.LANGUAGE_COOKIE_AGE,
            path=settings.LANGUAGE_COOKIE_PATH,
            domain=settings.LANGUAGE_COOKIE_DOMAIN,
            secure=settings.LANGUAGE_COOKIE_SECURE,
            httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
            samesite=settings.LANGUAGE_COOKIE_SAMESITE,  # type: ignore[arg-type]  # build_cookie checks the text
        )
    return response


urlpatterns: list[Any] = [path("setlang/", set_language, name="set_language", methods=["POST"])]
