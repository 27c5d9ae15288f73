"""AsyncClient: HTTP against the project, in this process and this event loop, with no socket.

It is httpx's client, so cookies, redirects and streams are httpx's; what is added: exceptions of views are raised where
the test made the request, CSRF is not asked for unless the test wants it, and a user can be logged in at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import httpx

from covet.apps import apps
from covet.handlers.application import Application, application_of
from covet.http.background import running
from covet.http.errors import DisallowedHost, HTTPException
from covet.http.foreign import Absent
from covet.http.request import Request
from covet.http.streaming import ServerEvent
from covet.templates.environment import rendered
from covet.types import ASGIApp, Message, Scope

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from covet.sessions.base import Session
    from covet.test.websocket import WebSocketSession
    from covet.urls.resolver import CompiledRoute

__all__ = ["AsyncClient", "InProcessTransport", "TestResponse"]


class AsyncClient(httpx.AsyncClient):
    """A client of the project under test.

    Args:
        app: The ASGI application; the installed apps' when left out.
        raise_request_exception: Raise what a view raised, where it became a 500; off, the test sees the 500.
        enforce_csrf_checks: Ask for CSRF tokens as for a browser.
        headers: Sent with each request.
        client_address: The address that the request comes from.
        options: What ``httpx.AsyncClient`` takes.
    """

    def __init__(
        self,
        app: ASGIApp | None = None,
        *,
        raise_request_exception: bool = True,
        enforce_csrf_checks: bool = False,
        headers: Mapping[str, str] | None = None,
        client_address: tuple[str, int] = ("127.0.0.1", 50000),
        **options: Any,
    ) -> None:
        self.app: ASGIApp = app if app is not None else Application(apps).serve
        transport = InProcessTransport(
            self.app,
            raise_request_exception=raise_request_exception,
            enforce_csrf_checks=enforce_csrf_checks,
            client_address=client_address,
        )
        options.setdefault("base_url", "http://testserver")
        super().__init__(transport=transport, headers=dict(headers or {}), **options)

    credentials = Absent("credentials", 'client.headers["Authorization"] = "Bearer …"', "A client")
    force_authenticate = Absent("force_authenticate", "await client.force_login(user)", "A client")

    async def force_login(self, user: Any, backend: str | None = None) -> None:
        """Log a user in without a password: the next requests carry its session's cookie.

        Args:
            user: Who.
            backend: The dotted path of an authentication backend; by default the first that can load users.
        """
        from covet.conf import settings
        from covet.test.login import session_cookie

        name, value = await session_cookie(self._take_cookie(settings.SESSION_COOKIE_NAME), user, backend)
        self._set_cookie(name, value)

    async def session(self) -> Session:
        """Return this client's session, to look into or to change: ``session["basket"] = […]``, ``await session.save()``.

        A client without a session gets an empty one, whose cookie goes with the next requests.
        """
        from covet.conf import settings
        from covet.test.login import open_session

        session = await open_session(self._cookie(settings.SESSION_COOKIE_NAME))
        assert session.key is not None
        self._take_cookie(settings.SESSION_COOKIE_NAME)
        self._set_cookie(settings.SESSION_COOKIE_NAME, session.key)
        return session

    async def login(self, **credentials: Any) -> bool:
        """Log in by credentials, as ``authenticate()`` takes them; return whether they are good."""
        from covet.auth import authenticate

        user = await authenticate(None, **credentials)
        if user is None:
            return False
        await self.force_login(user)
        return True

    @asynccontextmanager
    async def events(self, url: str, **options: Any) -> AsyncIterator[AsyncIterator[ServerEvent]]:
        """Open a stream of server-sent events: ``async with client.events("/news") as events``, then ``await anext(events)``.

        Args:
            url: Its address.
            options: As ``client.stream()`` takes them; ``headers={"Last-Event-ID": …}`` goes on after an event.

        Raises:
            httpx.HTTPStatusError: The answer is an error.
            TypeError: The answer is no event stream.
        """
        async with self.stream("GET", url, **options) as answer:
            answer.raise_for_status()
            kind = answer.headers.get("content-type", "")
            if not kind.startswith("text/event-stream"):
                raise TypeError(f"{url} answered with {kind or 'no type'}, which is no event stream.")
            yield _read_events(answer.aiter_lines())

    async def logout(self) -> None:
        """Log out as a visitor would: the session is deleted where it is kept, and all cookies are forgotten."""
        from covet.conf import settings
        from covet.test.login import end_session

        key = self._cookie(settings.SESSION_COOKIE_NAME)
        if key:
            await end_session(key)
        self.cookies.clear()

    def websocket(
        self, url: str, *, headers: Mapping[str, str] | None = None, subprotocols: Sequence[str] = ()
    ) -> AbstractAsyncContextManager[WebSocketSession]:
        """Open a WebSocket to the same project, with this client's cookies: ``async with client.websocket("/ws/") as ws``.

        Raises:
            WebSocketRejected: The handshake was refused; it has the ``status``.
        """
        from covet.test.websocket import connect

        cookies = {cookie.name: cookie.value or "" for cookie in self.cookies.jar}
        return connect(url, app=self.app, headers=headers, cookies=cookies, subprotocols=subprotocols)

    def _set_cookie(self, name: str, value: str) -> None:
        # The domain is spelled as the jar spells it, so that a cookie of an answer replaces this one.
        host = self.base_url.host
        self.cookies.set(name, value, domain=host if "." in host else f"{host}.local")

    def _cookie(self, name: str) -> str | None:
        """Return the value of a cookie, whatever domain set it."""
        return next((cookie.value for cookie in self.cookies.jar if cookie.name == name), None)

    def _take_cookie(self, name: str) -> str | None:
        """Remove a cookie, whatever domain set it, and return its value."""
        value = None
        for cookie in list(self.cookies.jar):
            if cookie.name == name:
                value = cookie.value
                self.cookies.jar.clear(cookie.domain, cookie.path, cookie.name)
        return value

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await super().__aexit__(exc_type, exc_value, traceback)


class TestResponse(httpx.Response):
    """What ``AsyncClient`` gives: httpx's response, and how it was made.

    Attributes:
        rendered: Each template's name with the context of its page, in the order of rendering: after a page what it extends, includes
            and imports.
        route: The route that answered; ``None`` where there is none.
        path_params: What the route took from the path.
        exceptions: What views raised where it became this 500, for clients with ``raise_request_exception=False``.
    """

    __test__ = False
    body = Absent("body", "response.content, or response.text", "An answer")
    data = Absent("data", "response.json()", "An answer")
    status = Absent("status", "response.status_code", "An answer")
    rendered: list[tuple[str, dict[str, Any]]]
    exceptions: list[Exception]
    route: CompiledRoute | None = None
    path_params: Mapping[str, Any] = MappingProxyType({})

    @property
    def redirect_chain(self) -> list[tuple[str, int]]:
        """The addresses that a client with ``follow_redirects=True`` was sent to, each with the status that sent it."""
        return [(step.headers["location"], step.status_code) for step in self.history]

    @property
    def templates(self) -> list[str]:
        """The names of the templates that were rendered, with those that they extend, include and import."""
        return [name for name, _ in self.rendered]

    @property
    def context(self) -> dict[str, Any] | None:
        """The context of the first template; ``None`` when none was rendered."""
        return self.rendered[0][1] if self.rendered else None


async def _read_events(lines: AsyncIterator[str]) -> AsyncIterator[ServerEvent]:
    """Return the events in these lines; comments such as heartbeats are passed over."""
    data: list[str] = []
    fields: dict[str, str] = {}
    async for line in lines:
        if not line:
            if data or fields:
                retry = fields.get("retry")
                yield ServerEvent("\n".join(data), fields.get("event"), fields.get("id"), int(retry) if retry else None)
            data, fields = [], {}
            continue
        name, _, text = line.partition(":")
        text = text.removeprefix(" ")
        if name == "data":
            data.append(text)
        elif name in ("event", "id", "retry"):
            fields[name] = text


class InProcessTransport(httpx.AsyncBaseTransport):
    """Runs an ASGI application for each request, in a task of its own, and hands its answer over as it comes."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        raise_request_exception: bool = True,
        enforce_csrf_checks: bool = False,
        client_address: tuple[str, int] = ("127.0.0.1", 50000),
    ) -> None:
        self.app = app
        self.raise_request_exception = raise_request_exception
        self.enforce_csrf_checks = enforce_csrf_checks
        self.client_address = client_address

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Run the application until its answer has begun."""
        exchange = _Exchange(request)
        scope = self._scope(request)
        exceptions: list[Exception] = []
        scope["covet.exceptions"] = exceptions
        scope["covet.urlconf"] = []
        seen: list[tuple[str, dict[str, Any]]] = []
        mark = rendered.set(seen)
        try:
            exchange.start(self.app, scope)
        finally:
            rendered.reset(mark)
        try:
            await exchange.begun()
        except BaseException:
            await exchange.aclose()
            raise
        if exceptions and self.raise_request_exception:
            await exchange.aclose()
            raise exceptions[0]
        response = TestResponse(exchange.status, headers=exchange.headers, stream=exchange)
        response.rendered = seen
        response.exceptions = exceptions
        self._note_route(response, scope)
        return response

    def _note_route(self, response: TestResponse, scope: Scope) -> None:
        """Look the request's route up once more: the path of a request keeps nothing for tests."""
        if (application := application_of(self.app)) is None:
            return
        handler = application.handler
        request = Request(scope, app=handler, policy=handler.policy)
        chosen = scope["covet.urlconf"]
        routes = handler.urlconfs[chosen[-1]][0] if chosen else handler.resolver
        try:
            resolver, _ = routes.at(request.get_host())
            response.route, response.path_params = resolver.resolve(request.method, request.path)
        except (DisallowedHost, HTTPException):
            return

    def _scope(self, request: httpx.Request) -> Scope:
        raw_path, _, query = request.url.raw_path.partition(b"?")
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": request.url.scheme,
            "path": unquote(raw_path.decode("ascii")),
            "raw_path": raw_path,
            "root_path": "",
            "query_string": query,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": self.client_address,
            "server": (request.url.host, request.url.port or (443 if request.url.scheme == "https" else 80)),
            "state": {},
            "extensions": {},
        }
        if not self.enforce_csrf_checks:
            scope["covet.csrf_exempt"] = True
        return scope


