"""PostgreSQL databases of several servers: the first that answers, and is what is asked for, is taken."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from asyncpg import exceptions as pg

from covet.commands.dbshell import shell_command
from covet.conf.service_url import parse_database
from covet.db.backends.postgresql.hosts import first_server
from covet.db.database import Database
from covet.db.errors import ConnectionFailed
from covet.exceptions import ImproperlyConfigured

LIVE = os.environ["COVET_TEST_POSTGRES_URL"]


@pytest.fixture
def dead() -> Iterator[str]:
    """A port that nobody listens at, and that nobody else can take."""
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


def live(*before: str, **options: str) -> str:
    """The URL of the server that tests have, behind others."""
    parts = urlsplit(LIVE)
    user, _, server = parts.netloc.rpartition("@")
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return f"postgres://{user}@{','.join([*before, server])}{parts.path}?{query}"


async def answer(entry: Any) -> Any:
    database = Database("main", parse_database(entry))
    await database.open()
    try:
        return (await database.fetch("SELECT pg_is_in_recovery()"))[0][0]
    finally:
        await database.close()


async def failure(url: str) -> str:
    database = Database("main", parse_database(url))
    with pytest.raises(ConnectionFailed) as caught:
        await database.open()
    return str(caught.value)


@pytest.mark.parametrize("wanted", ["any", "primary", "read-write", "prefer-standby", ""])
async def test_a_server_that_does_not_answer_is_passed_over(dead: str, wanted: str) -> None:
    """The server of the tests is no standby: with prefer-standby it is taken because there is none."""
    options = {"target_session_attrs": wanted} if wanted else {}

    assert await answer(live(dead, **options)) is False


@pytest.mark.parametrize("mode", ["disable", "prefer"])
async def test_a_server_that_hangs_up_is_passed_over(mode: str) -> None:
    """As a proxy does that has nobody behind it."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        assert await answer(live(f"127.0.0.1:{port}", sslmode=mode)) is False


async def test_hosts_of_an_entry_in_djangos_spelling_are_passed_over_too(dead: str) -> None:
    config = parse_database(LIVE)
    host, port = dead.split(":")
    entry = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": config.name,
        "USER": config.user,
        "PASSWORD": config.password,
        "HOST": f"{host},{config.host}",
        "PORT": f"{port},{config.port}",
        "OPTIONS": {"target_session_attrs": "read-write"},
    }

    assert await answer(entry) is False


async def test_servers_none_of_which_can_be_used_are_told_one_by_one(dead: str) -> None:
    text = await failure(live(dead, target_session_attrs="standby"))

    config = parse_database(LIVE)
    assert "None of 2 servers can be used." in text
    assert f"Nothing answers at {dead}" in text
    assert f"PostgreSQL on {config.host}:{config.port} is not what target_session_attrs asks for: standby." in text


async def test_one_server_that_is_not_what_is_asked_for_is_told() -> None:
    text = await failure(live(target_session_attrs="standby"))

    assert "is not what target_session_attrs asks for: standby." in text


async def test_a_target_that_there_is_not_is_refused_by_its_name() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"no target_session_attrs 'master'; there are any, primary"):
        Database("main", parse_database("postgres://one,two/shop?target_session_attrs=master"))


async def test_each_server_has_the_whole_time_out_and_one_that_refuses_the_user_ends_the_search() -> None:
    config = parse_database("postgres://one,two:7,three/shop")
    asked: list[Any] = []
    reasons: list[BaseException] = [TimeoutError(), pg.InvalidPasswordError("no")]

    async def reach(one: Any, arguments: dict[str, Any]) -> str:
        asked.append((one.host, one.port, arguments))
        raise ConnectionFailed(f"{one.host} failed") from reasons[len(asked) - 1]

    with pytest.raises(ConnectionFailed, match=r"^two failed"):
        await first_server(reach, config, {"timeout": 3.0}, "main")

    given = {"timeout": 3.0, "target_session_attrs": "any"}
    assert asked == [
        ("one", 5432, {**given, "host": "one", "port": 5432}),
        ("two", 7, {**given, "host": "two", "port": 7}),
    ]


async def test_a_standby_is_looked_for_everywhere_before_any_server_is_taken() -> None:
    config = parse_database("postgres://one,two/shop")
    asked: list[Any] = []

    async def reach(one: Any, arguments: dict[str, Any]) -> str:
        asked.append((one.host, arguments["target_session_attrs"]))
        raise ConnectionFailed(f"{one.host} starts.") from pg.CannotConnectNowError(
            "the database system is starting up"
        )

    with pytest.raises(ConnectionFailed, match=r"^None of 2 servers can be used\. one starts\. two starts\."):
        await first_server(reach, config, {"target_session_attrs": "prefer-standby"}, "main")

    assert asked == [("one", "standby"), ("two", "standby"), ("one", "any"), ("two", "any")]


def test_psql_is_given_all_of_them() -> None:
    config = parse_database("postgres://ann@one,[::1]:7/shop?target_session_attrs=standby")

    _, arguments, environment = shell_command(config)

    assert arguments == ["-h", "one,::1", "-p", "5432,7", "-U", "ann", "shop"]
    assert environment == {"PGTARGETSESSIONATTRS": "standby"}
