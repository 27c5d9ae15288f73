"""graphql-transport-ws: the protocol and its close codes, in process and over a real socket."""

from __future__ import annotations

import asyncio
import functools
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any

import httpx
import pytest
import websockets

from covet.apps import apps
from covet.apps.lifecycle import setup, started
from covet.apps.registry import Apps
from covet.auth.decorators import login_required
from covet.checks.runner import run_checks
from covet.conf import override
from covet.exceptions import PermissionDenied
from covet.graphql.view import GraphQLView
from covet.handlers.application import Application
from covet.http.errors import HTTPException
from covet.http.response import Response
from covet.middleware.csrf import csrf_exempt
from covet.pubsub import channel
from covet.pubsub.part import broker_of
from covet.test.websocket import WebSocketRejected, WebSocketSession, connect
from covet.urls import host, include, path, re_path
from covet.views.decorators import never_cache, require_POST
from tests.graphql.blogapp import schema
from tests.graphql.conftest import APPS
from tests.websocket.conftest import serving

PROTOCOL = "graphql-transport-ws"


@asynccontextmanager
async def session(project: Application, user: str | None = None) -> AsyncIterator[WebSocketSession]:
    headers = {} if user is None else {"x-user": user}
    async with connect("/graphql", app=project, subprotocols=[PROTOCOL], headers=headers) as ws:
        await ws.send_json({"type": "connection_init", "payload": {"token": "x"}})
        assert await ws.receive_json() == {"type": "connection_ack"}
        yield ws


async def start(ws: WebSocketSession, query: str, key: str = "1", **variables: Any) -> None:
    await ws.send_json({"id": key, "type": "subscribe", "payload": {"query": query, "variables": variables}})


async def test_a_subscription_sends_each_event_and_says_when_it_is_complete(project: Application) -> None:
    async with session(project) as ws:
        await start(ws, "subscription ($to: Int!) { count(to: $to) }", to=2)

        assert ws.subprotocol == PROTOCOL
        assert await ws.receive_json() == {"type": "next", "id": "1", "payload": {"data": {"count": 0}}}
        assert await ws.receive_json() == {"type": "next", "id": "1", "payload": {"data": {"count": 1}}}
        assert await ws.receive_json() == {"type": "complete", "id": "1"}


async def test_queries_and_mutations_run_over_the_socket_too(project: Application) -> None:
    async with session(project, user="ann") as ws:
        await start(ws, "mutation { ping }")
        assert await ws.receive_json() == {"type": "next", "id": "1", "payload": {"data": {"ping": "pong"}}}
        assert await ws.receive_json() == {"type": "complete", "id": "1"}

    async with session(project) as ws:
        await start(ws, "mutation { ping }")
        refused = await ws.receive_json()
    assert refused["payload"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_subscription_for_members_asks_who_it_is(project: Application) -> None:
    async with session(project) as ws:
        await start(ws, "subscription { secrets }")
        refused = await ws.receive_json()
    async with session(project, user="ann") as ws:
        await start(ws, "subscription { secrets }")
        let_in = await ws.receive_json()

    assert refused["type"] == "error"
    assert refused["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert let_in["payload"] == {"data": {"secrets": 42}}


async def test_several_operations_run_at_once_and_complete_ends_one(project: Application) -> None:
    schema.ended.clear()
    async with session(project) as ws:
        await start(ws, "subscription { articlePublished { id } }", "a")
        await start(ws, "subscription { count(to: 1) }", "b")
        messages = [await ws.receive_json(), await ws.receive_json()]
        await ws.send_json({"type": "complete", "id": "a"})
        async with asyncio.timeout(30):
            while "articles" in broker_of()._fan_out:  # type: ignore[attr-defined]
                await asyncio.sleep(0)
        await start(ws, "subscription { count(to: 0) }", "a")
        assert await ws.receive_json() == {"type": "complete", "id": "a"}

    assert [message["type"] for message in messages] == ["next", "complete"]
    assert schema.ended == [1, 0]


async def test_leaving_ends_every_operation(project: Application) -> None:
    async with session(project) as ws:
        await start(ws, "subscription { articlePublished { id } }")
        async with asyncio.timeout(30):
            while "articles" not in broker_of()._fan_out:  # type: ignore[attr-defined]
                await asyncio.sleep(0)
        await ws.close()

    assert "articles" not in broker_of()._fan_out  # type: ignore[attr-defined]


async def test_an_error_in_a_generator_is_told_masked_and_ends_the_operation(project: Application) -> None:
    async with session(project) as ws:
        await start(ws, "subscription { breaks }")
        first, second = await ws.receive_json(), await ws.receive_json()

    assert first["payload"] == {"data": {"breaks": 1}}
    assert "a secret" not in json.dumps(second)
    assert "INTERNAL_SERVER_ERROR" in json.dumps(second)


@pytest.mark.parametrize(
    "query", ["{", "{ nothing }", "subscription { nothing }", "query A { __typename } query B { __typename }"]
)
async def test_what_cannot_be_run_is_an_error_of_its_operation(project: Application, query: str) -> None:
    async with session(project) as ws:
        await start(ws, query)
        message = await ws.receive_json()
        await ws.send_json({"type": "ping", "payload": {"n": 1}})

        assert (message["type"], message["id"]) == ("error", "1")
        assert await ws.receive_json() == {"type": "pong", "payload": {"n": 1}}


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([{"id": "1", "type": "subscribe", "payload": {"query": "{ __typename }"}}], 4401),
        ([{"type": "connection_init"}, {"type": "connection_init"}], 4429),
        ([{"type": "connection_init", "payload": 3}], 4400),
        ([{"type": "nonsense"}], 4400),
        ([{"no": "type"}], 4400),
        ([7], 4400),
        ([{"type": "connection_init"}, {"type": "subscribe", "payload": {"query": "{ __typename }"}}], 4400),
        ([{"type": "connection_init"}, {"id": "1", "type": "subscribe", "payload": {}}], 4400),
        (
            [
                {"type": "connection_init"},
                {"id": "1", "type": "subscribe", "payload": {"query": "subscription { articlePublished { id } }"}},
                {"id": "1", "type": "subscribe", "payload": {"query": "{ __typename }"}},
            ],
            4409,
        ),
    ],
)
async def test_breaking_the_protocol_closes_with_its_code(project: Application, messages: list[Any], code: int) -> None:
    async with connect("/graphql", app=project, subprotocols=[PROTOCOL]) as ws:
        for message in messages:
            await ws.send_json(message)

        assert await ws.receive_close() == code


