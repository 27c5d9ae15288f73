"""Headers, cookies, query strings, ranges and negotiation: what has laws, by Hypothesis; what has edges, by example."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.http import (
    BadRequest,
    Headers,
    HTTPException,
    MutableHeaders,
    QueryParams,
    RedirectResponse,
    Request,
    Response,
)
from covet.http.cookies import build_cookie, parse_cookies
from covet.http.files import UploadedFile, safe_file_name
from covet.http.forms import parse_content_type
from covet.http.hosts import is_allowed_host, split_host
from covet.http.negotiation import accepted_encodings, best_match, prefers_html
from covet.http.streaming import content_disposition, parse_ranges

texts = st.text(st.characters(codec="utf-8"), max_size=20)
names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=10)


@given(st.lists(st.tuples(texts, texts), max_size=8))
def test_a_query_string_comes_back_as_it_was(pairs: list[tuple[str, str]]) -> None:
    query = QueryParams(urlencode(pairs))

    assert sorted(query.multi_items()) == sorted(pairs)
    assert sorted(QueryParams(query.urlencode()).multi_items()) == sorted(pairs)


@given(st.text(st.characters(max_codepoint=126) | st.sampled_from("&=+%%%c3a9"), max_size=60))
def test_any_query_string_is_read_like_the_standard_library_reads_it(text: str) -> None:
    assert sorted(QueryParams(text).multi_items()) == sorted(parse_qsl(text, keep_blank_values=True))


@given(st.binary(max_size=60))
def test_no_bytes_break_the_query_string(raw: bytes) -> None:
    assert all(isinstance(value, str) for _, value in QueryParams(raw).multi_items())


def test_query_gives_the_last_value_and_all_values() -> None:
    query = QueryParams(b"tag=a&tag=b&q=&x")

    assert query["tag"] == "b"
    assert query.getlist("tag") == ["a", "b"]
    assert query.getlist("none") == []
    assert query.get("none") is None
    assert (query["q"], query["x"]) == ("", "")
    assert query.replace(tag="c", q=None).urlencode() == "x=&tag=c"


def test_too_many_fields_are_refused_before_they_are_split() -> None:
    with pytest.raises(BadRequest, match="More than 1000 fields"):
        QueryParams(b"a=1&" * 1001)


@given(
    st.dictionaries(
        st.text("abcXYZ019_-.!", min_size=1, max_size=8),
        st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=20),
        max_size=5,
    )
)
def test_cookies_come_back_as_they_were(cookies: dict[str, str]) -> None:
    header = "; ".join(build_cookie(name, value, path=None, samesite=None) for name, value in cookies.items())

    assert parse_cookies(header) == cookies


@given(st.text(st.characters(codec="latin-1"), max_size=80))
def test_no_cookie_header_breaks_the_parser(header: str) -> None:
    assert all(isinstance(value, str) for value in parse_cookies(header).values())


def test_parts_that_are_no_cookies_are_passed_over() -> None:
    assert parse_cookies('a=1; junk; =x; b="q\\"uo"; ; a=2') == {"a": "2", "b": 'q"uo'}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "a b"}, "name of a cookie"),
        ({"name": "a", "path": "/;x"}, "Path"),
        ({"name": "a", "domain": "x\r\ny"}, "Domain"),
        ({"name": "a", "samesite": "None"}, "secure=True"),
        ({"name": "a", "samesite": "Loose"}, "samesite"),
        ({"name": "a", "value": "5 €"}, r"cookie 'a'.*urllib.parse.quote"),
        ({"name": "a", "partitioned": True}, "partitioned.*secure=True"),
        # Browsers look at prefixes without regard to case.
        ({"name": "__secure-a"}, "secure=True"),
        ({"name": "__HOST-a", "secure": True, "path": "/x"}, "another path"),
    ],
)
def test_a_cookie_that_would_break_its_header_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_cookie(**arguments)


def test_a_cookie_carries_all_its_attributes() -> None:
    cookie = build_cookie(
        "id",
        "1",
        max_age=60,
        expires=datetime(2030, 1, 2, tzinfo=UTC),
        path="/a",
        domain="x.org",
        secure=True,
        httponly=True,
        samesite="Strict",
        partitioned=True,
    )

    assert cookie == (
        "id=1; Max-Age=60; Expires=Wed, 02 Jan 2030 00:00:00 GMT; Path=/a; Domain=x.org; Secure; HttpOnly; SameSite=Strict"
        "; Partitioned"
    )


@pytest.mark.parametrize("name", ["id", "__secure-id"])
def test_deleting_a_partitioned_cookie_is_secure_too(name: str) -> None:
    response = Response()
    response.delete_cookie(name, partitioned=name == "id")

    text = response.headers["set-cookie"]

    assert "Max-Age=0;" in text and "; Secure;" in text
    assert ("Partitioned" in text) is (name == "id")


def test_deleting_a_cookie_ends_it() -> None:
    response = Response()
    response.delete_cookie("__Secure-id")

    assert "Max-Age=0; Expires=Thu, 01 Jan 1970" in response.headers["set-cookie"]
    assert "Secure" in response.headers["set-cookie"]


@given(st.text(max_size=20))
def test_a_header_value_with_a_line_end_is_refused(text: str) -> None:
    headers = MutableHeaders()
    try:
        headers["X-Text"] = text
    except (ValueError, UnicodeEncodeError):
        return
    assert not set(headers["x-text"]) & {"\r", "\n", "\x00"}


def test_headers_are_case_blind_and_keep_repeated_ones() -> None:
    headers = MutableHeaders([(b"accept", b"a"), (b"x", b"1"), (b"x", b"2")])

    assert headers["ACCEPT"] == "a"
    assert headers.getlist("X") == ["1", "2"]
    headers["x"] = "3"
    assert headers.getlist("x") == ["3"]
    headers.add("Set-Cookie", "a=1")
    headers.add("Set-Cookie", "b=2")
    assert len(headers.getlist("set-cookie")) == 2
    assert headers.setdefault("x", "4") == "3"
    del headers["X"]
    assert "x" not in headers
    with pytest.raises(KeyError):
        del headers["x"]
    with pytest.raises(ValueError, match="name of a header"):
        headers["a b"] = "1"
    assert dict(Headers({"A": "1"})) == {"a": "1"}


def test_vary_is_added_to_and_never_doubled() -> None:
    headers = MutableHeaders({"Vary": "Cookie"})
    headers.add_vary("cookie", "Accept")
    assert headers["vary"] == "Cookie, Accept"


@given(
    st.integers(0, 300),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400) | st.none()), min_size=1, max_size=5),
)
def test_ranges_lie_inside_the_whole_and_never_overlap(size: int, asked: list[tuple[int, int | None]]) -> None:
    header = "bytes=" + ",".join(f"{a}-{'' if b is None else b}" for a, b in asked)

    ranges = parse_ranges(header, size)

    if ranges is None:
        return
    assert all(0 <= start < end <= size for start, end in ranges)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(ranges))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-4", [(0, 5)]),
        ("bytes=-5", [(95, 100)]),
        ("bytes=90-", [(90, 100)]),
        ("bytes=0-0,50-59", [(0, 1), (50, 60)]),
        ("bytes=200-", []),
        ("bytes=-0", []),
        # Empty elements of a list say nothing (RFC 9110, 5.6.1.2).
        ("bytes=0-4, ,", [(0, 5)]),
        ("bytes=,", None),
        ("bytes=5-1", None),
        ("bytes=a-b", None),
        ("bytes=-", None),
        ("lines=1-2", None),
        ("bytes=0-50,40-60", None),
        ("bytes=" + ",".join(f"{n}-{n}" for n in range(17)), None),
    ],
)
def test_range_headers(header: str, expected: list[tuple[int, int]] | None) -> None:
    assert parse_ranges(header, 100) == expected


@pytest.mark.parametrize(
    ("header", "is_person"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("*/*", False),
        ("", False),
        ("application/json", False),
        ("application/json, text/html;q=0.5", False),
        ("text/html;q=0", False),
        ("application/problem+json, text/html", True),
    ],
)
def test_who_is_a_person(header: str, is_person: bool) -> None:
    assert prefers_html(header) is is_person


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("", ()),
        ("gzip, deflate, br", ("br", "gzip")),
        ("gzip, deflate, br, zstd", ("zstd", "br", "gzip")),
        ("gzip;q=1.0, br;q=0.5", ("gzip", "br")),
        ("*", ("zstd", "br", "gzip")),
        ("*;q=0", ()),
        ("*, br;q=0", ("zstd", "gzip")),
        ("gzip;q=0", ()),
        ("identity, gzip;q=0.5", ()),
        ("identity;q=0.5, gzip;q=0.5, br;q=0.4", ("gzip",)),
        ("gzip, identity", ("gzip",)),
        ("identity;q=0, gzip;q=0.1", ("gzip",)),
        ("GZIP;Q=1", ("gzip",)),
        ("gzip;q=0.2, gzip;q=0.9, br;q=0.5", ("gzip", "br")),
        ("gzip;q=nan, br", ("br",)),
    ],
)
def test_encodings_are_taken_as_the_client_likes_them(header: str, taken: tuple[str, ...]) -> None:
    assert accepted_encodings(header, ("zstd", "br", "gzip")) == taken


def test_what_a_client_takes_may_come_in_several_lines() -> None:
    request = Request.from_parts(
        "GET", "/", raw_headers=[(b"accept", b"image/png"), (b"accept", b"text/html, application/json;q=0.5")]
    )

    assert request.accepts("application/json")
    assert request.get_preferred_type(["application/json", "text/html"]) == "text/html"
    assert request.accepts_html
    assert request.headers.combined("Accept") == "image/png, text/html, application/json;q=0.5"
    assert request.headers.combined("accept-language") is None
    assert request.headers.combined("accept-language", "en") == "en"
    assert request.headers.combined("accept", "en") == "image/png, text/html, application/json;q=0.5"


@pytest.mark.parametrize(
    ("header", "best"),
    [
        ("", "application/json"),
        ("text/*;q=0.5, application/json;q=0.4", "text/html"),
        ("text/html;q=0, */*", "application/json"),
        ("image/png", None),
        ("text/html;q=nonsense", None),
    ],
)
def test_the_best_offer_is_chosen(header: str, best: str | None) -> None:
    assert best_match(header, ["application/json", "text/html"]) == best


@pytest.mark.parametrize(
    ("host", "allowed", "fits"),
    [
        ("example.com", ["example.com"], True),
        ("EXAMPLE.com:8000", ["example.com"], True),
        ("a.example.com", [".example.com"], True),
        ("example.com", [".example.com"], True),
        ("badexample.com", [".example.com"], False),
        ("example.com.evil.org", ["example.com"], False),
        ("[::1]:8000", ["[::1]"], True),
        ("example.com/path", ["*"], False),
        ("user@example.com", ["*"], False),
        ("", ["*"], False),
        ("example.com:port", ["*"], False),
        ("example.com.", ["example.com"], True),
        ("[]", ["*"], False),
        ("[80.80]:80", ["*"], False),
    ],
)
def test_allowed_hosts(host: str, allowed: list[str], fits: bool) -> None:
    assert is_allowed_host(host, allowed) is fits


@given(st.text(max_size=30))
def test_no_host_breaks_the_parser(host: str) -> None:
    name, port = split_host(host)
    assert port == "" or port.isdigit()
    assert "/" not in name


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("photo.png", "photo.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\x.txt", "x.txt"),
        ("..", "upload"),
        ("a\x00b\n.txt", "ab.txt"),
        ("", "upload"),
    ],
)
def test_file_names_of_clients_lose_their_folders(sent: str, kept: str) -> None:
    assert safe_file_name(sent) == kept


def test_a_content_type_is_read_with_its_parameters() -> None:
    assert parse_content_type('Multipart/Form-Data; boundary="a;b\\"c"; x=1') == (
        "multipart/form-data",
        {"boundary": 'a;b"c', "x": "1"},
    )


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.txt", 'attachment; filename="a.txt"'),
        ("ä ö.txt", "attachment; filename*=UTF-8''%C3%A4%20%C3%B6.txt"),
        ('a"b\r\n.txt', "attachment; filename*=UTF-8''a%22b.txt"),
    ],
)
def test_any_file_name_fits_into_its_header(name: str, header: str) -> None:
    assert content_disposition(name, as_attachment=True) == header


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "ftp://x/y", "http://[bad"])
def test_a_redirect_to_another_scheme_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"redirect"):
        RedirectResponse(url)


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, 302),
        ({"permanent": True}, 301),
        ({"preserve_method": True}, 307),
        ({"permanent": True, "preserve_method": True}, 308),
        ({"status": 303}, 303),
    ],
)
def test_redirect_statuses(options: dict[str, bool], status: int) -> None:
    assert RedirectResponse("/x", **options).status == status  # type: ignore[arg-type]


def test_a_content_type_given_as_a_header_takes_the_place_of_the_usual_one() -> None:
    response = Response("x", headers={"Content-Type": "text/css"})
    assert response.headers.getlist("content-type") == ["text/css"]


def test_what_middleware_should_have_set_is_told_with_the_line_to_write() -> None:
    request = Request.from_parts("GET", "/")

    with pytest.raises(ValueError, match=r"covet\.sessions\.middleware\.SessionMiddleware"):
        _ = request.session
    with pytest.raises(ValueError, match=r"covet\.auth\.middleware\.AuthenticationMiddleware"):
        _ = request.user
    with pytest.raises(AttributeError, match=r"request\.state\.tenant"):
        _ = request.state.tenant
    request.state.tenant = 3
    assert request.state.tenant == 3


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("GET", r"Write request\.query\."),
        ("POST", r"Write await request\.form\(\)\."),
        ("query_params", r"Write request\.query\."),
        ("url_for", r"Write reverse\(name, kwargs="),
        ("base_url", r"Write request\.build_absolute_uri\('/'\)\."),
    ],
)
def test_an_attribute_of_another_framework_is_told_by_its_name_here(name: str, says: str) -> None:
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": []})

    with pytest.raises(AttributeError, match=rf"^A request has no attribute '{name}'\..*{says}") as caught:
        getattr(request, name)

    assert caught.value.name == name
    assert getattr(request, name, None) is None
    setattr(request, name, "of a middleware")
    assert getattr(request, name) == "of a middleware"


def test_headers_of_answers_and_files_are_told_by_their_names_here() -> None:
    file = UploadedFile("a.txt", "text/plain", BytesIO(b"a"), in_memory_limit=10)

    with pytest.raises(
        AttributeError, match=r"^MutableHeaders has no attribute 'append'\. Write headers\.add\(name, value\)\.$"
    ):
        Response().headers.append("X-Id", "1")
    with pytest.raises(
        AttributeError, match=r"^An uploaded file has no attribute 'headers'\. Write file\.content_type;"
    ):
        _ = file.headers

    assert not hasattr(Headers(), "append") and not hasattr(file, "headers")


def test_a_status_has_the_name_that_others_give_it() -> None:
    response = Response()
    response.status_code = 201

    assert (response.status, response.status_code) == (201, 201)
    assert HTTPException(404).status_code == 404
