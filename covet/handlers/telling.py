"""Sends ``request_started`` and ``request_finished``, and stands in the way of no request while nobody listens."""

from __future__ import annotations

import asyncio
import weakref

from covet.handlers.http import HttpHandler
from covet.http.request import Request
from covet.http.response import Response
from covet.middleware.base import GetResponse
from covet.signals import request_finished, request_started

__all__ = ["tell_signals"]

_untold: weakref.WeakKeyDictionary[HttpHandler, GetResponse] = weakref.WeakKeyDictionary()


def tell_signals(handler: HttpHandler) -> None:
    """Let a handler send the signals, from now on and whenever one of them has a receiver."""
    _untold[handler] = handler.handle
    _arrange(handler)


def _arrange(handler: HttpHandler) -> None:
    untold = _untold[handler]
    is_heard = request_started.has_receivers or request_finished.has_receivers
    handler.answer_by(_told(handler, untold) if is_heard else untold)


def _rearrange() -> None:
    for handler in list(_untold):
        _arrange(handler)


request_started.watchers.append(_rearrange)
request_finished.watchers.append(_rearrange)


def _told(handler: HttpHandler, answer: GetResponse) -> GetResponse:
    errors = handler.errors

    async def told(request: Request) -> Response:
        # The server calls it once the answer has gone, or nobody waits for it any more.
        request.call_at_close(finish)
        try:
            await request_started.send(HttpHandler, request=request, scope=request.scope)
        except Exception as error:
            return await errors(request, error)
        return await answer(request)

    return told


async def finish(request: Request) -> None:
    """Tell that a request is over, to the end also where its task is being cancelled."""
    await asyncio.shield(request_finished.send_robust(HttpHandler, request=request))
