"""The request: what came in, each part parsed when it is first asked for.

It is made from ASGI's scope, or by the protocol class straight from the parser's parts; nothing else differs.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urljoin

from covet import json
from covet.exceptions import ImproperlyConfigured
from covet.http.background import BackgroundTasks, running
from covet.http.cookies import parse_cookies, signed_cookie_salt
from covet.http.errors import BadRequest, DisallowedHost, UnsupportedMediaType, duplicate_key_refused
from covet.http.foreign import INSTEAD, Absent
from covet.http.headers import Headers, RawHeaders, raw_value
from covet.http.hosts import is_allowed_host
from covet.http.policy import DEFAULT_POLICY, RequestPolicy
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.http import body as bodies
    from covet.http import forms, negotiation, proxies
    from covet.http import query as query_strings
    from covet.http.uploads import UploadHandler
    from covet.types import Message, Receive, Scope
    from covet.urls.resolver import CompiledRoute
else:
    forms = late_module(__name__, "covet.http.forms")
    negotiation = late_module(__name__, "covet.http.negotiation")
    proxies = late_module(__name__, "covet.http.proxies")
    bodies = late_module(__name__, "covet.http.body", "bodies")
    query_strings = late_module(__name__, "covet.http.query", "query_strings")

__all__ = ["Request", "State"]

_UNSET = cast(Any, object())


class State:
    """A place for what middleware and views want to hand on with a request: ``request.state.tenant = …``.

    What the application round this one has in its own (ASGI's ``state``) can be read, and nothing here takes it for ours.
    """

    def __getattr__(self, name: str) -> Any:
        outer = self.__dict__.get("_outer")
        if outer is not None and name in outer:
            return outer[name]
        raise AttributeError(f"Nothing has set request.state.{name}; a middleware that sets it must run before.")

    def __setattr__(self, name: str, value: Any) -> None:
        # Stands here for type checkers: any name may be set.
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"State({self.__dict__!r})"


class _AtFirstLook:
    """An attribute that is made when it is first asked for; what is assigned takes its place."""

    __slots__ = ("make", "name")

    def __init__(self, make: Callable[[Request], Any]) -> None:
        self.make = make

    def __set_name__(self, owner: type[Request], name: str) -> None:
        self.name = name

    def __get__(self, request: Request | None, owner: type[Request]) -> Any:
        if request is None:
            return self
        value = self.make(request)
        setattr(request, self.name, value)
        return value


def _at_first_look(make: Callable[[Request], Any]) -> Any:
    return _AtFirstLook(make)


def _session_of(request: Request) -> Any:
    if request._make_session is not None:
        return request._make_session(request)
    raise ImproperlyConfigured(
        "request.session is not set. Add 'covet.sessions.middleware.SessionMiddleware' to MIDDLEWARE "
        "and 'covet.sessions' to INSTALLED_APPS."
    )


def _user_of(request: Request) -> Any:
    if request._make_user is not None:
        return request._make_user(request)
    raise ImproperlyConfigured(
        "request.user is not set. Add 'covet.auth.middleware.AuthenticationMiddleware' to MIDDLEWARE, "
        "after 'covet.sessions.middleware.SessionMiddleware'."
    )


# Called by itself, which takes less than ``cls.__new__(cls)``.
_new = object.__new__


class Request:
    """One HTTP request. Middleware may set attributes of its own, besides what ``request.state`` holds.

    Attributes:
        method: Upper case, such as ``"GET"``.
        path: The path without the query string, percent signs decoded; below the mount point ``root_path``.
        raw_query: The query string as bytes.
        raw_headers: Names (lower case) and values as bytes.
        path_params: What the URL pattern took from the path.
        route: The route that matched, once it is known.
        app: The handler that serves it.
        policy: The limits that hold for it.
        scheme: ``"http"`` or ``"https"``.
        session: The session; ``SessionMiddleware`` sets it.
        user: Who asks: a claim until it is awaited (``await request.user``); ``AuthenticationMiddleware`` sets it.
        auth: By what the user was recognised, such as the claims of a token; whatever authenticates sets it.
        client: Address and port of the peer, if known.
        queries: The statements that ran for it, in development; the debug page shows them.
        request_id: Its id in logs and error documents; ``RequestIdMiddleware`` sets it.
    """

    # What a request has not been given yet stands on the class: making one sets only what came.
    _scope: Scope | None = None
    _receive: Receive | None = None
    _body: bytes | None = None
    _headers: Headers | None = None
    _query: query_strings.QueryParams | None = None
    _cookies: dict[str, str] | None = None
    _form: forms.FormData | None = None
    _json: Any = _UNSET
    _state: State | None = None
    _streamed = False
    _background: BackgroundTasks | None = None
    _channel: Any = None
    # One look after the answer, whatever there is to do then.
    _cleanup: Any = False
    _csp_nonce: str | None = None
    root_path = ""
    route: CompiledRoute | None = None
    auth: Any = None
    queries: list[Any] | None = None
    request_id: str | None = None
    path_params: dict[str, Any] = _at_first_look(lambda request: {})
    raw_query: bytes = _at_first_look(lambda request: request._told("query_string", b""))
    scheme: str = _at_first_look(lambda request: request._told("scheme", "http"))
    client: tuple[str, int] | None = _at_first_look(lambda request: request._told("client", None))
    server: tuple[str, int | None] | None = _at_first_look(lambda request: request._told("server", None))
    http_version: str = _at_first_look(lambda request: request._told("http_version", "1.1"))
    # Those of a visitor who has said nothing are made when somebody asks: few views do.
    _session: Any = None
    _make_session: Callable[[Request], Any] | None = None
    _make_user: Callable[[Request], Any] | None = None
    session: Any = _at_first_look(_session_of)
    user: Any = _at_first_look(_user_of)

    @property
    def version(self) -> str | None:
        """The version of the API that the request is for, where there are several; ``Versions`` sets it."""
        return None if self._state is None else self._state.__dict__.get("version")

    @version.setter
    def version(self, name: str) -> None:
        self.state.version = name

    def __init__(
        self, scope: Scope, receive: Receive | None = None, *, app: Any = None, policy: RequestPolicy = DEFAULT_POLICY
    ) -> None:
        self._scope = scope
        self._receive = receive
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.raw_headers: RawHeaders = scope["headers"]
        if scope.get("root_path"):
            self._mounted(scope["root_path"])
        self.app = app
        self.policy = policy

    def _mounted(self, root: str) -> None:
        """Take the path below a mount point for the path."""
        path, end = self.path, len(root)
        self.root_path = root
        if path.startswith(root) and path[end : end + 1] in ("", "/"):
            self.path = path[end:] or "/"

    def _told(self, name: str, default: Any) -> Any:
        """Return what the server's scope says, or its connection."""
        if self._scope is not None:
            return self._scope.get(name, default)
        return getattr(self._channel, name, default)

    @staticmethod
    def from_parts(
        method: str,
        path: str,
        raw_query: bytes = b"",
        raw_headers: RawHeaders | None = None,
        body: bytes = b"",
        scheme: str = "http",
        client: tuple[str, int] | None = None,
        server: tuple[str, int | None] | None = None,
        root_path: str = "",
        app: Any = None,
        policy: RequestPolicy = DEFAULT_POLICY,
    ) -> Request:
        """Make a request whose body is there already, with no ASGI scope; ``scope`` is built if someone asks."""
        self = _new(Request)
        self.method = method
        self.path = path
        if root_path:
            self.root_path = root_path
        self.raw_query = raw_query
        self.raw_headers = raw_headers if raw_headers is not None else []
        self.scheme = scheme
        self.client = client
        self.server = server
        self.app = app
        self.policy = policy
        self._body = body
        if len(body) > policy.max_memory_bytes or len(body) > policy.max_body_bytes:
            # Let it be read as if it still came in, so that the limits are looked at where they always are.
            self._body = None
            self._receive = _received(body)
        return self

    @staticmethod
    def from_connection(
        channel: Any, method: str, path: str, query: bytes, headers: RawHeaders, body: bytes, app: Any, /
    ) -> Request:
        """Make a request as ``from_parts`` does, with the policy of its handler; what the protocol class does for each one.

        Args:
            channel: The connection, which knows scheme, client and server.
            method: Upper case.
            path: Decoded.
            query: The query string.
            headers: Names in small letters.
            body: The whole body.
            app: The handler.
        """
        self = _new(Request)
        self.method = method
        self.path = path
        self.raw_query = query
        self.raw_headers = headers
        self.app = app
        self.policy = policy = app.policy
        self._channel = channel
        self._body = body
        if body and (len(body) > policy.max_memory_bytes or len(body) > policy.max_body_bytes):
            # Let it be read as if it still came in, so that the limits are looked at where they always are.
            self._body = None
            self._receive = _received(body)
        return self

    # What came

    @property
    def headers(self) -> Headers:
        """The headers, case-blind."""
        if self._headers is None:
            self._headers = Headers(self.raw_headers)
        return self._headers

    @property
    def query(self) -> query_strings.QueryParams:
        """The parameters of the query string; ``query["q"]``, ``query.getlist("tag")``."""
        if self._query is None:
            self._query = query_strings.QueryParams(self.raw_query, limit=self.policy.max_fields)
        return self._query

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies by name."""
        if self._cookies is None:
            found = b""
            for name, value in self.raw_headers:
                if name == b"cookie":
                    # HTTP/2 may send one cookie a header (RFC 9113, 8.2.3).
                    found = b"%b; %b" % (found, value) if found else value
            self._cookies = parse_cookies(found.decode("latin-1")) if found else {}
        return self._cookies

    @property
    def content_type(self) -> str:
        """The media type of the body, lower case, without parameters."""
        return forms.parse_content_type(self.headers.get("content-type", ""))[0]

    @property
    def scope(self) -> Scope:
        """The ASGI scope; built from the parts when the protocol class made this request."""
        if self._scope is None:
            path = self.root_path + self.path
            self._scope = {
                "type": "http",
                "asgi": {"version": "3.0", "spec_version": "2.3"},
                "http_version": self.http_version,
                "method": self.method,
                "scheme": self.scheme,
                "path": path,
                "raw_path": quote(path).encode("ascii"),
                "root_path": self.root_path,
                "query_string": self.raw_query,
                "headers": self.raw_headers,
                "client": self.client,
                "server": self.server,
                "state": {},
            }
        return self._scope

    # The body

    async def body(self) -> bytes:
        """Return the whole body; read once and kept.

        Raises:
            PayloadTooLarge: It is larger than ``DATA_UPLOAD_MAX_MEMORY_SIZE``.
            RequestTimeout: It came too slowly.
        """
        if self._body is None:
            if self._streamed:
                raise RuntimeError(
                    "The body of this request was streamed already; read it once, by stream() or by body()."
                )
            limit = min(self.policy.max_memory_bytes, self.policy.max_body_bytes)
            bodies.check_length(self.raw_headers, limit)
            self._streamed = True
            if self._receive is None:
                self._body = b""
            else:
                self._body = await bodies.read_body(self._receive, self.policy, limit=limit)
        return self._body

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, keeping nothing; for bodies larger than memory should hold."""
        if self._body is not None:
            yield self._body
            return
        if self._streamed:
            raise RuntimeError("The body of this request was streamed already; read it once, by stream() or by body().")
        self._streamed = True
        limit = self.policy.max_body_bytes
        bodies.check_length(self.raw_headers, limit)
        if self._receive is not None:
            async for chunk in bodies.stream_body(self._receive, self.policy, limit=limit):
                yield chunk

    async def json(self) -> Any:
        """Return the body read as JSON; read once and kept.

        Raises:
            BadRequest: It is no valid JSON, or an object of it has a key twice.
        """
        if self._json is _UNSET:
            raw = await self.body()
            try:
                self._json = json.loads(raw)
            except (ValueError, RecursionError) as error:
                raise BadRequest(f"The body is not valid JSON: {error}") from error
            from covet.accel import duplicate_key  # commands that answer no request do without it

            if (twice := duplicate_key(raw)) is not None:
                self._json = _UNSET
                raise duplicate_key_refused(twice)
        return self._json

    async def form(self, *, upload_handlers: Sequence[UploadHandler] | None = None) -> forms.FormData:
        """Return the fields and files of a form; read once and kept. A body of any other kind gives an empty form.

        Args:
            upload_handlers: What sees the files arrive, in place of those of ``FILE_UPLOAD_HANDLERS``.
        """
        if self._form is None:
            content_type = self.headers.get("content-type", "")
            try:
                if self.content_type == "application/x-www-form-urlencoded":
                    # Such a body is kept, so that whoever reads it after a check of its token still can.
                    await self.body()
                if upload_handlers is None:
                    upload_handlers = [make(self) for make in self.policy.upload_handlers]
                self._form = await forms.parse_form(content_type, self.stream(), self.policy, upload_handlers)
                self._cleanup = self._cleanup or True
            except UnsupportedMediaType:
                self._form = forms.FormData()
        return self._form

    @property
    def form_read(self) -> forms.FormData | None:
        """The form, where something has read it; for pages that show what was sent."""
        return self._form

    @property
    def json_read(self) -> Any:
        """The value of the JSON body, where something has read it; else ``None``."""
        return None if self._json is _UNSET else self._json

    async def close(self) -> None:
        """Start what was to run after the answer, and close the files of a form; the server does it then."""
        told, self._cleanup = self._cleanup, False
        if self._background is not None:
            tasks, self._background = self._background, None
            running.start(tasks)
        try:
            if self._form is not None:
                await self._form.close()
        finally:
            if not isinstance(told, bool):
                await told(self)

    async def abandon(self) -> None:
        """Close what was opened, and start nothing: the view was cancelled, or its answer broke off."""
        self.discard_background()
        await self.close()

    def call_at_close(self, function: Callable[[Request], Awaitable[None]]) -> None:
        """Call a function once the request is over, whatever became of it; of several, the last one first."""
        before = self._cleanup
        if isinstance(before, bool):
            self._cleanup = function
            return

        async def both(request: Request) -> None:
            try:
                await function(request)
            finally:
                await before(request)

        self._cleanup = both

    def run_after(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        """Call a function once the answer has been sent; not if the view fails.

        Args:
            function: Sync (it runs in a thread) or async. What it raises is logged.
            args: Its arguments.
            kwargs: Its arguments by name.
        """
        self.background_tasks.add(function, *args, **kwargs)

    @property
    def background_tasks(self) -> BackgroundTasks:
        """What runs once the answer has been sent; not if the view fails."""
        if self._background is None:
            self._background = BackgroundTasks()
            self._cleanup = self._cleanup or True
        return self._background

    def discard_background(self) -> None:
        """Forget what was to run after the answer, as the request has failed."""
        self._background = None

    async def send_early_hints(self, *links: str) -> bool:
        """Tell the browser what to fetch while the answer is being made (103, RFC 8297).

        Args:
            links: Values of ``Link``, such as ``"</static/site.css>; rel=preload; as=style"``.

        Returns:
            Whether the server could send them; an answer without them is the same.
        """
        channel, raw = self._channel, [raw_value(link) for link in links]
        if channel is None or not raw:
            return False
        if hasattr(channel, "early_hints"):
            return bool(channel.early_hints(raw))
        if "http.response.early_hint" not in (self.extension("extensions") or ()):
            return False
        await channel({"type": "http.response.early_hint", "links": raw})
        return True

    def get_signed_cookie(
        self, name: str, default: Any = _UNSET, *, salt: str = "", max_age: float | timedelta | None = None
    ) -> Any:
        """Return the value of a cookie that ``response.set_signed_cookie()`` has set.

        Args:
            name: Its name.
            default: What is returned when it is not there, was changed, or is too old.
            salt: As it was signed with.
            max_age: How old it may be.

        Raises:
            KeyError: It is not there, and there is no default.
            BadSignature: It was changed, or is older than ``max_age`` (``SignatureExpired``).
        """
        from covet.signing import BadSignature, TimestampSigner

        try:
            return TimestampSigner(signed_cookie_salt(name, salt)).unsign(self.cookies[name], max_age=max_age)
        except (KeyError, BadSignature):
            if default is not _UNSET:
                return default
            raise

    async def disconnected(self) -> None:
        """Wait until the client has gone; for a view that works long and wants to stop then."""
        if self._receive is None:
            # The protocol class cancels the view itself when the connection is lost.
            await asyncio.get_running_loop().create_future()
            return
        await self.body()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    # Who and where

    @property
    def has_session(self) -> bool:
        """Whether a session was set."""
        return self._make_session is not None or "session" in self.__dict__

    @property
    def has_user(self) -> bool:
        """Whether a user (or an anonymous one) was set."""
        return self._make_user is not None or "user" in self.__dict__

    @property
    def state(self) -> State:
        """A place for what middleware hands on."""
        if self._state is None:
            self._state = State()
            if self._scope is not None and self._scope.get("state"):
                self._state._outer = self._scope["state"]
        return self._state

    @property
    def csp_nonce(self) -> str:
        """The nonce for scripts and styles of this answer; ``ContentSecurityPolicyMiddleware`` allows it once it is asked for."""
        if self._csp_nonce is None:
            self._csp_nonce = secrets.token_urlsafe(18)
        return self._csp_nonce

    @property
    def has_csp_nonce(self) -> bool:
        """Whether anything has asked for the nonce."""
        return self._csp_nonce is not None

    def extension(self, name: str) -> Any:
        """Return what the server put into the scope under a name, or ``None``; no scope is built for it."""
        return None if self._scope is None else self._scope.get(name)

    @property
    def is_secure(self) -> bool:
        """Whether the client came by https, a believed proxy's word included."""
        header = self.policy.secure_proxy_header
        if header is not None:
            told = self.headers.get(header[0])
            if told is not None:
                return told.split(",")[0].strip() == header[1]
        return self.scheme == "https"

    @property
    def host(self) -> str:
        """The host the client asked for, with its port, unchecked; use ``get_host()`` to build links."""
        if self.policy.use_forwarded_port:
            port = self.headers.get("x-forwarded-port", "").split(",")[0].strip()
            if port.isascii() and port.isdigit() and len(port) <= 5:
                return proxies.with_port(self._told_host(), port, "https" if self.is_secure else "http")
        return self._told_host()

    def _told_host(self) -> str:
        if self.policy.use_forwarded_host:
            forwarded = self.headers.get("x-forwarded-host")
            if forwarded:
                return forwarded.split(",")[0].strip()
        hosts = self.headers.getlist("host")
        if hosts and hosts[0]:
            # Two are no host: a proxy may have believed the other one.
            return hosts[0] if len(hosts) == 1 else ", ".join(hosts)
        if self.server is None:
            return ""
        name, port = self.server
        usual = 443 if self.scheme == "https" else 80
        return name if port in (None, usual) else f"{name}:{port}"

    def get_host(self) -> str:
        """Return the host the client asked for.

        Raises:
            DisallowedHost: ``ALLOWED_HOSTS`` does not list it.
        """
        host = self.host
        if not is_allowed_host(host, self.policy.allowed_hosts):
            raise DisallowedHost(host)
        return host

    def get_full_path(self) -> str:
        """Return path and query string, as the client wrote them in its address."""
        path = quote(self.root_path + self.path, safe="/~!$&'()*+,;=:@")
        return f"{path}?{self.raw_query.decode('latin-1')}" if self.raw_query else path

    def build_absolute_uri(self, location: str | None = None) -> str:
        """Return a full address on this host; without a location, that of this request."""
        base = f"{'https' if self.is_secure else 'http'}://{self.get_host()}"
        return urljoin(base + self.get_full_path(), self.get_full_path() if location is None else location)

    # What the client would like

    @property
    def accepts_html(self) -> bool:
        """Whether a person's browser asks; errors are pages then, else problem documents."""
        return negotiation.prefers_html(self.headers.combined("accept", ""))

    def accepts(self, media_type: str) -> bool:
        """Return whether the client takes this media type."""
        return negotiation.best_match(self.headers.combined("accept", ""), [media_type]) is not None

    def get_preferred_type(self, media_types: list[str]) -> str | None:
        """Return the one of these media types that the client likes best, or ``None`` when it takes none."""
        return negotiation.best_match(self.headers.combined("accept", ""), media_types)

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path}>"


for _name in INSTEAD:
    setattr(Request, _name, Absent(_name))


def _received(body: bytes) -> Receive:
    """Return a ``receive`` that gives a body which is there already."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
