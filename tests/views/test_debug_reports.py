"""The debug page by a reporter and a filter of the project's own."""

from __future__ import annotations

import re
from typing import Any

import pytest

from covet.conf.errors import MASK
from covet.http import HTMLResponse, Request, Response
from covet.urls import path
from covet.views.debug import ExceptionReporter, SafeExceptionReporterFilter
from covet.views.debug_frames import read_exception
from covet.views.decorators import sensitive_post_parameters, sensitive_variables
from tests.handlers.sites import Site

HTML = {"accept": "text/html"}


class Shy(SafeExceptionReporterFilter):
    hidden_settings = re.compile("customer|X-Plan", re.IGNORECASE)
    cleansed_substitute = "(not for you)"


class Open(SafeExceptionReporterFilter):
    def is_active(self, request: Request | None) -> bool:
        return False


class Short(ExceptionReporter):
    async def get_response(self) -> Response:
        return HTMLResponse(f"<p>{await self.get_traceback_text()}</p>", 500)


@sensitive_variables("pin")
async def charge(pin: str, amount: int) -> None:
    raise ValueError("refused")


async def fail(request: Request) -> Response:
    customer, token = "ada-lovelace", "tok-1234"
    await request.form()
    await charge("pin-4711", 12)
    return Response(customer + token)


def Chosen(get_response: Any) -> Any:
    async def middleware(request: Request) -> Response:
        if "x-open" in request.headers:
            request.exception_reporter_filter = Open()  # type: ignore[attr-defined]
            request.exception_reporter_class = Short  # type: ignore[attr-defined]
        return await get_response(request)  # type: ignore[no-any-return]

    return middleware


async def test_a_filter_of_the_projects_own_hides_more(site: Site) -> None:
    client = await site(
        [path("fail/", fail)], DEBUG=True, DEFAULT_EXCEPTION_REPORTER_FILTER="tests.views.test_debug_reports.Shy"
    )
    sent = {"customer_name": "ada-lovelace", "title": "shown-title"}

    page = (
        await client.post("/fail/?customer=ada-lovelace&q=shown", data=sent, headers={**HTML, "x-plan": "gold"})
    ).text

    for secret in ("ada-lovelace", "tok-1234", "pin-4711", "gold"):
        assert f"<td>{secret}" not in page and f"&#x27;{secret}&#x27;</td>" not in page, secret
    assert "(not for you)" in page
    assert "shown-title" in page and "shown" in page


async def test_the_default_hides_what_it_always_did(site: Site) -> None:
    client = await site([path("fail/", fail)], DEBUG=True)

    page = (await client.post("/fail/", data={"customer": "ada-lovelace"}, headers=HTML)).text

    assert "<td>ada-lovelace</td>" in page
    assert "&#x27;pin-4711&#x27;</td>" not in page and "&#x27;tok-1234&#x27;</td>" not in page


async def test_a_reporter_of_the_projects_own_makes_the_page(site: Site) -> None:
    client = await site(
        [path("fail/", fail)], DEBUG=True, DEFAULT_EXCEPTION_REPORTER="tests.views.test_debug_reports.Short"
    )

    text = (await client.post("/fail/", headers=HTML)).text

    assert text.startswith("<p>POST /fail/\nValueError: refused")
    assert "in fail" in text and "amount = 12" in text
    assert "pin-4711" not in text.replace('charge("pin-4711", 12)', "")


async def test_a_request_may_bring_its_own(site: Site) -> None:
    client = await site([path("fail/", fail)], middleware=["tests.views.test_debug_reports.Chosen"], DEBUG=True)

    text = (await client.post("/fail/", headers={**HTML, "x-open": "1"})).text

    assert "pin = 'pin-4711'" in text and "customer = 'ada-lovelace'" in text
    assert "<h1" in (await client.post("/fail/", headers=HTML)).text


def test_a_query_string_that_cannot_be_read_does_not_keep_the_page_from_showing_what_is_wrong() -> None:
    shown = SafeExceptionReporterFilter()

    assert shown.get_query(Request.from_parts("GET", "/", b"&".join([b"a=1"] * 2000))) == []
    assert shown.get_query(Request.from_parts("GET", "/", b"a=1&password=x")) == [("a", "1"), ("password", MASK)]


def test_functions_of_one_code_hide_what_any_of_them_hides() -> None:
    """A function that is made anew at each call has one code, whatever it was told each time."""

    def make(*names: str) -> Any:
        @sensitive_variables(*names)
        def fail(pin: str = "1234", other: str = "5678") -> None:
            raise ValueError("oh")

        return fail

    first, second = make("pin"), make("other")
    with pytest.raises(ValueError, match="oh") as caught:
        first()
    shown = dict(read_exception(caught.value)[0].frames[-1].values)
    assert shown == {"pin": MASK, "other": MASK}
    make()
    make("pin")
    with pytest.raises(ValueError, match="oh") as caught:
        second()
    assert set(dict(read_exception(caught.value)[0].frames[-1].values).values()) == {MASK}


async def test_a_filter_that_is_off_shows_what_a_view_calls_sensitive(site: Site) -> None:
    """Whoever turns it off on a machine of their own wants to see the values."""

    @sensitive_post_parameters("card")
    async def pay(request: Request) -> Response:
        await request.form()
        raise RuntimeError("oh")

    shown = {}
    for name in ("covet.views.debug.SafeExceptionReporterFilter", "tests.views.test_debug_reports.Open"):
        client = await site([path("", pay)], DEBUG=True, DEFAULT_EXCEPTION_REPORTER_FILTER=name)
        page = (await client.post("/", data={"card": "4111-1111"}, headers=HTML)).text
        shown[name.rpartition(".")[2]] = "<th>card</th><td>4111-1111</td>" in page

    assert shown == {"SafeExceptionReporterFilter": False, "Open": True}
