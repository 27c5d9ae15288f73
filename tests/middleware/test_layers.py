"""The chain's contract, and the layers that Covet brings."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from covet.auth.middleware import AuthenticationMiddleware
from covet.concurrency import run_sync
from covet.conf import override
from covet.exceptions import ImproperlyConfigured
from covet.http import HTMLResponse, JSONResponse, Request, Response, StreamingResponse
from covet.http.errors import DisallowedHost, Forbidden
from covet.http.policy import RequestPolicy
from covet.middleware import GetResponse, Middleware, MiddlewareNotUsed
from covet.middleware.chain import fold
from covet.middleware.common import CommonMiddleware
from covet.middleware.csp import NONCE, build_policy
from covet.middleware.csrf import CsrfMiddleware, csrf_exempt, get_token, header_name
from covet.rest.openapi.security import csrf_token
from covet.sessions.base import new_key
from covet.urls import path
from tests.handlers.sites import Site

HERE = "tests.middleware.test_layers"


class Outer(Middleware):
    async def __call__(self, request: Request) -> Response:
        response = await self.get_response(request)
        response.headers["X-Trace"] = response.headers.get("x-trace", "") + "outer"
        return response


def inner_factory(get_response: GetResponse) -> Any:
    async def middleware(request: Request) -> Response:
        response = await get_response(request)
        response.headers["X-Trace"] = response.headers.get("x-trace", "") + "inner,"
        return response

    return middleware


class InThread:
    """A sync layer, as Django's may be."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Request) -> Response:
        response: Response = self.get_response(request)
        response.headers["X-Thread"] = str(threading.current_thread() is not threading.main_thread())
        return response


def sync_factory(get_response: Any) -> Any:
    def middleware(request: Request) -> Response:
        response: Response = get_response(request)
        response.headers["X-Sync"] = "yes"
        return response

    return middleware


class NotUsed:
    def __init__(self, get_response: Any) -> None:
        raise MiddlewareNotUsed("not today")


class Hooks(Middleware):
    async def process_view(self, request: Request, view: Any, args: Any, kwargs: dict[str, Any]) -> Response | None:
        if kwargs.get("number") == 13:
            return Response("no thirteenth floor", 404)
        return None

    def process_exception(self, request: Request, exception: Exception) -> Response | None:
        if isinstance(exception, KeyError):
            return JSONResponse({"missing": exception.args[0]}, 410)
        return None


class ReturnsNothing(Middleware):
    async def __call__(self, request: Request) -> Any:
        await self.get_response(request)


async def floor(request: Request, number: int) -> Response:
    if number == 404:
        raise KeyError("floor")
    if number == 500:
        raise RuntimeError("no")
    return Response(str(number))


ROUTES = [path("floor/<int:number>", floor)]


async def test_layers_wrap_each_other_in_the_order_of_the_setting(site: Site) -> None:
    client = await site(ROUTES, middleware=[f"{HERE}.Outer", f"{HERE}.inner_factory"])

    response = await client.get("/floor/1")

    assert response.headers["x-trace"] == "inner,outer"


async def test_sync_layers_run_in_a_thread_and_reach_what_is_below(site: Site) -> None:
    client = await site(ROUTES, middleware=[f"{HERE}.InThread", f"{HERE}.Outer", f"{HERE}.sync_factory"])

    response = await client.get("/floor/1")

    assert response.text == "1"
    assert response.headers["x-thread"] == "True"
    assert response.headers["x-sync"] == "yes"


async def test_outer_layers_see_errors_as_responses(site: Site) -> None:
    client = await site(ROUTES, middleware=[f"{HERE}.Outer", f"{HERE}.inner_factory"])

    for address, status in (("/floor/500", 500), ("/nothing", 404)):
        response = await client.get(address)
        assert (response.status_code, response.headers["x-trace"]) == (status, "inner,outer")


class RaisesAfterAll(Middleware):
    raises_nothing = True

    async def __call__(self, request: Request) -> Response:
        raise RuntimeError("it did")


@pytest.mark.parametrize("outer", [[], [f"{HERE}.NotUsed"], [f"{HERE}.Outer"]], ids=["alone", "outermost", "inside"])
async def test_what_a_layer_raises_that_said_it_would_not_is_answered_all_the_same(
    site: Site, outer: list[str]
) -> None:
    client = await site(ROUTES, middleware=[*outer, f"{HERE}.RaisesAfterAll"])

    assert (await client.get("/floor/1")).status_code == 500


