"""What a router says holds for the routers that it includes, and for requests, OpenAPI and ``routes`` alike.

The law behind all of it: an API that is cut into routers answers as one router does whose routes say the same themselves.
"""

from __future__ import annotations

import datetime
import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from covet.access import policy
from covet.commands.routes import routes_of
from covet.exceptions import ImproperlyConfigured
from covet.http.request import Request
from covet.http.response import JSONResponse, Response
from covet.rest import (
    Depends,
    Deprecation,
    ModelViewSet,
    ReadOnlyModelViewSet,
    Router,
    Schema,
    Versions,
    ViewSet,
    action,
    override_dependencies,
    permissions,
)
from covet.rest.openapi.document import build_document
from covet.rest.part import RestPart
from covet.urls import include, path, reverse
from tests.rest.library import Tag

AllowAny, IsAdminUser, IsAuthenticated = permissions.AllowAny, permissions.IsAdminUser, permissions.IsAuthenticated

told: list[str] = []
"""The dependencies that a request called, in their order."""


class Someone:
    def __init__(self, name: str | None) -> None:
        self.is_authenticated = name is not None
        self.is_staff = name == "staff"
        self.pk = name

    def __await__(self) -> Any:
        yield from ()
        return self


def UserByName(get_response: Any) -> Any:
    async def middleware(request: Any) -> Any:
        request.user = Someone(request.headers.get("x-user"))
        return await get_response(request)

    return middleware


BY_NAME = f"{__name__}.UserByName"
PEOPLE: list[dict[str, str]] = [{}, {"X-User": "reader"}, {"X-User": "staff"}]


async def first() -> None:
    told.append("first")


async def second() -> None:
    told.append("second")


async def third() -> None:
    told.append("third")


@policy(IsAdminUser)
class Kept(Tag):
    class Meta:
        app_label = "library"
        proxy = True


class Line(Schema):
    name: str


OLD = Deprecation(since=datetime.date(2026, 1, 1), link="https://example.com/old")
OLDER = Deprecation(since=datetime.date(2025, 1, 1))

WORDS: dict[str, list[Any]] = {
    "permissions": [None, [], [IsAuthenticated], [IsAdminUser]],
    "throttles": [None, [], ["1000/minute"], ["2000/minute"]],
    "formats": [None, ["json"], ["csv", "json"]],
    "tags": [[], ["a"], ["b", "a"]],
    "dependencies": [[], [Depends(first)], [Depends(second), Depends(third)]],
    "deprecated": [False, True, OLD, OLDER],
    "include_in_schema": [True, False],
}
SILENT = {option: values[0] for option, values in WORDS.items()}
Said = dict[str, Any]


def resolved(layers: Sequence[Said]) -> Said:
    """What holds by the rules of ADR 0023, for layers from the outermost router to the route."""
    nearest = [*reversed([{**SILENT, **layer} for layer in layers])]
    outermost = [*reversed(nearest)]
    return {
        **{
            option: next((one[option] for one in nearest if one[option] is not None), None)
            for option in ("permissions", "throttles", "formats")
        },
        "tags": [*dict.fromkeys(tag for one in outermost for tag in one["tags"])],
        "dependencies": [one for layer in outermost for one in layer["dependencies"]],
        "deprecated": next((one["deprecated"] for one in nearest if one["deprecated"]), False),
        "include_in_schema": all(one["include_in_schema"] for one in nearest),
    }


def handler(number: int) -> Callable[[], Any]:
    async def lines() -> list[Line]:
        return [Line(name=f"line {number}")]

    lines.__name__ = lines.__qualname__ = f"lines_{number}"
    return lines


def cut_up(number: int, layers: Sequence[Said]) -> Router:
    """The route in as many routers as there are layers but one, each of which includes the next."""
    *above, own = layers
    routers = [Router(**layer) for layer in above]
    for depth, (outer, inner) in enumerate(itertools.pairwise(routers)):
        outer.include(f"{depth}", inner)
    routers[-1].get("lines", **own)(handler(number))
    return routers[0]


def whole(number: int, layers: Sequence[Said]) -> Router:
    """The same route in one router that says nothing."""
    api = Router()
    below = "".join(f"{depth}/" for depth in range(len(layers) - 2))
    api.get(f"{below}lines", **resolved(layers))(handler(number))
    return api


