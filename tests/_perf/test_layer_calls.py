"""A layer that is off makes no call of ours for a request, and the layers of a new project make few."""

from __future__ import annotations

from typing import Any

import pytest

from covet.conf import override
from covet.http import Request, Response
from covet.middleware.order import ORDER
from covet.middleware.skipping import without_middleware
from covet.urls import path
from tests._perf.test_statement_calls import calls_of
from tests.handlers.sites import make_application
from tests.middleware.test_order import generated


async def view(request: Request) -> Response:
    return Response(b"ok")


async def cost(middleware: list[str], view: Any = view, **settings: Any) -> list[str]:
    """The functions of ours that one warm, anonymous request enters."""
    with override(
        ALLOWED_HOSTS=["x"], DATABASES={}, INSTALLED_APPS=[], SECRET_KEY="k" * 50, MIDDLEWARE=middleware, **settings
    ):
        handler = make_application([path("", view)]).handler

        async def ask() -> None:
            request = Request.from_parts("GET", "/", raw_headers=[(b"host", b"x")], app=handler, policy=handler.policy)
            await handler.handle(request)

        for _ in range(2):
            await ask()
        return await calls_of(ask)


# These have models: what they cost is measured by the benchmarks.
STORED = {"covet.sessions.middleware.SessionMiddleware", "covet.auth.middleware.AuthenticationMiddleware"}
# Counted on 3.11; fewer is fine.
LIMIT = 2

OFF: list[tuple[str, dict[str, Any]]] = [
    ("covet.debug.middleware.DebugPanelMiddleware", {"DEBUG": False, "INTERNAL_IPS": ["127.0.0.1"]}),
    ("covet.middleware.cors.CorsMiddleware", {}),
    ("covet.middleware.csp.ContentSecurityPolicyMiddleware", {}),
    ("covet.rest.middleware.RateLimitMiddleware", {}),
    ("covet.middleware.locale.LocaleMiddleware", {"USE_I18N": False}),
]


@pytest.mark.parametrize(("layer", "settings"), OFF, ids=[name.rpartition(".")[2] for name, _ in OFF])
async def test_a_layer_that_is_off_makes_no_call(layer: str, settings: dict[str, Any]) -> None:
    assert await cost([layer], **settings) == await cost([], **settings)


ON: dict[str, dict[str, Any]] = {
    "covet.middleware.cors.CorsMiddleware": {"CORS_ALLOWED_ORIGINS": ["https://a.example"]},
    "covet.middleware.csp.ContentSecurityPolicyMiddleware": {"SECURE_CSP": {"default-src": ["'self'"]}},
    "covet.rest.middleware.RateLimitMiddleware": {"RATE_LIMITS": ["1000/minute"]},
}
SLOTS = [name for _, names in ORDER for name in names if not name.startswith(("covet.cache.", "covet.audit."))]
FURTHER = [
    "covet.middleware.common.CommonMiddleware",
    "covet.middleware.compression.CompressionMiddleware",
    "covet.middleware.conditional.ConditionalGetMiddleware",
    "covet.middleware.locale.LocaleMiddleware",
    "covet.middleware.request_id.RequestIdMiddleware",
]


@pytest.mark.parametrize("layer", [name for name in SLOTS + FURTHER if name not in STORED])
async def test_a_route_that_leaves_a_layer_out_makes_no_call_of_it(layer: str) -> None:
    """What is left is one look at the route; with the layer on, more is called."""

    @without_middleware(layer)
    async def lean(request: Request) -> Response:
        return Response(b"ok")

    settings = ON.get(layer, {})
    bare = await cost([])
    without = await cost([layer], lean, **settings)

    assert "choose" in without
    assert set(without) - {"choose"} <= set(bare)
    assert len(await cost([layer], **settings)) > len(bare)


async def test_the_layers_of_a_new_project_make_few_calls() -> None:
    bare = await cost([])
    whole = await cost([name for name in generated() if name not in STORED])
    # Security headers, the slash and CSRF: a call each, and those of the chain.
    assert len(whole) - len(bare) <= LIMIT, whole
