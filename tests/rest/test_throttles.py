"""Throttled endpoints refuse what is too often, say so in headers, and cost the others nothing."""

import os
import secrets
import time
from typing import Any

import pytest

from covet.conf import override
from covet.exceptions import ImproperlyConfigured
from covet.http.request import Request
from covet.limits import MemoryStore
from covet.rest import Router, Throttle, permissions
from covet.rest.openapi import build_document
from covet.rest.throttle import _network
from covet.urls import include, path
from covet.urls.part import UrlsPart


class User:
    is_authenticated = True

    def __init__(self, pk: str) -> None:
        self.pk = pk

    def __await__(self) -> Any:
        yield from ()
        return self


def PkFromHeader(get_response: Any) -> Any:
    async def middleware(request: Any) -> Any:
        if "x-pk" in request.headers:
            request.user = User(request.headers["x-pk"])
        return await get_response(request)

    return middleware


def weight(request: Request) -> int:
    return int(request.query.get("n", "1"))


def tenant(request: Request) -> str | None:
    return request.headers.get("x-tenant")


def make_api() -> Router:
    api = Router(permissions=[permissions.AllowAny])

    @api.get("/by-user", throttles=["2/hour"])
    async def by_user() -> int:
        return 1

    @api.get("/weighed", throttles=[Throttle("10/hour", cost=weight, name="weighed")])
    async def weighed() -> int:
        return 1

    @api.get("/tenants", throttles=[Throttle("1/hour", by=tenant)])
    async def tenants() -> int:
        return 1

    both = [Throttle("5/hour", by=("ip", "route"), name="own"), Throttle("3/hour", by="ip", name="shared")]

    @api.get("/first", throttles=both)
    async def first() -> int:
        return 1

    @api.get("/second", throttles=both)
    async def second() -> int:
        return 1

    @api.get("/free", throttles=[])
    async def free() -> int:
        return 1

    @api.get("/default")
    async def default() -> int:
        return 1

    @api.post("/guess", throttles=["1/hour"], permissions=[permissions.IsAdminUser])
    async def guess(data: dict[str, int]) -> int:
        return 1

    @api.get("/spaced", throttles=[Throttle("50/s", algorithm="leaky-bucket", burst=5)])
    async def spaced() -> int:
        return 1

    return api


async def start(site: Any, **settings: Any) -> Any:
    settings.setdefault("middleware", [f"{__name__}.PkFromHeader"])
    return await site([path("", include(make_api()))], **settings)


async def test_each_user_has_their_own_count_and_is_told_of_it(site: Any) -> None:
    client = await start(site)

    ann = [await client.get("/by-user", headers={"X-Pk": "ann"}) for _ in range(3)]
    bob = await client.get("/by-user", headers={"X-Pk": "bob"})
    nobody = await client.get("/by-user")

    assert [one.status_code for one in (*ann, bob, nobody)] == [200, 200, 429, 200, 200]
    assert ann[0].headers["ratelimit-policy"] == '"2-per-3600s-user";q=2;w=3600'
    assert ann[0].headers["ratelimit"] == '"2-per-3600s-user";r=1;t=1800'
    refused = ann[2]
    assert refused.headers["content-type"] == "application/problem+json"
    assert 1790 <= int(refused.headers["retry-after"]) <= 1800
    assert refused.headers["ratelimit"].startswith('"2-per-3600s-user";r=0;t=')
    assert refused.json()["violated-policies"] == ["2-per-3600s-user"]


async def test_a_request_counts_what_it_costs(site: Any) -> None:
    client = await start(site)

    codes = [(await client.get(f"/weighed?n={n}")).status_code for n in (8, 3, 2, 0)]
    never = await client.get("/weighed?n=11")

    assert codes == [200, 429, 200, 200]
    assert never.status_code == 429
    assert "retry-after" not in never.headers


async def test_a_function_says_for_whom_it_counts_or_that_it_does_not(site: Any) -> None:
    client = await start(site)

    a = [(await client.get("/tenants", headers={"X-Tenant": "a"})).status_code for _ in range(2)]
    b = (await client.get("/tenants", headers={"X-Tenant": "b"})).status_code
    uncounted = [await client.get("/tenants") for _ in range(3)]

    assert (a, b) == ([200, 429], 200)
    assert [one.status_code for one in uncounted] == [200] * 3
    assert "ratelimit" not in uncounted[0].headers


