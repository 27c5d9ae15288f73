"""A whole visit, with CSRF enforced: in this process, and over a real server with Covet's protocol class."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from covet.conf import override
from tests.handlers import sites

PASSWORD = "correct horse battery"


@pytest.fixture(params=["asgi", "protocol"])
async def visitor(request: pytest.FixtureRequest, site: str) -> AsyncIterator[httpx.AsyncClient]:
    from covet.asgi import get_asgi_application
    from covet.test.client import AsyncClient
    from covet.test.live import serve

    application = get_asgi_application()
    if request.param == "asgi":
        async with AsyncClient(application, enforce_csrf_checks=True, raise_request_exception=False) as client:
            yield client
        return
    async with (
        override(ALLOWED_HOSTS=["127.0.0.1"]),
        serve(application, log_level="critical") as server,
        sites.visitor(server) as client,
    ):
        yield client


async def make_user(name: str = "ann") -> Any:
    from covet.auth.models import User

    return await User.objects.create_user(name, f"{name}@example.com", PASSWORD)


async def log_in(client: httpx.AsyncClient, name: str = "ann") -> httpx.Response:
    return await client.post("/login", json={"username": name, "password": PASSWORD})


def token(client: httpx.AsyncClient) -> dict[str, str]:
    return {"X-CSRFToken": client.cookies["csrftoken"]}


async def test_a_visit_from_the_first_page_to_the_log_out(visitor: httpx.AsyncClient) -> None:
    user = await make_user()

    before = await visitor.get("/whoami")
    assert "set-cookie" not in before.headers
    kept = await visitor.post("/cart", json="lamp")
    assert kept.json() == ["lamp"]
    first_key = visitor.cookies["sessionid"]
    # Now there is a session cookie, and no token yet: the log-in itself could be forged from here on.
    assert (await log_in(visitor)).status_code == 403
    visitor.cookies.clear()

    assert (await log_in(visitor)).json() == {"name": "ann"}
    assert visitor.cookies["sessionid"] != first_key
    who = (await visitor.get("/whoami")).json()
    assert who == {"claimed": user.pk, "name": "ann", "authenticated": True, "same": True}
    forged = await visitor.post("/cart", json="forged")
    mine = await visitor.post("/cart", json="mine", headers=token(visitor))
    foreign = await visitor.post("/cart", json="x", headers={**token(visitor), "origin": "https://evil.example"})
    assert (forged.status_code, mine.status_code, foreign.status_code) == (403, 200, 403)
    assert forged.headers["content-type"] == "application/problem+json"
    assert (await visitor.get("/cart")).json() == ["mine"]

    changed = await visitor.post("/password", json={"password": "another one entirely"}, headers=token(visitor))
    assert changed.status_code == 200
    assert (await visitor.get("/whoami")).json()["name"] == "ann"
    assert (await visitor.post("/logout", headers=token(visitor))).json() == {"name": ""}
    assert (await visitor.get("/whoami")).json()["authenticated"] is False


async def test_a_stolen_key_is_worth_nothing_after_the_log_out(visitor: httpx.AsyncClient) -> None:
    await make_user()
    await log_in(visitor)
    stolen = dict(visitor.cookies)
    await visitor.post("/logout", headers=token(visitor))

    visitor.cookies.clear()
    visitor.cookies.update(stolen)

    assert (await visitor.get("/whoami")).json()["authenticated"] is False


async def test_a_failing_view_keeps_nothing_and_tells_nothing(visitor: httpx.AsyncClient) -> None:
    await make_user()
    await log_in(visitor)

    broken = await visitor.get("/broken")

    assert broken.status_code == 500
    assert broken.headers["content-type"] == "application/problem+json"
    assert "on purpose" not in broken.text
    assert (await visitor.get("/cart")).json() == []


async def test_visitors_at_once_are_never_mixed_up(visitor: httpx.AsyncClient) -> None:
    names = ["ann", "bob", "cid", "dee"]
    for name in names:
        await make_user(name)
    cookies = {}
    for name in names:
        visitor.cookies.clear()
        await log_in(visitor, name)
        cookies[name] = f"sessionid={visitor.cookies['sessionid']}"
    visitor.cookies.clear()

    asked = names * 10
    found = await asyncio.gather(*[visitor.get("/whoami", headers={"cookie": cookies[name]}) for name in asked])

    assert [answer.json()["name"] for answer in found] == asked
