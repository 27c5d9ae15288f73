"""What streams do when the server stops."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from covet.apps.draining import draining
from covet.http import EventStream, Request
from covet.urls import path
from tests.handlers.sites import Site, site

__all__ = ["site"]


async def test_an_event_stream_ends_with_a_retry_and_closes_its_source(site: Site) -> None:
    closed = asyncio.Event()

    async def events() -> AsyncIterator[str]:
        try:
            yield "first"
            draining.begin()
            await asyncio.sleep(60)
        finally:
            closed.set()

    async def view(request: Request) -> EventStream:
        return EventStream(events())

    client = await site([path("events", view)])
    try:
        async with asyncio.timeout(30):
            answer = await client.get("/events")
    finally:
        draining.end()

    assert re.fullmatch(r"data: first\n\nretry: 1\d\d\d\n\n", answer.text)
    assert closed.is_set()
    assert not draining._waiting


async def test_a_stream_that_is_never_silent_ends_too(site: Site) -> None:
    async def events() -> AsyncIterator[str]:
        yield "first"
        draining.begin()
        while True:
            yield "more"

    async def view(request: Request) -> EventStream:
        return EventStream(events())

    client = await site([path("events", view)])
    try:
        async with asyncio.timeout(30):
            answer = await client.get("/events")
    finally:
        draining.end()

    assert "retry: 1" in answer.text
