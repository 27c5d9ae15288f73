"""One endpoint in many forms: chosen by Accept, Content-Type and ?format=, told by the document, safe to read."""

from __future__ import annotations

import encodings
import html
import json
import re
import sys
from typing import Annotated, Any, Literal

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from openapi_spec_validator import validate
from pydantic import ConfigDict, Field

from covet.exceptions import ImproperlyConfigured, MissingDependency
from covet.rest import Body, Page, Router, Schema, permissions
from covet.rest.formats import Format, FormatError, formats_of
from covet.rest.formats.packed import MSGPACK
from covet.rest.formats.tables import CSV
from covet.rest.formats.tree import XML
from covet.rest.formats.yaml_text import YAML
from covet.rest.openapi import get_openapi
from covet.urls import include, path
from tests.rest.library import Tag

OPEN: Any = [permissions.AllowAny]
ALL = ["json", "msgpack", "yaml", "xml", "csv", "html"]


class Nest(Schema):
    inner: Nest


class Word:
    """A type that JSON Schema has no word for."""


class Unknown(Schema):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    word: Word


class Owner(Schema):
    name: str
    age: int | None = None


class Item(Schema):
    title: str
    count: int = 1
    owner: Owner | None = None


class Row(msgspec.Struct):
    title: str
    count: int = 1


api = Router(permissions=OPEN, formats=ALL)
plain = Router(permissions=OPEN)


@api.get("/items/<int:count>")
async def read_item(count: int) -> Item:
    """Read an item.

    With its owner.
    """
    return Item(title="<b>é", count=count, owner=Owner(name="=1+1"))


@api.post("/items", status=201)
async def make_item(data: Item) -> Item:
    return data


@api.post("/many")
async def make_many(data: list[Item]) -> list[Item]:
    return data


@api.post("/rows")
async def make_rows(data: list[Row]) -> list[Row]:
    return data


@api.get("/tags", response=Page[Row])
async def tags() -> Any:
    return [Row(name) for name in ("a", "b", "c")]


@api.get("/empty", status=204)
async def empty() -> None: ...


@plain.get("/plain")
async def plain_item() -> Item:
    return Item(title="x")


@plain.post("/plain")
async def plain_post(data: Item) -> Item:
    return data


PATTERNS = [path("", include(api)), path("", include(plain))]
WHOLE = {"title": "<b>é", "count": 3, "owner": {"name": "=1+1", "age": None}}


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/msgpack", "application/msgpack"),
        ("application/x-yaml", "application/x-yaml"),
        ("text/xml, application/json;q=0.9", "text/xml"),
        ("text/csv;q=0.2, application/xml;q=0.5, image/png", "application/xml"),
        ("text/*;q=0.3, application/json;q=0.1", "text/csv"),
        ("text/*", "text/csv"),
        ("text/csv;q=0, text/*, application/json;q=0.5", "text/html"),
        ("text/html;q=0, text/csv;q=0.1, text/*;q=0.9", "text/yaml"),
        ("application/*, text/csv;q=0.5", "application/json"),
        ("*/*;q=0.1, text/yaml;q=0.2", "text/yaml"),
        ("application/problem+json", "application/json"),
    ],
)
async def test_the_accept_header_chooses_the_form_by_quality(site: Any, accept: str, kind: str) -> None:
    client = await site(PATTERNS)

    answer = await client.get("/items/3", headers={"Accept": accept})

    given_kind = answer.headers["content-type"].partition(";")[0]
    assert answer.status_code == 200
    assert given_kind == kind
    assert "Accept" in answer.headers["vary"]


async def test_a_form_is_called_as_the_client_calls_it(site: Any) -> None:
    """Of text/* other names of a form are the last, where nothing is called so in the first place."""
    only = Router(permissions=OPEN, formats=["json", "xml"])
    only.get("/items")(lambda: [1])
    client = await site([path("", include(only))])

    kinds = {}
    for accept in ("text/*", "text/xml", "application/xml", "text/xml;q=0.4, application/xml;q=0.5"):
        answer = await client.get("/items", headers={"Accept": accept})
        kinds[accept] = answer.headers["content-type"]
        assert XML.read(answer.content) == [1]

    assert list(kinds.values()) == ["text/xml; charset=utf-8"] * 2 + ["application/xml"] * 2


