"""Versions side by side: each strategy finds the version of a request, and says what there is when it finds none."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from covet.exceptions import ImproperlyConfigured
from covet.http.request import Request
from covet.rest import Deprecation, Router, Schema, Versions, permissions
from covet.rest.part import RestPart
from covet.urls import include, path, reverse

OLD = Deprecation(
    since=datetime.date(2026, 1, 1),
    sunset=datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC),
    link="https://example.com/moving",
)


class First(Schema):
    name: str


class Second(Schema):
    title: str
    link: str


def routers() -> dict[str, Any]:
    shared, v1, v2, below = Router(), Router(), Router(), Router()

    @shared.get("/which/", name="which")
    async def which(request: Request) -> dict[str, Any]:
        return {"version": request.version, "link": reverse("api:thing", args=[7])}

    @v1.get("/things/<int:pk>/", name="thing")
    async def thing_1(pk: int) -> First:
        return First(name=f"thing {pk}")

    @v2.get("/things/<int:pk>/", name="thing")
    async def thing_2(pk: int) -> Second:
        return Second(title=f"thing {pk}", link=reverse("api:thing", args=[pk]))

    @below.get("/", name="new")
    async def new() -> str:
        return "new"

    v2.include("new", below)
    return {"1": [shared, v1], "2": [shared, v2]}


async def served(site: Any, *, version: dict[str, Any] | None = None, **options: Any) -> Any:
    from covet.rest.urls import urlpatterns

    options.setdefault("deprecated", {"1": OLD})
    api = Versions(routers(), **options)
    patterns = [*urlpatterns, path("api/", include(api))]
    return await site(patterns, installed=["covet.rest"], VERSIONING=version or {}, ALLOWED_HOSTS=["*"])


async def test_the_path_names_the_version_and_reverse_stays_in_it(site: Any) -> None:
    client = await served(site)

    first, second = await client.get("/api/v1/which/"), await client.get("/api/v2/which/")

    assert first.json() == {"version": "1", "link": "/api/v1/things/7/"}
    assert second.json() == {"version": "2", "link": "/api/v2/things/7/"}
    assert (await client.get("/api/v1/things/3/")).json() == {"name": "thing 3"}
    assert (await client.get("/api/v2/new/")).json() == "new"
    assert (await client.get("/api/v1/new/")).status_code == 404
    assert (await client.post("/api/v1/which/")).status_code == 405


async def test_an_unknown_version_in_the_path_is_not_found_and_says_what_there_is(site: Any) -> None:
    client = await served(site)

    answer = await client.get("/api/v3/which/")

    assert answer.status_code == 404
    assert answer.json()["versions"] == ["1", "2"]
    assert "'3'" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("options", "query", "headers", "status"),
    [
        ({"strategy": "query"}, "?version={}", {}, 400),
        ({"strategy": "query", "parameter": "v"}, "?v={}", {}, 400),
        ({"strategy": "header"}, "", {"Api-Version": "{}"}, 400),
        ({"strategy": "header", "header": "X-Version"}, "", {"X-Version": "{}"}, 400),
        ({"strategy": "media-type"}, "", {"Accept": "text/html, application/json; version={}"}, 406),
        ({"strategy": "media-type"}, "", {"Accept": "application/vnd.acme.v{}+json"}, 406),
        ({"strategy": "host"}, "", {"Host": "v{}.example.com"}, 404),
    ],
)
async def test_a_request_names_its_version_by(
    site: Any, options: dict[str, Any], query: str, headers: dict[str, str], status: int
) -> None:
    client = await served(site, **options, default="1")

    async def get(version: str, address: str = "/api/things/3/") -> Any:
        given = {name: value.format(version) for name, value in headers.items()}
        return await client.get(address + query.format(version), headers=given)

    assert (await get("1")).json() == {"name": "thing 3"}
    assert (await get("2")).json()["title"] == "thing 3"
    unknown = await get("9")
    assert (unknown.status_code, unknown.json()["versions"]) == (status, ["1", "2"])
    assert (await client.get("/api/things/3/")).json() == {"name": "thing 3"}
    missing = await get("1", "/api/new/")
    assert (missing.status_code, "it is of: 2" in missing.json()["detail"]) == (404, True)


@pytest.mark.parametrize(
    ("strategy", "status", "place"),
    [
        ("header", 400, "by the header Api-Version"),
        ("query", 400, "by ?version="),
        ("media-type", 406, "by Accept: application/json; version="),
        ("host", 404, "by the host"),
    ],
)
async def test_without_a_default_a_request_must_name_one(site: Any, strategy: str, status: int, place: str) -> None:
    client = await served(site, strategy=strategy)

    answer = await client.get("/api/which/")

    assert answer.status_code == status
    assert place in answer.json()["detail"]


async def test_answers_say_what_they_vary_by(site: Any) -> None:
    client = await served(site, strategy="header", default="2")

    assert "Api-Version" in (await client.get("/api/which/")).headers["vary"]


async def test_reverse_keeps_the_version_in_the_query(site: Any) -> None:
    client = await served(site, strategy="query", default="1")

    answer = await client.get("/api/things/3/?version=2")

    assert answer.json()["link"] == "/api/things/3/?version=2"


async def test_hosts_may_be_named_each(site: Any) -> None:
    client = await served(site, strategy="host", hosts={"old.example.com": "1", "example.com": "2"})

    assert (await client.get("/api/which/", headers={"Host": "old.example.com"})).json()["version"] == "1"
    assert (await client.get("/api/which/", headers={"Host": "example.com"})).json()["version"] == "2"
    assert (await client.get("/api/which/", headers={"Host": "other.example.com"})).status_code == 404


async def test_the_setting_says_what_is_left_out(site: Any) -> None:
    client = await served(site, version={"strategy": "query", "default": "2"})

    assert (await client.get("/api/which/")).json()["version"] == "2"


async def test_old_versions_say_so_in_headers(site: Any) -> None:
    client = await served(site)

    old, new = await client.get("/api/v1/which/"), await client.get("/api/v2/which/")

    assert old.headers["deprecation"] == "@1767225600"
    assert old.headers["sunset"] == "Fri, 01 Jan 2027 00:00:00 GMT"
    assert '<https://example.com/moving>; rel="deprecation"' in old.headers["link"]
    assert '<https://example.com/moving>; rel="sunset"' in old.headers["link"]
    assert "deprecation" not in new.headers


async def test_one_endpoint_may_be_deprecated(site: Any) -> None:
    api = Router()

    @api.get("/old", deprecated=Deprecation(since=datetime.date(2026, 1, 1)))
    async def old() -> None: ...

    client = await site([path("", include(api))])

    answer = await client.get("/old")

    assert (answer.status_code, answer.headers["deprecation"]) == (204, "@1767225600")
    assert "sunset" not in answer.headers
    assert "link" not in answer.headers


async def test_each_version_has_a_document(site: Any) -> None:
    client = await served(site, strategy="header", default="2")

    first = (await client.get("/openapi.json?version=1")).json()
    second = (await client.get("/openapi.json?version=2")).json()

    for one in (first, second):
        assert list(OpenAPIV31SpecValidator(one).iter_errors()) == []
    assert (first["info"]["version"], second["info"]["version"]) == ("1", "2")
    assert "First" in first["components"]["schemas"]
    assert "Second" in second["components"]["schemas"]
    assert "First" not in second["components"]["schemas"]
    thing = first["paths"]["/api/things/{pk}/"]["get"]
    named = next(one for one in thing["parameters"] if one["name"] == "Api-Version")
    assert (named["required"], named["schema"]["enum"]) == (True, ["1"])
    assert thing["deprecated"] is True
    assert {"Deprecation", "Sunset", "Link"} <= set(thing["responses"]["200"]["headers"])
    assert (await client.get("/openapi.json")).json()["paths"] == second["paths"]
    unknown = await client.get("/openapi.json?version=3")
    assert unknown.status_code == 404
    assert "?version=1" in unknown.json()["detail"]


async def test_versions_with_paths_of_their_own_stand_side_by_side(site: Any) -> None:
    client = await served(site)

    whole = (await client.get("/openapi.json")).json()

    assert {"/api/v1/things/{pk}/", "/api/v2/things/{pk}/"} <= set(whole["paths"])
    assert list(OpenAPIV31SpecValidator(whole).iter_errors()) == []
    assert list(client.application.apps.part(RestPart).check(None)) == []
    only = (await client.get("/openapi.json?version=2")).json()
    assert "/api/v1/things/{pk}/" not in only["paths"]
    json.dumps(only)


async def test_each_version_asks_its_own_permissions(site: Any) -> None:
    closed, opened = Router(permissions=[permissions.IsAuthenticated]), Router(permissions=[permissions.AllowAny])
    for router in (closed, opened):

        @router.get("/x", name="x")
        async def x() -> str:
            return "x"

    api = Versions({"1": closed, "2": opened}, strategy="query")
    client = await site([path("", include(api))], middleware=["tests.rest.conftest.UserFromHeader"])

    assert (await client.get("/x?version=1")).status_code == 401
    assert (await client.get("/x?version=2")).status_code == 200


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"strategy": "haeder"}, "Did you mean 'header'"),
        ({"default": "3"}, "default names '3'; there are: 1"),
        ({"deprecated": {"0": OLD}}, "deprecated names '0'"),
    ],
)
def test_what_does_not_fit_is_refused_at_start(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=text):
        _ = Versions({"1": Router()}, **options).urlpatterns


def test_no_version_at_all_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="names no version"):
        Versions({})


async def test_an_unknown_option_of_the_setting_is_refused(site: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="Did you mean 'strategy'"):
        await served(site, version={"stratgy": "path"})


async def test_versions_may_be_mounted_anywhere_under_their_namespaces(site: Any) -> None:
    from covet.rest.urls import urlpatterns

    parts = routers()
    api = Versions({"old": parts["1"], "new": parts["2"]}, strategy="namespace", deprecated={"old": OLD})
    patterns = [*urlpatterns, path("api/", include(api["new"])), path("legacy/api/", include(api["old"]))]
    client = await site(patterns, installed=["covet.rest"], ALLOWED_HOSTS=["*"])

    old, new = await client.get("/legacy/api/which/"), await client.get("/api/which/")

    assert old.json() == {"version": "old", "link": "/legacy/api/things/7/"}
    assert new.json() == {"version": "new", "link": "/api/things/7/"}
    assert "deprecation" in old.headers and "deprecation" not in new.headers
    assert reverse("old:thing", args=[1]) == "/legacy/api/things/1/"
    assert reverse("new:thing", args=[1]) == "/api/things/1/"
    assert (await client.get("/legacy/api/new/")).status_code == 404
    document = (await client.get("/openapi.json?version=old")).json()
    assert set(document["paths"]) == {"/legacy/api/which/", "/legacy/api/things/{pk}/"}
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


async def test_all_namespaces_stand_side_by_side_where_they_are_mounted_as_one(site: Any) -> None:
    client = await site([path("api/", include(Versions(routers(), strategy="namespace")))])

    assert (await client.get("/api/1/which/")).json() == {"version": "1", "link": "/api/1/things/7/"}
    assert (await client.get("/api/2/which/")).json() == {"version": "2", "link": "/api/2/things/7/"}
    assert (await client.get("/api/3/which/")).status_code == 404


async def test_one_version_of_the_path_strategy_may_be_mounted_alone(site: Any) -> None:
    versions = Versions(routers())
    client = await site([path("only/", include(versions["2"]))])

    assert (await client.get("/only/which/")).json() == {"version": "2", "link": "/only/things/7/"}
    assert repr(versions["2"]) == "<version 2 of <Versions 1, 2>>"
    with pytest.raises(ImproperlyConfigured, match="names '3'"):
        versions["3"]
    with pytest.raises(ImproperlyConfigured, match="share their addresses"):
        _ = Versions(routers(), strategy="header")["1"].urlpatterns


def test_a_version_that_holds_the_prefix_already_is_told_what_to_write() -> None:
    """Else it would be at ``/vv1/``."""
    with pytest.raises(ImproperlyConfigured, match=r"'v1' would be at vv1/.*Write '1', or prefix=''\."):
        Versions({"v1": Router()}).reading()

    assert Versions({"v1": Router()}, prefix="").reading().prefix == ""
    assert Versions({"v1": Router()}, strategy="header").reading().names == ("v1",)
    assert Versions({"vast": Router()}).reading().names == ("vast",)
