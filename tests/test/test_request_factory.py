"""Requests made by hand."""

from __future__ import annotations

import pytest

from covet.http import JSONResponse, Request, Response
from covet.test import RequestFactory

METHODS = ("get", "head", "options", "post", "put", "patch", "delete", "trace")


@pytest.mark.parametrize("method", METHODS)
def test_each_method_has_its_own(method: str) -> None:
    request = getattr(RequestFactory(), method)("/articles/?page=2")

    assert (request.method, request.path, request.query["page"]) == (method.upper(), "/articles/", "2")
    assert request.get_host.__self__ is request and request.host == "testserver"


async def test_bodies_are_written_as_the_client_writes_them() -> None:
    rf = RequestFactory(headers={"Accept": "text/html"}, cookies={"a": "1"})

    json = rf.post("/", json={"title": "Hi"}, headers={"X-One": "1"}, cookies={"b": "2"})
    form = await rf.post("/", data={"name": "Ann"}, files={"picture": ("cat.png", b"bytes", "image/png")}).form()
    raw = rf.put("/", content="text")

    assert await json.json() == {"title": "Hi"}
    assert (json.headers["accept"], json.headers["x-one"], json.cookies) == ("text/html", "1", {"a": "1", "b": "2"})
    assert form.fields["name"] == "Ann"
    assert await form.files["picture"].read() == b"bytes"
    assert await raw.body() == b"text"
    await form.close()


async def test_what_middleware_and_routes_would_set_is_given() -> None:
    async def view(request: Request, pk: int) -> Response:
        return JSONResponse([request.user, request.session["n"], pk, request.is_secure, request.client])

    rf = RequestFactory(base_url="https://example.com", client_address=("10.0.0.1", 5))
    request = rf.get("/1/", params={"q": "ä"}, user="ann", session={"n": 1}, path_params={"pk": 1})

    assert (await view(request, **request.path_params)).body == b'["ann",1,1,true,["10.0.0.1",5]]'
    assert request.query["q"] == "ä"
    assert request.build_absolute_uri() == "https://example.com/1/?q=%C3%A4"