async def seen(site: Any, make: Callable[[int, Sequence[Said]], Router], grid: Sequence[Any]) -> Any:
    """Everything that can be told of a site: its document, what ``routes`` lists, and the answers to each person."""
    patterns = [path(f"{number}/", include(make(number, layers))) for number, layers in enumerate(grid)]
    client = await site(patterns, installed=["covet.rest"], middleware=[BY_NAME], THROTTLE_STORE="memory://")
    document = client.application.apps.part(RestPart).document()
    listed = routes_of(client.application.apps)
    answers = []
    for number, layers in enumerate(grid):
        address = f"/{number}/" + "".join(f"{depth}/" for depth in range(len(layers) - 2)) + "lines"
        for person in PEOPLE:
            told.clear()
            answer = await client.get(address, headers={**person, "Accept": "*/*"})
            names = ("content-type", "ratelimit-policy", "deprecation", "link", "www-authenticate")
            answers.append((answer.status_code, answer.content, [answer.headers.get(name) for name in names], [*told]))
    return document, listed, answers


@pytest.mark.parametrize("site", ["asgi"], indirect=True)
@pytest.mark.parametrize("option", WORDS)
async def test_a_router_in_parts_answers_as_a_whole_one_whatever_says_an_option(site: Any, option: str) -> None:
    grid = [[{option: word} for word in words] for words in itertools.product(WORDS[option], repeat=3)]

    parts, one = await seen(site, cut_up, grid), await seen(site, whole, grid)

    assert len(grid) == len(WORDS[option]) ** 3
    assert parts == one


@pytest.mark.parametrize("site", ["asgi"], indirect=True)
async def test_a_router_in_parts_answers_as_a_whole_one_whatever_is_said_together(site: Any) -> None:
    choose = random.Random(23)
    grid = [
        [
            {option: choose.choice(values) for option, values in WORDS.items() if choose.random() < 0.6}
            for _ in range(choose.randint(2, 5))
        ]
        for _ in range(60)
    ]

    parts, one = await seen(site, cut_up, grid), await seen(site, whole, grid)

    assert {status for status, *_ in parts[2]} == {200, 401, 403}
    assert len(parts[1]) == len(grid)
    assert parts == one


def below() -> Router:
    """A router that says nothing, with a function, a viewset and a route that says who may."""
    api = Router()

    @api.get("function")
    async def function() -> int:
        return 1

    @api.post("written")
    async def written() -> int:
        return 1

    @api.get("open", permissions=[AllowAny])
    async def opened() -> int:
        return 1

    @api.get("empty", permissions=[])
    async def empty() -> int:
        return 1

    class Things(ViewSet):
        async def list(self, request: Request) -> list[str]:
            return []

        @action(detail=False)
        async def recent(self, request: Request) -> list[str]:
            return []

        @action(detail=False, permissions=[AllowAny])
        async def public(self, request: Request) -> list[str]:
            return []

    api.register("things", Things)
    return api


CLOSED = ["function", "things/", "things/recent/"]
OPEN = ["open", "empty", "things/public/"]


async def test_a_closed_router_closes_what_it_includes(site: Any) -> None:
    api, middle = Router(permissions=[IsAuthenticated]), Router(root=True)
    middle.include("deep", below())
    api.include("middle", middle)
    client = await site([path("api/", include(api))], installed=["covet.rest"], middleware=[BY_NAME])
    operations = client.application.apps.part(RestPart).document()["paths"]

    for place in CLOSED:
        address = f"/api/middle/deep/{place}"
        assert (await client.get(address)).status_code == 401, place
        assert (await client.get(address, headers={"X-User": "reader"})).status_code == 200, place
        assert {"401", "403"} <= operations[address]["get"]["responses"].keys()
        assert operations[address]["get"]["security"] is not None
    for place in OPEN:
        address = f"/api/middle/deep/{place}"
        assert (await client.get(address)).status_code == 200, place
        assert not {"401", "403"} & operations[address]["get"]["responses"].keys()
        assert "security" not in operations[address]["get"]
    assert (await client.get("/api/middle/")).status_code == 401
    assert (await client.post("/api/middle/deep/written")).status_code == 401


async def test_a_viewset_and_a_router_of_their_own_word_are_left_alone(site: Any) -> None:
    class Staff(ViewSet):
        permissions = [IsAdminUser]

        async def list(self, request: Request) -> list[str]:
            return []

    api, said = Router(permissions=[IsAuthenticated]), Router(permissions=[])
    said.register("staff", Staff)

    @said.get("free")
    async def free() -> int:
        return 1

    api.include("said", said)
    client = await site([path("", include(api))], middleware=[BY_NAME])

    assert (await client.get("/said/free")).status_code == 200
    assert (await client.get("/said/staff/", headers={"X-User": "reader"})).status_code == 403


