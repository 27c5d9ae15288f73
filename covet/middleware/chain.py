"""The middleware of a project folded into one callable, once.

Each layer gets the next one wrapped so that it never raises: what a view or an inner layer raises arrives as a response
already, as in Django, so that outer layers (headers, sessions) see every answer.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias, cast

from msgspec import Struct

from covet.concurrency import is_async, maybe_await, run_sync, signature, to_thread
from covet.exceptions import ImproperlyConfigured
from covet.http.request import Request
from covet.http.response import Response
from covet.loading import import_string
from covet.middleware.base import GetResponse, Middleware, MiddlewareNotUsed

__all__ = ["Chain", "Hooks", "fold"]

logger = logging.getLogger("covet.request")

OnError: TypeAlias = Callable[[Request, Exception], Awaitable[Response]]
ProcessView: TypeAlias = Callable[[Request, Any, tuple[Any, ...], dict[str, Any]], Awaitable[Response | None]]
ProcessException: TypeAlias = Callable[[Request, Exception], Awaitable[Response | None]]
ProcessTemplate: TypeAlias = Callable[[Request, Any], Awaitable[Any]]


class Hooks(Struct, frozen=True):
    """What the innermost step calls round the view.

    Attributes:
        view: ``process_view`` of each layer, outermost first.
        safe_view: Those of them that look at requests of safe methods too; the others are marked by ``unsafe_only``.
        exception: ``process_exception`` of each layer, innermost first.
        template: ``process_template_response`` of each layer, innermost first; it never returns nothing.
    """

    view: tuple[ProcessView, ...] = ()
    safe_view: tuple[ProcessView, ...] = ()
    exception: tuple[ProcessException, ...] = ()
    template: tuple[ProcessTemplate, ...] = ()


class Chain(Struct, frozen=True):
    """The folded middleware.

    Attributes:
        call: Answers a request and never raises an ``Exception``.
        layers: The names of the layers in use, outermost first.
        websocket_hooks: ``process_websocket`` of each layer, outermost first.
    """

    call: GetResponse
    layers: tuple[str, ...]
    websocket_hooks: tuple[Any, ...] = ()


def fold(names: Sequence[Any], innermost: Callable[[Hooks], GetResponse], on_error: OnError) -> Chain:
    """Build the chain.

    A ``process_view`` with a true attribute ``unsafe_only`` is not called for GET, HEAD, OPTIONS and TRACE. A layer with a true
    attribute ``raises_nothing`` is called without the wrapper that turns what it raises into a
    response: it says that all that comes out of it is an answer of what it was given to call. So is one of ours with an attribute
    ``on_error``, which gets the function for it.

    Args:
        names: Dotted names or factories, outermost first.
        innermost: Gets the hooks, returns the step that calls the view, which never raises an ``Exception`` itself.
        on_error: Turns an exception into a response; never raises.

    Raises:
        ImproperlyConfigured: A name cannot be imported or is no middleware.
    """
    view_hooks: list[ProcessView] = []
    exception_hooks: list[ProcessException] = []
    template_hooks: list[ProcessTemplate] = []
    websocket_hooks: list[Any] = []
    layers: list[str] = []
    core = _Later()
    current: GetResponse = core.call
    first: Any = None
    guarded = True
    for name in reversed(names):
        factory = _import(name) if isinstance(name, str) else name
        shown = name if isinstance(name, str) else getattr(factory, "__qualname__", repr(factory))
        try:
            layer, instance = _make(factory, current, shown)
        except MiddlewareNotUsed as reason:
            if str(reason):
                logger.debug("Middleware %s is not used: %s", shown, reason)
            continue
        if hasattr(instance, "process_view"):
            view_hooks.insert(0, _hook(instance.process_view))
        if hasattr(instance, "process_exception"):
            exception_hooks.append(_hook(instance.process_exception))
        if hasattr(instance, "process_template_response"):
            template_hooks.append(_template_hook(_hook(instance.process_template_response), shown))
        if hasattr(instance, "process_websocket"):
            websocket_hooks.insert(0, _hook(instance.process_websocket))
        if not layers:
            first = instance
        layers.insert(0, shown)
        guarded = not getattr(instance, "raises_nothing", False)
        if _is_own(instance) and hasattr(instance, "on_error"):
            # It answers for itself, which saves a coroutine for each request.
            instance.on_error = on_error
            current = layer
        else:
            current = guard(layer, on_error) if guarded else layer
    safe_hooks = [hook for hook in view_hooks if not getattr(hook, "unsafe_only", False)]
    step = innermost(Hooks(tuple(view_hooks), tuple(safe_hooks), tuple(exception_hooks), tuple(template_hooks)))
    if not layers:
        return Chain(step, ())
    core.step = step
    if _is_own(first) and getattr(first, "get_response", None) == core.call:
        # Ours call what they keep: no call in between.
        first.get_response = step
    if not guarded:
        # Nothing stands round the outermost that could answer for it.
        current = guard(current, on_error)
    return Chain(current, tuple(layers), tuple(websocket_hooks))


def _import(name: str) -> Any:
    try:
        return import_string(name)
    except ImproperlyConfigured as error:
        raise ImproperlyConfigured(f"MIDDLEWARE: {error}{_of_django(name)}") from error


def _of_django(name: str) -> str:
    """Return what to write in the place of Django's middleware, if there is the same here."""
    if not name.startswith("django."):
        return ""
    ours = name.replace("django.", "covet.", 1).replace(".contrib.", ".", 1)
    try:
        import_string(ours)
    except ImproperlyConfigured:
        return ""
    return f" Write {ours!r}."


