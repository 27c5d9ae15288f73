"""A PostgreSQL of the same machine is asked without TLS first, and with it where its rules want that."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from covet.conf.service_url import parse_database
from covet.db.database import Database
from covet.db.errors import ConnectionFailed

# SSLRequest of the PostgreSQL docs, 55.7: its length, and a number that is no version of the protocol.
ASKS = struct.pack("!ii", 8, 80877103)


class Server:
    """Stands before the real one; what it wants is as rules of pg_hba.conf say.

    Attributes:
        asked: For each connection, whether it asked for TLS.
    """

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.refusal = ""
        self.asked: list[bool] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readexactly(8)
        asks = first == ASKS
        self.asked.append(asks)
        if asks:
            writer.write(b"N")  # it has none, and the client goes on without
            first = b""
        elif self.refusal:
            fields = b"SFATAL\0C%b\0Mno encryption\0\0" % self.refusal.encode()
            writer.write(b"E" + struct.pack("!i", len(fields) + 4) + fields)
            await writer.drain()
            writer.close()
            return
        theirs, to_them = await asyncio.open_connection(*self.target)
        to_them.write(first)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
            sink.close()

        await asyncio.gather(pump(reader, to_them), pump(theirs, writer), return_exceptions=True)


@pytest.fixture
async def server(scratch: Any) -> AsyncIterator[tuple[Server, str]]:
    """The server, and its address."""
    parts = urlsplit(await scratch("postgresql"))
    one = Server(parts.hostname or "", parts.port or 5432)
    listening = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    yield one, urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"))
    listening.close()


async def answer_of(url: str) -> Any:
    database = Database("default", parse_database(url))
    try:
        return (await database.fetch("SELECT 1"))[0][0]
    finally:
        await database.close()


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGSSLMODE", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)


async def test_it_is_asked_without_tls(server: tuple[Server, str]) -> None:
    one, url = server
    assert await answer_of(url) == 1
    assert one.asked == [False]


async def test_one_that_wants_tls_is_asked_with_it(server: tuple[Server, str]) -> None:
    one, url = server
    one.refusal = "28000"
    assert await answer_of(url) == 1
    assert one.asked == [False, True]


async def test_a_wrong_password_is_not_tried_twice(server: tuple[Server, str]) -> None:
    one, url = server
    one.refusal = "28P01"
    with pytest.raises(ConnectionFailed, match="refused user"):
        await answer_of(url)
    assert one.asked == [False]


@pytest.mark.parametrize("said", ["?sslmode=prefer", "PGSSLMODE", "?sslmode=disable"])
async def test_what_the_url_or_the_environment_says_holds(
    server: tuple[Server, str], monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    one, url = server
    if said == "PGSSLMODE":
        monkeypatch.setenv(said, "prefer")
        said = ""
    assert await answer_of(url + said) == 1
    assert one.asked == [said != "?sslmode=disable"]


@pytest.mark.parametrize(
    ("host", "is_plain"),
    [("localhost", True), ("127.0.0.2", True), ("[::1]", True), ("db.example.com", False), ("10.0.0.1", False)],
)
def test_only_this_machine_is_near(host: str, is_plain: bool) -> None:
    database = Database("default", parse_database(f"postgres://ann:pw@{host}/shop"))
    driver: Any = database.driver
    assert driver._may_be_plain is is_plain