async def test_one_router_under_several_ones_has_of_each_its_own(site: Any) -> None:
    class Fault(Exception):
        pass

    shared, deeper = Router(tags=["shared"]), Router()

    @deeper.get("who", name="who")
    async def who() -> int:
        raise Fault

    shared.include("", deeper)
    staff, members = Router(permissions=[IsAdminUser], tags=["staff"]), Router(permissions=[IsAuthenticated])
    for router in (staff, members):
        router.include("shared", shared)

        def answer(request: Request, error: Fault, name: str = "staff" if router is staff else "members") -> Response:
            return JSONResponse({"told": name}, 418)

        router.exception_handler(Fault)(answer)

    @shared.exception_handler(KeyError)
    async def never(request: Request, error: KeyError) -> Response:
        raise AssertionError

    patterns = [
        path("staff/", include(staff)),
        path("members/", include(members)),
        path("plain/", include(shared)),
    ]
    client = await site(patterns, installed=["covet.rest"], middleware=[BY_NAME])
    operations = client.application.apps.part(RestPart).document()["paths"]

    async def asked(place: str) -> list[int]:
        return [(await client.get(f"/{place}", headers=person)).status_code for person in PEOPLE]

    assert await asked("staff/shared/who") == [401, 403, 418]
    assert await asked("members/shared/who") == [401, 418, 418]
    assert await asked("plain/who") == [500, 500, 500]
    assert (await client.get("/members/shared/who", headers=PEOPLE[1])).json() == {"told": "members"}
    assert (await client.get("/staff/shared/who", headers=PEOPLE[2])).json() == {"told": "staff"}
    assert [operations[f"/{one}/who"]["get"]["tags"] for one in ("staff/shared", "members/shared", "plain")] == [
        ["staff", "shared"],
        ["shared"],
        ["shared"],
    ]


async def test_what_a_router_gets_once_it_is_included_is_below_as_well(site: Any) -> None:
    class Fault(Exception):
        pass

    api, middle, inner = Router(permissions=[IsAuthenticated], tags=["late"]), Router(), Router()
    api.include("middle", middle)
    middle.include("inner", inner)

    @inner.get("late", name="late")
    async def late() -> int:
        raise Fault

    class Things(ViewSet):
        async def list(self, request: Request) -> list[str]:
            return []

    inner.register("things", Things)

    @api.exception_handler(Fault)
    async def fault(request: Request, error: Fault) -> Response:
        return JSONResponse({}, 418)

    client = await site([path("", include(api))], installed=["covet.rest"], middleware=[BY_NAME])

    for place, status in (("late", 418), ("things/", 200)):
        address = f"/middle/inner/{place}"
        assert (await client.get(address)).status_code == 401
        assert (await client.get(address, headers={"X-User": "reader"})).status_code == status
        assert client.application.apps.part(RestPart).document()["paths"][address]["get"]["tags"] == ["late"]


async def test_dependencies_are_called_from_outside_in_once_each(site: Any) -> None:
    api, inner = Router(dependencies=[Depends(first), Depends(second)]), Router(dependencies=[Depends(second)])

    @inner.get("x", permissions=[], dependencies=[Depends(third)])
    async def x() -> int:
        told.append("handler")
        return 1

    api.include("inner/<int:pk>", inner)
    client = await site([path("", include(api))])

    async def instead() -> None:
        told.append("instead")

    told.clear()
    assert (await client.get("/inner/1/x")).json() == 1
    assert told == ["first", "second", "third", "handler"]
    told.clear()
    with override_dependencies({first: instead}):
        assert (await client.get("/inner/1/x")).json() == 1
    assert told == ["instead", "second", "third", "handler"]


async def test_a_dependency_above_may_refuse_and_may_take_a_part_of_the_prefix(site: Any) -> None:
    async def member(request: Request, organisation: int) -> None:
        if organisation != 1:
            raise permissions_error()

    def permissions_error() -> Exception:
        from covet.http.errors import Forbidden

        return Forbidden("No member.")

    api, inner = Router(permissions=[], dependencies=[Depends(member)]), Router()

    @inner.get("bills")
    async def bills(organisation: int) -> int:
        return organisation

    api.include("of/<int:organisation>", inner)
    client = await site([path("", include(api))], installed=["covet.rest"])
    operation = client.application.apps.part(RestPart).document()["paths"]["/of/{organisation}/bills"]["get"]

    assert (await client.get("/of/1/bills")).json() == 1
    assert (await client.get("/of/2/bills")).status_code == 403
    assert [one["name"] for one in operation["parameters"]] == ["organisation"]