class _Later:
    """The innermost step, known only when all hooks are."""

    step: GetResponse

    def call(self, request: Request) -> Awaitable[Response]:
        # Not async: hands over the step's own awaitable, so this costs a call and no coroutine.
        return self.step(request)


def guard(call: GetResponse, on_error: OnError) -> GetResponse:
    """Return the callable with its exceptions turned into responses."""

    async def guarded(request: Request) -> Response:
        try:
            return await call(request)
        except Exception as error:
            return await on_error(request, error)

    return guarded


def _make(factory: Any, following: GetResponse, shown: str) -> tuple[GetResponse, Any]:
    if not callable(factory):
        raise ImproperlyConfigured(
            f"MIDDLEWARE names {shown}, which is not callable. Name a class or a factory function."
        )
    ours = _is_own(factory)
    if not ours:
        _check_call(factory, shown, "get_response")
    bridge = _Bridge(following)
    is_class = inspect.isclass(factory)
    in_thread = is_class and not is_async(factory.__call__)
    instance = factory(bridge.from_thread if in_thread else (following if is_class else bridge.from_anywhere))
    if instance is None:
        raise ImproperlyConfigured(
            f"The middleware {shown} returned None. Its factory must return an async callable that takes a request."
        )
    if not callable(instance):
        raise ImproperlyConfigured(f"The middleware {shown} made {instance!r}, which cannot be called with a request.")
    if not ours:
        _check_call(instance, shown, "request")
    old = [name for name in ("process_request", "process_response") if hasattr(instance, name)]
    if old and getattr(type(instance), "__call__", None) is Middleware.__call__:  # noqa: B004 - the method, not whether
        raise ImproperlyConfigured(
            f"The middleware {shown} has {old[0]}, which nobody calls. Write async def __call__(self, request), with what comes "
            "before and behind response = await self.get_response(request)."
        )
    if is_async(instance):
        return _checked(instance, shown), instance

    async def call_in_thread(request: Request) -> Response:
        return _is_response(await maybe_await(await to_thread(instance, request)), shown)

    return call_in_thread, instance


def _check_call(function: Any, shown: str, argument: str) -> None:
    """Refuse what cannot be called with the one argument that it gets.

    Raises:
        ImproperlyConfigured: It takes others; the text knows those of other frameworks.
    """
    try:
        takes = signature(function)
    except ValueError:
        return  # made in C, and tells nothing
    try:
        takes.bind(None)
    except TypeError as error:
        if list(takes.parameters)[-3:] == ["scope", "receive", "send"] or "app" in takes.parameters:
            advice = "ASGI middleware stands round the application, in asgi.py: application = Middleware(application)."
        else:
            advice = (
                "Write a class derived from covet.middleware.Middleware, with async def __call__(self, request), in which "
                "await self.get_response(request) goes on."
            )
        raise ImproperlyConfigured(
            f"MIDDLEWARE names {shown}, which is called with {argument} alone: {error}. {advice}"
        ) from error


class _Bridge:
    """``get_response`` for a middleware of which it is not known yet whether it runs in a thread."""

    def __init__(self, following: GetResponse) -> None:
        self.following = following

    def from_thread(self, request: Request) -> Response:
        return run_sync(_awaited(self.following, request))

    def from_anywhere(self, request: Request) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self.from_thread(request)
        return self.following(request)


async def _awaited(following: GetResponse, request: Request) -> Response:
    return await following(request)


def _checked(instance: Any, shown: str) -> GetResponse:
    if _is_own(instance):
        # Ours return responses: no check, and no coroutine for it, on each request. The method is called quicker than
        # what has it.
        return cast(GetResponse, instance.__call__)

    async def checked(request: Request) -> Response:
        return _is_response(await instance(request), shown)

    return checked


def _is_own(value: Any) -> bool:
    kind = value if inspect.isclass(value) else type(value)
    return kind.__module__.startswith("covet.")


def _is_response(value: Any, shown: str) -> Response:
    if isinstance(value, Response):
        return value
    raise TypeError(
        f"The middleware {shown} returned {value!r} instead of a response. Return what get_response(request) gave."
    )


def _hook(function: Any) -> Any:
    if is_async(function):
        return function

    async def in_thread(*args: Any) -> Any:
        return await maybe_await(await to_thread(function, *args))

    return in_thread


def _template_hook(function: ProcessTemplate, shown: str) -> ProcessTemplate:
    """Return the hook with what it gives looked at: a response that can be rendered."""

    async def checked(request: Request, response: Any) -> Any:
        found = await function(request, response)
        if getattr(found, "must_render", False):
            return found
        raise TypeError(
            f"process_template_response of the middleware {shown} returned {found!r}. Return the TemplateResponse it was given, or another."
        )

    return checked
