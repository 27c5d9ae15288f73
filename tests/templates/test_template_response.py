"""Pages that are rendered after the view, and what middleware may do to them before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from covet.http import Request, Response
from covet.middleware import Middleware
from covet.problems import Problem
from covet.templates import ContentNotRenderedError, TemplateDoesNotExist, TemplateResponse
from covet.urls import path
from covet.views.base import TemplateView
from covet.views.decorators import cache_control
from tests.handlers.sites import Site

HERE = "tests.templates.test_template_response"


class Adds(Middleware):
    async def process_template_response(self, request: Request, response: TemplateResponse) -> TemplateResponse:
        response.context_data["trace"] = [*response.context_data.get("trace", ()), "outer"]
        return response


class AddsInThread(Middleware):
    def process_template_response(self, request: Request, response: TemplateResponse) -> TemplateResponse:
        response.context_data["trace"] = [*response.context_data.get("trace", ()), "inner"]
        return response


class Replaces(Middleware):
    async def process_template_response(self, request: Request, response: TemplateResponse) -> TemplateResponse:
        return TemplateResponse(request, ["nowhere.html", "other.html"], status=202)


class Forgets(Middleware):
    async def process_template_response(self, request: Request, response: TemplateResponse) -> None:
        return None


class Answers(Middleware):
    async def process_view(self, request: Request, view: Any, args: Any, kwargs: Any) -> Response | None:
        return TemplateResponse(request, "page.html", {"title": "early"}) if request.path == "/early" else None

    async def process_exception(self, request: Request, error: Exception) -> Response | None:
        return Response("no such template", 410) if isinstance(error, TemplateDoesNotExist) else None


@cache_control(max_age=60)
async def page(request: Request) -> TemplateResponse:
    response = TemplateResponse(request, "page.html", {"title": "Hi & ho"}, headers={"X-Own": "1"})
    response.add_post_render_callback(lambda done: done.headers.update({"X-Length": str(len(done.body))}))
    return response


async def early(request: Request) -> Response:
    raise AssertionError("answered before")


async def lost(request: Request) -> TemplateResponse:
    return TemplateResponse(request, "lost.html")


async def looks(request: Request) -> Response:
    return Response(TemplateResponse(request, "page.html").body)


async def fails(request: Request) -> Response:
    raise KeyError("key")


async def page_of_error(request: Request, error: KeyError) -> Response:
    return TemplateResponse(request, "page.html", {"title": "handled"}, status=409)


async def problem_of_error(request: Request, error: ValueError) -> Problem:
    return Problem(status=400, title="no")


class Shown(TemplateView):
    template_name = "page.html"
    extra_context = {"title": "class"}


ROUTES = [
    path("page", page),
    path("early", early),
    path("lost", lost),
    path("looks", looks),
    path("fails", fails),
    path("class", Shown.as_view()),
    path("plain", Shown.as_view(content_type="text/plain")),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page.html").write_text("{{ title }}{{ trace|join }}")
    (tmp_path / "other.html").write_text("other")
    return tmp_path


async def test_a_page_is_rendered_after_the_view(site: Site, folder: Path) -> None:
    client = await site(ROUTES, templates=folder)

    answer = await client.get("/page")

    assert answer.text == "Hi &amp; ho"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-length"] == answer.headers["x-length"] == "11"
    assert (answer.headers["x-own"], answer.headers["cache-control"]) == ("1", "max-age=60")
    assert (await client.get("/plain")).headers["content-type"] == "text/plain"


async def test_layers_change_it_before_from_the_inside_out(site: Site, folder: Path) -> None:
    client = await site(ROUTES, middleware=[f"{HERE}.Adds", f"{HERE}.AddsInThread"], templates=folder)

    assert (await client.get("/page")).text == "Hi &amp; hoinnerouter"
    assert (await client.get("/class")).text == "classinnerouter"


async def test_a_layer_may_put_another_in_its_place(site: Site, folder: Path) -> None:
    client = await site(ROUTES, middleware=[f"{HERE}.Replaces"], templates=folder)

    answer = await client.get("/page")

    assert (answer.status_code, answer.text) == (202, "other")


async def test_a_layer_that_forgets_to_return_it_is_named(site: Site, folder: Path) -> None:
    client = await site(ROUTES, middleware=[f"{HERE}.Forgets"], templates=folder, DEBUG=True)

    answer = await client.get("/page")

    assert answer.status_code == 500
    assert "Forgets returned None" in answer.json()["detail"]


async def test_one_of_process_view_is_rendered_and_an_error_of_it_goes_to_process_exception(
    site: Site, folder: Path
) -> None:
    client = await site(ROUTES, middleware=[f"{HERE}.Answers"], templates=folder)

    assert (await client.get("/early")).text == "early"
    assert (await client.get("/lost")).status_code == 410


async def test_without_layers_an_error_of_it_is_answered(site: Site, folder: Path) -> None:
    client = await site(ROUTES, templates=folder, DEBUG=True)

    assert (await client.get("/lost")).status_code == 500
    answer = await client.get("/looks")
    assert answer.status_code == 500
    assert "not rendered yet" in answer.json()["detail"]


async def test_an_exception_handler_may_answer_by_one(site: Site, folder: Path) -> None:
    client = await site(ROUTES, templates=folder, EXCEPTION_HANDLERS={KeyError: page_of_error})

    answer = await client.get("/fails")

    assert (answer.status_code, answer.text) == (409, "handled")


async def test_it_is_rendered_once_and_callbacks_run_then(site: Site, folder: Path) -> None:
    await site(ROUTES, templates=folder)
    request = Request.from_parts("GET", "/")
    response = TemplateResponse(request, "page.html", {"title": "a"})
    heard: list[str] = []

    async def later(done: TemplateResponse) -> None:
        heard.append("async")

    response.add_post_render_callback(lambda done: heard.append("first"))
    response.add_post_render_callback(later)
    with pytest.raises(ContentNotRenderedError, match=r"page\.html"):
        _ = response.body
    assert await response.render() is response
    response.context_data["title"] = "b"
    await response.render()
    response.add_post_render_callback(lambda done: heard.append("late"))

    assert response.body == b"a"
    assert heard == ["first", "async", "late"]


async def test_a_body_that_is_set_stands_in_for_the_template(folder: Path) -> None:
    response = TemplateResponse(Request.from_parts("GET", "/"), "page.html")
    response.body = b"own"

    assert (await response.render()).body == b"own"
