"""Reads a request's body: once, within limits of size and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from covet.accel import Waiting, first_step
from covet.http.errors import BadRequest, ClientDisconnected, PayloadTooLarge, RequestTimeout
from covet.http.headers import RawHeaders
from covet.http.policy import RequestPolicy
from covet.types import Message, Receive

__all__ = ["check_length", "read_body", "stream_body", "too_large"]


def too_large(limit: int) -> PayloadTooLarge:
    """Return the 413 that names the limit."""
    return PayloadTooLarge(f"The body is larger than {limit} bytes.", extra={"limit": limit})


def check_length(headers: RawHeaders, limit: int) -> None:
    """Refuse by the ``Content-Length`` alone, before a byte is read.

    Raises:
        BadRequest: It is no number.
        PayloadTooLarge: It says more than the limit.
    """
    for name, declared in headers:
        if name == b"content-length":
            if not declared.isdigit():
                raise BadRequest("Content-Length is not a number.")
            # A number of more than 18 digits is beyond any limit, and Python would refuse some of them.
            if len(declared) > 18 or int(declared) > limit:
                raise too_large(limit)
            return


async def read_body(receive: Receive, policy: RequestPolicy, *, limit: int) -> bytes:
    """Return the whole body.

    Args:
        receive: ASGI's receive.
        policy: For the time it may take.
        limit: Most bytes taken.

    Raises:
        PayloadTooLarge: More bytes came.
        RequestTimeout: They came too slowly.
        ClientDisconnected: The client left before the end.
    """
    # Most bodies have arrived with their headers. Then nothing waits, and no deadline is set and taken back for it, which
    # took longer than all the rest of a small request.
    begun: Any = first_step(receive())
    first = b""
    if type(begun) is not Waiting:
        first = _checked(begun, limit)
        if not begun.get("more_body", False):
            return first
        begun = None
    try:
        async with asyncio.timeout(policy.body_timeout_s):
            if begun is not None:
                message = await begun
                first = _checked(message, limit)
                if not message.get("more_body", False):
                    return first
            chunks, size = [first], len(first)
            async for chunk in _chunks(receive):
                size += len(chunk)
                if size > limit:
                    raise too_large(limit)
                chunks.append(chunk)
            return b"".join(chunks)
    except TimeoutError as error:
        raise RequestTimeout() from error


def _checked(message: Message, limit: int) -> bytes:
    """Return what a message brings."""
    if message["type"] == "http.disconnect":
        raise ClientDisconnected("The client left before its request was complete.")
    body: bytes = message.get("body", b"")
    if len(body) > limit:
        raise too_large(limit)
    return body


async def stream_body(receive: Receive, policy: RequestPolicy, *, limit: int) -> AsyncIterator[bytes]:
    """Yield the body as it arrives; each piece within the time, the whole within the limit."""
    size = 0
    chunks = _chunks(receive)
    while True:
        try:
            async with asyncio.timeout(policy.body_timeout_s):
                chunk = await anext(chunks, None)
        except TimeoutError as error:
            raise RequestTimeout() from error
        if chunk is None:
            return
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        if chunk:
            yield chunk


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected("The client left before its request was complete.")
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return