@pytest.mark.parametrize("name", ["json", "msgpack", "yaml", "xml"])
async def test_each_form_says_the_same(site: Any, name: str) -> None:
    client = await site(PATTERNS)
    readers: dict[str, Any] = {
        "json": json.loads,
        "msgpack": msgspec.msgpack.decode,
        "yaml": yaml.safe_load,
        "xml": XML.read,
    }
    read = readers[name]

    answer = await client.get(f"/items/3?format={name}", headers={"Accept": "text/html"})

    assert read(answer.content) == WHOLE


async def test_csv_has_a_row_for_each_item_and_keeps_formulas_texts(site: Any) -> None:
    client = await site(PATTERNS)

    one = await client.get("/items/3?format=csv")
    page = await client.get("/tags?format=csv&size=2")

    assert one.text == "title,count,owner.name,owner.age\r\n<b>é,3,'=1+1,\r\n"
    assert page.text == "title,count\r\na,1\r\nb,1\r\n"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", json.dumps({"title": "t", "count": 2, "owner": {"name": "n"}}).encode()),
        ("application/msgpack", msgspec.msgpack.encode({"title": "t", "count": 2, "owner": {"name": "n"}})),
        ("application/yaml", b"title: t\ncount: 2\nowner:\n  name: n\n"),
        ("application/xml", b"<item><title>t</title><count>2</count><owner><name>n</name></owner></item>"),
        ("text/csv", b"title,count,owner.name\nt,2,n\n"),
        ("text/csv; charset=utf-8", b"\xef\xbb\xbftitle,count,owner.name,owner.age\r\nt,2,n,\r\n"),
        ("application/vnd.item+json", b'{"title": "t", "count": 2, "owner": {"name": "n"}}'),
    ],
)
async def test_a_body_is_read_in_each_form(site: Any, kind: str, body: bytes) -> None:
    client = await site(PATTERNS)

    answer = await client.post("/items", content=body, headers={"Content-Type": kind})

    assert answer.status_code == 201, answer.text
    assert answer.json() == {"title": "t", "count": 2, "owner": {"name": "n", "age": None}}


async def test_tables_of_texts_fill_lists_and_structs(site: Any) -> None:
    client = await site(PATTERNS)
    head = {"Content-Type": "text/csv"}

    many = await client.post("/many", content="title,count\na,1\nb,2\n", headers=head)
    rows = await client.post("/rows", content="title,count\na,1\nb,2\n", headers=head)
    wrong = await client.post("/rows", content="title,count\na,x\nb,\n", headers=head)
    two = await client.post("/items", content="title\na\nb\n", headers=head)

    assert [row["count"] for row in many.json()] == [1, 2]
    assert rows.json() == [{"title": "a", "count": 1}, {"title": "b", "count": 2}]
    assert [error["pointer"] for error in wrong.json()["errors"]] == ["/0/count"]
    assert (two.status_code, two.json()["detail"]) == (400, "This endpoint takes one row, not 2.")


async def test_an_element_with_nothing_in_it_is_an_empty_body(site: Any) -> None:
    client = await site(PATTERNS)
    head = {"Content-Type": "application/xml"}

    one = await client.post("/items", content="<item/>", headers=head)
    many = await client.post("/many", content="<items></items>", headers=head)

    assert one.json()["errors"] == [{"detail": "This value is required.", "pointer": "/title", "code": "missing"}]
    assert (many.status_code, many.json()) == (200, [])


async def test_wrong_values_have_the_same_pointers_in_each_form(site: Any) -> None:
    client = await site(PATTERNS)

    answer = await client.post(
        "/items", content="title: 1\nowner: {age: old}\n", headers={"Content-Type": "application/yaml"}
    )

    assert {error["pointer"] for error in answer.json()["errors"]} == {"/title", "/owner/name", "/owner/age"}


