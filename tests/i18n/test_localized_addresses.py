"""Addresses that begin with a language, the view that chooses one, and what the middleware makes of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from covet.exceptions import ImproperlyConfigured
from covet.http import JSONResponse, Request, Response
from covet.http.hosts import url_has_allowed_host_and_scheme
from covet.i18n import get_language
from covet.i18n import override as language
from covet.shortcuts import render
from covet.urls import host, i18n_patterns, include, path, re_path, reverse, translate_url
from tests.handlers.sites import Site

LOCALE = ["covet.middleware.locale.LocaleMiddleware"]
LANGUAGES = [("en", "English"), ("de", "German"), ("pt-br", "Brazilian Portuguese")]


async def show(request: Request, **kwargs: Any) -> Response:
    return JSONResponse({"language": get_language(), "here": reverse("shop:item", kwargs={"pk": 7}), **kwargs})


async def home(request: Request) -> Response:
    return JSONResponse(get_language())


async def page(request: Request) -> Response:
    return await render(request, "page.html")


def routes(*, prefix_default_language: bool = True) -> list[Any]:
    shop = [path("items/<int:pk>/", show, name="item"), re_path(r"^years/(?P<year>[0-9]{4})/$", show, name="year")]
    return [
        path("plain", home, name="plain"),
        path("i18n/", include("covet.views.i18n")),
        *i18n_patterns(
            path("", home, name="home"),
            path("page", page, name="page"),
            path("shop/", include((shop, "shop"))),
            prefix_default_language=prefix_default_language,
        ),
    ]


async def test_each_language_has_its_address_and_reverse_gives_the_current_one(site: Site) -> None:
    client = await site(routes(), middleware=LOCALE, LANGUAGES=LANGUAGES)

    for code in ("en", "de", "pt-br"):
        answer = await client.get(f"/{code}/shop/items/7/")
        assert answer.json() == {"language": code, "here": f"/{code}/shop/items/7/", "pk": 7}
        assert answer.headers["content-language"] == code
        assert "vary" not in answer.headers
        with language(code):
            assert reverse("shop:year", kwargs={"year": "2026"}) == f"/{code}/shop/years/2026/"
    with language("fr"):
        # None of this site's: that of the site.
        assert reverse("home") == "/en/"
    assert reverse("plain") == "/plain"


async def test_an_address_without_a_language_leads_to_the_visitors(site: Site) -> None:
    client = await site(routes(), middleware=LOCALE, LANGUAGES=LANGUAGES)
    german = {"Accept-Language": "de-AT, en;q=0.5"}

    moved = await client.get("/shop/items/7/?a=1&b=%20", headers=german)
    slash = await client.get("/shop/items/7", headers={**german, "Cookie": "covet_language=pt-br"})
    lost = await client.get("/nothing", headers=german)
    plain = await client.get("/plain", headers=german)

    assert (moved.status_code, moved.headers["location"]) == (302, "/de/shop/items/7/?a=1&b=%20")
    assert slash.headers["location"] == "/pt-br/shop/items/7/"
    assert {name.strip() for name in moved.headers["vary"].split(",")} == {"Accept-Language", "Cookie"}
    assert (lost.status_code, lost.headers["content-language"]) == (404, "de")
    assert plain.json() == "de"


async def test_the_sites_own_language_may_do_without(site: Site) -> None:
    client = await site(
        routes(prefix_default_language=False), middleware=LOCALE, LANGUAGES=LANGUAGES, LANGUAGE_CODE="en"
    )

    answer = await client.get("/shop/items/7/", headers={"Accept-Language": "de"})

    assert answer.json() == {"language": "en", "here": "/shop/items/7/", "pk": 7}
    assert (await client.get("/de/shop/items/7/")).json()["here"] == "/de/shop/items/7/"
    assert (await client.get("/en/shop/items/7/")).status_code == 404


async def test_without_translation_there_is_one_address(site: Site) -> None:
    client = await site(routes(), middleware=LOCALE, LANGUAGES=LANGUAGES, USE_I18N=False)

    assert (await client.get("/en/shop/items/7/")).json()["here"] == "/en/shop/items/7/"
    assert (await client.get("/de/shop/items/7/")).status_code == 404


async def test_hosts_may_have_them(site: Site) -> None:
    client = await site(
        [host("shop.example.com", i18n_patterns(path("", home, name="home")))],
        middleware=LOCALE,
        LANGUAGES=LANGUAGES,
        ALLOWED_HOSTS=["shop.example.com"],
    )
    there = {"Host": "shop.example.com", "Accept-Language": "de"}

    assert (await client.get("/", headers=there)).headers["location"] == "/de/"
    assert (await client.get("/de/", headers=there)).json() == "de"


async def test_they_stand_at_the_root(site: Site) -> None:
    with pytest.raises(ImproperlyConfigured, match="root urlpatterns"):
        await site([path("below/", include([*i18n_patterns(path("", home))]))])


async def test_an_address_is_told_in_another_language(site: Site) -> None:
    await site(routes(), LANGUAGES=LANGUAGES)
    assert len([path("a", home)] + i18n_patterns(path("", home))) == 2  # noqa: RUF005  # as Django's are written

    assert translate_url("/en/shop/items/7/?a=1#end", "de") == "/de/shop/items/7/?a=1#end"
    assert translate_url("https://a.example/de/", "en") == "https://a.example/en/"
    for same in ("/plain", "/nothing", "/i18n/setlang/", ""):
        assert translate_url(same, "de") == same


async def test_a_visitor_chooses_a_language(site: Site) -> None:
    client = await site(routes(), middleware=LOCALE, LANGUAGES=LANGUAGES, LANGUAGE_COOKIE_AGE=60)
    person = {"Accept": "text/html"}

    answer = await client.post(
        "/i18n/setlang/", data={"language": "de", "next": "/en/shop/items/7/?a=1"}, headers=person
    )

    assert (answer.status_code, answer.headers["location"]) == (302, "/de/shop/items/7/?a=1")
    assert "covet_language=de" in answer.headers["set-cookie"] and "Max-Age=60" in answer.headers["set-cookie"]
    assert (await client.get("/plain", headers={"Cookie": "covet_language=de"})).json() == "de"


@pytest.mark.parametrize(
    ("data", "headers", "status", "location"),
    [
        ({"language": "de"}, {"Accept": "text/html", "Referer": "http://testserver/en/page"}, 302, "/de/page"),
        ({"language": "de"}, {"Accept": "text/html"}, 302, "/"),
        ({"language": "de"}, {}, 204, ""),
        ({"language": "de", "next": "https://evil.example/"}, {}, 302, "/"),
        ({"language": "xx", "next": "/en/page"}, {}, 302, "/en/page"),
        ({"next": "/plain"}, {}, 302, "/plain"),
    ],
    ids=["referer", "nowhere", "script", "stranger", "unknown", "none"],
)
async def test_where_a_choice_leads(
    site: Site, data: dict[str, str], headers: dict[str, str], status: int, location: str
) -> None:
    client = await site(routes(), middleware=LOCALE, LANGUAGES=LANGUAGES)

    answer = await client.post("/i18n/setlang/", data=data, headers={"Host": "testserver", **headers})

    assert answer.status_code == status
    assert answer.headers.get("location", "").removeprefix("http://testserver") == location
    assert ("set-cookie" in answer.headers) == (data.get("language") == "de")
    assert (await client.get("/i18n/setlang/")).status_code == 405


GOOD = ["/a", "a/b", "//here.example/x", "http://here.example/x", "https://HERE.example", "?q=1", "/a:b"]
BAD = [
    "", None, " ", "//evil.example", "http://evil.example", "///evil.example", "\\\\evil.example", "/\\evil.example",
    "http:\\\\evil.example", "http:///evil.example", "javascript:alert(1)", "\x08//evil.example", "https://[::1",
    "http://here.example@evil.example/", "ftp://here.example/", "http://here.example:80@evil.example",
]  # fmt: skip


@pytest.mark.parametrize("url", GOOD)
def test_addresses_of_this_site_may_be_gone_to(url: str) -> None:
    assert url_has_allowed_host_and_scheme(url, {"here.example"})


@pytest.mark.parametrize("url", BAD, ids=[str(number) for number in range(len(BAD))])
def test_addresses_of_others_may_not(url: str | None) -> None:
    assert not url_has_allowed_host_and_scheme(url, {"here.example"})


def test_https_may_be_asked_for() -> None:
    assert url_has_allowed_host_and_scheme("https://here.example/", ["here.example"], require_https=True)
    assert url_has_allowed_host_and_scheme("/a", ["here.example"], require_https=True)
    assert not url_has_allowed_host_and_scheme("http://here.example/", ["here.example"], require_https=True)
    # On a page of http it leads to http.
    assert url_has_allowed_host_and_scheme("//here.example/", ["here.example"])
    assert not url_has_allowed_host_and_scheme("//here.example/", ["here.example"], require_https=True)


async def test_templates_link_to_the_visitors_language(site: Site, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text('{{ url("home") }}')
    client = await site(routes(), middleware=LOCALE, templates=tmp_path, LANGUAGES=LANGUAGES)

    assert (await client.get("/de/page")).text == "/de/"
