"""Responses: status, headers and body as a value, which knows how to send itself.

Middleware may change status, headers and body until it is sent; nothing is written before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlsplit

from covet import json
from covet.http.cookies import SameSite, build_cookie, signed_cookie_salt
from covet.http.headers import MutableHeaders, RawHeaders, raw_name, raw_value
from covet.http.status import BODILESS, STATUSES, no_status
from covet.loading import late_module
from covet.problems import PROBLEM_JSON, Problem

if TYPE_CHECKING:
    from covet.http import background as tasks
    from covet.types import Receive, Scope, Send
else:
    tasks = late_module(__name__, "covet.http.background")

__all__ = ["HTMLResponse", "JSONResponse", "ProblemResponse", "RedirectResponse", "Response"]


def _as_bytes(body: Any) -> bytes:
    """Return a body that is no text as bytes.

    Raises:
        TypeError: It is nothing of the kind.
    """
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    raise TypeError(
        f"A Response takes bytes or a text, not {type(body).__name__}. Write JSONResponse(value), or return the value itself "
        "from a handler of a router."
    )


class Response:
    """An answer whose body is there as a whole.

    Args:
        body: Bytes, or a text that is sent as UTF-8.
        status: The HTTP status.
        headers: Further headers.
        media_type: The ``Content-Type``; a text without one is ``text/plain``.
        background: Called once the answer has been sent: a function, a ``BackgroundTask``, or ``BackgroundTasks``. It may be set later too.

    Raises:
        ValueError: The status is none.
    """

    __slots__ = ("_headers", "background", "body", "raw_headers", "status")

    media_type: ClassVar[str | None] = None
    is_streaming: ClassVar[bool] = False
    # Whether something is left to do between the view and the middleware: see TemplateResponse.
    must_render: ClassVar[bool] = False
    sends_itself: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        # Servers write an answer of the plain kind themselves, which is quicker than to ask it.
        cls.sends_itself = cls.is_streaming or cls.send is not Response.send

    def __init__(
        self,
        body: bytes | str = b"",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        *,
        background: Callable[[], Any] | None = None,
    ) -> None:
        if status not in STATUSES:
            raise no_status(status)
        self.status = status
        self.background = background if background is None else tasks.task_of(background)
        if media_type is None:
            media_type = self.media_type
        if isinstance(body, str):
            body = body.encode()
            if media_type is None:
                media_type = "text/plain; charset=utf-8"
        elif type(body) is not bytes:
            body = _as_bytes(body)
        self.body: bytes = body
        self._headers: MutableHeaders | None = None
        self.raw_headers: RawHeaders = [] if media_type is None else [(b"content-type", raw_value(media_type))]
        if headers:
            for name, value in headers.items():
                self._put(name, value)

    def _put(self, name: str, value: str) -> None:
        key = raw_name(name)
        if key == b"content-type":
            self.raw_headers = [pair for pair in self.raw_headers if pair[0] != key]
            self._headers = None
        self.raw_headers.append((key, raw_value(value)))

    @property
    def status_code(self) -> int:
        """The status, under the name that Django, Starlette and httpx give it."""
        return self.status

    @status_code.setter
    def status_code(self, status: int) -> None:
        if status not in STATUSES:
            raise no_status(status)
        self.status = status

    @property
    def headers(self) -> MutableHeaders:
        """The headers; what is set here is sent."""
        if self._headers is None:
            self._headers = MutableHeaders(self.raw_headers)
        return self._headers

    def set_cookie(
        self,
        name: str,
        value: str = "",
        *,
        max_age: Any = None,
        expires: Any = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: SameSite | None = "Lax",
        partitioned: bool = False,
    ) -> None:
        """Set a cookie; ``max_age`` in seconds or a timedelta, ``expires`` a datetime.

        ``partitioned`` gives each site that this one is embedded in a cookie of its own; it must be ``secure``.
        """
        cookie = build_cookie(
            name,
            value,
            max_age=max_age,
            expires=expires,
            path=path,
            domain=domain,
            secure=secure,
            httponly=httponly,
            samesite=samesite,
            partitioned=partitioned,
        )
        self.raw_headers.append((b"set-cookie", raw_value(cookie)))

    def set_signed_cookie(self, name: str, value: str, *, salt: str = "", **options: Any) -> None:
        """Set a cookie that the client can read but not change; ``request.get_signed_cookie()`` reads it.

        Args:
            name: Its name.
            value: Its value.
            salt: What it is for, besides its name.
            options: As ``set_cookie()`` has them.
        """
        from covet.signing import TimestampSigner

        self.set_cookie(name, TimestampSigner(signed_cookie_salt(name, salt)).sign(value), **options)

    def delete_cookie(
        self,
        name: str,
        *,
        path: str | None = "/",
        domain: str | None = None,
        samesite: SameSite | None = "Lax",
        partitioned: bool = False,
    ) -> None:
        """Tell the browser to forget a cookie; path, domain and ``partitioned`` must be those it was set with."""
        # Browsers refuse to touch a __Secure- or SameSite=None cookie by one that is not secure.
        secure = partitioned or name.lower().startswith(("__secure-", "__host-")) or (samesite or "").lower() == "none"
        self.set_cookie(
            name,
            "",
            max_age=0,
            path=path,
            domain=domain,
            samesite=samesite,
            secure=secure,
            partitioned=partitioned,
        )

    def final_headers(self) -> RawHeaders:
        """Return the headers as they go out, ``Content-Length`` included; a status that has no body empties it."""
        from covet.accel import with_length  # commands that answer no request do without it

        if self.status in BODILESS:
            self.body = b""
            return self.raw_headers
        return with_length(self.raw_headers, len(self.body))

    async def send(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send this answer by ASGI; a HEAD request gets the headers alone."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.final_headers()})
        body = b"" if scope["method"] == "HEAD" else self.body
        await send({"type": "http.response.body", "body": body})

    async def render(self) -> Response:
        """Make the body where that was put off (``must_render``), and return this answer; one of the plain kind is made."""
        return self

    async def close(self) -> None:
        """Give back what the answer holds, when it was never sent."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status}>"


