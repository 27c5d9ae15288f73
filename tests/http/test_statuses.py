"""Statuses of answers: what is none is refused where it is written, and never reaches a client."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import pytest

from covet.exceptions import ImproperlyConfigured
from covet.http import HTMLResponse, HTTPException, JSONResponse, NotFound, Request, Response, StreamingResponse
from covet.http import status as status_names
from covet.http.status import HTTP_201_CREATED
from covet.rest import Router, ViewSet, action
from covet.urls import path
from tests.handlers.sites import Site


@pytest.mark.parametrize("status", [0, 99, 600, 999, -200, True, "200", None, 200.5])
@pytest.mark.parametrize(
    "make",
    [
        lambda status: Response(b"", status),
        lambda status: HTMLResponse("", status=status),
        lambda status: JSONResponse({}, status=status),
        lambda status: StreamingResponse([], status),
        lambda status: HTTPException(status),
        lambda status: setattr(Response(), "status_code", status),
    ],
)
def test_what_is_no_status_is_refused_at_once(make: Any, status: Any) -> None:
    with pytest.raises(ValueError, match="whole number from 100 to 599, not"):
        make(status)


@pytest.mark.parametrize("status", [100, 200, 418, 599, HTTPStatus.CREATED, HTTP_201_CREATED])
def test_what_is_a_status_is_taken(status: int) -> None:
    assert Response(b"", status).status == status
    assert JSONResponse({}, status=status).status == status


def test_the_status_of_a_route_is_checked_where_it_is_written() -> None:
    api = Router()
    wrong: Any = "201"

    with pytest.raises(
        ImproperlyConfigured, match=r"POST 'orders': a status is a whole number from 100 to 599, not 999"
    ):

        @api.post("orders", status=999)
        async def order() -> None: ...

    class Orders(ViewSet):
        @action(detail=False, methods=["post"], status=wrong)
        async def pay(self, request: Request) -> None: ...

    with pytest.raises(ImproperlyConfigured, match="not '201'"):
        api.register("orders", Orders)


async def test_one_that_is_set_later_is_an_error_of_the_server(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    async def late(request: Request) -> Response:
        response = JSONResponse({"secret": 1})
        response.status = 999
        return response

    client = await site([path("late", late)])
    with caplog.at_level(logging.ERROR, "covet.request"):
        response = await client.get("/late")

    assert response.status_code == 500
    assert "secret" not in response.text
    assert "whole number from 100 to 599, not 999" in caplog.text
    assert (await client.get("/late")).status_code == 500


def test_every_registered_status_has_its_name() -> None:
    named = {name: value for name, value in vars(status_names).items() if name.startswith("HTTP_")}

    assert all(int(name[5:8]) == value for name, value in named.items())
    assert {one.value for one in HTTPStatus} - {305, 306, 510} <= set(named.values())
    assert named["HTTP_422_UNPROCESSABLE_ENTITY"] == named["HTTP_422_UNPROCESSABLE_CONTENT"] == 422


def test_the_status_of_an_error_may_have_fastapis_name() -> None:
    error = HTTPException(status_code=404, detail="No such item.", headers={"X-Error": "there"})

    assert (error.status, error.status_code, error.detail) == (404, 404, "No such item.")
    assert error.headers == {"X-Error": "there"}


@pytest.mark.parametrize(
    "make", [lambda: HTTPException(status_code=999), lambda: HTTPException(), lambda: HTTPException(detail="x")]
)
def test_an_error_has_a_status(make: Any) -> None:
    with pytest.raises(ValueError, match="whole number from 100 to 599, not"):
        make()


def test_a_detail_of_several_members_is_members_of_the_document() -> None:
    error = HTTPException(409, {"code": "taken", "detail": "This name is taken.", "status": 7}, extra={"name": "ann"})

    assert error.to_problem().as_dict() == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "This name is taken.",
        "code": "taken",
        "name": "ann",
    }
    assert HTTPException(404, {"code": "gone"}).to_problem().as_dict()["title"] == "Not Found"
    assert NotFound({"code": "gone"}).extra == {"code": "gone"}


class Busy(HTTPException):
    status_code = 503
    default_detail = "Come back later."


def test_a_class_of_errors_says_its_status_and_words_once() -> None:
    assert (Busy().status, Busy().detail, str(Busy())) == (503, "Come back later.", "Come back later.")
    assert (Busy(detail="Full.").status, Busy(detail="Full.").detail) == (503, "Full.")
    assert Busy(429, "Slower.").status == Busy(status_code=429).status_code == Busy(429).status_code == 429
    assert Busy().status_code == 503
