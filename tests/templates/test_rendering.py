"""Templates: what they see, how they wait, and what is told when one is missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from covet.concurrency import run_sync
from covet.http import Request, Response
from covet.shortcuts import redirect, render
from covet.templates.environment import Engine
from covet.templates.errors import TemplateDoesNotExist
from covet.urls import path
from tests.handlers.sites import Site


class FakeQuery:
    """Has the shape of a queryset: awaiting it gives a list, iterating it before does not work."""

    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows
        self._cache: list[Any] | None = None

    def __await__(self) -> Any:
        async def load() -> list[Any]:
            self._cache = self.rows
            return self.rows

        return load().__await__()

    def __aiter__(self) -> Any:
        async def each() -> Any:
            for row in self.rows:
                yield row

        return each()


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    (tmp_path / "base.html").write_text("<{% block x %}{% endblock %}>")
    (tmp_path / "list.html").write_text(
        '{% extends "base.html" %}{% block x %}{% for row in rows %}{{ row }},{% endfor %}{% endblock %}'
    )
    return Engine([str(tmp_path)])


async def test_querysets_and_coroutines_in_the_context_are_awaited_first(engine: Engine) -> None:
    async def title() -> str:
        return "late"

    assert await engine.render("list.html", {"rows": FakeQuery([1, 2])}) == "<1,2,>"
    assert await engine.render_source("{{ title }}", {"title": title()}) == "late"


async def test_values_are_escaped(engine: Engine) -> None:
    assert await engine.render("list.html", {"rows": ["<&>"]}) == "<&lt;&amp;&gt;,>"


async def test_a_template_that_calls_something_awaitable_waits_for_it(engine: Engine) -> None:
    calls = []

    async def answer() -> bool:
        calls.append(1)
        return False

    source = "{% if answer() %}yes{% else %}no{% endif %}"

    assert await engine.render_source(source, {"answer": answer}) == "no"
    assert calls == [1]


async def test_a_template_that_iterates_a_query_of_a_call_waits_for_it(engine: Engine, tmp_path: Path) -> None:
    class Author:
        def articles(self) -> FakeQuery:
            return FakeQuery(["a", "b"])

    (tmp_path / "author.html").write_text("{% for x in author.articles() %}{{ x }}{% endfor %}")

    assert await engine.render("author.html", {"author": Author()}) == "ab"
    assert await engine.render("author.html", {"author": Author()}) == "ab"


async def test_a_missing_template_is_told_with_a_near_one(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "broken.html").write_text('{% extends "bas.html" %}')

    with pytest.raises(TemplateDoesNotExist, match=r"'lst\.html'\. Did you mean 'list\.html'\?"):
        await engine.render("lst.html")
    with pytest.raises(TemplateDoesNotExist, match=r"'bas\.html'"):
        await engine.render("broken.html")
    assert await engine.render(["none.html", "list.html"], {"rows": []}) == "<>"


async def test_templates_translate(engine: Engine) -> None:
    source = "{{ _('Hello') }} {% trans n=2 %}one{% pluralize %}{{ n }} many{% endtrans %}"

    assert await engine.render_source(source) == "Hello 2 many"


@pytest.mark.parametrize("waits", ["", "{{ wait() }}"])
@pytest.mark.parametrize(
    "tag", ["{% extends 'gone.html' %}", "{% include 'gone.html' %}", "{% from 'gone.html' import x %}"]
)
async def test_a_missing_template_is_told_with_the_one_that_asks_for_it(tmp_path: Path, tag: str, waits: str) -> None:
    async def wait() -> str:
        return ""

    (tmp_path / "page.html").write_text(f"{waits}\n{tag}")
    (tmp_path / "outer.html").write_text("{% include 'page.html' %}")
    engine = Engine([str(tmp_path)])

    for name in ("page.html", "outer.html"):
        with pytest.raises(TemplateDoesNotExist) as caught:
            await engine.render(name, {"wait": wait})
        place = f"{tmp_path / 'page.html'}, line 2,"
        assert caught.value.place == place
        assert f"There is no template 'gone.html', which {place} asks for." in str(caught.value)
    with pytest.raises(TemplateDoesNotExist, match=r"There is no template 'gone\.html'\. ") as caught:
        await engine.render("gone.html")
    assert caught.value.place is None


async def test_a_script_gets_the_token_as_json(site: Site, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("{{ {'t': csrf_token}|tojson }} {{ csrf_token() }} {{ csrf_token|length }}")
    (tmp_path / "asked.html").write_text("{% if csrf_token %}yes{% endif %}")

    async def page(request: Request, name: str) -> Response:
        return await render(request, f"{name}.html")

    client = await site(
        [path("<str:name>/", page)], middleware=["covet.middleware.csrf.CsrfMiddleware"], templates=tmp_path
    )

    asked = await client.get("/asked/")
    response = await client.get("/page/")

    assert re.fullmatch(r'\{"t": "(\w{80})"\} \w{80} 80', response.text)
    assert "csrftoken=" in response.headers["set-cookie"]
    assert asked.text == "yes"
    assert "set-cookie" not in asked.headers


async def test_a_page_knows_urls_static_files_token_and_nonce(site: Site, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        "{{ url('article', pk=3, query={'a': 1}) }} {{ static('x y.css') }} {{ csrf_input }} {{ csp_nonce }} {{ request.path }}"
    )

    async def page(request: Request, pk: int) -> Response:
        return await render(request, "page.html", status=201, headers={"X-A": "b"})

    client = await site(
        [path("a/<int:pk>/", page, name="article")],
        middleware=["covet.middleware.csrf.CsrfMiddleware"],
        templates=tmp_path,
    )

    response = await client.get("/a/1/")

    assert (response.status_code, response.headers["x-a"]) == (201, "b")
    assert response.text.startswith(
        '/a/3/?a=1 /static/x%20y.css <input type="hidden" name="csrfmiddlewaretoken" value="'
    )
    assert response.text.endswith(" /a/1/")
    assert "csrftoken=" in response.headers["set-cookie"]


async def test_context_processors_of_the_project_add_their_values(tmp_path: Path) -> None:
    (tmp_path / "p.html").write_text("{{ one }}{{ two }}")

    def one(request: Request) -> dict[str, Any]:
        return {"one": 1}

    async def two(request: Request) -> dict[str, Any]:
        return {"two": 2}

    engine = Engine([str(tmp_path)], processors=[one, two])

    assert await engine.render("p.html", {}, Request.from_parts("GET", "/")) == "12"


async def test_sync_functions_of_a_template_may_block_and_reach_the_loop(tmp_path: Path) -> None:
    """In both environments, and in context processors: they run in threads, where ``run_sync`` works."""

    async def load(name: str) -> str:
        return f"loaded {name}"

    def function(name: str) -> str:
        return run_sync(load(name))

    class Thing:
        def method(self) -> str:
            return run_sync(load("by a method"))

        def later(self) -> Any:
            return load("later")

    def processor(request: Request) -> dict[str, Any]:
        return {"processed": run_sync(load("by a processor"))}

    values = {"function": function, "thing": Thing(), "load": load}
    (tmp_path / "plain.html").write_text("{{ function('a') }}, {{ thing.method() }}, {{ processed }}")
    (tmp_path / "waits.html").write_text(
        "{{ load('b') }}, {{ function('a') }}, {{ thing.method() }}, {{ thing.later() }}"
    )
    engine = Engine([str(tmp_path)], processors=[processor])
    request = Request.from_parts("GET", "/")

    plain = await engine.render("plain.html", values, request)
    waits = [await engine.render("waits.html", values) for _ in range(2)]

    assert plain == "loaded a, loaded by a method, loaded by a processor"
    assert waits == ["loaded b, loaded a, loaded by a method, loaded later"] * 2


@pytest.mark.row("models.values")
async def test_redirect_takes_names_objects_and_addresses(site: Site) -> None:
    class Thing:
        def get_absolute_url(self) -> str:
            return "/things/1/"

    async def go(request: Request, how: str) -> Response:
        targets: dict[str, Any] = {"name": "go", "object": Thing(), "address": "/x/", "full": "https://x.org/"}
        return redirect(targets[how], **({"how": "name"} if how == "name" else {}))

    client = await site([path("go/<str:how>", go, name="go")])

    for how, location in (
        ("name", "/go/name"),
        ("object", "/things/1/"),
        ("address", "/x/"),
        ("full", "https://x.org/"),
    ):
        assert (await client.get(f"/go/{how}")).headers["location"] == location


class Shown:
    def name(self) -> str:
        return "Ann"

    async def waited(self) -> str:
        return "Bob"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{{ shown.name }}", r"Shown\.name is a method, .* write {{ ….name\(\) }}, with brackets\."),
        ("{{ shown.waited() }}{{ shown.waited }}", r"Shown\.waited is a method"),
        ("{{ make }}", r"<lambda> is a function"),
    ],
)
async def test_a_method_that_was_not_called_is_told_while_somebody_develops(tmp_path, source, says):
    """Django calls it by itself, and Jinja2 shows where it lies in memory."""
    (tmp_path / "page.html").write_text(source)
    context = {"shown": Shown(), "make": lambda: 1}

    with pytest.raises(TypeError, match=says):
        await Engine([str(tmp_path)], debug=True).render("page.html", context)
    assert "at 0x" in await Engine([str(tmp_path)]).render("page.html", context)


async def test_what_is_no_method_is_shown_as_it_is_while_somebody_develops(tmp_path):
    (tmp_path / "page.html").write_text(
        "{{ shown.name() }} {{ shown.waited() }} {{ none }} {{ missing }} {{ '<b>'|safe }}{{ '<' }}"
    )

    text = await Engine([str(tmp_path)], debug=True).render("page.html", {"shown": Shown(), "none": None})

    assert text == "Ann Bob None  <b>&lt;"


@pytest.mark.parametrize(
    ("switch", "shown"),
    [("on", "&lt;b&gt;"), ("off", "<b>"), ("true", "&lt;b&gt;"), ("false", "<b>"), ("off if shown else on", "<b>")],
)
async def test_autoescape_is_switched_by_djangos_words_too(switch, shown):
    """To Jinja2 ``on`` is the name of a variable that is not there, and so the opposite of what it says."""
    source = f"{{% autoescape {switch} %}}{{{{ shown }}}}{{% endautoescape %}}{{{{ on }}}}{{{{ shown }}}}"

    assert await Engine([]).render_source(source, {"shown": "<b>"}) == f"{shown}&lt;b&gt;"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{{ block.super }}", r"{{ super\(\) }}"),
        ("{% include 'rows.html' with rows=1 %}", r"{% with name=value %}{% include 'rows.html' %}{% endwith %}"),
        ("{% querystring page=2 %}", "no tag 'querystring'. Instead of it, make the address in the view"),
        ("{% timezone 'UTC' %}", "no tag 'timezone'"),
    ],
)
async def test_further_words_of_djangos_templates_are_answered(source, says):
    with pytest.raises(Exception, match=says):
        await Engine([]).render_source(source, {})