async def test_what_nobody_gives_is_406_and_what_nobody_reads_is_415(site: Any) -> None:
    client = await site(PATTERNS)

    png = await client.get("/items/3", headers={"Accept": "image/png"})
    none = await client.get("/items/3", headers={"Accept": "application/json;q=0, */*;q=0"})
    only_json = await client.get("/plain", headers={"Accept": "application/xml"})
    browser = await client.get("/plain", headers={"Accept": "text/html"})
    sent = await client.post("/items", content=b"x", headers={"Content-Type": "image/png"})
    sent_plain = await client.post("/plain", content=b"a: 1", headers={"Content-Type": "application/yaml"})

    assert [one.status_code for one in (png, none, only_json)] == [406, 406, 406]
    assert png.headers["content-type"] == only_json.headers["content-type"] == "application/problem+json"
    assert "application/msgpack" in png.json()["detail"]
    assert (browser.status_code, browser.json()["title"]) == (200, "x")
    assert (sent.status_code, sent_plain.status_code) == (415, 415)
    assert "application/yaml" in sent.json()["detail"]


async def test_a_merge_patch_is_read_and_a_json_patch_is_not(site: Any) -> None:
    client = await site(PATTERNS)

    for place in ("/items", "/plain"):
        merge = await client.post(
            place, content=b'{"title": "x"}', headers={"Content-Type": "application/merge-patch+json"}
        )
        steps = await client.post(place, content=b"[]", headers={"Content-Type": "application/json-patch+json"})
        assert (merge.status_code in (200, 201), steps.status_code) == (True, 415)


async def test_an_unknown_format_is_named(site: Any) -> None:
    client = await site(PATTERNS)

    answer = await client.get("/items/3?format=xlm")

    assert answer.status_code == 422
    assert answer.json()["errors"][0] == {
        "detail": "There is no format 'xlm' here. Did you mean 'xml'?",
        "parameter": "format",
        "code": "format",
    }


async def test_problems_stay_problem_documents_in_each_form(site: Any) -> None:
    client = await site(PATTERNS)

    answer = await client.post("/items?format=yaml", json={})

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_people_get_a_page_that_runs_nothing_of_the_data(site: Any) -> None:
    client = await site([*PATTERNS, path("", include("covet.rest.urls"))], installed=["covet.rest"])

    page = await client.get("/items/3", headers={"Accept": "text/html,*/*;q=0.8"})
    script = await client.get("/docs/assets/browse.js")
    style = await client.get("/docs/assets/browse.css")

    assert page.headers["content-type"].startswith("text/html")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "&lt;b&gt;é" in page.text
    assert "<b>é" not in page.text
    assert "?format=csv" in page.text
    assert "With its owner." in page.text
    assert "browse.css" in page.text
    assert (script.status_code, style.status_code) == (200, 200)


async def test_the_page_shows_errors_offers_writes_and_stands_alone(site: Any) -> None:
    client = await site(PATTERNS)
    head = {"Accept": "text/html"}

    wrong = await client.post("/items", json={}, headers=head)
    gone = await client.get("/empty", headers=head)
    documented = await site([*PATTERNS, path("", include("covet.rest.urls"))], installed=["covet.rest"])
    form = await documented.get("/tags?size=1", headers=head)
    posted = await documented.post("/items", json={"title": "https://example.org/x"}, headers=head)

    assert (wrong.status_code, gone.status_code) == (422, 200)
    assert "HTTP 422 Unprocessable Content" in wrong.text
    assert "HTTP 204 No Content" in gone.text
    assert "<form" not in wrong.text
    assert 'href="/tags?size=1&amp;page=2"' in form.text or 'href="/tags?page=2&amp;size=1"' in form.text
    assert '<a href="https://example.org/x" rel=noreferrer>' in posted.text
    assert ">POST</option>" in posted.text


class Shelf(Schema):
    name: str
    floor: int = Field(ge=1)
    kind: Literal["open", "closed"]
    note: str | None = None
    books: list[Item] = Field(default_factory=list)
    label: str = "none"
    parent: Shelf | None
    inner: Owner


def begun(page: str, method: str) -> Any:
    """Return the body that the form of a page begins with."""
    found = re.search(rf'<option data-body="([^"]*)">{method}</option>', page)
    assert found is not None, page
    return json.loads(html.unescape(found[1])) if found[1] else None


