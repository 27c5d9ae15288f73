"""CovetProtocol: uvicorn's httptools protocol with a short way for small, whole requests.

``uvicorn --http covet.handlers.protocol:CovetProtocol`` (what ``runserver`` and ``serve`` do). A request that takes the
short way goes from the parser straight to the project's handler, with no ASGI scope, queue or event, and its answer is
one write. Both ways give the same answers; the tests of HTTP run on both.

A request that is there as a whole in one packet, and plain, is not even parsed by httptools: ``accel.read_request`` reads it
at one go where ``covet_rust`` is installed. It takes only what httptools would read as the very same request, and leaves
every doubtful byte to it. A view that waits for nothing is called while the packet is read, with no turn of the loop
(``handlers.steps``).

Handed over to uvicorn's own ASGI way, request by request:

- an application that is not Covet's, or is wrapped by a middleware other than uvicorn's ``ProxyHeadersMiddleware``,
- ``Upgrade`` (WebSocket and others), ``Expect: 100-continue``, ``Transfer-Encoding`` (chunked bodies),
- a ``Content-Length`` above 64 KiB,
- a request that arrives while an earlier one of the same connection is being answered (pipelining),
- HTTP versions other than 1.1, targets that are no plain path (``*``, ``http://…``, ``//…``, with ``#`` or not ASCII),
- ``X-Forwarded-*`` headers while uvicorn is to believe proxies, a ``root_path``, trace logging, ``reset_contextvars``,
- an answer that is streamed (``StreamingResponse``, ``FileResponse``, ``EventStream``) is sent by uvicorn's sender.

What uvicorn does with a timer per request is done by one sweep per second over all connections: idle ones are closed
after ``timeout_keep_alive``, and so are heads and small bodies that do not arrive in time, which uvicorn waits for
without end. One whose client takes no byte of its answer for ``RESPONSE_TIMEOUT_S`` is cut. A head larger than 64 KiB, or of
more than 128 headers, is answered with 431, a request beyond ``limit_concurrency`` with 503, what is no HTTP with 400: all of
them problem documents. When the client goes away, the view that works for it is cancelled.
"""

from __future__ import annotations

import asyncio
import logging
import re
import urllib.parse
from typing import TYPE_CHECKING, Any, cast

import httptools
from uvicorn.logging import TRACE_LOG_LEVEL
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from covet.loading import uncollected

# uvicorn asks for this class before it loads the project, and these are a third of what a server runs.
with uncollected():
    from covet.accel import active, read_request, write_answer
    from covet.apps.draining import draining
    from covet.conf import settings
    from covet.handlers.http import HttpHandler
    from covet.handlers.part import HandlersPart
    from covet.handlers.readers import Unread, tell
    from covet.handlers.stand_ins import Cycle, Nowhere, find_application, server_head
    from covet.handlers.steps import Steps
    from covet.http.background import running
    from covet.http.errors import RequestTimeout
    from covet.http.request import Request
    from covet.http.response import ProblemResponse, Response
    from covet.http.status import BODILESS, STATUSES, no_status
    from covet.problems import Problem, problem_for

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

__all__ = ["CovetProtocol"]

MAX_SMALL_BODY = 65536
MAX_HEAD_BYTES = 65536
MAX_HEADERS = 128
HEAD_TIMEOUT_S = 30.0
SWEEP_S = 1.0
# A connection that came just before the end gets this long for the request that is on its way.
LAST_REQUEST_S = 1.0

_HASH = ord("#")
_ALWAYS = frozenset({b"connection", b"content-length", b"transfer-encoding", b"expect", b"upgrade"})
_FORWARDED = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port"})

