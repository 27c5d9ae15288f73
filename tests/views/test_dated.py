"""Views by date: of a field of dates and of one of moments, in the visitor's time zone, on each database."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from time_machine import TimeMachineFixture

from covet import timezone
from covet.conf import override
from covet.db.database import Database
from covet.exceptions import ImproperlyConfigured
from covet.http import Request, Response
from covet.middleware import Middleware
from covet.test.client import AsyncClient
from covet.urls import path
from covet.views.dates import (
    ArchiveIndexView,
    DateDetailView,
    DayArchiveView,
    MonthArchiveView,
    TodayArchiveView,
    WeekArchiveView,
    YearArchiveView,
    start_of,
)
from tests._apps.blog.models import Article, Author
from tests.handlers.sites import make_application

TODAY = dt.date(2026, 6, 15)
DAYS = [dt.date(2019, 12, 31), dt.date(2020, 2, 29), dt.date(2020, 3, 1), dt.date(2021, 7, 4)]

SHOWN = (
    "{{ object_list|map(attribute='title')|join(',') }}|{{ date_list|join(',') if date_list else '' }}|"
    "{{ previous_year or previous_month or previous_week or previous_day }}|{{ next_year or next_month or next_week or next_day }}|"
    "{{ year or month or week or day }}"
)


class Zone(Middleware):
    """The visitor's time zone."""

    async def __call__(self, request: Request) -> Response:
        with timezone.override(request.headers.get("x-zone", "UTC")):
            return await self.get_response(request)


def views(field: str) -> list[Any]:
    shared: dict[str, Any] = {"model": Article, "date_field": field, "template_name": "shown.html"}
    numbers = {**shared, "month_format": "%m"}
    return [
        path("", ArchiveIndexView.as_view(**shared)),
        path("months", ArchiveIndexView.as_view(**shared, date_list_period="month", paginate_by=2)),
        path("<int:year>/", YearArchiveView.as_view(**shared)),
        path("full/<int:year>/", YearArchiveView.as_view(**shared, make_object_list=True)),
        path("empty/<int:year>/", YearArchiveView.as_view(**shared, allow_empty=True)),
        path("<int:year>/<int:month>/", MonthArchiveView.as_view(**numbers)),
        path("empty/<int:year>/<int:month>/", MonthArchiveView.as_view(**numbers, allow_empty=True)),
        path("<int:year>/week/<int:week>/", WeekArchiveView.as_view(**shared)),
        path("<int:year>/iso/<int:week>/", WeekArchiveView.as_view(**shared, week_format="%V")),
        path("<int:year>/odd/<int:week>/", WeekArchiveView.as_view(**shared, week_format="%d")),
        path("<int:year>/<str:month>/<int:day>/", DayArchiveView.as_view(**shared)),
        path("today", TodayArchiveView.as_view(**shared)),
        path("query", DayArchiveView.as_view(**numbers)),
        path("empty/query", DayArchiveView.as_view(**numbers, allow_empty=True)),
        path(
            "of/<int:year>/<int:month>/<int:day>/<int:pk>/",
            DateDetailView.as_view(**numbers | {"template_name": "one.html"}),
        ),
        path("future/<int:year>/", YearArchiveView.as_view(**shared, allow_future=True)),
        path("nameless", ArchiveIndexView.as_view(model=Article, template_name="shown.html")),
    ]


@pytest.fixture
async def clients(
    database: Database, tmp_path: Path, time_machine: TimeMachineFixture
) -> AsyncIterator[dict[str, AsyncClient]]:
    """A client of the views of each field; rows a to d, one of today and one of later."""
    from covet.db.models.table import table_of

    (tmp_path / "shown.html").write_text(SHOWN)
    (tmp_path / "one.html").write_text("{{ object.title }}")
    async with database.schema_editor() as editor:
        await editor.create_table(table_of(Author))
        await editor.create_table(table_of(Article))
    time_machine.move_to(dt.datetime.combine(TODAY, dt.time(12), tzinfo=dt.UTC))
    author = await Author.objects.create(name="Ann")
    for title, day in zip("abcdtf", [*DAYS, TODAY, TODAY + dt.timedelta(days=40)], strict=True):
        moment = dt.datetime.combine(day, dt.time(0, 30), tzinfo=dt.UTC)
        await Article.objects.create(title=title, author=author, day=day, published_at=moment)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(
            override(
                MIDDLEWARE=[f"{__name__}.Zone"],
                INSTALLED_APPS=[],
                ALLOWED_HOSTS=["testserver"],
                TEMPLATES={"DIRS": [tmp_path]},
            )
        )
        made = {}
        for field in ("day", "published_at"):
            client = AsyncClient(make_application(views(field)), raise_request_exception=False)
            made[field] = await stack.enter_async_context(client)
        yield made