async def test_the_form_begins_with_a_body_that_the_endpoint_takes(site: Any) -> None:
    shelves = Router(permissions=OPEN, formats=["html", "json"])

    @shelves.get("/shelves/<int:pk>")
    async def read_shelf(pk: int) -> dict[str, Any]:
        return {"id": pk, "name": '<b>"Upper"', "label": "wood", "floor": 3}

    @shelves.put("/shelves/<int:pk>")
    async def put_shelf(pk: int, data: Shelf) -> Shelf:
        return data

    @shelves.patch("/shelves/<int:pk>")
    async def patch_shelf(pk: int, data: Annotated[Item, Body(examples=[{"title": "An example"}])]) -> Item:
        return data

    @shelves.post("/shelves/<int:pk>")
    async def post_rows(pk: int, data: Row) -> Row:
        return data

    @shelves.delete("/shelves/<int:pk>")
    async def drop_shelf(pk: int) -> None: ...

    client = await site([path("", include(shelves)), path("", include("covet.rest.urls"))], installed=["covet.rest"])

    page = (await client.get("/shelves/3", headers={"Accept": "text/html"})).text

    assert begun(page, "PUT") == {
        "name": '<b>"Upper"',
        "floor": 3,
        "kind": "open",
        "note": None,
        "books": [],
        "label": "wood",
        "parent": None,
        "inner": {"name": "", "age": None},
    }
    assert begun(page, "PATCH") == {"title": "An example"}
    assert begun(page, "POST") == {"title": "", "count": 1}
    assert begun(page, "DELETE") is None


async def test_the_form_of_what_holds_itself_or_says_nothing_of_itself_has_an_end(site: Any) -> None:
    odd = Router(permissions=OPEN, formats=["html", "json"])

    @odd.post("/nests")
    async def nest(data: Nest) -> None: ...

    @odd.put("/nests")
    async def unknown(data: Unknown) -> None: ...

    @odd.get("/nests")
    async def read() -> str:
        return "x"

    client = await site([path("", include(odd)), path("", include("covet.rest.urls"))], installed=["covet.rest"])

    page = (await client.get("/nests", headers={"Accept": "text/html"})).text

    assert set(begun(page, "POST")) == {"inner"}
    assert begun(page, "PUT") is None


async def test_the_page_links_to_what_is_there_above_it(site: Any) -> None:
    books = Router(permissions=OPEN, formats=ALL)

    @books.get("/books/<str:name>/pages/<int:number>")
    async def read_page(name: str, number: int) -> str:
        return name

    @books.get("/books/<str:name>")
    async def read_book(name: str) -> str:
        return name

    client = await site([path("", include(books))])

    page = await client.get("/books/a%25b é/pages/3", headers={"Accept": "text/html"})

    trail = page.text.partition("<nav aria-label=Path>")[2].partition("</nav>")[0]
    assert trail == (
        '/ books / <a href="/books/a%25b%20%C3%A9">a%b é</a> / pages / <a href="/books/a%25b%20%C3%A9/pages/3">3</a>'
    )
    assert '"/books/a%25b%20%C3%A9/pages/3?format=csv"' in page.text


async def test_the_document_tells_all_media_types_and_the_parameter(site: Any) -> None:
    await site(PATTERNS)

    document = get_openapi()
    validate(document)
    operation = document["paths"]["/items"]["post"]

    assert list(operation["requestBody"]["content"]) == [
        "application/json",
        "application/msgpack",
        "application/yaml",
        "application/xml",
        "text/csv",
    ]
    assert list(operation["responses"]["201"]["content"])[-1] == "text/html"
    assert "406" in operation["responses"]
    assert operation["parameters"][0]["schema"]["enum"] == ALL


async def test_the_setting_names_the_formats_and_a_project_adds_its_own(site: Any) -> None:
    client = await site(PATTERNS, REST_FORMATS=["json", "tests.rest.test_formats.SHOUTED"])

    answer = await client.get("/plain", headers={"Accept": "text/x-shout"})

    assert answer.text.startswith("{'TITLE': 'X'")


SHOUTED = Format("shouted", ("text/x-shout",), lambda value: str(value).upper().encode())


