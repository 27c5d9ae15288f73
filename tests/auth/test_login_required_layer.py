"""A site that is closed but for some pages."""

from __future__ import annotations

from typing import Any

from covet.auth import get_user_model
from covet.auth.decorators import login_not_required
from covet.conf import override
from covet.http import Request, Response
from covet.rest import Router
from covet.test.client import AsyncClient
from covet.urls import include, path
from tests.auth.conftest import SITE
from tests.handlers.sites import module_of


async def closed(request: Request) -> Response:
    return Response(b"inside")


@login_not_required
async def opened(request: Request) -> Response:
    return Response(b"for all")


api = Router(permissions=[])


@api.get("endpoint")
async def endpoint(request: Request) -> dict[str, Any]:
    return {"ok": True}


async def test_only_who_is_logged_in_comes_in(site: str) -> None:
    middleware = [*SITE["MIDDLEWARE"], "covet.auth.middleware.LoginRequiredMiddleware"]
    routes = module_of([path("closed", closed), path("open", opened), path("api/", include(api))])
    person = {"Accept": "text/html"}

    async with override(MIDDLEWARE=middleware, ROOT_URLCONF=routes), AsyncClient() as client:
        sent = await client.get("/closed?a=1", headers=person)
        assert (sent.status_code, sent.headers["location"]) == (302, "/accounts/login/?next=/closed%3Fa%3D1")
        assert (await client.get("/closed")).status_code == 401
        assert (await client.get("/open", headers=person)).text == "for all"
        assert (await client.get("/api/endpoint")).json() == {"ok": True}
        await client.force_login(await get_user_model().objects.create_user("ann"))
        assert (await client.get("/closed", headers=person)).text == "inside"
