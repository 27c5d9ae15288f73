"""What is said, and what is not sent, where a database cannot be connected to."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from covet.conf.service_url import parse_database
from covet.db.backends.driver import why_unreachable
from covet.db.backends.mysql.driver import MySQLDriver
from covet.db.database import Database
from covet.db.errors import ConnectionFailed
from covet.exceptions import ImproperlyConfigured

# The first packet of a MariaDB server whose capabilities lack TLS (0x0800).
_GREETING = (
    b"\x0a10.11.6-MariaDB\0" + b"\x05\0\0\0" + b"a" * 8 + b"\0" + b"\xfe\xf7" + b"\x2d" + b"\x02\0" + b"\x0f\x80"
    b"\x15" + b"\0" * 10 + b"b" * 12 + b"\0" + b"mysql_native_password\0"
)

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def failure(url: str) -> str:
    database = Database("main", parse_database(url))
    with pytest.raises(ConnectionFailed) as caught:
        await database.open()
    return str(caught.value)


@pytest.mark.row("connections.errors")
@pytest.mark.parametrize("driver", ["aiomysql", "asyncmy"])
async def test_nothing_is_sent_in_the_clear_to_a_server_that_offers_no_tls(driver: str) -> None:
    if driver == "asyncmy":
        pytest.importorskip("asyncmy")
    received = bytearray()
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(len(_GREETING).to_bytes(3, "little") + b"\0" + _GREETING)
        received.extend(await reader.read(4096))
        writer.close()
        over.set()

    async with listening(serve) as port:
        text = await failure(f"mysql://ann_of_shop:hunter2@127.0.0.1:{port}/shop?driver={driver}&ssl_mode=required")
        await over.wait()

    assert b"ann_of_shop" not in received
    if driver == "aiomysql":
        assert f"The server on 127.0.0.1:{port} speaks no TLS, and ssl_mode asks for it" in text
        assert not received


@pytest.mark.row("connections.errors")
async def test_a_postgresql_server_without_tls_is_told_from_one_that_is_not_there() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"N")
        await reader.read()
        writer.close()

    async with listening(serve) as port:
        text = await failure(f"postgres://ann@127.0.0.1:{port}/shop?sslmode=require")

    assert f"PostgreSQL on 127.0.0.1:{port} speaks no TLS, and sslmode asks for it" in text


@pytest.mark.row("connections.errors")
async def test_what_hangs_up_is_told_from_nothing() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with listening(serve) as port:
        must = await failure(f"postgres://ann@127.0.0.1:{port}/shop?sslmode=require")

    assert f"What listens at 127.0.0.1:{port} hung up, or speaks another protocol" in must


@pytest.mark.row("connections.errors")
async def test_another_service_on_the_port_is_not_told_to_turn_tls_on() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    async with listening(serve) as port:
        text = await failure(f"postgres://ann@127.0.0.1:{port}/shop")

    assert f"What listens at 127.0.0.1:{port} hung up, or speaks another protocol" in text


@pytest.mark.row("connections.errors")
@pytest.mark.parametrize(
    ("url", "option"),
    [
        ("postgres://ann@127.0.0.1:1/shop?sslmode=verify-full&sslrootcert={}", "sslrootcert"),
        ("mysql://ann@127.0.0.1:1/shop?driver=aiomysql&ssl_mode=verify_ca&ssl_ca={}", "ssl_ca"),
    ],
)
async def test_a_missing_certificate_is_named_by_its_option(url: str, option: str, tmp_path: Path) -> None:
    text = await failure(url.format(tmp_path / "authority.pem"))

    assert option in text
    assert "Nothing answers" not in text


def test_reasons_that_only_a_resolver_or_a_certificate_gives() -> None:
    unknown = why_unreachable(socket.gaierror(-2, "Name or service not known"), "PostgreSQL", "db:5432", "sslmode")
    assert unknown.startswith("The host of db:5432 cannot be looked up: Name or service not known.")

    refused = ssl.SSLCertVerificationError("certificate verify failed")
    refused.verify_message = "Hostname mismatch."
    assert "not trusted: Hostname mismatch. Check" in why_unreachable(refused, "the server", "db:3306", "ssl_mode")
    refused.verify_message = "self-signed certificate"
    assert "not trusted: self-signed certificate. Check" in why_unreachable(refused, "it", "db:3306", "ssl_mode")

    other = why_unreachable(ssl.SSLError(1, "no protocols available"), "the server", "db:3306", "ssl_mode")
    assert other.startswith("TLS with the server on db:3306 failed")

    unrouted = why_unreachable(OSError(101, "Network is unreachable"), "PostgreSQL", "db:5432", "sslmode")
    assert unrouted.startswith("Nothing answers at db:5432.")


@pytest.mark.row("connections.errors")
@pytest.mark.parametrize(
    ("url", "text"),
    [
        (
            "postgres://ann@host/shop?connect_timeout=soon",
            "connect_timeout is a number of seconds, such as 5 or 0.5, not 'soon'",
        ),
        ("postgres://ann@host/shop?command_timeout=-1", "command_timeout is a number of seconds"),
        ("mysql://ann@host/shop?driver=aiomysql&connect_timeout=", "connect_timeout is a number of seconds"),
        (
            "mysql://ann@host/shop?driver=aiomysql&isolation_level=snapshot",
            "no isolation_level 'snapshot'; there are read committed",
        ),
        ("sqlite:///x.sqlite3?busy_timeout=long", "busy_timeout is a number of seconds"),
        ("sqlite:///x.sqlite3?journal_mode=WALL", "no journal_mode 'WALL'; there are WAL, DELETE"),
        ("sqlite:///x.sqlite3?synchronous=NO", "no synchronous 'NO'; there are NORMAL"),
    ],
)
def test_an_option_that_means_nothing_is_refused_by_its_name(url: str, text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=text) as caught:
        Database("main", parse_database(url))

    assert "DATABASES['main']" in str(caught.value)


@pytest.mark.row("connections.errors")
@pytest.mark.parametrize("library", ["aiomysql", "asyncmy"])
async def test_a_charset_that_is_none_is_refused_by_its_name(library: str) -> None:
    database = Database("main", parse_database(f"mysql://ann@127.0.0.1:1/shop?driver={library}&charset=utf99"))

    with pytest.raises(ImproperlyConfigured, match="no charset 'utf99'"):
        await database.open()


@pytest.mark.row("connections.errors")
@pytest.mark.parametrize("library", ["aiomysql", "asyncmy"])
async def test_another_mistake_of_the_library_is_not_told_as_a_charset(library: str) -> None:
    def mistaken(**options: object) -> None:
        raise AttributeError("module 'ssl' has no attribute 'wrap_socket'")

    driver = MySQLDriver(parse_database(f"mysql://ann@127.0.0.1:1/shop?driver={library}"), "main")
    driver.library = replace(driver.library, connection=mistaken)

    with pytest.raises(AttributeError, match="wrap_socket"):
        await driver.connect()
