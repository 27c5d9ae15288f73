"""Mistakes that nothing would have told of: a marker that was not called, a decorator that requests never pass."""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable
from typing import Annotated, Any

import pytest

from covet.exceptions import ImproperlyConfigured
from covet.http import Request
from covet.rest import Depends, Header, ModelViewSet, Query, Router, action
from covet.rest.part import RestPart
from covet.rest.routes import RouteOptions
from covet.rest.signature import read_signature
from covet.urls import include, path
from tests.rest.library import Book

api = Router()


def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def guard(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("not in use")

    return guard


@guarded
@api.get("/above")
async def above() -> str:
    return "reached"


@guarded
@guarded
@api.get("/twice")
async def twice() -> str:
    return "reached"


@api.get("/below")
@guarded
async def below() -> str:
    return "not reached"


@api.get("/plain")
async def plain() -> str:
    return "reached"


@api.get("/first")
async def renamed() -> str:
    return "first"


@api.get("/second")
async def renamed() -> str:  # type: ignore[no-redef]  # noqa: F811
    return "second"


async def test_check_finds_a_decorator_above_the_routers(site: Any) -> None:
    """Requests never pass it, so it must not look as if it guarded anything."""
    client = await site([path("", include(api))], installed=["covet.rest"])

    found = [one for one in client.application.apps.part(RestPart).check(None) if one.id == "rest.E002"]

    assert [one.obj for one in found] == ["/above", "/twice"]
    assert found[0].msg == (
        "A decorator stands above the router's at tests.rest.test_first_mistakes.above, where requests do not pass it."
    )


async def find() -> int:
    return 3


@pytest.mark.parametrize(
    ("annotation", "default", "said"),
    [
        (Annotated[int, Depends], ..., r"the argument 'given' names Depends without calling it. Write Depends\(\)"),
        (Annotated[str, Header], ..., r"names Header without calling it. Write Header\(\)"),
        (str, Query, r"names Query without calling it. Write Query\(\)"),
    ],
    ids=["depends", "header", "default"],
)
async def test_a_marker_that_was_not_called_is_refused(site: Any, annotation: Any, default: Any, said: str) -> None:
    async def read(given: Any) -> None: ...

    async def read_default(given: Any = default) -> None: ...

    handler = read if default is ... else read_default
    handler.__annotations__["given"] = annotation
    mine = Router()
    mine.get("/x")(handler)

    with pytest.raises(ImproperlyConfigured, match=said):
        await site([path("", include(mine))])


async def test_a_dependency_that_was_called_is_refused(site: Any) -> None:
    mine = Router()
    mine.get("/x", dependencies=[Depends(find())])(plain)

    with pytest.raises(ImproperlyConfigured, match=r"Depends\(\) takes the function itself. Write Depends\(find\)"):
        await site([path("", include(mine))])


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_a_route_without_its_path_is_refused(method: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        getattr(Router(), method)(find)
    assert str(caught.value) == f'@api.{method} stands above find() without its path. Write @api.{method}("/find").'


def test_a_path_that_is_no_text_is_refused() -> None:
    nothing: Any = None
    with pytest.raises(ImproperlyConfigured, match="The path of a GET is a text, not None"):
        Router().get(nothing)


async def method(self: Any, *args: Any) -> None: ...


@pytest.mark.parametrize(
    ("name", "member", "near"),
    [
        ("permission", [], "permissions"),
        ("serch", [], "search"),
        ("get_query_set", method, "get_queryset"),
        ("perform_creates", method, "perform_create"),
    ],
    ids=["permission", "serch", "get_query_set", "perform_creates"],
)
def test_a_misspelt_member_of_a_viewset_is_refused(name: str, member: Any, near: str) -> None:
    """It would be kept and never asked: a viewset with ``permission`` stood open."""
    with pytest.raises(ImproperlyConfigured) as caught:
        type("Authors", (Mixin, ModelViewSet), {name: member, "__module__": __name__})
    assert str(caught.value) == f"Authors has no {name!r}. Did you mean '{near}'?"


class Mixin: ...


def test_actions_and_other_members_of_a_viewset_are_its_own() -> None:
    class Authors(Mixin, ModelViewSet):
        filter = staticmethod(find)
        reserve = 3
        _permission = None

        @action(detail=False)
        async def updates(self, request: Request) -> list[int]:
            return []

    assert Authors.reserve == 3


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (404, r"exception_handler\(404\) takes the class of an exception: NotFound for 404"),
        (find, r"not find. Write @api.exception_handler\(MyError\)"),
        ("MyError", r"not 'MyError'. Write"),
    ],
    ids=["status", "brackets", "text"],
)
def test_an_exception_handler_of_no_exception_is_refused(kind: Any, said: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=said):
        Router().exception_handler(kind)