@pytest.mark.parametrize("text", ["{", "[" * 100_000], ids=["half", "deep"])
async def test_text_that_is_no_json_closes_with_4400(project: Application, text: str) -> None:
    async with connect("/graphql", app=project, subprotocols=[PROTOCOL]) as ws:
        await ws.send(text)

        assert await ws.receive_close() == 4400


async def test_another_subprotocol_closes_with_4406(project: Application) -> None:
    async with connect("/graphql", app=project, subprotocols=["graphql-ws"]) as ws:
        assert await ws.receive_close() == 4406


async def test_a_client_that_never_introduces_itself_is_closed_with_4408(project: Application) -> None:
    with override(GRAPHQL_INIT_TIMEOUT_S=0.05):
        async with connect("/graphql", app=project, subprotocols=[PROTOCOL]) as ws:
            assert await ws.receive_close() == 4408


async def test_a_connection_runs_so_many_operations_and_no_more(project: Application) -> None:
    with override(GRAPHQL_MAX_SUBSCRIPTIONS=1):
        async with session(project) as ws:
            await start(ws, "subscription { articlePublished { id } }", "a")
            await start(ws, "subscription { count(to: 1) }", "b")
            message = await ws.receive_json()

    assert (message["type"], message["id"]) == ("error", "b")
    assert message["payload"][0]["extensions"]["code"] == "TOO_MANY_OPERATIONS"


@pytest.mark.usefixtures("rows")
async def test_an_event_becomes_the_row_with_what_is_selected_of_it(project: Application) -> None:
    async with session(project) as ws:
        await start(ws, "subscription { articlePublished { title author { name } tags { name } } }")
        async with asyncio.timeout(30):
            while "articles" not in broker_of()._fan_out:  # type: ignore[attr-defined]
                await asyncio.sleep(0)
        await channel("articles").publish({"pk": 3})
        message = await ws.receive_json()

    assert message["payload"]["data"]["articlePublished"] == {
        "title": "Title 3",
        "author": {"name": "Ann"},
        "tags": [{"name": "tag 1"}, {"name": "tag 2"}, {"name": "tag 3"}],
    }


async def test_a_real_client_subscribes_over_a_real_socket(project: Application) -> None:
    async with (
        serving(project) as (url, _),
        websockets.connect(f"{url}/graphql", subprotocols=[websockets.Subprotocol(PROTOCOL)], open_timeout=60) as ws,
    ):
        await ws.send('{"type":"connection_init"}')
        assert json.loads(await ws.recv()) == {"type": "connection_ack"}
        await ws.send(
            json.dumps({"id": "x", "type": "subscribe", "payload": {"query": "subscription { count(to: 1) }"}})
        )

        assert json.loads(await ws.recv())["payload"] == {"data": {"count": 0}}
        assert json.loads(await ws.recv()) == {"type": "complete", "id": "x"}