@pytest.mark.parametrize("strategy", ["path", "header"])
async def test_versions_hand_down_as_their_routers_do(site: Any, strategy: str) -> None:
    closed, opened = Router(permissions=[IsAuthenticated], tags=["closed"]), Router(permissions=[])
    inner = below()
    for router in (closed, opened):
        router.include("inner", inner)
    api = Versions({"1": opened, "2": [closed]}, strategy=strategy, default=None if strategy == "path" else "1")
    client = await site([path("", include(api))], installed=["covet.rest"], middleware=[BY_NAME])
    document = client.application.apps.part(RestPart).document(version="2")

    async def ask(version: str) -> int:
        address = f"/v{version}/inner/function" if strategy == "path" else "/inner/function"
        answer = await client.get(address, headers={"Api-Version": version})
        return int(answer.status_code)

    assert (await ask("1"), await ask("2")) == (200, 401)
    operation = document["paths"]["/v2/inner/function" if strategy == "path" else "/inner/function"]["get"]
    assert operation["tags"] == ["closed"]
    assert "401" in operation["responses"]


async def test_names_and_namespaces_stay_what_they_are(site: Any) -> None:
    def api(**options: Any) -> Router:
        outer, inner, deepest = Router(app_name="outer", **options), Router(app_name="inner"), Router()
        deepest.get("x/<int:pk>", name="x")(handler_of_pk)
        inner.include("deepest", deepest)
        outer.include("/inner/", inner)
        return outer

    async def handler_of_pk(pk: int) -> int:
        return pk

    for options in ({}, {"permissions": [], "tags": ["a"]}):
        await site([path("api/", include(api(**options)))])
        assert reverse("outer:inner:x", args=[7]) == "/api/inner/deepest/x/7"


async def test_the_word_of_a_router_above_stands_in_for_the_policy_of_a_model(library: Any) -> None:
    """As that of the endpoint's own router does: cutting a router in parts changes nothing."""
    seen_objects: list[Any] = []

    class Nameless(permissions.Permission):
        async def has_object_permission(self, connection: Any, target: Any, obj: Any) -> bool:
            seen_objects.append(obj)
            return bool(obj.name != "secret")

    class Tags(ModelViewSet, model=Kept):
        pass

    def api(**options: Any) -> Router:
        outer, inner = Router(**options), Router()
        inner.register(f"tags{len(options)}", Tags)
        outer.include("inner", inner)
        return outer

    client = await library(api(), api(permissions=[Nameless]))
    secret, plain = await Kept.objects.create(name="secret"), await Kept.objects.create(name="plain")

    assert (await client.get("/api/inner/tags0/")).status_code == 401
    assert (await client.get("/api/inner/tags1/")).status_code == 200
    assert (await client.get(f"/api/inner/tags1/{secret.pk}/")).status_code == 401
    assert (await client.get(f"/api/inner/tags1/{plain.pk}/")).status_code == 200
    assert [one.name for one in seen_objects] == ["secret", "plain"]


@pytest.mark.parametrize("has_own", [False, True])
async def test_webhooks_are_told_but_for_those_below_a_hidden_router(site: Any, has_own: bool) -> None:
    api, hidden, inner = Router(tags=["outer"]), Router(include_in_schema=False), Router()

    @api.webhook("order.paid")
    async def paid(data: Line) -> None: ...

    @hidden.webhook("never.told")
    async def never(data: Line) -> None: ...

    @inner.get("x")
    async def x() -> int:
        return 1

    if has_own:

        @api.get("own")
        async def own() -> int:
            return 1

    deeper = below()

    @deeper.webhook("never.told.either")
    async def never_either(data: Line) -> None: ...

    hidden.include("", deeper)
    api.include("hidden", hidden)
    api.include("inner", inner)
    client = await site([path("", include(api))], installed=["covet.rest"])
    document = client.application.apps.part(RestPart).document()

    assert list(document["webhooks"]) == ["order.paid"]
    assert list(document["paths"]) == [*(["/own"] if has_own else []), "/inner/x"]


