"""``DEFAULT_PERMISSIONS`` says the same for REST, GraphQL and WebSocket; what is said at one place holds there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from covet.apps.lifecycle import setup, started
from covet.checks import run_checks
from covet.conf import override
from covet.handlers.application import Application
from covet.test.websocket import WebSocketRejected, connect

KNOWN = {"x-user": "ann"}
DEFAULT = ["covet.access.IsAuthenticatedOrReadOnly"]
STRICT = ["covet.access.IsAuthenticated"]
OPEN = ["covet.access.AllowAny"]


@pytest.fixture
async def application(request: pytest.FixtureRequest) -> AsyncIterator[Application]:
    changed = {} if request.param is DEFAULT else {"DEFAULT_PERMISSIONS": request.param}
    async with override(
        INSTALLED_APPS=["covet.rest", "covet.graphql", "covet.websocket", "tests.access.everyapp"],
        ROOT_URLCONF="tests.access.site_urls",
        MIDDLEWARE=["tests.graphql.conftest.HeaderUser"],
        ALLOWED_HOSTS=["testserver"],
        DATABASES={"default": "sqlite://:memory:"},
        **changed,
    ):
        apps = setup()
        async with started():
            yield Application(apps)


async def answers(application: Application, headers: dict[str, str]) -> dict[str, Any]:
    """What each way of reading and writing says: True, or the status or code of the refusal."""
    found: dict[str, Any] = {}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(application), base_url="http://testserver", headers=headers
    ) as client:
        for name, method, path in (
            ("rest read", "GET", "/api/read"),
            ("rest write", "POST", "/api/write"),
            ("rest open write", "POST", "/api/open"),
            ("rest members", "GET", "/api/members"),
        ):
            status = (await client.request(method, path)).status_code
            found[name] = status == 200 or status
        for name, query in (
            ("graphql read", "{ read }"),
            ("graphql write", "mutation { write }"),
            ("graphql open write", "mutation { writeOpenly }"),
        ):
            answer = (await client.post("/graphql", json={"query": query})).json()
            found[name] = "errors" not in answer or answer["errors"][0]["extensions"]["code"]
    for name, path in (("websocket", "/ws/hello/"), ("websocket members", "/ws/members/")):
        try:
            async with connect(path, app=application, headers=headers) as ws:
                await ws.receive_json()
            found[name] = True
        except WebSocketRejected as refused:
            found[name] = refused.status
    for name, query in (
        ("subscription", "subscription { listen }"),
        ("mutation over a socket", "mutation { write }"),
    ):
        try:
            async with connect(
                "/graphql", app=application, headers=headers, subprotocols=["graphql-transport-ws"]
            ) as ws:
                await ws.send_json({"type": "connection_init"})
                await ws.receive_json()
                await ws.send_json({"id": "1", "type": "subscribe", "payload": {"query": query}})
                message = await ws.receive_json()
        except WebSocketRejected as refused:
            found[name] = refused.status
            continue
        errors = message["payload"] if message["type"] == "error" else message["payload"].get("errors")
        found[name] = errors[0]["extensions"]["code"] if errors else True
    return found


READS = ("rest read", "graphql read", "websocket", "subscription")
WRITES = ("rest write", "graphql write", "mutation over a socket")
OPEN_WRITES = ("rest open write", "graphql open write")
MEMBERS = ("rest members", "websocket members")


@pytest.mark.parametrize("application", [DEFAULT, STRICT, OPEN], indirect=True, ids=["default", "strict", "open"])
async def test_someone_known_may_all_of_it(application: Application) -> None:
    assert set((await answers(application, KNOWN)).values()) == {True}


@pytest.mark.parametrize("application", [DEFAULT], indirect=True)
async def test_a_visitor_reads_everywhere_and_writes_nowhere(application: Application) -> None:
    found = await answers(application, {})

    assert {name: found[name] for name in (*READS, *OPEN_WRITES)} == dict.fromkeys((*READS, *OPEN_WRITES), True)
    assert {found[name] for name in (*WRITES, *MEMBERS)} == {401, "UNAUTHENTICATED"}


@pytest.mark.parametrize("application", [STRICT], indirect=True)
async def test_a_stricter_default_closes_reading_everywhere(application: Application) -> None:
    found = await answers(application, {})

    assert {found[name] for name in (*READS, *WRITES, *MEMBERS)} <= {401, "UNAUTHENTICATED"}
    assert found["rest open write"] is True
    assert found["graphql open write"] is True


@pytest.mark.parametrize("application", [OPEN], indirect=True)
async def test_an_open_default_opens_all_but_what_says_otherwise(application: Application) -> None:
    found = await answers(application, {})

    assert {name for name, answer in found.items() if answer is not True} == set(MEMBERS)


@pytest.mark.parametrize("application", [DEFAULT, OPEN], indirect=True, ids=["default", "open"])
async def test_deployment_checks_list_every_write_that_anyone_may_do(
    application: Application, request: pytest.FixtureRequest
) -> None:
    messages = await run_checks(application.apps, deploy=True)
    found = sorted(message.msg for message in messages if message.id in {"rest.W002", "graphql.W002"})

    expected = ["Anyone may POST /api/open (", "The GraphQL mutation write_openly may"]
    if "open" in request.node.callspec.id.split("-"):
        expected += ["Anyone may POST /api/write (", "The GraphQL mutation write may"]
    assert len(found) == len(expected), found
    for begin in expected:
        assert any(message.startswith(begin) for message in found), (begin, found)