class Noting(MemoryStore):
    """Remembers its keys."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []

    async def hit(self, algorithm: Any, key: str, cost: int = 1) -> Any:
        self.keys.append(key)
        return await super().hit(algorithm, key, cost)


def of_header(name: str) -> Any:
    def by(request: Request) -> str | None:
        return request.headers.get(name)

    return by


def numbered(request: Request) -> Any:
    return int(request.headers["x-tenant"])


def noting(by: Any) -> tuple[Noting, Router]:
    store = Noting()
    api = Router(permissions=[permissions.AllowAny])

    @api.get("/", throttles=[Throttle("1/hour", by=by, store=store)])
    async def handler() -> int:
        return 1

    return store, api


@pytest.mark.parametrize("mark", [":", "|", "%7C", "#"])
async def test_values_that_hold_the_mark_between_them_never_meet(site: Any, mark: str) -> None:
    store, api = noting((of_header("x-a"), of_header("x-b"), "user"))
    client = await site([path("", include(api))], middleware=[f"{__name__}.PkFromHeader"])
    values = [
        (f"a{mark}b", "c", "d"),
        ("a", f"b{mark}c", "d"),
        ("a", "b", f"c{mark}d"),
        ("a", "b", "c%7Cd"),
        ("a", "b", "c|d"),
    ]
    asked = dict.fromkeys(values)

    answers = [await client.get("/", headers={"X-A": a, "X-B": b, "X-Pk": pk}) for a, b, pk in asked]

    assert [one.status_code for one in answers] == [200] * len(asked)
    assert len({*store.keys}) == len(asked)


async def test_a_store_sees_neither_secrets_nor_long_keys(site: Any) -> None:
    store, api = noting((of_header("x-key"), "user"))
    client = await site([path("", include(api))], middleware=[f"{__name__}.PkFromHeader"])
    headers = {"X-Key": "very-secret" * 200, "X-Pk": "pk" * 200}

    answers = [await client.get("/", headers=headers) for _ in range(2)]
    with override(SECRET_KEY="another" * 10):
        await client.get("/", headers=headers)

    assert [one.status_code for one in answers] == [200, 429]
    assert "secret" not in store.keys[0]
    assert "pkpk" not in store.keys[0]
    assert max(map(len, store.keys)) < 150
    assert store.keys[2] != store.keys[1] == store.keys[0]


async def test_a_function_may_count_by_a_number(site: Any) -> None:
    _, api = noting(("ip", numbered))
    client = await site([path("", include(api))])

    assert [(await client.get("/", headers={"X-Tenant": one})).status_code for one in "112"] == [200, 429, 200]


async def test_a_shared_limit_counts_both_endpoints_and_an_own_one_each(site: Any) -> None:
    client = await start(site)

    answers = [await client.get(url) for url in ("/first", "/second", "/first", "/second")]

    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert '"own";r=4;' in answers[1].headers["ratelimit"]
    assert '"shared";r=1;' in answers[1].headers["ratelimit"]
    assert answers[3].json()["violated-policies"] == ["shared"]


async def test_the_setting_holds_where_an_endpoint_says_nothing(site: Any) -> None:
    client = await start(site, DEFAULT_THROTTLES=["1/hour"])

    assert [(await client.get("/default")).status_code for _ in range(2)] == [200, 429]
    assert [(await client.get("/free")).status_code for _ in range(3)] == [200] * 3


async def test_guesses_are_counted_though_they_are_not_allowed(site: Any) -> None:
    client = await start(site)

    codes = [(await client.post("/guess", json={}, headers={"X-Pk": "x"})).status_code for _ in range(2)]

    assert codes == [403, 429]


async def test_a_leaky_bucket_lets_requests_wait_for_their_turn(site: Any) -> None:
    client = await start(site)
    begun = time.monotonic()
    for _ in range(4):
        assert (await client.get("/spaced")).status_code == 200

    assert time.monotonic() - begun >= 0.055


async def test_redis_counts_for_all_processes(site: Any) -> None:
    url = os.environ["COVET_TEST_REDIS_URL"]
    from covet.limits import RedisStore
    from covet.redis import RedisPools

    pools = RedisPools({"default": url})
    prefix = f"covet-test-{secrets.token_hex(6)}"
    api = Router(permissions=[permissions.AllowAny])
    for number in range(2):

        async def shared() -> int:
            return 1

        store = RedisStore(pools, prefix=prefix)
        api.get(f"/{number}", name=f"shared{number}", throttles=[Throttle("3/hour", by="ip", store=store)])(shared)
    client = await site([path("", include(api))])

    codes = [(await client.get(f"/{number % 2}")).status_code for number in range(4)]
    await pools.close()

    assert codes == [200, 200, 200, 429]


@pytest.mark.parametrize("where", ["memory", "redis"])
@pytest.mark.parametrize(
    "other",
    [
        {"rate": "3/hour", "algorithm": "fixed-window"},
        {"rate": "3/hour", "algorithm": "token-bucket"},
        {"rate": "3/day", "algorithm": "sliding-log"},
    ],
    ids=["window", "bucket", "period"],
)
async def test_throttles_of_one_name_that_count_otherwise_do_not_let_each_other_pass(
    site: Any, where: str, other: dict[str, str]
) -> None:
    from covet.limits import RedisStore
    from covet.redis import RedisPools

    pools = RedisPools({"default": os.environ["COVET_TEST_REDIS_URL"]})

    def noon() -> float:
        return 1_800_000_000.0

    prefix = f"covet-test-{secrets.token_hex(6)}"
    store: Any = MemoryStore(noon) if where == "memory" else RedisStore(pools, prefix=prefix, clock=noon)
    api = Router(permissions=[permissions.AllowAny])
    for url, options in (("/log", {"rate": "3/hour", "algorithm": "sliding-log"}), ("/other", other)):

        async def counted() -> int:
            return 1

        options = dict(options)
        throttle = Throttle(options.pop("rate"), by="ip", name="login", store=store, **options)
        api.get(url, name=url[1:], throttles=[throttle])(counted)
    client = await site([path("", include(api))])

    codes = [(await client.get(url)).status_code for _ in range(4) for url in ("/log", "/other")]
    await pools.close()

    assert codes == [200, 200] * 3 + [429, 429]


@pytest.mark.parametrize(("fail_open", "status"), [(True, 200), (False, 503)])
async def test_without_its_store_a_throttle_opens_or_closes_as_it_says(site: Any, fail_open: bool, status: int) -> None:
    from covet.limits import RedisStore
    from covet.redis import RedisPools

    pools = RedisPools({"default": "redis://127.0.0.1:1/0"})
    api = Router(permissions=[permissions.AllowAny])

    @api.get("/x", throttles=[Throttle("3/hour", by="ip", store=RedisStore(pools), fail_open=fail_open)])
    async def x() -> int:
        return 1

    client = await site([path("", include(api))])
    answer = await client.get("/x")
    await pools.close()

    assert answer.status_code == status


async def test_openapi_tells_of_429_where_it_can_be(site: Any) -> None:
    client = await start(site)
    document = build_document(client.application.apps.part(UrlsPart).resolver.routes)

    assert "429" in document["paths"]["/by-user"]["get"]["responses"]
    assert "429" not in document["paths"]["/free"]["get"]["responses"]


def test_an_address_of_ipv6_counts_as_its_network() -> None:
    assert _network("2001:db8::1") == _network("2001:db8::ffff") == "2001:db8::/64"
    assert _network("::ffff:10.0.0.1") == _network("10.0.0.1") == "10.0.0.1"
    assert _network("") == "unknown"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"rate": "many"}, "is no rate"),
        ({"rate": "1/s", "algorithm": "gcar"}, "Did you mean 'gcra'"),
        ({"rate": "1/s", "by": "usr"}, "is not 'user'"),
        ({"rate": "1/s", "name": 'a"b'}, "cannot stand in a header"),
        ({"rate": "1/s", "burst": 0}, "at least one"),
    ],
)
def test_a_wrong_throttle_is_refused_where_it_is_written(options: dict[str, Any], text: str) -> None:
    rate = options.pop("rate")
    with pytest.raises(ImproperlyConfigured, match=text):
        Throttle(rate, store=MemoryStore(), **options)