# Its Python twin takes longer than httptools does.
READS_PLAIN = active()["read_request"] == "rust"
_METHODS = {name.encode(): name for name in ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")}

# What a connection is doing: nothing, reading a head, reading a small body, answering.
_IDLE, _HEAD, _BODY, _BUSY = range(4)


# The scheme and authority of a target in absolute form.
_ORIGIN = re.compile(rb"(?!/).*?://[^/?#]*", re.DOTALL)


def _with_path(url: bytes) -> bytes:
    """Return a target with a path: ``http://host?query`` has none, and is ``http://host/?query`` (RFC 9110, 4.2.3)."""
    origin = _ORIGIN.match(url)
    if origin is None or url.startswith(b"/", origin.end()):
        return url
    return b"%b/%b" % (origin[0], url[origin.end() :])


class CovetProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        application, is_proxied = find_application(self.app)
        if self.root_path or config.reset_contextvars or self.logger.getEffectiveLevel() <= TRACE_LOG_LEVEL:
            application = None
        self.application = application
        self.is_proxied = is_proxied
        self.special = _ALWAYS | _FORWARDED if is_proxied else _ALWAYS
        self.short = Cycle()
        self.stage = _IDLE
        # Counts what happens, so that the sweep sees that nothing did: no request asks for the time.
        self.turns = 0
        self.seen = (-1, _IDLE)
        self.since = 0.0
        # How often writing had to wait for the client.
        self.pauses = 0
        self.is_last = False
        self.by_uvicorn = False
        self.head_bytes = 0
        self.is_large = False
        self.says_connection = False
        self.body: bytes | bytearray = b""
        self.steps: Steps
        # Between two requests: the parser waits for the first byte of the next one.
        self.is_between = True
        self.reads_plain = READS_PLAIN and application is not None and self.limit_concurrency is None
        self.running: asyncio.Task[None] | None = None
        self.streaming: RequestResponseCycle | None = None

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take the connection in, and see that the sweep runs."""
        super().connection_made(transport)
        self.is_last = draining.is_draining
        self.steps = _Sweeper.watch(self).steps

    def shutdown(self) -> None:
        """Stop after the answer that is being made, or after the request that is on its way; else at once."""
        self.is_last = True
        if self.application is not None and not draining.is_managed and self.stage == _BUSY:
            # uvicorn by itself waits as long as it takes, or has a time of its own.
            self.loop.call_later(settings.SHUTDOWN_GRACE_S, self._give_up)
        if self.application is None or self.stage == _BUSY or (self.stage == _IDLE and self.turns):
            super().shutdown()
        else:
            self.loop.call_later(LAST_REQUEST_S, self._close_unless_busy)

    def _give_up(self) -> None:
        if self.running is not None:
            self.running.cancel()

    def _close_unless_busy(self) -> None:
        if self.stage != _BUSY:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the view: nobody waits for its answer."""
        super().connection_lost(exc)
        if not self.connections:
            self.steps.close()
        if self.streaming is not None:
            # The sender notices by itself, and closes what it reads from.
            self.streaming.disconnected = not self.streaming.response_complete
            self.streaming.message_event.set()
        elif self.running is not None:
            self.running.cancel()

    def pause_writing(self) -> None:
        """Let what writes wait: the client takes less than it is given."""
        self.pauses += 1
        super().pause_writing()

    def data_received(self, data: bytes) -> None:
        """Take a request that is there as a whole and plain; feed the parser with all else."""
        if self.is_between and self.stage == _IDLE and self.reads_plain:
            plain = read_request(data, self.is_proxied)
            if plain is not None:
                short = self.cycle = self.short  # type: ignore[assignment]  # has what uvicorn asks of one
                short.keep_alive = not self.is_last
                self._begin(*plain)
                return
        # Only then can a head be too large; to count each header of each request is what costs.
        self.is_large = len(data) + self.head_bytes > MAX_HEAD_BYTES
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.is_between = False
            if self._should_upgrade():
                self.handle_websocket_upgrade()
            else:
                self._unsupported_upgrade_warning()
        except httptools.HttpParserError:
            message = "Invalid HTTP request received."
            self.is_between = False
            self.logger.warning(message)
            if self._gives_up_body():
                # No answer is on its way any more.
                self.stage = _HEAD
            if self.application is None and self.stage != _BUSY:
                self.send_400_response(message)
            else:
                self._refuse(400, message)
            return
        if self.stage == _HEAD:
            self.head_bytes += len(data)
            if self.head_bytes > MAX_HEAD_BYTES:
                # A head that never ends: the parser has not handed its parts over yet.
                self._refuse(431, "The head of the request is too large.")

    def _gives_up_body(self) -> bool:
        """Stop the request whose body turned out to be broken, if nothing of its answer has been sent."""
        cycle = self.cycle
        if (
            self.stage != _BUSY
            or not isinstance(cycle, RequestResponseCycle)
            or not cycle.more_body
            or cycle.response_started
            or self.pipeline
        ):
            return False
        cycle.disconnected = True
        cycle.message_event.set()
        return True

    # The parser's calls

    def on_message_begin(self) -> None:
        """Start a request; one that comes while another is answered is uvicorn's."""
        self.is_between = False
        self.url = b""
        self.headers = []
        self.head_bytes = 0
        self.says_connection = False
        if self.stage == _BUSY or self.application is None:
            self.by_uvicorn = True
        else:
            self.by_uvicorn = False
            self.stage = _HEAD

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        name = name.lower()
        self.headers.append((name, value))
        if name in self.special:
            self._special(name, value)

    def _special(self, name: bytes, value: bytes) -> None:
        if name == b"content-length":
            # The parser has refused what is no number, or one beyond 64 bits.
            if int(value) > MAX_SMALL_BODY:
                self.by_uvicorn = True
        elif name == b"connection":
            self.says_connection = True
        else:
            self.by_uvicorn = True

    def on_headers_complete(self) -> None:
        """Decide which way this request goes."""
        if self.transport.is_closing():
            # The answer before it has said so: whatever comes behind is processed no more (RFC 9112, 9.6).
            self.by_uvicorn = False
            return
        if len(self.headers) > MAX_HEADERS or (self.is_large and self._head_size() > MAX_HEAD_BYTES):
            self._refuse(431, "The head of the request is too large.")
            return
        if self.limit_concurrency is not None and self.stage == _HEAD and self._is_full(self.limit_concurrency):
            self._refuse(503, "The server has as many requests at once as it takes. Try again later.")
            return
        keep_alive = self.parser.should_keep_alive() and not self.is_last
        if not self.by_uvicorn:
            url = self.url
            if (
                not url.startswith(b"/")
                or url.startswith(b"//")
                or _HASH in url  # a number: it takes a tenth of what bytes would
                or not url.isascii()
                # HTTP/1.0 stays open only if the client says so; to ask for the version builds a text each time.
                or ((self.says_connection or not keep_alive) and self.parser.get_http_version() != "1.1")
            ):
                self.by_uvicorn = True
        if self.by_uvicorn:
            self._hand_over()
            return
        self.stage = _BODY
        self.body = b""
        short = self.short
        short.keep_alive = keep_alive
        self.cycle = short  # type: ignore[assignment]  # has what uvicorn asks of one

    def _is_full(self, limit: int) -> bool:
        return len(self.connections) >= limit or len(self.tasks) >= limit

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _hand_over(self) -> None:
        """Let uvicorn begin this request as if it had done so from the first byte."""
        before, self.stage = self.stage, _BUSY
        headers, url = self.headers, _with_path(self.url)
        super().on_message_begin()
        self.headers.extend(headers)
        self.url = url
        self.expect_100_continue = any(
            name == b"expect" and value.lower() == b"100-continue" for name, value in headers
        )
        try:
            super().on_headers_complete()
        except BaseException:
            # The target is no address, which data_received answers, unless another answer is on its way.
            self.stage = before
            raise
        if any(name == b"transfer-encoding" for name, _ in headers):
            # uvicorn would put the fields behind a chunked body among the headers, past every check of them.
            self.headers = Nowhere()
        if self.is_last:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        if self.by_uvicorn:
            super().on_body(body)
        elif not self.body:
            self.body = body
        else:
            if not isinstance(self.body, bytearray):
                self.body = bytearray(self.body)
            self.body += body

    def on_message_complete(self) -> None:
        """Start the view."""
        self.is_between = True
        if self.by_uvicorn:
            super().on_message_complete()
            return
        if self.stage != _BODY:
            # Refused while it arrived.
            return
        parser = self.parser
        raw_path, _, query = self.url.partition(b"?")
        body = self.body
        method = parser.get_method()
        self._begin(
            _METHODS.get(method) or method.decode("ascii"),
            raw_path.decode("ascii"),
            query,
            self.headers,
            body if type(body) is bytes else bytes(body),
        )

    def _begin(self, method: str, path: str, query: bytes, headers: list[tuple[bytes, bytes]], body: bytes, /) -> None:
        """Start the view of a request that is there as a whole."""
        if "%" in path:
            path = urllib.parse.unquote(path)
        assert self.application is not None
        handler = self.application.apps.part(HandlersPart).handler
        request = Request.from_connection(self, method, path, query, headers, body, handler)
        self.short.response_complete = False
        self.stage = _BUSY
        task = self.steps.start(self._answer(handler, request))
        if task is not None:
            self.running = task
            self.tasks.add(task)

    # The answer

    async def _answer(self, handler: HttpHandler, request: Request) -> None:
        is_answered = False
        try:
            response = await handler.handle(request)
            if response.status not in STATUSES:
                response = await handler.errors(request, no_status(response.status))
            if response.is_streaming:
                is_answered = True
                await self._stream(handler, request, response)
            else:
                if self.flow.write_paused:
                    await self.flow.drain()
                if not self.transport.is_closing():
                    self._write(request, response)
                    is_answered = True
                    if request._cleanup:
                        await request.close()
                    if response.background is not None:
                        running.start(response.background)
        finally:
            if request._cleanup:
                # The client left, or nothing more could be sent.
                await request.abandon()
            if self.running is not None:
                # It waited, and so may one that came behind it, which goes on.
                task = asyncio.current_task()
                self.tasks.discard(task)
                if self.running is task:
                    self.running = None
            if not is_answered:
                # Cancelled, or the transport was closed meanwhile.
                self.short.response_complete = True
                self.stage = _IDLE
                if not self.transport.is_closing():
                    self.transport.close()

    def _write(self, request: Request, response: Response) -> None:
        """Write head and body at once, and make the connection ready for what comes next."""
        status = response.status
        # uvicorn makes a new list each second; while it is the same object, so are its bytes.
        defaults = self.server_state.default_headers
        is_bodiless = status in BODILESS
        answer, closes = write_answer(
            STATUS_LINE[status],
            server_head.joined if server_head.source is defaults else server_head.join(defaults),
            response.raw_headers,
            response.body,
            not is_bodiless,
            not is_bodiless and request.method != "HEAD",
            not self.short.keep_alive,
        )
        if self.access_log:
            self._log(request, status)
        self.transport.write(answer)
        self.short.response_complete = True
        self.stage = _IDLE
        self.turns += 1
        self.server_state.total_requests += 1
        if closes:
            self.transport.close()
        elif self.pipeline:
            self._next()

    def _log(self, request: Request, status: int) -> None:
        path = urllib.parse.quote(request.path)
        if request.raw_query:
            path = f"{path}?{request.raw_query.decode('ascii', 'replace')}"
        address = f"{request.client[0]}:{request.client[1]}" if request.client else ""
        self.access_logger.info('%s - "%s %s HTTP/%s" %d', address, request.method, path, "1.1", status)

    def early_hints(self, links: list[bytes]) -> bool:
        """Write a 103 in front of the answer that is being made."""
        if self.stage != _BUSY or self.short.response_complete or self.transport.is_closing():
            return False
        lines = b"".join(b"link: %b\r\n" % link for link in links)
        self.transport.write(b"HTTP/1.1 103 Early Hints\r\n%b\r\n" % lines)
        return True

    async def _stream(self, handler: HttpHandler, request: Request, response: Response) -> None:
        """Send a streamed answer by uvicorn's sender, which knows chunks and back-pressure."""
        cycle = RequestResponseCycle(
            scope=cast(Any, request.scope),
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=self.short.keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        self.streaming = cycle
        if self.cycle is self.short:  # type: ignore[comparison-overlap]  # unless a queued request has taken the place
            self.cycle = cycle
        self.short.response_complete = True
        receive, send = cast(Any, cycle.receive), cast(Any, cycle.send)
        try:
            await handler.stream(request, response, request.scope, receive, send)
        except Exception:
            # Logged where it happened; the cut connection tells the client that this was not all.
            self.transport.close()
        except BaseException:
            self.transport.close()
            raise
        finally:
            self.streaming = None
            if not cycle.response_complete:
                self.transport.close()
            if request._cleanup:
                await (request.close() if cycle.response_complete else request.abandon())
            if response.background is not None and cycle.response_complete:
                running.start(response.background)

    def on_response_complete(self) -> None:
        """Go on after an answer that uvicorn sent; the sweep takes the place of its timer."""
        self.server_state.total_requests += 1
        self.turns += 1
        self.stage = _IDLE
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        self._next()

    def _next(self) -> None:
        """Start a request that was queued behind the one just answered."""
        if self.pipeline:
            self.flow.resume_reading()
            cycle, app = self.pipeline.pop()
            self.stage = _BUSY
            self._start_asgi_task(cycle, app)

    # What goes wrong on the way in

    def _refuse(self, status: int, detail: str) -> None:
        """Answer a request that was not taken in as a whole, and close."""
        if self.stage == _BUSY:
            # An answer is on its way; bytes in front of it would be taken for it.
            self.transport.close()
            return
        self._send_last(ProblemResponse(Problem(status, detail=detail)))

    def _send_last(self, response: Response) -> None:
        if self.transport.is_closing():
            return
        self.by_uvicorn = self.reads_plain = False
        self.stage = _IDLE
        self.short.response_complete = True
        out = [STATUS_LINE[response.status], server_head.join(self.server_state.default_headers)]
        for name, value in response.final_headers():
            if name != b"connection":
                out += (name, b": ", value, b"\r\n")
        out += (b"connection: close\r\n\r\n", response.body)
        self.transport.write(b"".join(out))
        self.transport.close()

    def cut_unread(self, unread: Unread, now: float) -> None:
        """Cut this connection if its client does not read, even while it is being closed: that waits for the client."""
        waited = unread.waited(self, now)
        if waited and self.application is not None:
            timeout_s = self.application.handler.policy.response_timeout_s
            if timeout_s and waited >= timeout_s:
                tell(self.client, timeout_s)
                self.transport.abort()

    def sweep(self, now: float) -> None:
        """Close this connection if it waits for nothing any more; called once a second."""
        if self.transport is None or self.transport.is_closing():
            return
        seen = (self.turns, self.stage)
        if seen != self.seen:
            self.seen, self.since = seen, now
        waited = now - self.since
        if self.stage == _IDLE:
            if waited >= (self.timeout_keep_alive if self.turns else HEAD_TIMEOUT_S):
                self.transport.close()
        elif self.stage == _HEAD:
            if waited >= HEAD_TIMEOUT_S:
                self._send_last(ProblemResponse(problem_for(RequestTimeout())))
        elif self.stage == _BODY:
            assert self.application is not None
            if waited >= self.application.handler.policy.body_timeout_s:
                self._send_last(ProblemResponse(problem_for(RequestTimeout())))


class _Sweeper:
    """One timer for all connections of a server; it stops when there are none."""

    by_state: dict[int, _Sweeper] = {}

    def __init__(self, state: ServerState, loop: asyncio.AbstractEventLoop) -> None:
        self.state = state
        self.loop = loop
        self.unread = Unread()
        self.steps = Steps(loop)
        loop.call_later(SWEEP_S, self.run)

    @classmethod
    def watch(cls, protocol: CovetProtocol) -> _Sweeper:
        """See that a connection is swept."""
        key = id(protocol.server_state)
        if key not in cls.by_state or cls.by_state[key].loop is not protocol.loop:
            cls.by_state[key] = cls(protocol.server_state, protocol.loop)
        return cls.by_state[key]

    def run(self) -> None:
        """Sweep, and come again in a second if there is anything to come for."""
        connections = [each for each in self.state.connections if isinstance(each, CovetProtocol)]
        if not connections:
            if self.by_state.get(id(self.state)) is self:
                del self.by_state[id(self.state)]
            return
        now = self.loop.time()
        self.unread.forget_others(connections)
        for connection in connections:
            try:
                connection.sweep(now)
                connection.cut_unread(self.unread, now)
            except Exception:
                logger.exception("A connection could not be swept")
        self.loop.call_later(SWEEP_S, self.run)


logger = logging.getLogger("covet.server")
