"""Every database function gives the same on every database, alone, nested and as a part of names."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import math
import uuid
import zoneinfo
from decimal import Decimal
from typing import Any

import pytest

from covet import timezone
from covet.db.database import Database
from covet.db.models import (
    Case,
    CharField,
    Count,
    DateField,
    DateTimeField,
    DecimalField,
    F,
    FloatField,
    Func,
    IntegerField,
    Max,
    Q,
    TextField,
    TimeField,
    Transform,
    Value,
    When,
    Window,
)
from covet.db.models import functions as f
from covet.test import register_lookup
from tests._apps.blog.models import Article, Author

pytestmark = pytest.mark.usefixtures("blog")

NOON = dt.datetime(2026, 3, 14, 15, 9, 26, 535000, tzinfo=dt.UTC)


async def _article(**values: Any) -> None:
    author = await Author.objects.create(name=values.pop("name", "  Ann Ünder  "), age=30)
    defaults = {"title": "Pi Day", "views": 314, "rating": Decimal("2.50"), "day": NOON.date(), "published_at": NOON}
    await Article.objects.create(author=author, **{**defaults, **values})


async def value(expression: Any) -> Any:
    (found,) = await Article.objects.annotate(x=expression).values_list("x", flat=True)
    return found


@pytest.mark.row("functions.text")
async def test_texts(blog: Database) -> None:
    await _article()
    assert await value(f.Lower("title")) == "pi day" and await value(f.Upper("title")) == "PI DAY"
    assert await value(f.Length("author__name")) == 13 and await value(f.Length(Value("äöü"))) == 3
    assert await value(f.Trim("author__name")) == "Ann Ünder"
    assert (
        await value(f.LTrim("author__name")) == "Ann Ünder  " and await value(f.RTrim("author__name")) == "  Ann Ünder"
    )
    assert await value(f.Reverse("title")) == "yaD iP"


@pytest.mark.row("functions.concat")
@pytest.mark.row("functions.substr")
async def test_parts_of_texts(blog: Database) -> None:
    await _article()
    assert await value(f.Concat("title", Value(" "), "editor__name", Value("!"))) == "Pi Day !"
    assert await value(f.Left("title", 2)) == "Pi" and await value(f.Right("title", 3)) == "Day"
    assert await value(f.Substr("title", 4)) == "Day" and await value(f.Substr("title", 1, 2)) == "Pi"
    assert await value(F("title")[0:2]) == "Pi" and await value(F("title")[3]) == "D"
    for wrong in (
        lambda: f.Left("title", 0),
        lambda: f.Right("title", -1),
        lambda: f.Substr("title", 0),
        lambda: f.Concat("title"),
        lambda: F("title")[-1],
    ):
        with pytest.raises(ValueError, match=r"at least|negative"):
            wrong()


@pytest.mark.row("functions.pad")
@pytest.mark.row("functions.chr")
async def test_padding_replacing_and_code_points(blog: Database) -> None:
    await _article()
    assert await value(f.LPad("title", 8, Value("xy"))) == "xyPi Day" and await value(f.LPad("title", 2)) == "Pi"
    assert await value(f.RPad("title", 8, "_")) == "Pi Day__"
    assert await value(f.Repeat("title", 2)) == "Pi DayPi Day" and await value(f.Repeat("title", 0)) == ""
    assert await value(f.Repeat("title", Value(None, IntegerField()))) is None
    assert (
        await value(f.Replace("title", "Day", "Night")) == "Pi Night"
        and await value(f.Replace("title", "day")) == "Pi Day"
    )
    assert await value(f.StrIndex("title", "D")) == 4 and await value(f.StrIndex("title", "z")) == 0
    assert await value(f.Chr(Value(960))) == "π" and await value(f.Ord(Value("P"))) == 80
    with pytest.raises(ValueError, match="negative"):
        f.LPad("title", -1)
    with pytest.raises(ValueError, match="negative"):
        f.Repeat("title", -1)


@pytest.mark.row("functions.hashes")
async def test_digests(blog: Database) -> None:
    await _article(title="Ünicode")
    for name in ("MD5", "SHA224", "SHA256", "SHA384", "SHA512"):
        assert await value(getattr(f, name)("title")) == hashlib.new(name.lower(), "Ünicode".encode()).hexdigest(), name


@pytest.mark.row("functions.hashes")
@pytest.mark.vendors("sqlite", "mysql")
async def test_sha1(blog: Database) -> None:
    await _article(title="Ünicode")
    assert await value(f.SHA1("title")) == hashlib.sha1("Ünicode".encode(), usedforsecurity=False).hexdigest()


@pytest.mark.row("functions.math")
async def test_numbers(blog: Database) -> None:
    await _article()
    assert await value(f.Abs(F("views") * -1)) == 314
    assert await value(f.Ceil("rating")) == 3 and await value(f.Floor("rating")) == 2
    assert await value(f.Sign(F("views") - 400)) == -1
    assert await value(f.Mod("views", 100)) == 14 and await value(f.Power("views", 2)) == pytest.approx(98596)
    assert await value(f.Sqrt(Value(2.0))) == pytest.approx(math.sqrt(2))
    assert await value(f.Exp(Value(1.0))) == pytest.approx(math.e) and await value(f.Ln(Value(10.0))) == pytest.approx(
        math.log(10)
    )
    assert float(await value(f.Log(Value(2.0), Value(8.0)))) == pytest.approx(3)
    assert await value(f.Pi()) == pytest.approx(math.pi)
    assert await value(f.Degrees(Value(math.pi))) == pytest.approx(180)
    assert await value(f.Radians(Value(180.0))) == pytest.approx(math.pi)
    for name, python in (
        ("Sin", math.sin),
        ("Cos", math.cos),
        ("Tan", math.tan),
        ("ASin", math.asin),
        ("ACos", math.acos),
    ):
        assert await value(getattr(f, name)(Value(0.5))) == pytest.approx(python(0.5)), name
    assert await value(f.ATan(Value(2.0))) == pytest.approx(math.atan(2))
    assert await value(f.Cot(Value(0.5))) == pytest.approx(1 / math.tan(0.5))
    assert await value(f.ATan2(Value(1.0), Value(2.0))) == pytest.approx(math.atan2(1, 2))
    assert await value(f.Sin("views")) == pytest.approx(math.sin(314), abs=1e-9)


@pytest.mark.row("functions.round")
@pytest.mark.row("functions.random")
async def test_rounding_and_chance(blog: Database) -> None:
    await _article(rating=Decimal("2.46"))
    assert await value(f.Round("rating", precision=1)) == Decimal("2.5") and await value(f.Round("rating")) == 2
    first = await value(f.Random())
    assert 0 <= first < 1
    assert len({await value(f.Random()) for _ in range(5)}) > 1


@pytest.mark.row("functions.cast")
@pytest.mark.row("functions.coalesce")
@pytest.mark.row("functions.greatest")
@pytest.mark.row("functions.nullif")
async def test_comparison_and_conversion(blog: Database) -> None:
    await _article()
    assert await value(f.Cast("views", TextField())) == "314" and await value(f.Cast(Value("12"), IntegerField())) == 12
    assert await value(f.Cast("views", FloatField())) == 314.0
    assert await value(f.Cast("views", DecimalField(max_digits=8, decimal_places=2))) == Decimal("314.00")
    assert await value(f.Cast("published_at", DateField())) == NOON.date()
    assert await value(f.Cast(Value("2026-03-14"), DateField())) == NOON.date()
    assert await value(f.Coalesce("editor__name", "title")) == "Pi Day"
    assert await value(f.Greatest("views", 1000)) == 1000 and await value(f.Least("views", 1000)) == 314
    assert await value(f.NullIf("views", 314)) is None and await value(f.NullIf("views", 1)) == 314
    for name in ("Coalesce", "Greatest", "Least"):
        with pytest.raises(ValueError, match="two"):
            getattr(f, name)("views")
    with pytest.raises(TypeError, match="2 arguments"):
        f.NullIf("views")


@pytest.mark.row("functions.collate")
async def test_collations(blog: Database) -> None:
    await _article()
    name = {"sqlite": "NOCASE", "postgresql": "C", "mysql": "utf8mb4_bin"}[blog.vendor]
    rows = Article.objects.annotate(x=f.Collate("title", name)).order_by("x")
    assert await rows.values_list("x", flat=True) == ["Pi Day"]
    for wrong in ("", "x;y", 'a"b', "a b"):
        with pytest.raises(ValueError, match="collation"):
            f.Collate("title", wrong)


@pytest.mark.row("functions.json")
async def test_json_objects_and_arrays(blog: Database) -> None:
    await _article()
    made = f.JSONObject(
        name="title", views="views", inner=f.JSONObject(pair=f.JSONArray("views", Value("x"), Value(None)))
    )
    assert await value(made) == {"name": "Pi Day", "views": 314, "inner": {"pair": [314, "x", None]}}
    assert await value(f.JSONObject()) == {} and await value(f.JSONArray()) == []
    assert await Article.objects.annotate(x=made).filter(x__inner__pair__0=314).count() == 1


@pytest.mark.row("functions.uuid")
async def test_uuids(blog: Database) -> None:
    await _article()
    first, second = await value(f.UUID4()), await value(f.UUID4())
    assert isinstance(first, uuid.UUID) and first != second and first.version == 4 and first.variant == uuid.RFC_4122
    early, late = await value(f.UUID7(dt.timedelta(hours=-1))), await value(f.UUID7())
    assert early < late and late.version == 7 and late.variant == uuid.RFC_4122
    moment = dt.datetime.fromtimestamp((late.int >> 80) / 1000, dt.UTC)
    assert abs(moment - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)


@pytest.mark.row("functions.extract")
@pytest.mark.row("functions.trunc")
@pytest.mark.row("functions.now")
async def test_parts_and_cuts_of_moments(blog: Database) -> None:
    await _article()
    parts = {
        "Year": 2026, "IsoYear": 2026, "Quarter": 1, "Month": 3, "Week": 11, "Day": 14, "WeekDay": 7, "IsoWeekDay": 6,
        "Hour": 15, "Minute": 9, "Second": 26,
    }  # fmt: skip
    for name, wanted in parts.items():
        assert await value(getattr(f, f"Extract{name}")("published_at")) == wanted, name
    assert await value(f.Extract("day", "week")) == 11
    cuts = {
        "Year": (1, 1, 0, 0, 0), "Quarter": (1, 1, 0, 0, 0), "Month": (3, 1, 0, 0, 0), "Week": (3, 9, 0, 0, 0),
        "Day": (3, 14, 0, 0, 0), "Hour": (3, 14, 15, 0, 0), "Minute": (3, 14, 15, 9, 0), "Second": (3, 14, 15, 9, 26),
    }  # fmt: skip
    for name, rest in cuts.items():
        assert await value(getattr(f, f"Trunc{name}")("published_at")) == dt.datetime(2026, *rest, tzinfo=dt.UTC), name
    assert (
        await value(f.TruncDate("published_at")) == NOON.date()
        and await value(f.TruncTime("published_at")) == NOON.time()
    )
    assert await value(f.TruncMonth("day")) == dt.date(2026, 3, 1)
    assert await value(f.Trunc("published_at", "month", output_field=DateField())) == dt.date(2026, 3, 1)
    now = await value(f.Now())
    assert abs(now - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)
    assert await Article.objects.filter(published_at__lt=f.Now()).count() == 1
    for wrong in (
        f.TruncHour("day"),
        f.ExtractHour("day"),
        f.ExtractYear("title"),
        f.ExtractYear("day", tzinfo=dt.UTC),
        f.Trunc("published_at", "year", output_field=IntegerField()),
    ):
        with pytest.raises(ValueError, match=r"cannot|has no|tzinfo|output_field|can be taken"):
            await value(wrong)


@pytest.mark.row("functions.trunc")
async def test_clock_changes_do_not_confuse_cuts(blog: Database) -> None:
    from zoneinfo import ZoneInfo

    berlin = ZoneInfo("Europe/Berlin")
    for moment in ("2026-10-25T00:30", "2026-10-25T01:30", "2026-03-29T01:30"):
        await _article(published_at=dt.datetime.fromisoformat(f"{moment}+00:00"))
    cut = Article.objects.annotate(x=f.TruncDay("published_at", tzinfo=berlin)).order_by("pk")
    assert [one.astimezone(berlin).isoformat() for one in await cut.values_list("x", flat=True)] == [
        "2026-10-25T00:00:00+02:00",
        "2026-10-25T00:00:00+02:00",
        "2026-03-29T00:00:00+01:00",
    ]
    # Each is said in the zone that it is the start of a day in, and is still one moment.
    for rows in (cut.values_list("x", flat=True), Article.objects.datetimes("published_at", "day", tzinfo=berlin)):
        found = await rows
        assert {(one.hour, one.tzinfo) for one in found} == {(0, berlin)}
        assert {one.astimezone(dt.UTC).hour for one in found} == {22, 23}
    with timezone.override(berlin):
        starts = await Article.objects.annotate(x=f.Trunc("published_at", "month")).order_by("pk")
        assert [(one.x.day, one.x.hour, one.x.month) for one in starts] == [(1, 0, 10), (1, 0, 10), (1, 0, 3)]
        twice = await Article.objects.annotate(x=f.TruncHour("published_at")).order_by("pk").values_list("x", flat=True)
        assert [(one.hour, one.fold) for one in twice] == [(2, 0), (2, 1), (3, 0)]
        by_hour = Article.objects.annotate(x=f.TruncHour("published_at")).values("x").annotate(n=Count("pk"))
        assert [row["n"] for row in await by_hour.order_by("x")] == [1, 1, 1]
        assert await Article.objects.datetimes("published_at", "minute").count() == 3
        given = f.TruncMinute(Value(dt.datetime(2026, 10, 25, 1, 30, 7, 9, tzinfo=dt.UTC)))
        for cut_minute in await Article.objects.annotate(x=given).values_list("x", flat=True):
            assert cut_minute.astimezone(dt.UTC) == dt.datetime(2026, 10, 25, 1, 30, tzinfo=dt.UTC)
        counted = Article.objects.annotate(x=f.TruncDay("published_at")).values("x").annotate(n=Count("pk"))
        assert [(row["x"].day, row["n"]) for row in await counted.order_by("x")] == [(29, 1), (25, 2)]
    hours = Article.objects.annotate(x=f.ExtractHour("published_at", tzinfo=berlin)).order_by("pk")
    assert await hours.values_list("x", flat=True) == [2, 2, 3]


@pytest.mark.row("functions.extract", "expressions.case")
async def test_a_statement_of_one_zone_is_not_used_in_another(blog: Database) -> None:
    """Statements are kept by their shape, and what an hour is called belongs to it wherever the name stands."""
    from zoneinfo import ZoneInfo

    await _article(published_at=dt.datetime(2025, 12, 31, 20, 30, tzinfo=dt.UTC))
    later = When(published_at__hour__gt=21, then=Value("late"))
    found = []
    for zone in ("UTC", "Europe/Berlin", "Asia/Tokyo"):
        with timezone.override(ZoneInfo(zone)):
            rows = Article.objects.order_by("pk")
            called = await rows.annotate(x=Case(later, default=Value("early"))).values_list("x", flat=True)
            counted = await rows.aggregate(n=Count("pk", filter=Q(published_at__year=2026)))
            counted |= await rows.aggregate(h=Max(F("published_at__hour") + 1))
            counted |= await rows.annotate(a=Count("pk", filter=Q(published_at__hour=21))).values("a").get()
            place = Window(Max("views"), partition_by="published_at__hour", order_by=Case(later))
            assert await rows.annotate(w=place).count() == 1
            case = Case(When(published_at__hour=20, then=Value(True)), default=Value(False))
            kept = await rows.filter(case).count()
            written = await rows.update(views=F("published_at__hour") * 2)
            row = await rows.get()
            assert written == 1
            views, row.views = row.views, Case(When(published_at__year=2026, then=Value(1)), default=Value(0))
            await row.save()
            found.append((called, counted, kept, views, (await rows.get()).views))
    assert found == [
        (["early"], {"n": 0, "h": 21, "a": 0}, 1, 40, 0),
        (["early"], {"n": 0, "h": 22, "a": 1}, 0, 42, 0),
        (["early"], {"n": 1, "h": 6, "a": 0}, 0, 10, 1),
    ]
    with timezone.override(ZoneInfo("Asia/Karachi")):
        assert await Article.objects.annotate(x=Case(later, default=Value("early"))).values_list("x", flat=True) == [
            "early"
        ]
    with timezone.override(ZoneInfo("Europe/Moscow")):
        assert await Article.objects.annotate(x=Case(later, default=Value("early"))).values_list("x", flat=True) == [
            "late"
        ]


@pytest.mark.row("functions.transforms", "functions.extract", "functions.trunc")
@pytest.mark.row("lookups.custom")
async def test_parts_and_cuts_of_moments_are_parts_of_names_under_any_name(blog: Database) -> None:
    await _article()
    moment = (await Article.objects.get()).published_at
    assert moment is not None
    with contextlib.ExitStack() as stack:
        for field, function, name in [
            (DateTimeField, f.ExtractHour, "full_hour"),
            (DateTimeField, f.TruncDate, "on"),
            (DateTimeField, f.TruncTime, None),
            (DateField, f.TruncMonth, "since"),
            (DateField, f.ExtractIsoYear, "iso"),
        ]:
            stack.enter_context(register_lookup(field, function, lookup_name=name))
        rows = Article.objects.all()
        assert (
            await rows.filter(published_at__full_hour=moment.hour, published_at__full_hour__in=[moment.hour]).count()
            == 1
        )
        assert await rows.filter(published_at__on=moment.date(), published_at__on__year=moment.year).count() == 1
        assert await rows.filter(published_at__time=moment.time()).count() == 1
        assert await rows.exclude(published_at__on__lt=moment.date()).count() == 1
        first = moment.date().replace(day=1)
        assert await rows.filter(day__since=first, day__iso=moment.isocalendar().year).count() == 1
        assert await rows.values("day__since").annotate(n=Count("pk")) == [{"day__since": first, "n": 1}]
        assert await Author.objects.filter(articles__day__since__month=first.month).count() == 1
        kolkata = zoneinfo.ZoneInfo("Asia/Kolkata")
        with timezone.override(kolkata):
            there = moment.astimezone(kolkata)
            assert await rows.filter(published_at__full_hour=there.hour, published_at__on=there.date()).count() == 1


@pytest.mark.row("functions.transforms")
@pytest.mark.row("lookups.custom")
async def test_functions_are_parts_of_names_once_registered(blog: Database) -> None:
    await _article()
    registered = [(CharField, f.Lower), (CharField, f.Length), (CharField, f.Reverse), (IntegerField, f.Abs)]
    for field, function in registered:
        field.register_lookup(function)
    try:
        assert await Article.objects.filter(title__lower__contains="day").count() == 1
        assert await Article.objects.filter(title__length__gt=5, title__length=6).count() == 1
        assert await Article.objects.filter(title__lower__reverse__startswith="yad").count() == 1
        assert await Article.objects.filter(views__abs__in=[314]).order_by("title__lower").count() == 1
        assert await Article.objects.values_list("title__lower", "title__length") == [("pi day", 6)]
        assert await Article.objects.exclude(title__lower="pi day").count() == 0
    finally:
        for field, function in registered:
            field.unregister_lookup(function)
    with pytest.raises(Exception, match="lower"):
        await Article.objects.filter(title__lower__startswith="p")


class Half(Func):
    """Written for each database by itself."""

    output_field = FloatField()
    arity = 1

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> tuple[str, list[Any]]:
        text, params = compiler.compile(self.sources[0])
        return f"({text} / %s)", [*params, 2.0]

    def as_mysql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        return super().as_sql(compiler, connection, template="(%(expressions)s * 0.5)")


class Plus(Func):
    """A constant of its own must not be kept for another one."""

    result = IntegerField()

    def __init__(self, expression: Any, number: int) -> None:
        super().__init__(expression)
        self.number = number

    def as_sql(self, compiler: Any, connection: Any, **extra: Any) -> tuple[str, list[Any]]:
        text, params = compiler.compile(self.sources[0])
        return f"({text} + %s)", [*params, self.number]


@pytest.mark.row("expressions.api")
@pytest.mark.row("expressions.value")
async def test_an_expression_may_write_its_own_sql(blog: Database) -> None:
    await _article()
    assert float(await value(Half("views"))) == 157
    assert [await value(Plus("views", number)) for number in (1, 2)] == [315, 316]
    assert await value(Func(F("title"), function="LOWER", output_field=TextField())) == "pi day"
    assert (
        await value(Func("title", template="%(function)s(%(expressions)s)", function="UPPER", output_field=TextField()))
        == "PI DAY"
    )


class Loud(Transform):
    lookup_name = "loud"
    function = "UPPER"
    bilateral = True


@pytest.mark.row("lookups.custom")
async def test_a_bilateral_transform_takes_both_sides(blog: Database) -> None:
    await _article()
    field = Article._meta.get_field("title")
    field.register_lookup(Loud)
    try:
        assert await Article.objects.filter(title__loud="pi day").count() == 1
        assert await Article.objects.filter(title__loud__startswith="pi").count() == 1
        assert await Article.objects.filter(title__loud__in=["pi day", "x"]).count() == 1
        with pytest.raises(Exception, match="loud"):
            await Author.objects.filter(name__loud="x")
    finally:
        field.unregister_lookup(Loud)


async def test_time_of_day_can_be_cut(blog: Database) -> None:
    await _article()
    cut = f.TruncMinute(f.Cast("published_at", TimeField()), output_field=TimeField())
    assert await value(cut) == dt.time(15, 9)


async def test_dates_that_functions_choose_from_stay_dates(blog: Database) -> None:
    await Article.objects.create(title="x", author=await Author.objects.create(name="a"))
    day, moment = dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC)
    rows = Article.objects.annotate(
        first=f.Coalesce(f.NullIf(Value(day), Value(day)), Value(day)),
        moment=f.Coalesce(Value(None, DateTimeField()), Value(moment)),
        chosen=Case(When(title="x", then=Value(day)), default=Value(dt.date(2000, 1, 1))),
        later=f.Greatest(Value(day), Value(dt.date(2000, 1, 1))),
    )
    assert await rows.values_list("first", "moment", "chosen", "later") == [(day, moment, day, day)]
