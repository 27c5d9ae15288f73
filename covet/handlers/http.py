"""One request to one response: middleware chain, routes, view. Built once from values; a request only runs it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from covet.apps.draining import draining
from covet.handlers.errors import ErrorResponder
from covet.http.errors import HTTPException
from covet.http.exception_handlers import Handlers
from covet.http.policy import DEFAULT_POLICY, RequestPolicy
from covet.http.request import Request
from covet.http.response import Response
from covet.loading import late_module
from covet.middleware.base import SAFE, GetResponse
from covet.middleware.chain import Hooks, fold
from covet.middleware.skipping import by_route, choosing
from covet.signals import got_request_exception
from covet.urls.endpoint import not_a_response
from covet.urls.error_views import ErrorViews
from covet.urls.resolver import CompiledRoute, Resolver

if TYPE_CHECKING:
    from covet.handlers import proxies as believing
    from covet.http.proxies import TrustedProxies
    from covet.types import Message, Receive, Scope, Send
else:
    believing = late_module(__name__, "covet.handlers.proxies", "believing")

__all__ = ["HttpHandler"]

logger = logging.getLogger("covet.request")

NO_HOOKS = Hooks()


class HttpHandler:
    """Answers requests.

    Args:
        resolver: The routes.
        middleware: Dotted names or factories, outermost first.
        policy: The limits that requests are read under.
        debug: Show errors in full.
        wrap_view: Wraps each view call, such as in a transaction; gets the step, returns the step.
        proxies: The proxies that are believed.
        exception_handlers: The project's own answers, by exception.
        error_views: The project's own pages of errors, by status.
        urlconfs: Routes and pages of errors that a middleware may choose in their place, by the name of their module.

    Attributes:
        handle: ``async (request) -> response``; never raises an ``Exception``.
        direct: What answers a GET, by path, where ``handle`` does nothing but look there: for servers that call ``write`` of the
            route themselves. Empty where anything comes before the view.
        layers: The names of the middleware in use.
        urlconfs: As given.
        websocket_hooks: ``process_websocket`` of each of them; the WebSocket handler runs these.
    """

    __slots__ = (
        "__weakref__",
        "debug",
        "direct",
        "errors",
        "handle",
        "layers",
        "policy",
        "proxies",
        "resolver",
        "urlconfs",
        "websocket_hooks",
    )

    def __init__(
        self,
        resolver: Resolver,
        middleware: Sequence[Any] = (),
        *,
        policy: RequestPolicy = DEFAULT_POLICY,
        debug: bool = False,
        wrap_view: Callable[[GetResponse], GetResponse] | None = None,
        proxies: TrustedProxies | None = None,
        exception_handlers: Handlers | None = None,
        error_views: ErrorViews | None = None,
        urlconfs: Mapping[str, tuple[Resolver, ErrorViews]] | None = None,
    ) -> None:
        self.resolver = resolver
        self.urlconfs = urlconfs or {}
        self.proxies = proxies
        self.policy = policy
        self.debug = debug
        self.errors = ErrorResponder(debug=debug, handlers=exception_handlers, sender=type(self), views=error_views)

        def step(hooks: Hooks, resolver: Resolver, errors: ErrorResponder) -> GetResponse:
            if wrap_view is None and hooks == NO_HOOKS:
                return _plain_step(resolver, errors)
            return _step_with_hooks(resolver, hooks, errors, None if wrap_view is None else wrap_view(_call))

        def innermost(hooks: Hooks, left_out: frozenset[str] = frozenset()) -> GetResponse:
            own = step(hooks, resolver, self.errors)
            if not urlconfs:
                return own
            from covet.handlers.urlconfs import by_urlconf  # few projects have any

            others = {
                name: (other, step(hooks, other, replaced(self.errors, views)))
                for name, (other, views) in urlconfs.items()
            }
            return by_urlconf(own, others, self.errors, left_out)

        def fold_without(names: frozenset[str]) -> GetResponse:
            kept = [layer for layer in middleware if layer not in names]
            return fold(kept, partial(innermost, left_out=names), self.errors).call

        chain = fold(middleware, innermost, self.errors)
        chains = by_route(resolver, middleware, fold_without)
        call = choosing(resolver, chain.call, chains) if chains else chain.call
        handle = recording(call) if debug else call
        self.answer_by(handle if proxies is None else believing.trusting(handle, proxies, policy))
        self.layers = chain.layers
        self.websocket_hooks = chain.websocket_hooks

    def answer_by(self, handle: GetResponse) -> None:
        """Take another function for ``handle``; what it leaves out of ``direct`` goes through it."""
        self.handle: GetResponse = handle
        self.direct: Mapping[str, CompiledRoute] = getattr(handle, "direct", {})

    def __call__(self, request: Request) -> Awaitable[Response]:
        """Return the answer to a request."""
        return self.handle(request)

    def routes_of(self, request: Request) -> Resolver:
        """Return the routes that answer a request: those of the module that it was given, else the project's."""
        chosen = self.urlconfs.get(request.__dict__.get("urlconf", ""))
        return self.resolver if chosen is None else chosen[0]

    async def stream(self, request: Request, response: Response, scope: Scope, receive: Receive, send: Send) -> None:
        """Send an answer that is made while it is sent; what goes wrong before its head is an answer still."""
        has_started = False
        task = asyncio.current_task()
        if task is not None:
            draining.streams.add(task)

        async def tracked(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await response.send(scope, receive, tracked)
        except Exception as error:
            if has_started:
                if not isinstance(error, HTTPException):
                    logger.exception("%s %s broke off while it was sent", request.method, request.path)
                    await got_request_exception.send_robust(HttpHandler, request=request, exception=error)
                # The server closes the connection, which tells the client that this was not all.
                raise
            failed = await self.errors(request, error)
            await failed.send(scope, receive, send)
        finally:
            draining.streams.discard(task)


def replaced(errors: ErrorResponder, views: ErrorViews) -> ErrorResponder:
    """Return the same with the pages of another URL module."""
    return ErrorResponder(debug=errors.debug, handlers=errors.handlers, sender=errors.sender, views=views)


def _plain_step(resolver: Resolver, errors: ErrorResponder) -> GetResponse:
    """Return the step that finds the view, calls it and catches its errors, where no middleware has a hook."""
    if resolver.hosts:
        return _step_with_hooks(resolver, NO_HOOKS, errors)
    resolve, plain = resolver.resolve, resolver.plain
    # Asked for by name, and not by ``get``, which CPython 3.11 calls the slow way.
    gets, nothing = plain["GET"], dict[str, CompiledRoute]()

    def answer(request: Request) -> Awaitable[Response]:
        # Not async: hands over the coroutine of the route, so this costs a call and no coroutine.
        # It begins as ``resolve`` does: a call less for most requests.
        method, path = request.method, request.path
        routes = gets if method == "GET" else plain.get(method, nothing)
        if path in routes:
            request.route = route = routes[path]
            answer = route.answer
            return answer(request, {}, errors)
        try:
            route, params = resolve(method, path)
        except Exception as error:
            return errors(request, error)
        request.route = route
        request.path_params = params
        return route.answer(request, params, errors)

    answer.direct = {path: route for path, route in gets.items() if route.write}  # type: ignore[attr-defined]
    return answer


async def _call(request: Request) -> Response:
    """Call the view of the route that was found."""
    route: Any = request.route
    response = await route.endpoint(request, request.path_params)
    if isinstance(response, Response):
        return response
    raise not_a_response(response, route.view)


def _step_with_hooks(
    resolver: Resolver, hooks: Hooks, errors: ErrorResponder, call: GetResponse | None = None
) -> GetResponse:
    """Return the step that finds the view, asks the hooks, calls the view (by ``call``), and catches its errors."""
    resolve, gets = resolver.resolve, resolver.plain["GET"]
    has_hosts = bool(resolver.hosts)

    async def call_view_with_hooks(request: Request) -> Response:
        try:
            if has_hosts:
                below, named = resolver.at(request.get_host())
                route, params = below.resolve(request.method, request.path)
                if route.host_names:
                    params = {**{name: named[name] for name in route.host_names}, **params}
            else:
                path = request.path
                if path in gets and request.method == "GET":  # as ``resolve`` begins: a call less for most requests
                    route, params = gets[path], {}
                else:
                    route, params = resolve(request.method, path)
            request.route = route
            request.path_params = params
            for process_view in hooks.safe_view if request.method in SAFE else hooks.view:
                early = await process_view(request, route.view, (), params)
                if early is not None:
                    return await render(request, early) if early.must_render else early
            try:
                if call is None:  # written out: a coroutine less for each request
                    response = await route.endpoint(request, params)
                    if not isinstance(response, Response):
                        raise not_a_response(response, route.view)
                else:
                    response = await call(request)
                return await render(request, response) if response.must_render else response
            except Exception as error:
                for process_exception in hooks.exception:
                    handled = await process_exception(request, error)
                    if handled is not None:
                        return handled
                raise
        except Exception as error:
            return await errors(request, error)

    async def render(request: Request, response: Response) -> Response:
        for process_template_response in hooks.template:
            response = await process_template_response(request, response)
        return await response.render()

    return call_view_with_hooks


def recording(call: GetResponse) -> GetResponse:
    """Keep the statements of each request, for the debug page; in development only."""
    from covet.db.observe import fresh_log, record_queries

    async def recorded(request: Request) -> Response:
        with fresh_log(), record_queries() as queries:
            request.queries = queries
            return await call(request)

    return recorded