FIELDS = pytest.mark.parametrize("field", ["day", "published_at"])


@FIELDS
async def test_years_months_weeks_and_days_show_their_rows(clients: dict[str, AsyncClient], field: str) -> None:
    client = clients[field]

    async def shown(address: str) -> str:
        answer = await client.get(address)
        return answer.text if answer.status_code == 200 else str(answer.status_code)

    this_year = dt.date(TODAY.year, 1, 1)
    assert await shown("/") == f"t,d,c,b,a|{this_year},2021-01-01,2020-01-01,2019-01-01|||"
    assert (await shown("/months")).startswith("t,d|")
    assert await shown("/2020/") == "|2020-02-01,2020-03-01|2019-01-01|2021-01-01|2020-01-01"
    assert (await shown("/full/2020/")).startswith("c,b|")
    assert await shown("/empty/2018/") == "||2017-01-01|2019-01-01|2018-01-01"
    assert await shown("/2018/") == "404"
    assert await shown("/2020/2/") == "b|2020-02-29|2019-12-01|2020-03-01|2020-02-01"
    assert await shown("/empty/2020/4/") == "||2020-03-01|2020-05-01|2020-04-01"
    assert await shown("/2020/4/") == "404"
    assert await shown("/2020/week/8/") == "b||2019-12-29|2020-03-01|2020-02-23"
    assert await shown("/2020/iso/9/") == "c,b||2019-12-30|2021-06-28|2020-02-24"
    assert await shown("/2020/feb/29/") == "b||2019-12-01|2020-03-01|2020-02-29"
    assert (await shown("/query?year=2020&month=3&day=1")).startswith("c|")
    assert (await shown("/today")).startswith("t|")
    assert await shown("/of/2020/2/29/2/") == "b"
    assert await shown("/of/2020/2/28/2/") == "404"


@FIELDS
async def test_what_is_no_date_or_still_to_come_is_404(clients: dict[str, AsyncClient], field: str) -> None:
    client = clients[field]
    later = TODAY + dt.timedelta(days=40)

    for address in (
        "/2020/feb/30/",
        "/2020/13/",
        "/2020/nomonth/1/",
        "/query?year=2020",
        "/9999/",
        "/2020/week/99/",
        f"/{later:%Y/%b/%d}/".lower(),
        f"/of/{later:%Y/%m/%d}/6/",
    ):
        assert (await client.get(address)).status_code == 404, address
    assert "f" not in (await client.get("/")).text.partition("|")[0]
    assert (await client.get(f"/future/{later.year}/")).status_code == 200


@FIELDS
async def test_the_first_day_that_there_is_has_none_before_it(clients: dict[str, AsyncClient], field: str) -> None:
    query = "year=0001&month=01&day=01"

    empty = await clients[field].get(f"/empty/query?{query}")
    nothing = await clients[field].get(f"/query?{query}", headers={"X-Zone": "Asia/Tokyo"})

    assert (empty.status_code, nothing.status_code) == (200, 404)
    assert empty.text.split("|")[2:4] == ["None", "0001-02-01"]


async def test_days_are_those_of_the_visitors_time_zone(clients: dict[str, AsyncClient]) -> None:
    """Half past midnight in UTC is the evening before in New York."""
    west = {"x-zone": "America/New_York"}

    assert (await clients["published_at"].get("/2020/feb/28/", headers=west)).text.startswith("b|")
    assert (await clients["published_at"].get("/2020/feb/29/", headers=west)).text.startswith("c|")
    assert (await clients["day"].get("/2020/feb/29/", headers=west)).text.startswith("b|")


async def test_what_a_class_lacks_is_told(clients: dict[str, AsyncClient]) -> None:
    answer = await clients["day"].get("/nameless")
    assert [type(error) for error in answer.exceptions] == [ImproperlyConfigured]
    odd = await clients["day"].get("/2020/odd/9/")
    assert "week_format" in str(odd.exceptions[0])


@pytest.mark.parametrize(
    ("kind", "form", "day", "start"),
    [
        ("week", "%U", dt.date(2020, 3, 1), dt.date(2020, 3, 1)),
        ("week", "%W", dt.date(2020, 3, 1), dt.date(2020, 2, 24)),
        ("week", "%V", dt.date(2021, 1, 1), dt.date(2020, 12, 28)),
        ("month", "%U", dt.date(2020, 2, 29), dt.date(2020, 2, 1)),
        ("year", "%U", dt.date(2020, 2, 29), dt.date(2020, 1, 1)),
        ("day", "%U", dt.date(2020, 2, 29), dt.date(2020, 2, 29)),
    ],
)
def test_times_begin_where_they_should(kind: str, form: str, day: dt.date, start: dt.date) -> None:
    assert start_of(kind, day, form) == start