def test_an_exception_handler_with_other_arguments_is_refused() -> None:
    async def handle(error: Exception) -> None: ...

    with pytest.raises(ImproperlyConfigured, match="handler handle is called with the request and the error: too many"):
        Router().exception_handler(LookupError)(handle)


def test_a_checker_knows_the_options_that_a_route_takes() -> None:
    """They are written twice: for checkers in a typed dict, which no server needs, and as arguments."""
    assert RouteOptions.__annotations__.keys() == (Router.route.__kwdefaults__ or {}).keys()


def test_the_annotations_of_a_handler_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a text that Python compiles, and a project has hundreds of handlers."""
    read: list[Any] = []
    hints = typing.get_type_hints
    monkeypatch.setattr(typing, "get_type_hints", lambda what, **more: read.append(what) or hints(what, **more))

    async def handler(request: Request, number: int) -> list[int]: ...

    read_signature(handler, method="GET")

    assert read == [handler]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("exclude", "a ModelSchema of the fields that are shown"),
        ("read_only_fields", "write input = …"),
        ("throttle_scope", 'write throttles = ["100/minute"]'),
        ("get_throttles", "write throttles = […]"),
        ("check_permissions", "write permissions = […]"),
        ("permision_classes", "write permissions = […]"),
        ("authentication_class", "the middleware that sets request.user"),
        ("dispatch", "a class in MIDDLEWARE"),
        ("handle_exception", "EXCEPTION_HANDLERS"),
    ],
)
def test_what_a_viewset_would_never_ask_is_refused(name: str, says: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"Books has no '{name}': ") as caught:
        type("Books", (ModelViewSet,), {name: None, "__module__": __name__}, model=Book)

    assert says in str(caught.value)


def test_what_is_registered_is_a_viewset_at_a_path() -> None:
    class Books(ModelViewSet, model=Book): ...

    router: Any = Router()
    for given, says in [
        (("books", Books()), "write the class, Books, itself"),
        (("books", Book), "Book is no viewset"),
        (("books", None), "None is no viewset"),
        ((Books, "books"), "the prefix comes first"),
        (("^books", Books), "the prefix is a path"),
    ]:
        with pytest.raises(ImproperlyConfigured, match=says):
            router.register(*given)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        (
            {"schemas": {"retrieve": None}},
            r"Books.schemas names 'retrieve', which it does not have. Did you mean 'read'\?",
        ),
        ({"inputs": {"post": None}}, r"Books.inputs names 'post', .* Did you mean 'create'\?"),
        ({"inputs": {"zzz": None}}, "Books.inputs names 'zzz', .* It has: list, "),
        ({"serves": ["partial_update"]}, r"Books.serves names 'partial_update', .* Did you mean 'patch'\?"),
        ({"pagination": None}, "Books: pagination is Page, .* not None; paginated = False"),
        ({"pagination": "Page"}, "Books: pagination is Page, .* not 'Page'"),
    ],
)
def test_what_goes_by_methods_names_methods(members: dict[str, Any], says: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=says):
        Router().register("books", type("Books", (ModelViewSet,), {**members, "__module__": __name__}, model=Book))


def test_schemas_may_go_by_actions_and_by_methods_that_are_not_served() -> None:
    class Books(ModelViewSet, model=Book):
        serves = ["list"]
        schemas = {"create": None, "bulk_create": None, "best": None}

        @action(detail=False)
        async def best(self, request: Request) -> Book:
            raise AssertionError("not in use")

    Router().register("books", Books)
