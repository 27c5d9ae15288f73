"""WebSockets and GraphQL with real users and sessions: who is there, who may, and CSRF."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from covet.apps.lifecycle import setup, started
from covet.conf import override
from covet.db import connections
from covet.db.migrations.execute import migrate_all
from covet.handlers.application import Application
from covet.pubsub import channel
from covet.test.client import AsyncClient
from covet.test.login import session_cookie
from covet.test.websocket import WebSocketRejected, connect


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Application]:
    path = tmp_path_factory.mktemp("users") / "db.sqlite3"
    async with override(
        INSTALLED_APPS=[
            "covet.contenttypes",
            "covet.auth",
            "covet.sessions",
            "covet.graphql",
            "covet.websocket",
            "tests.websocket.journeyapp",
        ],
        MIDDLEWARE=[
            "covet.sessions.middleware.SessionMiddleware",
            "covet.middleware.csrf.CsrfMiddleware",
            "covet.auth.middleware.AuthenticationMiddleware",
        ],
        ROOT_URLCONF="covet.graphql.urls",
        ALLOWED_HOSTS=["testserver"],
        DATABASES={"default": f"sqlite:///{path}"},
        GRAPHQL_GRAPHIQL=True,
    ):
        apps = setup()
        async with started():
            await migrate_all(connections["default"])
            yield Application(apps)
            await connections["default"].close()


@pytest.fixture(scope="module")
async def cookies(site: Application) -> dict[str, str]:
    """The cookies of a logged-in client."""
    from covet.auth.models import User

    user = await User.objects.create_user("ann", "ann@example.com", "correct horse battery")
    return dict([await session_cookie(None, user)])


async def test_the_test_client_opens_websockets_with_its_cookies(site: Application, cookies: Any) -> None:
    async with AsyncClient(site, cookies=cookies) as client:
        async with client.websocket("/ws/rooms/client/") as ws, asyncio.timeout(30):
            await ws.send_json({"text": "hi"})
            assert await ws.receive_json() == {"text": "hi"}
            found = await channel("room.client").presence.list()
            assert [meta["name"] for metas in found.values() for meta in metas] == ["ann"]
        with pytest.raises(WebSocketRejected):
            async with client.websocket("/ws/nowhere/"):
                pass


async def test_a_known_user_is_present_by_key_and_a_visitor_as_anonymous(site: Application, cookies: Any) -> None:
    async with connect("/ws/rooms/lobby/", app=site, cookies=cookies), connect("/ws/rooms/lobby/", app=site) as visitor:
        async with asyncio.timeout(30):
            while len(found := await channel("room.lobby").presence.list()) < 2:
                await asyncio.sleep(0.005)
        await visitor.send_json({"text": "hi"})
        assert await visitor.receive_json() == {"text": "hi"}

    assert found["anonymous"] == [{}]
    assert [meta["name"] for metas in found.values() for meta in metas if meta] == ["ann"]


async def test_a_socket_reads_and_saves_the_session(site: Application, cookies: Any) -> None:
    for visit in (1, 2):
        async with connect("/ws/whoami/", app=site, cookies=cookies) as ws:
            assert await ws.receive_json() == ["ann", visit]


@pytest.mark.parametrize("wrong", [{}, {"sessionid": "x"}, {"sessionid": "a" * 32}])
async def test_a_socket_for_members_refuses_who_is_not_known(site: Application, wrong: dict[str, str]) -> None:
    with pytest.raises(WebSocketRejected) as caught:
        async with connect("/ws/whoami/", app=site, cookies=wrong):
            pass

    assert caught.value.status == 401


async def test_a_mutation_needs_a_user_and_by_session_the_token_of_a_page(site: Application, cookies: Any) -> None:
    rename = {"query": 'mutation { rename(name: "Ann") }'}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(site), base_url="http://testserver") as client:
        anonymous = await client.post("/graphql", json=rename)
        client.cookies.update(cookies)
        forged = await client.post("/graphql", json=rename)
        page = await client.get("/graphql", headers={"accept": "text/html"})
        token = page.text.split('data-csrf-token="')[1].split('"')[0]
        done = await client.post("/graphql", json=rename, headers={"X-CSRFToken": token})
        me = await client.get("/graphql", params={"query": "{ me }"})

    assert anonymous.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert forged.status_code == 403
    assert done.json() == {"data": {"rename": "Ann"}}
    assert me.json() == {"data": {"me": "ann"}}


async def test_a_graphql_socket_knows_the_user_of_its_handshake(site: Application, cookies: Any) -> None:
    for jar, name in ((cookies, "ann"), ({}, None)):
        async with connect("/graphql", app=site, cookies=jar, subprotocols=["graphql-transport-ws"]) as ws:
            await ws.send_json({"type": "connection_init"})
            await ws.receive_json()
            await ws.send_json({"id": "1", "type": "subscribe", "payload": {"query": "{ me }"}})
            assert (await ws.receive_json())["payload"] == {"data": {"me": name}}
