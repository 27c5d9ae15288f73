"""Signed cookies: what the client cannot change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from covet.conf import override
from covet.http import Request, Response
from covet.http.cookies import build_cookie
from covet.signing import BadSignature, SignatureExpired


@pytest.fixture(autouse=True)
def key() -> object:
    with override(SECRET_KEY="a key of the tests"):
        yield


def request_with(response: Response, name: str = "who", *, rename: str | None = None) -> Request:
    value = next(v for n, v in response.raw_headers if n == b"set-cookie").split(b";")[0].partition(b"=")[2]
    return Request.from_parts("GET", "/", b"", [(b"cookie", (rename or name).encode() + b"=" + value)])


def test_a_signed_cookie_comes_back() -> None:
    response = Response()
    response.set_signed_cookie("who", "anna: ä;", salt="x", httponly=True)

    request = request_with(response)

    assert request.get_signed_cookie("who", salt="x", max_age=60) == "anna: ä;"
    assert "HttpOnly" in response.headers["set-cookie"]


def test_one_that_was_changed_moved_or_signed_for_something_else_is_refused() -> None:
    response = Response()
    response.set_signed_cookie("who", "anna")

    with pytest.raises(BadSignature):
        request_with(response).get_signed_cookie("who", salt="other")
    with pytest.raises(BadSignature):
        request_with(response, rename="admin").get_signed_cookie("admin")
    with pytest.raises(BadSignature):
        Request.from_parts("GET", "/", b"", [(b"cookie", b"who=anna:1:x")]).get_signed_cookie("who")


def test_one_that_is_old_is_refused() -> None:
    response = Response()
    response.set_signed_cookie("who", "anna")

    with pytest.raises(SignatureExpired):
        request_with(response).get_signed_cookie("who", max_age=timedelta(seconds=-1))


def test_a_default_stands_for_one_that_is_missing_or_bad() -> None:
    request = Request.from_parts("GET", "/", b"", [(b"cookie", b"who=x")])

    assert request.get_signed_cookie("who", None) is None
    assert request.get_signed_cookie("other", "nobody") == "nobody"
    with pytest.raises(KeyError):
        request.get_signed_cookie("other")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "__Secure-a"}, "secure=True"),
        ({"name": "__Host-a"}, "secure=True"),
        ({"name": "__Host-a", "secure": True, "domain": "x.example"}, "domain"),
        ({"name": "__Host-a", "secure": True, "path": "/a"}, "path"),
    ],
)
def test_a_prefix_that_browsers_check_is_checked_before_it_is_sent(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Response().set_cookie(**arguments)

    assert "__Host-a=1; Path=/; Secure; SameSite=Lax" in build_cookie("__Host-a", "1", secure=True)
