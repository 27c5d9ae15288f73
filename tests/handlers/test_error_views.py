"""handler400, handler403, handler404 and handler500 of the root module: pages for people, problems for machines."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from covet.apps.registry import Apps
from covet.conf import override
from covet.exceptions import ImproperlyConfigured
from covet.http import BadRequest, Forbidden, HTMLResponse, Request, Response
from covet.urls import path
from covet.urls.part import UrlsPart
from tests.handlers.sites import Site, module_of

PERSON = {"accept": "text/html,application/xhtml+xml"}


async def bad(request: Request) -> Response:
    raise BadRequest("Not so.")


async def forbidden(request: Request) -> Response:
    raise Forbidden("Not you.")


async def fail(request: Request) -> Response:
    raise RuntimeError("the secret")


ROUTES = [path("bad", bad), path("forbidden", forbidden), path("fail", fail)]


async def on_error(request: Request, exception: Exception) -> Response:
    return HTMLResponse(
        f"<p>{type(exception).__name__} at {request.path}</p>", 404 if "nothing" in request.path else 400
    )


def on_forbidden(request: Request, exception: Exception) -> Response:
    where = "here" if threading.current_thread() is threading.main_thread() else "in a thread"
    return HTMLResponse(f"<p>{exception} {where}</p>", 403)


async def on_failure(request: Request) -> Response:
    return HTMLResponse("<p>We are sorry.</p>", 500)


async def broken(request: Request, *exception: Exception) -> Response:
    raise LookupError("another secret")


async def nothing(request: Request) -> None:
    return None


VIEWS: dict[str, Any] = {
    "handler400": on_error,
    "handler403": on_forbidden,
    "handler404": "tests.handlers.test_error_views.on_error",
    "handler500": on_failure,
}


async def test_each_error_has_its_view(site: Site) -> None:
    client = await site(ROUTES, names=VIEWS)

    answers = {
        address: await client.get(address, headers=PERSON) for address in ("/bad", "/nothing", "/forbidden", "/fail")
    }

    assert [answer.status_code for answer in answers.values()] == [400, 404, 403, 500]
    assert answers["/bad"].text == "<p>BadRequest at /bad</p>"
    assert answers["/nothing"].text.endswith(" at /nothing</p>")
    assert answers["/forbidden"].text == "<p>Not you. in a thread</p>"
    assert answers["/fail"].text == "<p>We are sorry.</p>"


async def test_machines_get_problems_and_development_its_own_pages(site: Site) -> None:
    client = await site(ROUTES, names=VIEWS)
    assert (await client.get("/nothing")).headers["content-type"] == "application/problem+json"
    assert (await client.get("/fail")).json()["status"] == 500


async def test_with_debug_the_pages_of_404_and_500_tell_more(site: Site) -> None:
    client = await site(ROUTES, names=VIEWS, DEBUG=True)

    assert "the secret" in (await client.get("/fail", headers=PERSON)).text
    assert "/nothing</p>" not in (await client.get("/nothing", headers=PERSON)).text
    assert (await client.get("/forbidden", headers=PERSON)).text == "<p>Not you. in a thread</p>"


@pytest.mark.parametrize("view", [broken, nothing])
async def test_a_view_that_fails_itself_tells_nothing(site: Site, view: Any) -> None:
    client = await site(ROUTES, names={"handler500": view})

    answer = await client.get("/fail", headers=PERSON)

    assert answer.status_code == 500
    assert "secret" not in answer.text


def checked(**names: Any) -> list[Any]:
    apps = Apps()
    with override(ROOT_URLCONF=module_of(ROUTES, **names)):
        apps.setup([], [UrlsPart])
    return [(message.id, message.obj) for message in apps.part(UrlsPart).check(apps)]


def test_a_view_with_other_arguments_is_found_by_a_check() -> None:
    assert checked(**VIEWS) == []
    assert checked(handler404=on_failure, handler500=on_error) == [
        ("urls.E007", "handler404"),
        ("urls.E007", "handler500"),
    ]


@pytest.mark.parametrize(("value", "message"), [("nowhere.at.all", "handler404"), (3, "handler404 is a view")])
def test_a_view_that_is_none_stops_the_start(value: Any, message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=message):
        checked(handler404=value)
