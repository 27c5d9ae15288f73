"""A write with an Idempotency-Key is done once: repeated, in parallel, after failures, in memory and in Redis."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from covet.exceptions import ImproperlyConfigured
from covet.http.errors import Conflict, ServiceUnavailable
from covet.http.request import Request
from covet.http.response import Response
from covet.redis import RedisPools
from covet.rest import Router, Schema, idempotency, permissions
from covet.rest.idempotency import IdempotencyStore, MemoryStore, RedisStore, store_of
from covet.urls import include, path
from tests.rest.conftest import KNOWN

OPEN: Any = [permissions.AllowAny]


class Payment(Schema):
    amount: int


class Till:
    """Counts what was paid, and lets a payment wait."""

    def __init__(self) -> None:
        self.paid: list[int] = []
        self.started = asyncio.Event()
        self.go_on = asyncio.Event()
        self.fail: Exception | None = None


def make_api(till: Till) -> Router:
    api = Router(permissions=OPEN)

    @api.post("/pay", status=201, idempotent=True)
    async def pay(data: Payment) -> Payment:
        if till.fail is not None:
            raise till.fail
        till.paid.append(data.amount)
        if data.amount == 99:
            till.started.set()
            await till.go_on.wait()
        return data

    @api.post("/other", idempotent=True)
    async def other(data: Payment) -> Payment:
        till.paid.append(data.amount)
        return data

    return api


def key(name: str, **more: str) -> dict[str, str]:
    return {"Idempotency-Key": name, **more}


async def test_the_same_request_gets_the_first_answer_again(site: Any) -> None:
    till = Till()
    client = await site([path("", include(make_api(till)))])

    first = await client.post("/pay", json={"amount": 1}, headers=key("a"))
    again = await client.post("/pay", json={"amount": 1}, headers=key('"a"'))
    fresh = await client.post("/pay", json={"amount": 1}, headers=key("b"))
    bare = await client.post("/pay", json={"amount": 1})

    assert till.paid == [1, 1, 1]
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["content-type"] == "application/json"
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert (fresh.status_code, bare.status_code) == (201, 201)


async def test_a_key_is_one_requests_one_endpoints_and_one_users(site: Any) -> None:
    till = Till()
    client = await site([path("", include(make_api(till)))], middleware=["tests.rest.conftest.UserFromHeader"])

    await client.post("/pay", json={"amount": 1}, headers=key("a"))
    mismatch = await client.post("/pay", json={"amount": 2}, headers=key("a"))
    asked_otherwise = await client.post("/pay?currency=eur", json={"amount": 1}, headers=key("a"))
    elsewhere = await client.post("/other", json={"amount": 3}, headers=key("a"))
    someone = await client.post("/pay", json={"amount": 4}, headers=key("a", **KNOWN))

    assert (mismatch.status_code, asked_otherwise.status_code) == (422, 422)
    assert mismatch.json()["errors"][0]["header"] == "Idempotency-Key"
    assert (elsewhere.status_code, someone.status_code) == (200, 201)
    assert till.paid == [1, 3, 4]


async def test_a_key_belongs_to_the_credentials_where_there_is_no_user(site: Any) -> None:
    till = Till()
    security = {
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "token": {"type": "http", "scheme": "bearer"},
    }
    client = await site([path("", include(make_api(till)))], OPENAPI_SECURITY=security)

    for own in (
        {},
        {"X-API-Key": "ann"},
        {"X-API-Key": "bob"},
        {"Authorization": "Bearer a"},
        {"Authorization": "Bearer b"},
    ):
        for replayed in (False, True):
            answer = await client.post("/pay", json={"amount": 1}, headers=key("a", **own))
            assert ("idempotency-replayed" in answer.headers) is replayed, own

    assert till.paid == [1] * 5


async def test_while_the_first_still_runs_others_are_told_to_come_back(site: Any) -> None:
    till = Till()
    client = await site([path("", include(make_api(till)))])

    running = asyncio.ensure_future(client.post("/pay", json={"amount": 99}, headers=key("a")))
    await till.started.wait()
    meanwhile = await client.post("/pay", json={"amount": 99}, headers=key("a"))
    till.go_on.set()
    first = await running
    after = await client.post("/pay", json={"amount": 99}, headers=key("a"))

    assert (meanwhile.status_code, meanwhile.headers["retry-after"]) == (409, "1")
    assert (first.status_code, after.headers["idempotency-replayed"]) == (201, "true")
    assert till.paid == [99]


@pytest.mark.parametrize("error", [ServiceUnavailable("Later."), Conflict("Not now."), RuntimeError("broken")])
async def test_what_may_turn_out_otherwise_can_be_tried_again(site: Any, error: Exception) -> None:
    till = Till()
    client = await site([path("", include(make_api(till)))])

    till.fail = error
    failed = await client.post("/pay", json={"amount": 1}, headers=key("a"))
    till.fail = None
    again = await client.post("/pay", json={"amount": 1}, headers=key("a"))

    assert failed.status_code >= 400
    assert (again.status_code, till.paid) == (201, [1])


async def test_a_wrong_body_stays_wrong_and_keys_are_checked(site: Any) -> None:
    client = await site([path("", include(make_api(Till())))])

    wrong = await client.post("/pay", json={}, headers=key("a"))
    again = await client.post("/pay", json={}, headers=key("a"))
    empty = await client.post("/pay", json={"amount": 1}, headers=key('""'))
    long = await client.post("/pay", json={"amount": 1}, headers=key("x" * 256))

    assert (wrong.status_code, again.content) == (422, wrong.content)
    assert (empty.status_code, long.status_code) == (400, 400)


async def test_a_client_that_goes_away_gives_the_key_back(site: Any) -> None:
    till = Till()
    client = await site([path("", include(make_api(till)))])
    if client.way == "asgi":
        running = asyncio.ensure_future(client.post("/pay", json={"amount": 99}, headers=key("a")))
        await till.started.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        till.go_on.set()

        again = await client.post("/pay", json={"amount": 99}, headers=key("a"))

        assert again.status_code == 201


class Slow(MemoryStore):
    """Takes a key, and is long in saying so."""

    def __init__(self) -> None:
        super().__init__()
        self.was_taken = asyncio.Event()

    async def begin(self, key: str, entry: bytes, seconds: float) -> bytes | None:
        known = await super().begin(key, entry, seconds)
        self.was_taken.set()
        await asyncio.Event().wait()
        return known


async def test_a_client_that_goes_away_while_its_key_is_taken_gives_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Slow()
    monkeypatch.setattr(idempotency, "store_of", lambda: store)

    async def run(request: Request, params: dict[str, Any]) -> Response:
        raise AssertionError("the key is not taken yet")

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/pay",
        "query_string": b"",
        "headers": [(b"idempotency-key", b"a")],
    }
    asking = asyncio.ensure_future(idempotency.idempotent(run, "/pay")(Request(scope, receive), {}))
    await store.was_taken.wait()
    assert len(store) == 1

    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert len(store) == 0


class Asks(MemoryStore):
    """Asks twice, as Redis's client does where the answer of the first time was lost, and finds what it has put there itself."""

    async def begin(self, key: str, entry: bytes, seconds: float) -> bytes | None:
        await super().begin(key, entry, seconds)
        return await super().begin(key, entry, seconds)