JSON_TYPE = (b"content-type", b"application/json")
_new = object.__new__


class JSONResponse(Response):
    """A value as JSON: dates, UUIDs, decimals and lazy texts included.

    Args:
        value: What to send; ``covet.json.dumps`` writes it.
        status: The HTTP status.
        headers: Further headers.
        media_type: Another media type, such as ``application/geo+json``.
        background: Called once the answer has been sent.
    """

    __slots__ = ()

    def __init__(
        self,
        value: Any = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
        *,
        background: Callable[[], Any] | None = None,
    ) -> None:
        if status not in STATUSES:
            raise no_status(status)
        self.status = status
        self.background = background if background is None else tasks.task_of(background)
        self.body = json.dumps(value)
        self._headers = None
        self.raw_headers = [JSON_TYPE if media_type is None else (b"content-type", raw_value(media_type))]
        if headers:
            for name, text in headers.items():
                self._put(name, text)

    @staticmethod
    def of_bytes(body: bytes, status: int = 200) -> JSONResponse:
        """Return an answer whose body is JSON already; the short way of REST endpoints."""
        self = _new(JSONResponse)
        self.status = status
        self.background = None
        self.body = body
        self._headers = None
        self.raw_headers = [JSON_TYPE]
        return self


class HTMLResponse(Response):
    """A page."""

    __slots__ = ()
    media_type = "text/html; charset=utf-8"


class ProblemResponse(Response):
    """A problem document (RFC 9457)."""

    __slots__ = ("problem",)
    media_type = PROBLEM_JSON

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.to_bytes(), problem.status, problem.headers)
        self.problem = problem


class RedirectResponse(Response):
    """Sends the client to another address.

    Args:
        url: Where to; a path or a full http(s) address.
        status: 302 unless given; ``permanent`` and ``preserve_method`` choose among 301, 302, 307 and 308.
        permanent: Clients may remember it.
        preserve_method: A POST stays a POST.
        headers: Further headers.

    Raises:
        ValueError: The address has another scheme, such as ``javascript:``.
    """

    __slots__ = ("url",)

    def __init__(
        self,
        url: str,
        status: int | None = None,
        *,
        permanent: bool = False,
        preserve_method: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if status is None:
            status = (308 if permanent else 307) if preserve_method else (301 if permanent else 302)
        try:
            scheme = urlsplit(url).scheme
        except ValueError as error:
            raise ValueError(f"{url!r} is not an address to redirect to.") from error
        if scheme not in ("", "http", "https"):
            raise ValueError(f"A redirect goes to http or https, not to {scheme!r}.")
        super().__init__(b"", status, headers)
        self.url = url
        self.headers["Location"] = quote(url, safe="/#%[]=:;$&()+,!?*@'~")
