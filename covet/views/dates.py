"""Views of rows by date: all years, one year, month, week or day, and one row of a day. Dates are those of the current time zone."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from covet import timezone
from covet.db.models.fields import DateTimeField
from covet.exceptions import ImproperlyConfigured
from covet.http.errors import NotFound
from covet.http.request import Request
from covet.http.response import Response
from covet.views.generic import DetailView, ListView

__all__ = [
    "ArchiveIndexView",
    "DateDetailView",
    "DayArchiveView",
    "MonthArchiveView",
    "TodayArchiveView",
    "WeekArchiveView",
    "YearArchiveView",
]

# The first day of the week by its format: Sunday, or Monday (which ISO weeks begin with too).
_FIRST_DAYS = {"%U": 6, "%W": 0, "%V": 0}


class DatedView:
    """What views by date share: the field, and the parameters of path or query that name a date.

    Attributes:
        date_field: The field that dates the rows.
        allow_future: Show rows that are dated later than now.
        year_format: How a year is written in an address, as ``strptime`` reads it.
        month_format: How a month is; the view's ``year``, ``month``, ``week`` and ``day`` are set where an address does not name them.
        week_format: How a week is: ``%U`` (from Sunday), ``%W`` (from Monday) or ``%V`` (ISO).
        day_format: How a day is.
    """

    date_field: str | None = None
    allow_future: bool = False
    year_format: str = "%Y"
    month_format: str = "%b"
    week_format: str = "%U"
    day_format: str = "%d"
    year: str | None = None
    month: str | None = None
    week: str | None = None
    day: str | None = None
    kwargs: dict[str, Any]
    request: Request

    def get_date_field(self) -> str:
        """Return the name of the field.

        Raises:
            ImproperlyConfigured: The class names none.
        """
        if self.date_field is None:
            raise ImproperlyConfigured(
                f"{type(self).__name__} does not know what dates its rows. Set date_field in the class body."
            )
        return self.date_field

    def part(self, name: str) -> str:
        """Return what the class, the path or the query string says of ``"year"``, ``"month"``, ``"week"`` or ``"day"``.

        Raises:
            NotFound: None of them does.
        """
        found = getattr(self, name, None)
        if found is None:
            found = self.kwargs.get(name)
        if found is None:
            found = self.request.query.get(name)
        if found is None:
            raise NotFound(f"There is no {name} in this address.")
        return str(found)

    def read_date(self, *names: str) -> dt.date:
        """Return the date that these parts say.

        Raises:
            NotFound: They say none.
        """
        texts, formats = [], []
        for name in names:
            texts.append(self.part(name))
            form = getattr(self, f"{name}_format")
            # An ISO week belongs to an ISO year.
            formats.append("%G" if name == "year" and "week" in names and self.week_format == "%V" else form)
        if "week" in names:
            if self.week_format not in _FIRST_DAYS:
                raise ImproperlyConfigured(
                    f"{type(self).__name__}.week_format is {self.week_format!r}; write one of {', '.join(_FIRST_DAYS)}."
                )
            texts.append("0" if self.week_format == "%U" else "1")
            formats.append("%w")
        text, form = "|".join(texts), "|".join(formats)
        try:
            return dt.datetime.strptime(text, form).date()  # a date has no zone
        except ValueError:
            raise NotFound(f"{'/'.join(texts)} is no date.") from None

    def is_of_moments(self, rows: Any) -> bool:
        """Whether the field holds moments and not dates."""
        return isinstance(rows.model._meta.get_field(self.get_date_field()), DateTimeField)

    def bound(self, rows: Any, day: dt.date) -> dt.date:
        """Return a day as what the field is compared with: of moments, its first one in the current time zone."""
        if not self.is_of_moments(rows):
            return day
        # East of Greenwich the year 1 begins before the first moment that there is.
        return max(timezone.make_aware(dt.datetime.combine(day, dt.time.min)), dt.datetime.min.replace(tzinfo=dt.UTC))

    def until_now(self, rows: Any) -> Any:
        """Return the rows without those that are dated later than now, where these are not to be seen."""
        if self.allow_future:
            return rows
        now = timezone.now() if self.is_of_moments(rows) else timezone.localtime().date()
        return rows.filter(**{f"{self.get_date_field()}__lte": now})

    def between(self, rows: Any, since: dt.date, until: dt.date) -> Any:
        """Return the rows of a time, its end left out."""
        field = self.get_date_field()
        return self.until_now(
            rows.filter(**{f"{field}__gte": self.bound(rows, since), f"{field}__lt": self.bound(rows, until)})
        )

    async def dates_of(self, rows: Any, kind: str, order: str = "ASC") -> list[dt.date]:
        """Return the years, months or days that have rows."""
        field = self.get_date_field()
        if self.is_of_moments(rows):
            return [moment.date() for moment in await rows.datetimes(field, kind, order)]
        return list(await rows.dates(field, kind, order))

    async def neighbour(
        self, rows: Any, since: dt.date, until: dt.date, *, allow_empty: bool, later: bool, kind: str
    ) -> Any:
        """Return the start of the time before or after this one: the next one that has rows, or with ``allow_empty`` any.

        ``None`` where there is none, or it is later than today and that is not to be seen.
        """
        if allow_empty:
            try:
                found = until if later else start_of(kind, since - dt.timedelta(days=1), self.week_format)
            except OverflowError:  # it would begin before the year 1
                return None
        else:
            field = self.get_date_field()
            look_up = {f"{field}__gte": self.bound(rows, until)} if later else {f"{field}__lt": self.bound(rows, since)}
            row = await self.until_now(rows.filter(**look_up)).order_by(field if later else f"-{field}").first()
            if row is None:
                return None
            value = getattr(row, field)
            day = timezone.localtime(value).date() if isinstance(value, dt.datetime) else value
            found = start_of(kind, day, self.week_format)
        return found if self.allow_future or found <= timezone.localtime().date() else None


def start_of(kind: str, day: dt.date, week_format: str = "%U") -> dt.date:
    """Return the first day of the year, month or week of a day; the day itself of ``"day"``."""
    if kind == "year":
        return day.replace(month=1, day=1)
    if kind == "month":
        return day.replace(day=1)
    if kind == "week":
        return day - dt.timedelta(days=(day.weekday() - _FIRST_DAYS[week_format]) % 7)
    return day


def after(kind: str, start: dt.date) -> dt.date:
    """Return the first day after the year, month, week or day that begins on this one."""
    try:
        if kind == "year":
            return start.replace(year=start.year + 1)
        if kind == "month":
            return (start + dt.timedelta(days=31)).replace(day=1)
        return start + dt.timedelta(days=7 if kind == "week" else 1)
    except (ValueError, OverflowError):
        raise NotFound("There is no date after this one.") from None


class _Archive(DatedView, ListView):
    """Rows of a time, newest first unless ``ordering`` says otherwise.

    Attributes:
        allow_empty: Without rows: show the page all the same, or answer with 404.
    """

    allow_empty: bool = False

    def get_queryset(self) -> Any:
        """Return the rows in order, lazily."""
        rows = super().get_queryset()
        return rows if self.ordering else rows.order_by(f"-{self.get_date_field()}")

    async def shown(self, rows: Any, **values: Any) -> Response:
        """Return the page; 404 where there are no rows and that is not to be seen."""
        if not self.allow_empty and not await rows.exists():
            raise NotFound("There is nothing of this time.")
        return self.render_to_response(await self.list_context(rows, **values))

    def within(self, since: dt.date, until: dt.date) -> Any:
        """Return the rows of a time; 404 for one to come, where that is not to be seen."""
        if not self.allow_future and since > timezone.localtime().date():
            raise NotFound("This time is still to come.")
        return self.between(self.get_queryset(), since, until)

    async def around(self, kind: str, since: dt.date, until: dt.date) -> dict[str, Any]:
        """Return ``previous_…`` and ``next_…`` of a kind of time."""
        rows = self.get_queryset()
        return {
            f"{word}_{kind}": await self.neighbour(
                rows, since, until, allow_empty=self.allow_empty, later=word == "next", kind=kind
            )
            for word in ("previous", "next")
        }


class ArchiveIndexView(_Archive):
    """The latest rows, and the years that there are.

    The template ``<app>/<model>_archive.html`` gets ``latest`` (and ``object_list``) and ``date_list``, the newest first.

    Attributes:
        date_list_period: What ``date_list`` holds: ``"year"``, ``"month"`` or ``"day"``.
    """

    suffix: ClassVar[str] = "archive"
    context_object_name: str | None = "latest"
    date_list_period: str = "year"

    async def get(self, request: Request, **kwargs: Any) -> Response:
        """Show the latest rows."""
        rows = self.until_now(self.get_queryset())
        return await self.shown(rows, date_list=await self.dates_of(rows, self.date_list_period, "DESC"))


class YearArchiveView(_Archive):
    """The months of a year that have rows.

    The template ``<app>/<model>_archive_year.html`` gets ``year``, ``date_list``, ``previous_year`` and ``next_year``, and the rows only
    with ``make_object_list``.

    Attributes:
        make_object_list: Give the rows of the year too.
        date_list_period: What ``date_list`` holds.
    """

    suffix: ClassVar[str] = "archive_year"
    make_object_list: bool = False
    date_list_period: str = "month"

    async def get(self, request: Request, **kwargs: Any) -> Response:
        """Show the year."""
        start = self.read_date("year")
        end = after("year", start)
        rows = self.within(start, end)
        dates = await self.dates_of(rows, self.date_list_period)
        if not dates and not self.allow_empty:
            raise NotFound("There is nothing of this year.")
        values = {"year": start, "date_list": dates, **await self.around("year", start, end)}
        if self.make_object_list:
            return await self.shown(rows, **values)
        return self.render_to_response(await self.get_context_data(object_list=[], **values))


class MonthArchiveView(_Archive):
    """The rows of a month.

    The template ``<app>/<model>_archive_month.html`` gets ``month``, ``date_list`` (the days), ``previous_month`` and ``next_month``.

    Attributes:
        date_list_period: What ``date_list`` holds.
    """

    suffix: ClassVar[str] = "archive_month"
    date_list_period: str = "day"

    async def get(self, request: Request, **kwargs: Any) -> Response:
        """Show the month."""
        start = self.read_date("year", "month")
        end = after("month", start)
        rows = self.within(start, end)
        dates = await self.dates_of(rows, self.date_list_period)
        return await self.shown(rows, month=start, date_list=dates, **await self.around("month", start, end))


class WeekArchiveView(_Archive):
    """The rows of a week; the template ``<app>/<model>_archive_week.html`` gets ``week``, ``previous_week`` and ``next_week``."""

    suffix: ClassVar[str] = "archive_week"

    async def get(self, request: Request, **kwargs: Any) -> Response:
        """Show the week."""
        start = self.read_date("year", "week")
        end = after("week", start)
        return await self.shown(self.within(start, end), week=start, **await self.around("week", start, end))


class DayArchiveView(_Archive):
    """The rows of a day.

    The template ``<app>/<model>_archive_day.html`` gets ``day``, ``previous_day``, ``next_day``, ``previous_month`` and ``next_month``.
    """

    suffix: ClassVar[str] = "archive_day"

    async def get(self, request: Request, **kwargs: Any) -> Response:
        """Show the day."""
        return await self.show_day(self.read_date("year", "month", "day"))

    async def show_day(self, day: dt.date) -> Response:
        """Return the page of a day."""
        end = after("day", day)
        month = start_of("month", day)
        values = {
            **await self.around("day", day, end),
            **await self.around("month", month, after("month", month)),
        }
        return await self.shown(self.within(day, end), day=day, **values)


class TodayArchiveView(DayArchiveView):
    """The rows of today."""

    async def get(self, request: Request, **kwargs: Any) -> Response:
        """Show today."""
        return await self.show_day(timezone.localtime().date())


class DateDetailView(DatedView, DetailView):
    """One row of a day, found by the day and by ``pk`` or ``slug``."""

    async def get_object(self) -> Any:
        """Return the row.

        Raises:
            NotFound: There is none of that day, or it is still to come.
        """
        day = self.read_date("year", "month", "day")
        if not self.allow_future and day > timezone.localtime().date():
            raise NotFound("This day is still to come.")
        return await self.find(self.between(super().get_queryset(), day, after("day", day)))