async def test_webhooks_of_a_router_beside_are_told_once(site: Any) -> None:
    """Nothing of these routers has endpoints but one, which is a neighbour's."""
    api, top, hooks, things = Router(), Router(), Router(), Router()

    @hooks.webhook("order.paid")
    async def paid(data: Line) -> None: ...

    @things.get("x")
    async def x() -> int:
        return 1

    api.include("hooks", hooks)
    api.include("things", things)
    top.include("", api)
    client = await site([path("", include(top))], installed=["covet.rest"])

    assert list(client.application.apps.part(RestPart).document()["webhooks"]) == ["order.paid"]


async def test_of_several_who_answer_an_exception_the_nearest_does(site: Any) -> None:
    outer, middle, inner = Router(), Router(), Router()

    def answer(router: Router, kind: type[Exception], name: str) -> None:
        @router.exception_handler(kind)
        async def told(request: Request, error: Exception) -> Response:
            return JSONResponse({"told": name}, 418)

    for router, name in ((outer, "outer"), (middle, "middle")):
        answer(router, KeyError, name)
    answer(outer, ValueError, "outer")
    answer(inner, ValueError, "inner")

    @inner.get("<name>")
    async def fails(name: str) -> int:
        raise {"key": KeyError, "value": ValueError}[name](name)

    middle.include("", inner)
    outer.include("", middle)
    client = await site([path("", include(outer))], installed=["covet.rest"])

    assert (await client.get("/key")).json() == {"told": "middle"}
    assert (await client.get("/value")).json() == {"told": "inner"}


def test_tags_of_a_router_above_choose_the_parts_of_an_api() -> None:
    from covet.urls.resolver import Resolver

    api, inner = Router(tags=["shop"]), Router(tags=["bills"])
    inner.get("x")(handler(1))
    api.include("inner", inner)
    routes = Resolver([path("", include(api)), path("other/", include(below()))]).routes

    for tag in ("shop", "bills"):
        assert list(build_document(routes, tags=[tag], title="T")["paths"]) == ["/inner/x"]


def test_a_prefix_comes_first() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"the prefix comes first: include\('x/', <Router of 0 endpoints>\)"):
        Router().include(Router(), "x/")  # type: ignore[arg-type]  # the mistake


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ("news.api.router", {}, r"include\('x/', 'news.api.router'\) takes a Router, .* import it"),
        (Versions({"1": Router()}), {}, r"include\('x/', <Versions 1>\) takes a Router; .*path\('x/', include\(…\)\)"),
        (7, {}, r"include\('x/', 7\) takes a Router"),
        (Router(), {"tags": ["x"]}, r"takes no 'tags'.*Router\(tags=…\)"),
        (Router(), {"dependencies": []}, r"takes no 'dependencies'.*Router\(dependencies=…\)"),
        (Router(), {"auth": None}, r"takes no 'auth'.*Router\(permissions=…\)"),
        (Router(), {"namespace": "x"}, r"takes no 'namespace'.*Router\(app_name=…\)"),
        (Router(), {"nonsense": 1}, r"takes no 'nonsense'\. "),
    ],
)
def test_what_is_no_router_and_options_of_other_frameworks_are_refused(
    given: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=message):
        Router().include("x/", given, **options)


@pytest.mark.parametrize("prefixes", [("",), ("",) * 2, ("one", "two/", "/three")])
def test_a_circle_of_routers_is_refused_where_it_is_closed(prefixes: tuple[str, ...]) -> None:
    """Webhooks and the root of an API are looked up along the routers, and would never come to an end."""
    routers = [Router(root=True) for _ in prefixes]
    for prefix, router, inner in zip(prefixes, routers, routers[1:], strict=False):
        router.include(prefix, inner)
    place = "/".join(prefix.strip("/") for prefix in prefixes[:-1]).strip("/") or "/"
    told = "is that router itself" if len(prefixes) == 1 else f"has it at {place!r} already"

    with pytest.raises(ImproperlyConfigured, match=rf"^include\('{prefixes[-1]}', <Router .*{told}.*by a third one"):
        routers[-1].include(prefixes[-1], routers[0])

    assert routers[0].all_webhooks() == []


def test_a_router_may_be_below_two_that_are_below_one() -> None:
    top, left, right, inner = Router(), Router(), Router(), Router()
    left.include("inner", inner)
    right.include("inner", inner)
    top.include("left", left)
    top.include("right", right)
    top.include("inner", inner)

    assert [prefix for prefix, _ in top.included] == ["left", "right", "inner"]