@pytest.fixture
def routes_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``async with routes_of(urlpatterns)``: an application of GraphQL with these URLs."""

    @asynccontextmanager
    async def served(urlpatterns: list[Any], **settings: Any) -> AsyncIterator[Application]:
        module = ModuleType("graphql_site_urls")
        vars(module)["urlpatterns"] = urlpatterns
        monkeypatch.setitem(sys.modules, module.__name__, module)
        site = {"ROOT_URLCONF": module.__name__, "ALLOWED_HOSTS": [".testserver"], **settings}
        async with override(INSTALLED_APPS=APPS, **site):
            registry = setup()
            async with started():
                yield Application(registry)

    return served


async def test_the_socket_is_where_http_is(routes_of: Any) -> None:
    async with routes_of(
        [path("<str:tenant>/api/", include("covet.graphql.urls")), re_path(r"^again/(?P<number>\d+)$", GraphQLView())]
    ) as app:
        for place in ("/one/api/graphql", "/one/api/graphql/", "/again/3"):
            async with connect(place, app=app, subprotocols=[PROTOCOL]) as ws:
                assert ws.subprotocol == PROTOCOL
        with pytest.raises(WebSocketRejected) as refused:
            async with connect("/graphql", app=app, subprotocols=[PROTOCOL]):
                pass

    assert refused.value.status == 404


async def test_the_socket_is_where_expressions_and_hosts_have_http(routes_of: Any) -> None:
    view = GraphQLView()
    async with routes_of(
        [
            host("api.testserver", [path("graphql", view)]),
            host("old.testserver", [path("graphql", view)]),
            path("in/", include([re_path(r"^graphql/(?P<number>\d+)$", view)])),
            re_path("^of/", include([path("graphql", view)])),
            re_path("bare$", view),
        ]
    ) as app:
        for place in (
            *("ws://api.testserver/graphql", "ws://old.testserver/graphql"),
            *("/in/graphql/3", "/of/graphql", "/bare"),
        ):
            async with connect(place, app=app, subprotocols=[PROTOCOL]) as ws:
                assert ws.subprotocol == PROTOCOL
        for place in ("/graphql", "/in/graphql/x"):
            with pytest.raises(WebSocketRejected) as refused:
                async with connect(place, app=app, subprotocols=[PROTOCOL]):
                    pass
            assert refused.value.status == 404
        assert await run_checks(apps.current(), ["websocket"]) == []


def told_to_go(view: Any) -> Any:
    @functools.wraps(view)
    async def guarded(request: Any, **params: Any) -> Any:
        if request.headers.get("x-user") is None:
            raise PermissionDenied("Not you.")
        answer = await view(request, **params)
        if params["number"] > 3:
            raise HTTPException(451, "Not here.")
        return answer

    return guarded


async def test_what_stands_round_the_view_guards_the_socket_too(routes_of: Any) -> None:
    view = GraphQLView()
    async with routes_of(
        [
            path("in", login_required(GraphQLView())),
            path("own/<int:number>", told_to_go(never_cache(view))),
            path("post", require_POST(GraphQLView())),
            path("bare", csrf_exempt(view)),
        ],
        MIDDLEWARE=["tests.graphql.conftest.HeaderUser"],
        LOGIN_URL="/log-in",
    ) as app:
        for place in ("/in", "/own/3", "/bare"):
            headers = {"x-user": "ann"}
            async with connect(place, app=app, subprotocols=[PROTOCOL], headers=headers) as ws:
                await ws.send_json({"type": "connection_init"})
                assert await ws.receive_json() == {"type": "connection_ack"}
                await start(ws, "mutation { ping }")
                assert (await ws.receive_json())["payload"]["data"] == {"ping": "pong"}
        refused = {}
        for place, user in (("/in", None), ("/own/3", None), ("/own/4", "ann"), ("/post", "ann")):
            with pytest.raises(WebSocketRejected) as error:
                headers = {} if user is None else {"x-user": user}
                async with connect(place, app=app, subprotocols=[PROTOCOL], headers=headers):
                    pass
            refused[place] = (error.value.status, json.loads(error.value.body).get("detail"))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as http:
            query = {"query": "mutation { ping }"}
            answer = await http.post("/in", json=query, headers={"x-user": "ann"})
            sent_away = await http.post("/in", json=query)

    assert refused == {
        "/in": (403, None),
        "/own/3": (403, "Not you."),
        "/own/4": (451, "Not here."),
        "/post": (405, "This address answers to POST only."),
    }
    assert (answer.status_code, answer.json()) == (200, {"data": {"ping": "pong"}})
    assert (sent_away.status_code, sent_away.headers["location"]) == (302, "/log-in?next=/in")


def for_role(view: Any) -> Any:
    @functools.wraps(view)
    async def guarded(request: Any, role: str = "any", **params: Any) -> Any:
        if request.headers.get("x-role", "any") != role:
            raise PermissionDenied(f"Not you, but {role}.")
        request.state.role = role
        return await view(request, **params)

    return guarded


async def test_the_guard_of_a_socket_has_the_arguments_of_its_route_and_hands_on_its_state(routes_of: Any) -> None:
    seen = []

    def noted(view: Any) -> Any:
        @functools.wraps(view)
        async def inner(request: Any, **params: Any) -> Any:
            seen.append((request.state.role, request.state.place))
            return await view(request, **params)

        return inner

    guarded = for_role(noted(GraphQLView()))
    async with routes_of(
        [
            path("own", guarded, {"role": "admin"}),
            path("below/", include([re_path("^graphql$", guarded)]), {"role": "admin"}),
        ],
        MIDDLEWARE=["tests.graphql.test_subscriptions.Placed"],
    ) as app:
        for place in ("/own", "/below/graphql"):
            with pytest.raises(WebSocketRejected) as refused:
                async with connect(place, app=app, subprotocols=[PROTOCOL]):
                    pass
            assert (refused.value.status, json.loads(refused.value.body)["detail"]) == (403, "Not you, but admin.")
            async with connect(place, app=app, subprotocols=[PROTOCOL], headers={"x-role": "admin"}) as ws:
                await ws.send_json({"type": "connection_init"})
                assert await ws.receive_json() == {"type": "connection_ack"}

    assert seen == [("admin", "/own"), ("admin", "/below/graphql")]


class Placed:
    """Notes the address of a socket in its state, as a middleware may."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    async def __call__(self, request: Any) -> Any:
        return await self.get_response(request)

    async def process_websocket(self, ws: Any) -> None:
        ws.state.place = ws.path