async def test_a_stream_passes_through_all_layers_piece_by_piece(site: Site) -> None:
    """The second piece is made once the first was read: nothing on the way keeps the whole."""
    read = asyncio.Event()

    async def pieces() -> Any:
        yield b"first"
        await read.wait()
        yield b"second"

    async def stream(request: Request) -> Response:
        return StreamingResponse(pieces())

    layers = [
        "covet.middleware.security.SecurityMiddleware",
        "covet.middleware.request_id.RequestIdMiddleware",
        "covet.middleware.compression.CompressionMiddleware",
        "covet.middleware.conditional.ConditionalGetMiddleware",
        "covet.middleware.locale.LocaleMiddleware",
        "covet.middleware.common.CommonMiddleware",
        "covet.middleware.csrf.CsrfMiddleware",
        f"{HERE}.Outer",
        f"{HERE}.InThread",
        f"{HERE}.Hooks",
    ]
    client = await site([path("stream", stream)], middleware=layers, ALLOWED_HOSTS=["*"])

    async with asyncio.timeout(60), client.stream("GET", "/stream") as answer:
        chunks = answer.aiter_raw()
        assert await anext(chunks) == b"first"
        read.set()
        assert b"".join([chunk async for chunk in chunks]) == b"second"
    assert answer.headers["x-trace"] == "outer" and "x-request-id" in answer.headers


async def test_a_layer_that_is_not_used_is_left_out(site: Site) -> None:
    client = await site(ROUTES, middleware=[f"{HERE}.NotUsed"])

    assert (await client.get("/floor/1")).text == "1"
    assert client.application.handler.layers == ()


async def test_process_view_may_answer_before_the_view(site: Site) -> None:
    client = await site(ROUTES, middleware=[f"{HERE}.Hooks"])

    assert (await client.get("/floor/13")).text == "no thirteenth floor"
    assert (await client.get("/floor/14")).text == "14"


class Watchful(CsrfMiddleware):
    """One that looks at every request, as the layer it stands on need not."""

    async def process_view(self, request: Request, view: Any, args: Any, kwargs: dict[str, Any]) -> None:
        if kwargs.get("number") == 13:
            raise Forbidden("no thirteenth floor")
        await super().process_view(request, view, args, kwargs)


class Careless(CommonMiddleware):
    async def __call__(self, request: Request) -> Response:
        raise KeyError("nothing")


async def test_process_view_of_a_subclass_sees_safe_requests_too(site: Site) -> None:
    client = await site(ROUTES, middleware=[f"{HERE}.Outer", f"{HERE}.Watchful"])

    response = await client.get("/floor/13")

    assert response.status_code == 403
    assert response.headers["x-trace"] == "outer"
    assert (await client.get("/floor/14")).text == "14"


async def test_a_subclass_of_a_layer_that_raises_nothing_may_raise(site: Site) -> None:
    client = await site(ROUTES, middleware=[f"{HERE}.Outer", f"{HERE}.Careless"])

    response = await client.get("/floor/1")

    assert response.status_code == 500
    assert response.headers["x-trace"] == "outer"