async def test_a_key_that_was_taken_by_a_request_itself_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Asks()
    monkeypatch.setattr(idempotency, "store_of", lambda: store)
    ran = []

    async def run(request: Request, params: dict[str, Any]) -> Response:
        ran.append(True)
        return Response(b"paid", 201)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    headers = [(b"idempotency-key", b"a")]
    scope = {"type": "http", "method": "POST", "path": "/pay", "query_string": b"", "headers": headers}
    answers = [await idempotency.idempotent(run, "/pay")(Request(scope, receive), {}) for _ in range(2)]

    assert [answer.status for answer in answers] == [201, 201]
    assert ran == [True]


@pytest.fixture
async def pools() -> AsyncIterator[RedisPools]:
    made = RedisPools({"default": os.environ["COVET_TEST_REDIS_URL"]})
    yield made
    await made.close()


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest, pools: RedisPools) -> IdempotencyStore:
    if request.param == "memory":
        return MemoryStore()
    return RedisStore(pools, prefix=f"covet-test-{secrets.token_hex(6)}")


async def test_of_many_at_once_one_takes_the_key(store: IdempotencyStore) -> None:
    taken = await asyncio.gather(*[store.begin("k", b"%d" % number, 60) for number in range(20)])

    assert taken.count(None) == 1
    assert len({one for one in taken if one is not None}) == 1


async def test_only_who_holds_a_key_changes_it(store: IdempotencyStore) -> None:
    assert await store.begin("k", b"mine", 60) is None

    await store.release("k", b"theirs")
    await store.finish("k", b"theirs", b"answer", 60)
    assert await store.begin("k", b"other", 60) == b"mine"
    await store.finish("k", b"mine", b"answer", 60)
    assert await store.begin("k", b"other", 60) == b"answer"
    await store.release("k", b"answer")
    assert await store.begin("k", b"other", 60) is None


async def test_memory_forgets_what_is_over_and_the_oldest_first() -> None:
    now = [0.0]
    store = MemoryStore(lambda: now[0], max_keys=2)

    await store.begin("a", b"1", 10)
    now[0] = 11
    assert await store.begin("a", b"2", 10) is None
    await store.begin("b", b"1", 10)
    await store.begin("c", b"1", 10)

    assert len(store) == 2
    assert await store.begin("a", b"3", 10) is None


async def test_a_redis_that_is_away_refuses_and_says_so(site: Any) -> None:
    client = await site(
        [path("", include(make_api(Till())))], IDEMPOTENCY_STORE="redis://127.0.0.1:1/0", installed=["covet.rest"]
    )
    with pytest.raises(ImproperlyConfigured, match="no place to keep"):
        store_of("ftp://x")

    answer = await client.post("/pay", json={"amount": 1}, headers=key("a"))

    assert answer.status_code in (500, 503)
