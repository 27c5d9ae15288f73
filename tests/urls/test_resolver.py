"""Paths to routes and back, against the plain way of trying one pattern after another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from covet.exceptions import ImproperlyConfigured
from covet.http import Http404, MethodNotAllowed, Request, Response
from covet.urls import NoReverseMatch, autodiscover, include, path, re_path, register_converter
from covet.urls.converters import may_span_segments
from covet.urls.flatten import flatten, regex_of
from covet.urls.resolver import Resolver
from tests._calls import profiled


async def view(request: Request, **kwargs: Any) -> Response:
    return Response()


async def other(request: Request, **kwargs: Any) -> Response:
    return Response()


def resolved(patterns: Sequence[Any], address: str, method: str = "GET") -> tuple[str, dict[str, Any]]:
    route, params = Resolver(patterns).resolve(method, address)
    return route.pattern, params


def plainly(patterns: Sequence[Any], address: str) -> tuple[str, dict[str, Any]] | None:
    """What Django would do: try one pattern after another."""
    for flat in flatten(patterns):
        found = re.fullmatch(regex_of(flat.pieces), address.removeprefix("/"), re.DOTALL)
        if found is None:
            continue
        try:
            values = {
                piece.name: piece.converter.to_python(found[piece.name]) for piece in flat.pieces if piece.converter
            }
        except ValueError:
            continue
        return flat.text, values
    return None


pieces = st.sampled_from(
    [
        "a",
        "b",
        "",
        "<int:{}>",
        "<str:{}>",
        "<slug:{}>",
        "x-<int:{}>",
        "<str:{}>.json",
        "<path:{}>",
        "<int:{}>-<slug:{}>",
    ]
)


@st.composite
def routes(draw: st.DrawFn) -> list[Any]:
    made = []
    for _ in range(draw(st.integers(1, 7))):
        segments = draw(st.lists(pieces, min_size=1, max_size=3))
        text, number = "", 0
        for place, segment in enumerate(segments):
            while "{}" in segment:
                segment = segment.replace("{}", f"p{number}", 1)
                number += 1
            text += ("/" if place else "") + segment
        made.append(path(text, view))
    return made


addresses = st.lists(
    st.sampled_from(["a", "b", "", "1", "12", "x-1", "a.json", "7-b", "é", "x"]), min_size=1, max_size=4
)


@given(routes(), addresses)
def test_the_tree_finds_what_trying_one_after_another_finds(patterns: list[Any], segments: list[str]) -> None:
    address = "/" + "/".join(segments)
    expected = plainly(patterns, address)

    if expected is None:
        with pytest.raises(Http404):
            resolved(patterns, address)
    else:
        assert resolved(patterns, address) == expected


@given(
    st.integers(0, 10**12),
    st.uuids(),
    st.text("abcXYZ019-_", min_size=1),
    st.text(min_size=1).filter(lambda t: "/" not in t),
)
def test_reverse_then_resolve_gives_the_values_back(number: int, key: UUID, slug: str, text: str) -> None:
    from urllib.parse import unquote

    assume(text.encode("utf-8", "surrogatepass").decode("utf-8", "ignore") == text)
    resolver = Resolver([path("x/<int:number>/<uuid:key>/<slug:slug>/<str:text>/", view, name="all")])
    values = {"number": number, "key": key, "slug": slug, "text": text}

    address = resolver.names.reverse("all", (), values)

    route, params = resolver.resolve("GET", unquote(address))
    assert (route.name, params) == ("all", values)


def test_the_first_of_two_that_match_is_taken() -> None:
    patterns = [path("<str:name>", view, name="dynamic"), path("about", view, name="literal")]

    assert resolved(patterns, "/about") == ("<str:name>", {"name": "about"})
    assert resolved(patterns[::-1], "/about") == ("about", {})


def test_a_converter_that_refuses_leaves_the_path_to_the_next() -> None:
    patterns = [path("<int:number>", view), path("<slug:name>", view)]

    assert resolved(patterns, "/12") == ("<int:number>", {"number": 12})
    assert resolved(patterns, "/twelve") == ("<slug:name>", {"name": "twelve"})
    with pytest.raises(Http404):
        resolved(patterns, "/" + "9" * 5000 + "!")


def test_routes_of_one_path_stand_together_by_method() -> None:
    resolver = Resolver(
        [path("a/<int:pk>", view, methods=["get"]), path("a/<int:id>", other, methods=["PUT"]), path("b", other)]
    )

    assert resolver.resolve("GET", "/a/1")[1] == {"pk": 1}
    assert resolver.resolve("PUT", "/a/1")[1] == {"id": 1}
    assert resolver.resolve("HEAD", "/a/1")[0].view is view
    assert resolver.resolve("BREW", "/b")[0].view is other
    with pytest.raises(MethodNotAllowed) as caught:
        resolver.resolve("DELETE", "/a/1")
    assert caught.value.headers["Allow"] == "GET, HEAD, OPTIONS, PUT"


def test_a_method_is_looked_for_in_other_routes_of_the_same_path() -> None:
    resolver = Resolver(
        [path("a/new", view, methods=["GET"]), path("a/<str:name>", other, methods=["POST"]), path("c/<path:r>", view)]
    )

    route, params = resolver.resolve("POST", "/a/new")

    assert (route.view, params) == (other, {"name": "new"})
    with pytest.raises(MethodNotAllowed) as caught:
        resolver.resolve("PATCH", "/a/new")
    assert caught.value.allowed == ["GET", "HEAD", "OPTIONS", "POST"]


def test_regular_expressions_keep_their_place() -> None:
    patterns = [
        path(
            "blog/",
            include([re_path(r"^(?P<year>[0-9]{4})/(?:page-(?P<page>[0-9]+)/)?$", view), path("<str:rest>/", other)]),
        ),
        re_path(r"^any(?P<rest>.*)", view),
    ]

    assert resolved(patterns, "/blog/2024/")[1] == {"year": "2024"}
    assert resolved(patterns, "/blog/2024/page-3/")[1] == {"year": "2024", "page": "3"}
    assert resolved(patterns, "/blog/abc/")[1] == {"rest": "abc"}
    assert resolved(patterns, "/any/thing/at all")[1] == {"rest": "/thing/at all"}
    with pytest.raises(Http404):
        resolved(patterns, "/blog")


def test_includes_carry_arguments_prefixes_and_parameters() -> None:
    inner = [path("list/", view, {"kind": "inner"}, name="list")]
    patterns = [path("<slug:shop>/", include((inner, "shop")), {"kind": "outer", "more": 1})]

    assert resolved(patterns, "/x/list/")[1] == {"shop": "x", "kind": "inner", "more": 1}
    resolver = Resolver(patterns)
    assert resolver.names.reverse("shop:list", (), {"shop": "y"}) == "/y/list/"
    assert resolver.names.reverse("shop:list", ("z",), {}) == "/z/list/"


def test_namespaces_choose_the_instance() -> None:
    app = ([path("", view, name="index")], "polls")
    resolver = Resolver([path("a/", include(app, namespace="author")), path("b/", include(app, namespace="publisher"))])

    assert resolver.names.reverse("author:index", (), {}) == "/a/"
    assert resolver.names.reverse("polls:index", (), {}) == "/b/"
    assert resolver.names.reverse("polls:index", (), {}, current_app="author") == "/a/"


def test_a_name_without_its_namespace_is_told() -> None:
    app = ([path("", view, name="list")], "publications")
    one = Resolver([path("a/", include(app))])
    two = Resolver([path("a/", include(app, namespace="author")), path("b/", include(app, namespace="publisher"))])

    with pytest.raises(NoReverseMatch, match=r"no route named 'list'. Did you mean 'publications:list'\?"):
        one.names.reverse("list", (), {})
    with pytest.raises(NoReverseMatch, match=r"no route named 'list'. `manage.py routes` lists"):
        two.names.reverse("list", (), {})


def test_a_name_that_is_not_there_is_told_with_a_near_one() -> None:
    resolver = Resolver([path("a/<int:pk>/", view, name="article")])

    with pytest.raises(NoReverseMatch, match=r"'artikel'. Did you mean 'article'\?"):
        resolver.names.reverse("artikel", (), {})
    with pytest.raises(NoReverseMatch, match=r"does not fit the arguments \(pk='x'\). Tried: 'a/<int:pk>/'"):
        resolver.names.reverse("article", (), {"pk": "x"})


def test_reverse_takes_views_and_expressions() -> None:
    resolver = Resolver(
        [
            path("a/", view),
            re_path(r"^y\.(?P<year>[0-9]{4})/$", other, name="year"),
            re_path("^(?:a|b)$", other, name="odd"),
        ]
    )

    assert resolver.names.reverse(view, (), {}) == "/a/"
    assert resolver.names.reverse("year", (), {"year": 2024}) == "/y.2024/"
    with pytest.raises(NoReverseMatch):
        resolver.names.reverse("year", (), {"year": "x"})
    with pytest.raises(NoReverseMatch):
        resolver.names.reverse("odd", (), {})


def test_a_reversed_path_never_names_another_host() -> None:
    resolver = Resolver([path("<path:rest>", view, name="rest")])

    assert resolver.names.reverse("rest", ("/evil.example/x",), {}) == "/%2Fevil.example/x"


def test_autodiscover_stands_for_the_apps_patterns() -> None:
    root = [path("", view, name="home"), *autodiscover(), path("last", view)]

    resolver = Resolver(root, lambda: [path("blog/", view, name="blog")])

    assert [route.pattern for route in resolver.routes] == ["", "blog/", "last"]


def test_own_converters_are_asked() -> None:
    class Hex:
        regex = "[0-9a-f]+"

        def to_python(self, value: str) -> int:
            return int(value, 16)

        def to_url(self, value: int) -> str:
            return f"{value:x}"

    register_converter(Hex, "testhex")
    register_converter(Hex, "testhex")  # the same again is no mistake: a module may be reloaded
    resolver = Resolver([path("h/<testhex:n>/x", view, name="h")])

    assert resolver.resolve("GET", "/h/ff/x")[1] == {"n": 255}
    assert resolver.names.reverse("h", (255,), {}) == "/h/ff/x"
    with pytest.raises(ImproperlyConfigured, match="exists already"):
        register_converter(Hex, "int")


@pytest.mark.parametrize(
    ("name", "expression"),
    [("testpair", "[a-z]+/[a-z]+"), ("testvisible", "[!-~]+"), ("testsigns", "[a-z+-9]+"), ("testany", ".+")],
)
def test_a_converter_that_may_span_segments_does(name: str, expression: str) -> None:
    class Pair:
        regex = expression
        to_python = staticmethod(str)
        to_url = staticmethod(str)

    register_converter(Pair, name)

    assert resolved([path(f"p/<{name}:names>/end", view)], "/p/a/b/end") == (
        f"p/<{name}:names>/end",
        {"names": "a/b"},
    )


def test_a_usual_expression_spans_no_segments() -> None:
    for regex in ("[0-9]{4}", "[-a-zA-Z0-9_]+", r"[\w-]+", r"\d{4}-\d{2}", "[^/]+", r"v\d\.[0-9]+"):
        assert not may_span_segments(regex), regex


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: path("<int: pk>", view), "without spaces"),
        (lambda: path("<nit:pk>", view), "Did you mean 'int'"),
        (lambda: path("<int:a>/<int:a>", view), "twice"),
        (lambda: path("<int:a", view), "not closed"),
        (lambda: path("a", [path("b", view)]), r"include\(\[…\]\)"),
        (lambda: path("a", 3), "must be callable"),
        (lambda: re_path("(", view), "no regular expression"),
        (lambda: re_path("([0-9]+)", view), "without names"),
        (lambda: include([path("a", view)], namespace="x"), "needs an app name"),
        (lambda: include(3), "module's name"),
        (lambda: include("no.such.module"), "no.such.module"),
        (lambda: Resolver(["x"]), "holds 'x'"),
        (lambda: Resolver([path("<int:a>/", include([path("<int:a>", view)]))]), "twice"),
    ],
)
def test_mistakes_in_urls_are_told_with_what_to_write(make: Any, message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=message):
        make()


def test_finding_a_route_costs_the_same_for_ten_and_for_thousands() -> None:
    """Counted in calls of Python functions, not in time."""

    def calls(count: int) -> int:
        resolver = Resolver([path(f"r{n}/<int:pk>/edit", view) for n in range(count)])
        counted = 0

        def profile(frame: Any, event: str, arg: Any) -> None:
            nonlocal counted
            counted += event == "call"

        with profiled(profile):
            resolver.resolve("GET", f"/r{count - 1}/12/edit")
        return counted

    assert calls(10) == calls(3000)


@pytest.mark.parametrize("route", ["items/{item_id}", "files/{file_path:path}/"])
def test_braces_of_other_frameworks_are_refused_with_the_path_to_write(route: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"stands for itself here: write <\w+> or <int:\w+>"):
        path(route, view)


def test_other_braces_stand_for_themselves() -> None:
    resolver = Resolver([path("{}/{1}/x", view, name="odd")])

    assert resolver.resolve("GET", "/{}/{1}/x")[0].name == "odd"


def test_as_view_without_its_call_is_refused() -> None:
    class Articles:
        @classmethod
        def as_view(cls) -> Any:
            return lambda request: Response("x")

    with pytest.raises(ImproperlyConfigured, match=r"path\('x'\): as_view is not called. Write Articles.as_view\(\)"):
        path("x", Articles.as_view)
    assert path("x", Articles.as_view())