@pytest.mark.parametrize(
    "layer", ["covet.middleware.security.SecurityMiddleware", "covet.sessions.middleware.SessionMiddleware"]
)
@pytest.mark.parametrize("outer", [[], [f"{HERE}.Outer"]], ids=["alone", "inside"])
async def test_what_a_layer_raises_that_answers_for_itself_reaches_the_outer_ones_as_an_answer(
    layer: str, outer: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        async def load(self, key: str) -> Any:
            raise OSError("the store is gone")

    monkeypatch.setattr("covet.sessions.middleware.session_store", Broken)
    seen: list[Exception] = []

    async def on_error(request: Request, error: Exception) -> Response:
        seen.append(error)
        return Response("told", 503)

    async def view(request: Request) -> Response:
        return Response("served")

    headers = [(b"cookie", b"sessionid=" + new_key().encode()), (b"host", b"not.listed.example")]
    with override(ALLOWED_HOSTS=["x"], SECRET_KEY="k" * 50):
        chain = fold([*outer, layer], lambda hooks: view, on_error)
        policy = RequestPolicy(allowed_hosts=("x",))
        answer = await chain.call(Request.from_parts("GET", "/", raw_headers=headers, policy=policy))

    assert (answer.status, [type(error) for error in seen]) in [(503, [OSError]), (503, [DisallowedHost])]
    assert answer.headers.get("x-trace") == ("outer" if outer else None)


class Named(AuthenticationMiddleware):
    """Lets requests pass as the layer it stands on does, and notes where."""

    def __init__(self, get_response: GetResponse) -> None:
        def noting(request: Request) -> Any:
            request.state.thread = threading.current_thread()
            return get_response(request)

        super().__init__(noting)


async def test_a_subclass_of_a_layer_that_hands_over_runs_on_the_loop() -> None:
    """It is not async itself, and must not be taken for one that blocks."""

    async def step(request: Request) -> Response:
        return Response("served")

    async def on_error(request: Request, error: Exception) -> Response:
        raise error

    request = Request.from_parts("GET", "/")
    request.session = SimpleNamespace(_data={})

    assert (await fold([Named], lambda hooks: step, on_error).call(request)).body == b"served"
    assert request.state.thread is threading.current_thread()
    assert not request.user.is_authenticated


async def test_an_agent_that_is_not_served_is_answered_inside_the_outer_layers(site: Site) -> None:
    middleware = [f"{HERE}.Outer", "covet.middleware.common.CommonMiddleware"]
    client = await site(ROUTES, middleware=middleware, DISALLOWED_USER_AGENTS=["^Bad"])

    response = await client.get("/floor/1", headers={"User-Agent": "Bad/1"})

    assert response.status_code == 403
    assert response.headers["x-trace"] == "outer"


async def test_process_exception_may_answer_for_the_view(site: Site) -> None:
    client = await site(ROUTES, middleware=[f"{HERE}.Hooks"])

    response = await client.get("/floor/404")

    assert (response.status_code, response.json()) == (410, {"missing": "floor"})
    assert (await client.get("/floor/500")).status_code == 500


async def test_a_layer_that_returns_no_response_is_a_500_that_names_it(site: Site) -> None:
    client = await site(ROUTES, middleware=[f"{HERE}.ReturnsNothing"], DEBUG=True)

    response = await client.get("/floor/1")

    assert response.status_code == 500
    assert "ReturnsNothing returned None" in response.json()["detail"]


async def takes_call_next(request: Request, call_next: Any) -> Any:
    return await call_next(request)


class Dispatches:
    async def dispatch(self, request: Request, call_next: Any) -> Any:
        return await call_next(request)


class OfStarlette:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class WithProcessRequest(Middleware):
    def process_request(self, request: Request) -> None: ...


class Ported(Middleware):
    """Calls its old methods itself, as a class that was ported may."""

    async def __call__(self, request: Request) -> Response:
        self.process_request(request)
        return await self.get_response(request)

    def process_request(self, request: Request) -> None:
        request.state.ported = True


async def test_a_layer_may_call_its_process_request_itself(site: Site) -> None:
    client = await site(ROUTES, middleware=[f"{HERE}.Ported"])
    assert (await client.get("/floor/1")).status_code == 200


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tests.middleware.test_layers.Nothing", "Nothing"),
        (lambda get_response: None, "returned None"),
        (3, "not callable"),
        (
            takes_call_next,
            "takes_call_next, which is called with get_response alone: missing a required argument: 'call_next'",
        ),
        (Dispatches, "Write a class derived from covet.middleware.Middleware"),
        (OfStarlette, r"called with request alone.* in asgi.py: application = Middleware\(application\)"),
        ("django.middleware.common.CommonMiddleware", r"Write 'covet\.middleware\.common\.CommonMiddleware'"),
        ("django.middleware.nothing.Of", "cannot be loaded: [^W]*$"),
        (WithProcessRequest, "has process_request, which nobody calls. Write async def __call__"),
    ],
    ids=["nothing", "none", "number", "call-next", "dispatch", "asgi", "django", "django-only", "process-request"],
)
def test_what_is_no_middleware_is_refused_at_start_up(name: Any, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "django", None)  # some machines have it installed

    async def on_error(request: Request, error: Exception) -> Response:
        raise error

    with pytest.raises(ImproperlyConfigured, match=message):
        fold([name], lambda hooks: floor, on_error)  # type: ignore[arg-type, return-value]