async def test_an_answer_of_a_guard_in_the_place_of_the_views_refuses_the_socket(routes_of: Any) -> None:
    def instead(view: Any) -> Any:
        @functools.wraps(view)
        async def page(request: Any, **params: Any) -> Response:
            return Response(b"Closed for today.")

        return page

    def afterwards(view: Any) -> Any:
        @functools.wraps(view)
        async def page(request: Any, **params: Any) -> Response:
            await view(request, **params)
            return Response(b"Too many.", 429)

        return page

    view = GraphQLView()
    refused = {}
    async with routes_of([path("instead", instead(view)), path("afterwards", afterwards(view))]) as app:
        for place in ("/instead", "/afterwards"):
            with pytest.raises(WebSocketRejected) as error:
                async with connect(place, app=app, subprotocols=[PROTOCOL]):
                    pass
            refused[place] = error.value.status

    assert refused == {"/instead": 403, "/afterwards": 429}


async def test_of_two_views_at_one_address_the_first_guards_the_socket(routes_of: Any) -> None:
    async with routes_of(
        [path("graphql", login_required(GraphQLView())), path("graphql", GraphQLView())],
        MIDDLEWARE=["tests.graphql.conftest.HeaderUser"],
        LOGIN_URL="/log-in",
    ) as app:
        with pytest.raises(WebSocketRejected) as refused:
            async with connect("/graphql", app=app, subprotocols=[PROTOCOL]):
                pass

    assert refused.value.status == 403


async def test_a_guard_that_needs_what_is_not_there_says_so(routes_of: Any, caplog: pytest.LogCaptureFixture) -> None:
    async with routes_of([path("in", login_required(GraphQLView()))], MIDDLEWARE=[]) as app:
        with pytest.raises(WebSocketRejected) as refused:
            async with connect("/in", app=app, subprotocols=[PROTOCOL]):
                pass

    assert refused.value.status == 500
    assert "Add 'covet.auth.middleware.AuthenticationMiddleware' to MIDDLEWARE" in caplog.text


async def test_without_an_address_there_is_no_socket(routes_of: Any) -> None:
    async with routes_of([]) as app:
        with pytest.raises(WebSocketRejected):
            async with connect("/graphql", app=app, subprotocols=[PROTOCOL]):
                pass


def test_sockets_are_routed_anew_beside_the_http_routes_of_their_own_registry(project: Application) -> None:
    """Also while another registry is current, as for a task of a test that has gone on to the next site."""
    with Apps().use(), override(WEBSOCKET_CHECK_ORIGIN=False):
        pass