def test_what_is_no_format_is_a_named_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured, match="Did you mean 'json'"):
        formats_of(["jsn"])
    with pytest.raises(ImproperlyConfigured, match="no format that a machine reads"):
        formats_of(["html"])
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingDependency, match=r"covet\[formats\]"):
        formats_of(["json", "yaml"])


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc-é 1", max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_values_come_back_as_they_went(value: Any) -> None:
    for one in (MSGPACK, YAML, XML):
        assert one.read is not None
        assert one.read(one.write(value)) == value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_encodings_of_xml_that_there_are_not_leave_nothing_behind(encoding: str) -> None:
    """Python remembers each name that it was asked for in vain, and clients may send new ones for ever."""
    assert XML.read is not None
    with pytest.raises(FormatError, match="encoding"):
        XML.read(f'<?xml version="1.0" encoding="vulcan-{encoding}"?><a/>'.encode(encoding))
    assert f"vulcan_{encoding.replace('-', '_')}" not in encodings._cache  # type: ignore[attr-defined]  # where it does


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8", "utf-16", "us-ascii", "iso-8859-1", "windows-1252"])
def test_xml_may_say_its_encoding(encoding: str) -> None:
    assert XML.read is not None
    text = "a" if encoding == "us-ascii" else "\xfc"
    assert XML.read(f'<?xml version="1.0" encoding="{encoding}"?><a>{text}</a>'.encode(encoding)) == text


@pytest.mark.parametrize(
    ("one", "body"),
    [
        (XML, b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
        (XML, b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'),
        (XML, b"<a>" * 200 + b"</a>" * 200),
        (XML, b"<a>"),
        (XML, b""),
        (XML, b'<?xml version="1.0" encoding="nonsense"?><a/>'),
        (YAML, b"a: &x [1, 2]\nb: *x\n"),
        (YAML, b"[" * 200 + b"]" * 200),
        (YAML, b"!!python/object/apply:os.system ['true']"),
        (YAML, b"a: 1\na: 2\n"),
        (YAML, b"1: a\n"),
        (YAML, b"\xff"),
        (YAML, b"a: 2001-99-99"),
        (YAML, b"x" * (1024 * 1024 + 1)),
        (MSGPACK, b"\xc1"),
        (MSGPACK, b"\x91" * 100_000),
        (MSGPACK, msgspec.msgpack.encode({1: "a"})),
        (MSGPACK, msgspec.msgpack.encode([msgspec.msgpack.Ext(3, b"")])),
        (CSV, b""),
        (CSV, b"a,a\n1,2\n"),
        (CSV, b"a,b\n1\n"),
        (CSV, b"a,a.b\n1,2\n"),
        (CSV, b"a.b,a\n1,2\n"),
        (CSV, b'a\n"x'),
        (CSV, b"\xff"),
    ],
)
def test_hostile_and_broken_bodies_are_refused(one: Format, body: bytes) -> None:
    assert one.read is not None
    with pytest.raises(FormatError):
        one.read(body)


def test_lists_and_quotes_in_tables_come_back() -> None:
    assert CSV.read is not None
    written = CSV.write([{"a": [1], "b": "'=x", "c": True}, {"a": {}, "b": "[no"}, 3])

    assert CSV.read(written) == [
        {"a": [1], "b": "'=x", "c": "true"},
        {"a": {}, "b": "[no"},
        {"value": "3"},
    ]
    assert CSV.write([]) == b""


def test_xml_reads_what_other_writers_send() -> None:
    assert XML.read is not None
    read = XML.read(b'<a><tag>x</tag><tag>y</tag><tag>z</tag><n type="number">1.5</n><m type="number">q</m></a>')

    assert read == {"tag": ["x", "y", "z"], "n": 1.5, "m": "q"}
    assert XML.write({"a": "\x00"}).endswith("<a>\ufffd</a></root>".encode())


async def test_rows_of_the_database_go_out_in_each_form(library: Any) -> None:
    rows = Router(permissions=OPEN, formats=["json", "csv"])

    class TagOut(Schema):
        name: str

    @rows.get("/tags", response=list[TagOut])
    async def listed() -> Any:
        return Tag.objects.order_by("name")

    client = await library(rows)
    await Tag.objects.create(name="b")
    await Tag.objects.create(name="a")

    assert (await client.get("/api/tags?format=csv")).text == "name\r\na\r\nb\r\n"