async def test_what_an_included_router_opens_is_listed_for_deployment(site: Any) -> None:
    def inner(**said: Any) -> Router:
        made = Router(**said)

        @made.get("read")
        async def read() -> int:
            return 1

        @made.get("own", permissions=[AllowAny])
        async def own() -> int:
            return 1

        @made.post("write")
        async def write() -> int:
            return 1

        return made

    staff, anyone, nothing = Router(permissions=[IsAdminUser]), Router(permissions=[]), Router()
    nothing.include("open", inner(permissions=[AllowAny]))
    staff.include("nothing", nothing)
    staff.include("closed", inner())
    staff.include("less", inner(permissions=[IsAuthenticated]))
    anyone.include("open", inner(permissions=[]))
    patterns = [path("staff/", include(staff)), path("anyone/", include(anyone))]
    client = await site(patterns, installed=["covet.rest"])
    part = client.application.apps.part(RestPart)

    found = [*part.check_deploy(None)]

    assert [one.obj for one in found if one.id == "rest.W005"] == ["/staff/nothing/open/read"]
    assert "Anyone may GET /staff/nothing/open/read" in next(one.msg for one in found if one.id == "rest.W005")
    assert [one.obj for one in found if one.id == "rest.W002"] == ["/staff/nothing/open/write", "/anyone/open/write"]
    assert "rest.W005" not in {one.id for one in part.check(None)}


async def test_what_a_router_opens_in_place_of_a_policy_is_listed_for_deployment(site: Any) -> None:
    class Kepts(ReadOnlyModelViewSet, model=Kept):
        @action(detail=False, permissions=[AllowAny])
        async def public(self, request: Request) -> list[str]:
            return []

    class Tags(ReadOnlyModelViewSet, model=Tag):
        pass

    staff, anyone, inner, silent = Router(permissions=[IsAdminUser]), Router(permissions=[]), Router(), Router()
    inner.register("kept", Kepts)
    inner.register("tags", Tags)
    for router in (staff, anyone, silent):
        router.include("inner", inner)
    staff.include("anyone", anyone)
    patterns = [path(f"{name}/", include(one)) for name, one in (("s", staff), ("a", anyone), ("n", silent))]
    client = await site(patterns, installed=["covet.rest"])

    found = {one.obj: one.msg for one in client.application.apps.part(RestPart).check_deploy(None)}

    assert sorted(found) == [
        "/a/inner/kept/",
        "/a/inner/kept/{pk}/",
        "/s/anyone/inner/kept/",
        "/s/anyone/inner/kept/{pk}/",
        "/s/anyone/inner/tags/",
        "/s/anyone/inner/tags/{pk}/",
    ]
    assert "in place of the policy of Kept, which" in found["/a/inner/kept/"]
    assert "in place of a router above it and the policy of Kept, which" in found["/s/anyone/inner/kept/"]
    assert "in place of a router above it, which" in found["/s/anyone/inner/tags/"]


async def test_routes_tell_who_may(site: Any) -> None:
    async def page(request: Request) -> Response:
        return Response()

    api, inner = Router(permissions=[IsAuthenticated & ~IsAdminUser]), below()
    api.include("inner", inner)
    versions = Versions({"1": Router(permissions=[]), "2": api}, strategy="header", app_name="v")
    patterns = [path("api/", include(api)), path("page", page), path("versions/", include(versions))]
    client = await site(patterns, installed=["covet.rest"])

    listed = {row["path"]: row["permissions"] for row in routes_of(client.application.apps)}

    assert listed["/api/inner/function"] == listed["/versions/inner/function"] == ["(IsAuthenticated & ~IsAdminUser)"]
    assert listed["/api/inner/open"] == ["AllowAny"]
    assert listed["/api/inner/empty"] == []
    assert listed["/page"] is None


async def test_a_router_in_two_places_is_told_how_to_have_one_operation_id(site: Any) -> None:
    async def hints(**said: Any) -> list[str]:
        api, between, inner = Router(permissions=[]), Router(**said), Router()
        inner.get("x")(handler(1))
        api.include("one", inner)
        api.include("other", between)
        between.include("", inner)
        client = await site([path("", include(api))], installed=["covet.rest"])
        return [one.hint for one in client.application.apps.part(RestPart).check(None) if one.id == "rest.W001"]

    (hint,) = await hints()
    assert "include_in_schema=False" in hint
    assert await hints(include_in_schema=False) == []