# SecurityMiddleware

SECURITY = "covet.middleware.security.SecurityMiddleware"


async def test_security_headers_are_on_every_answer(site: Site) -> None:
    client = await site(ROUTES, middleware=[SECURITY])

    for address in ("/floor/1", "/floor/500", "/nothing"):
        headers = (await client.get(address)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "strict-transport-security" not in headers


async def test_a_view_may_say_otherwise(site: Site) -> None:
    from covet.views.decorators import xframe_options_exempt, xframe_options_sameorigin

    async def framed(request: Request) -> Response:
        return Response("x")

    client = await site(
        [path("same", xframe_options_sameorigin(framed)), path("any", xframe_options_exempt(framed))],
        middleware=[SECURITY],
    )

    assert (await client.get("/same")).headers["x-frame-options"] == "SAMEORIGIN"
    assert "x-frame-options" not in (await client.get("/any")).headers


async def test_http_is_sent_to_https_and_https_gets_hsts(site: Site) -> None:
    client = await site(
        ROUTES,
        middleware=[SECURITY],
        SECURE_SSL_REDIRECT=True,
        SECURE_SSL_HOST="secure.example",
        SECURE_REDIRECT_EXEMPT=["^healthz$"],
        SECURE_PROXY_SSL_HEADER=("HTTP_X_PROXY_SCHEME", "https"),
        SECURE_HSTS_SECONDS=60,
        SECURE_HSTS_INCLUDE_SUBDOMAINS=True,
    )

    plain = await client.get("/floor/1?a=b")
    secure = await client.get("/floor/1", headers={"x-proxy-scheme": "https"})
    exempt = await client.get("/healthz")

    assert (plain.status_code, plain.headers["location"]) == (308, "https://secure.example/floor/1?a=b")
    assert secure.headers["strict-transport-security"] == "max-age=60; includeSubDomains"
    assert exempt.status_code == 404


# CommonMiddleware

COMMON = "covet.middleware.common.CommonMiddleware"


async def test_the_missing_slash_is_added_by_a_redirect(site: Site) -> None:
    client = await site([path("with/", floor, {"number": 1})], middleware=[COMMON])

    get = await client.get("/with?a=1&b=%2F")
    post = await client.post("/with")
    unknown = await client.get("/without")

    assert (get.status_code, get.headers["location"]) == (301, "/with/?a=1&b=%2F")
    assert post.status_code == 308
    assert unknown.status_code == 404


async def test_the_slash_is_not_added_when_the_setting_is_off(site: Site) -> None:
    client = await site([path("with/", floor, {"number": 1})], middleware=[COMMON], APPEND_SLASH=False)

    assert (await client.get("/with")).status_code == 404


async def test_disallowed_agents_get_403(site: Site) -> None:
    client = await site(ROUTES, middleware=[COMMON], DISALLOWED_USER_AGENTS=["^BadBot"])

    assert (await client.get("/floor/1", headers={"user-agent": "BadBot 1.0"})).status_code == 403
    assert (await client.get("/floor/1")).status_code == 200


# CsrfMiddleware

CSRF = "covet.middleware.csrf.CsrfMiddleware"


async def form_page(request: Request) -> Response:
    return HTMLResponse(get_token(request))


async def save(request: Request) -> Response:
    form = await request.form()
    return Response(str(form.get("title", "saved")))


@csrf_exempt
async def hook(request: Request) -> Response:
    return Response("hook")


FORMS = [path("form", form_page), path("save", save), path("hook", hook)]


async def test_an_anonymous_or_token_request_is_not_asked_for_a_token(site: Site) -> None:
    client = await site(FORMS, middleware=[CSRF])

    assert (await client.post("/save")).status_code == 200
    bearer = {"authorization": "Bearer x", "cookie": "sessionid=abc"}
    assert (await client.post("/save", headers=bearer)).status_code == 200


@pytest.mark.parametrize("scheme", ["Basic YTpi", "basic YTpi", "Digest username=a", "Negotiate abc", "NTLM abc"])
async def test_a_password_that_browsers_add_by_themselves_is_no_token(site: Site, scheme: str) -> None:
    """A site behind a password of the server in front: another site's form carries it, and the session cookie too."""
    client = await site(FORMS, middleware=[CSRF])

    forged = await client.post("/save", headers={"authorization": scheme, "cookie": "sessionid=abc"})
    anonymous = await client.post("/save", headers={"authorization": scheme})

    assert (forged.status_code, anonymous.status_code) == (403, 200)


@pytest.mark.parametrize("name", ["X-Site-Token", "HTTP_X_SITE_TOKEN"])
async def test_the_name_of_the_header_is_read_as_django_writes_it_too(site: Site, name: str) -> None:
    """Scripts, and who reads the error, need the name of the header; browsers send no ``HTTP_…``."""
    client = await site(FORMS, middleware=[CSRF], CSRF_HEADER_NAME=name)
    client.cookies.set("sessionid", "abc")
    token = (await client.get("/form")).text

    taken = await client.post("/save", headers={"X-Site-Token": token})
    refused = await client.post("/save")

    assert taken.status_code == 200
    assert "in the header x-site-token or" in refused.json()["detail"].lower()
    with override(CSRF_HEADER_NAME=name):
        assert header_name().lower() == csrf_token()["name"].lower() == "x-site-token"


async def test_a_request_with_a_session_needs_the_token(site: Site) -> None:
    client = await site(FORMS, middleware=[CSRF])
    client.cookies.set("sessionid", "abc")

    refused = await client.post("/save")
    token = (await client.get("/form")).text
    without = await client.post("/save")
    by_header = await client.post("/save", headers={"X-CSRFToken": token})
    by_field = await client.post("/save", data={"csrfmiddlewaretoken": token, "title": "t"})
    by_upload = await client.post("/save", data={"csrfmiddlewaretoken": token}, files={"f": b"x"})
    wrong = await client.post("/save", headers={"X-CSRFToken": token[:-1] + ("0" if token[-1] != "0" else "1")})

    assert [r.status_code for r in (refused, without, wrong)] == [403, 403, 403]
    assert refused.json()["code"] == "csrf_failed"
    assert (by_header.text, by_field.text, by_upload.text) == ("saved", "t", "saved")


async def test_tokens_look_different_each_time_and_all_fit(site: Site) -> None:
    client = await site(FORMS, middleware=[CSRF])
    client.cookies.set("sessionid", "abc")

    tokens = {(await client.get("/form")).text for _ in range(3)}

    assert len(tokens) == 3
    for token in tokens:
        assert (await client.post("/save", headers={"X-CSRFToken": token})).status_code == 200


async def test_another_origin_is_refused_even_with_the_token(site: Site) -> None:
    client = await site(FORMS, middleware=[CSRF], CSRF_TRUSTED_ORIGINS=["https://*.friend.example"])
    client.cookies.set("sessionid", "abc")
    token = (await client.get("/form")).text
    own = str(client.base_url).rstrip("/")

    async def status(origin: str) -> int:
        return int((await client.post("/save", headers={"X-CSRFToken": token, "origin": origin})).status_code)

    assert await status(own) == 200
    assert await status("https://a.friend.example") == 200
    assert await status("https://friend.example") == 200
    assert await status("https://badfriend.example") == 403
    assert await status("https://friend.example.evil.org") == 403
    assert await status("http://a.friend.example") == 403
    assert await status("null") == 403


async def test_https_without_an_origin_needs_a_referer(site: Site) -> None:
    client = await site(FORMS, middleware=[CSRF], SECURE_PROXY_SSL_HEADER=("X-Proxy-Scheme", "https"))
    client.cookies.set("sessionid", "abc")
    token = (await client.get("/form")).text
    headers = {"X-CSRFToken": token, "x-proxy-scheme": "https"}
    host = client.base_url.netloc.decode()

    none = await client.post("/save", headers=headers)
    other = await client.post("/save", headers={**headers, "referer": "https://evil.example/"})
    broken = await client.post("/save", headers={**headers, "referer": "https://[evil.example/"})
    own = await client.post("/save", headers={**headers, "referer": f"https://{host}/form"})
    # A proxy may hand the host on as somebody has typed it.
    typed = await client.post("/save", headers={**headers, "host": "TestServer", "referer": "https://testserver/form"})

    assert [none.status_code, other.status_code, broken.status_code] == [403, 403, 403]
    assert (own.status_code, typed.status_code) == (200, 200)


async def test_an_exempt_view_takes_anything(site: Site) -> None:
    client = await site(FORMS, middleware=[CSRF])
    client.cookies.set("sessionid", "abc")

    assert (await client.post("/hook")).text == "hook"


async def test_the_cookie_is_set_only_when_a_token_was_asked_for(site: Site) -> None:
    client = await site(FORMS, middleware=[CSRF])

    assert "set-cookie" not in (await client.post("/save")).headers
    answer = await client.get("/form")
    assert answer.headers["set-cookie"].startswith("csrftoken=")
    assert answer.headers["vary"] == "Cookie"


# Request id, language, CSP


async def test_a_request_id_is_in_answer_and_error(site: Site) -> None:
    client = await site(ROUTES, middleware=["covet.middleware.request_id.RequestIdMiddleware"])

    made = await client.get("/nothing")
    given = await client.get("/nothing", headers={"x-request-id": "proxy-1234"})
    odd = await client.get("/nothing", headers={"x-request-id": "a b<script>"})

    assert re.fullmatch("[0-9a-f]{32}", made.headers["x-request-id"])
    assert made.json()["request_id"] == made.headers["x-request-id"]
    assert given.json()["request_id"] == given.headers["x-request-id"] == "proxy-1234"
    assert odd.headers["x-request-id"] != "a b<script>"


async def test_the_language_is_chosen_from_cookie_then_browser(site: Site) -> None:
    from covet.i18n import get_language

    async def tell(request: Request) -> Response:
        return Response(get_language())

    client = await site(
        [path("tell", tell)],
        middleware=["covet.middleware.locale.LocaleMiddleware"],
        LANGUAGES=[("en", "English"), ("de", "German"), ("pt-br", "Portuguese")],
    )

    async def told(headers: dict[str, str]) -> str:
        return str((await client.get("/tell", headers=headers)).text)

    assert await told({}) == "en"
    assert await told({"accept-language": "fr, de-AT;q=0.8, en;q=0.5"}) == "de"
    assert await told({"accept-language": "pt"}) == "pt-br"
    assert await told({"accept-language": "de", "cookie": "covet_language=pt-br"}) == "pt-br"
    assert await told({"accept-language": "x" * 500 + ";;;q=,"}) == "en"
    # Any other is liked better than the one that the site has besides its own.
    assert await told({"accept-language": "fr, *;q=0.5, de;q=0.1"}) == "en"
    assert await told({"accept-language": "fr, *;q=0.1, de;q=0.5"}) == "de"
    assert (await client.get("/tell")).headers["vary"] == "Accept-Language, Cookie"


async def test_the_policy_has_the_nonce_of_the_page_that_asked_for_it(site: Site) -> None:
    async def with_nonce(request: Request) -> Response:
        return HTMLResponse(request.csp_nonce)

    async def without(request: Request) -> Response:
        return HTMLResponse("x")

    client = await site(
        [path("with", with_nonce), path("without", without)],
        middleware=["covet.middleware.csp.ContentSecurityPolicyMiddleware"],
        SECURE_CSP={"default-src": ["'self'"], "script-src": ["'self'", NONCE], "style-src": [NONCE]},
    )

    first, second, plain = [await client.get(address) for address in ("/with", "/with", "/without")]

    assert f"script-src 'self' 'nonce-{first.text}'" in first.headers["content-security-policy"]
    assert first.text != second.text
    assert plain.headers["content-security-policy"] == "default-src 'self'; script-src 'self'; style-src 'none'"


def test_a_policy_cannot_be_broken_by_a_value() -> None:
    assert build_policy({"upgrade-insecure-requests": True, "img-src": "data:", "x": False}) == (
        "upgrade-insecure-requests; img-src data:"
    )
    with pytest.raises(ImproperlyConfigured):
        build_policy({"img-src": ["a; script-src *"]})


async def test_run_sync_works_below_a_sync_layer(site: Site) -> None:
    async def answer() -> str:
        return "from the loop"

    def view(request: Request) -> Response:
        return Response(run_sync(answer()))

    client = await site([path("v", view)], middleware=[f"{HERE}.InThread"])

    assert (await client.get("/v")).text == "from the loop"
