"""What apps offer to templates, blocks that are rendered alone, and errors that name template and line."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import jinja2
import pytest

from covet import timezone
from covet.apps.registry import Apps
from covet.conf import override
from covet.exceptions import ImproperlyConfigured
from covet.http import Request, Response
from covet.i18n import override as language
from covet.shortcuts import render
from covet.templates import Library, TemplateDoesNotExist, render_to_string
from covet.templates.environment import Engine
from covet.templates.part import TemplatesPart
from covet.templates.processors import debug
from covet.urls import path
from tests._apps.library.jinja import register
from tests.handlers.sites import Site

HERE = "tests.templates.test_libraries"


def engine(folder: Path, *libraries: Library) -> Engine:
    return Engine([str(folder)], libraries=libraries or (register,))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ 'Ann Lee'|initials }}", "AL"),
        ("{{ 'hi'|later }} {{ 'hi'|later('?') }}", "HI! HI?"),
        ("{{ 'x'|in_thread }}", "x True"),
        ("{{ 'x'|in_thread }} {{ 'hi'|later }}", "x True HI!"),
        ("{{ 'x'|titled }}", "T: x"),
        ("{{ 'x'|titled|later }}", "T: X!"),
        ("{{ [1, 2, 3, 4]|select('prime')|list }}", "[2, 3]"),
        ("{{ 'Ann' is known }} {{ 'Bob' is known }}", "True False"),
        ("{% for one in newest(2) %}{{ one }}{% endfor %} {{ year() }}", "01 2026"),
        ("{% loud %}", "LOUD"),
    ],
)
async def test_filters_tests_and_functions_are_sync_or_async(tmp_path: Path, source: str, text: str) -> None:
    assert await engine(tmp_path).render_source(source, {"title": "T"}) == text


async def test_an_app_offers_them_by_its_module(site: Site, tmp_path: Path) -> None:
    async def page(request: Request) -> Response:
        return await render(request, "page.html")

    (tmp_path / "page.html").write_text("{{ 'Ann Lee'|initials }}")
    client = await site([path("", page)], installed=["tests._apps.library"], templates=tmp_path)

    assert (await client.get("/")).text == "AL"


async def test_the_first_app_wins_and_a_check_tells(tmp_path: Path) -> None:
    first, second = Library(), Library()
    first.filter(lambda text: "first", name="same")
    second.filter(lambda text: "second", name="same")
    second.test(lambda text: True, name="own")
    part = TemplatesPart()
    for name, library in (("one", first), ("two", second)):
        part.libraries[name] = library

    assert await engine(tmp_path, first, second).render_source("{{ 1|same }} {{ 1 is own }}") == "first True"
    (message,) = list(part.check(Apps()))
    assert message.id == "templates.W001" and "one.jinja and two.jinja" in message.msg


class App:
    name = "shop"

    def folder(self, name: str) -> None:
        return None


def test_a_module_that_offers_nothing_is_named() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"shop\.jinja offers nothing"):
        TemplatesPart().collect(App(), types.ModuleType("shop.jinja"))  # type: ignore[arg-type]
    with pytest.raises(ImproperlyConfigured, match="functions"):
        register.filter("text")  # type: ignore[type-var]


PAGE = """{% extends "base.html" %}
{% block title %}Books{% endblock %}
{% block rows %}{% for row in rows %}<li>{{ row }}</li>{% endfor %}{{ wait() if wait }}{% endblock %}
{% block broken %}
  {{ nothing.deeper }}
{% endblock %}
"""


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    (tmp_path / "base.html").write_text("<title>{% block title %}{% endblock %}</title>{% block rows %}{% endblock %}")
    (tmp_path / "page.html").write_text(PAGE)
    (tmp_path / "wrong.html").write_text("<p>\n{{ name }\n</p>")
    return tmp_path


async def test_a_block_is_rendered_alone(pages: Path) -> None:
    async def wait() -> str:
        return "waited"

    one = engine(pages)

    assert await one.render("page.html#rows", {"rows": ["<a>"]}) == "<li>&lt;a&gt;</li>"
    assert await one.render("page.html#rows", {"rows": [], "wait": wait}) == "waited"
    assert await one.render("page.html#rows", {"rows": ["b"]}) == "<li>b</li>"
    with pytest.raises(TemplateDoesNotExist, match=r"Did you mean 'page\.html#rows'"):
        await one.render("page.html#row")
    with pytest.raises(TemplateDoesNotExist, match=r"pag\.html"):
        await one.render("pag.html#rows")


@pytest.mark.parametrize(
    ("name", "line", "kind"),
    [("page.html#broken", 5, jinja2.UndefinedError), ("wrong.html", 2, jinja2.TemplateSyntaxError)],
    ids=["value", "syntax"],
)
async def test_errors_name_template_and_line(site: Site, pages: Path, name: str, line: int, kind: Any) -> None:
    async def page(request: Request) -> Response:
        return await render(request, name)

    client = await site([path("", page)], templates=pages, DEBUG=True)

    answer = await client.get("/", headers={"Accept": "text/html"})
    assert answer.status_code == 500
    assert f"{pages / name.partition('#')[0]}:{line}" in answer.text
    with pytest.raises(kind):
        await render_to_string(name)


async def test_an_error_of_a_template_that_waits_names_its_line(pages: Path) -> None:
    async def wait() -> str:
        return ""

    (pages / "waits.html").write_text(
        "{{ wait() }}\n{% block inside %}{{ wait() }}\n{{ nothing.deeper }}{% endblock %}"
    )
    for name in ("waits.html", "waits.html#inside"):
        with pytest.raises(jinja2.UndefinedError) as caught:
            await engine(pages).render(name, {"wait": wait})
        places = [(Path(entry.path).name, entry.lineno + 1) for entry in caught.traceback]
        assert ("waits.html", 3) in places


async def test_processors_with_djangos_names(site: Site, tmp_path: Path) -> None:
    async def page(request: Request) -> Response:
        return await render(request, "page.html")

    (tmp_path / "page.html").write_text(
        "{{ LANGUAGE_CODE }} {{ LANGUAGE_BIDI }} {{ LANGUAGES|length }} {{ MEDIA_URL }} {{ STATIC_URL }} {{ TIME_ZONE }} {{ debug }}"
    )
    names = [f"covet.templates.processors.{name}" for name in ("i18n", "media", "static", "tz", "debug")]
    client = await site(
        [path("", page)],
        MEDIA_URL="/m/",
        LANGUAGES=[("en", "English"), ("ar", "Arabic")],
        TEMPLATES={"DIRS": [str(tmp_path)], "CONTEXT_PROCESSORS": names},
        DEBUG=True,
        INTERNAL_IPS=["127.0.0.1"],
    )

    assert (await client.get("/")).text == "en False 2 /m/ /static/ UTC True"
    with language("ar"), timezone.override("Europe/Berlin"), override(DEBUG=False):
        request = Request.from_parts("GET", "/", client=("127.0.0.1", 1))
        text = await client.application.apps.part(TemplatesPart).engine.render("page.html", None, request)
    assert text == "ar True 2 /m/ /static/ Europe/Berlin "


def test_strangers_get_no_debug_values() -> None:
    with override(DEBUG=True, INTERNAL_IPS=["127.0.0.1"]):
        assert debug(Request.from_parts("GET", "/", client=("10.0.0.1", 1))) == {}
        assert debug(Request.from_parts("GET", "/")) == {}