class _Exchange(httpx.AsyncByteStream):
    """One request and its answer, which is at once the stream of the answer's body."""

    def __init__(self, request: httpx.Request) -> None:
        self.request = request
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._body: AsyncIterator[bytes] | None = None
        # One piece ahead, no more: a test of back-pressure can see the sender wait.
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=1)
        self._begun = asyncio.Event()
        self._gone = asyncio.Event()
        self._is_complete = False
        self._is_read = False
        self._task: asyncio.Task[None] | None = None

    def start(self, app: ASGIApp, scope: Scope) -> None:
        self._task = asyncio.create_task(self._run(app, scope))

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self._receive, self._send)
            # As a test would look at what they have done: the answer ends when they have.
            await running.drain()
        finally:
            self._begun.set()
            if not self._is_complete:
                self._is_complete = True
                if not self._gone.is_set():
                    await self._pieces.put(None)

    async def begun(self) -> None:
        """Wait for the head of the answer.

        Raises:
            Exception: What the application raised instead.
        """
        await self._begun.wait()
        if self.status == 0:
            assert self._task is not None
            await self._task
            raise RuntimeError("The application ended without an answer.")

    async def _receive(self) -> Message:
        if self._body is None:
            stream = self.request.stream
            assert isinstance(stream, httpx.AsyncByteStream)
            self._body = aiter(stream)
        piece = await anext(self._body, None)
        if piece is not None:
            return {"type": "http.request", "body": piece, "more_body": True}
        if not self._is_read:
            self._is_read = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            self._begun.set()
            body = message.get("body", b"")
            if body and self.request.method != "HEAD" and not self._gone.is_set():
                await self._pieces.put(body)
            if not message.get("more_body", False):
                self._is_complete = True
                if not self._gone.is_set():
                    await self._pieces.put(None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            piece = await self._pieces.get()
            if piece is None:
                break
            yield piece
        assert self._task is not None
        await self._task

    async def aclose(self) -> None:
        """Leave: the application sees a disconnect, and has a moment to end."""
        self._gone.set()
        task = self._task
        if task is None:
            return
        while not self._pieces.empty():
            self._pieces.get_nowait()
        if not task.done():
            await asyncio.wait([task], timeout=5)
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if not task.cancelled():
            task.exception()
