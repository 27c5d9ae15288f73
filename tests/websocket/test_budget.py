"""Each message to a consumer is held to the budget of statements, as a request is."""

from __future__ import annotations

from typing import Any

import pytest

from covet.conf import override
from covet.conf.service_url import parse_database
from covet.db.database import Database
from covet.websocket import Consumer, WebSocket


class Asking(Consumer):
    """Runs as many statements as a message says."""

    database: Database

    async def receive(self, data: str | bytes) -> None:
        for _ in range(int(data)):
            await self.database.fetch("SELECT 1")


async def talk(*messages: str) -> None:
    incoming = [
        {"type": "websocket.connect"},
        *({"type": "websocket.receive", "text": text} for text in messages),
        {"type": "websocket.disconnect", "code": 1000},
    ]

    async def receive() -> Any:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        pass

    scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b"", "subprotocols": []}
    Asking.database = Database("default", parse_database("sqlite://:memory:"))
    try:
        await Asking(WebSocket(scope, receive, send)).serve()
    finally:
        await Asking.database.close()


async def test_a_message_that_asks_too_much_is_named(caplog: pytest.LogCaptureFixture) -> None:
    with override(QUERY_BUDGET=2), caplog.at_level("WARNING", "covet.db.budget"):
        await talk("2", "2", "3")

    told = [record.getMessage() for record in caplog.records if record.name == "covet.db.budget"]
    assert [text.partition(";")[0].partition(".")[0] for text in told] == [
        "A message to Asking ran 3 statements, and its budget is 2"
    ]


async def test_without_a_budget_nothing_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING", "covet.db.budget"):
        await talk("9")

    assert "covet.db.budget" not in [record.name for record in caplog.records]
