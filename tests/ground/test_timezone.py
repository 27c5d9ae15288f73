"""Aware datetimes."""

import asyncio
import datetime as dt
import zoneinfo

import pytest

from covet import timezone
from covet.exceptions import ImproperlyConfigured

berlin = zoneinfo.ZoneInfo("Europe/Berlin")


def test_now_is_aware_and_utc():
    assert timezone.now().utcoffset() == dt.timedelta(0)


async def test_the_zone_belongs_to_the_task():
    async def inside():
        timezone.activate("Europe/Berlin")
        await asyncio.sleep(0)
        return timezone.get_current_timezone()

    assert await asyncio.create_task(inside()) == berlin
    assert timezone.get_current_timezone() != berlin


def test_override_goes_back():
    with timezone.override("Europe/Berlin"):
        assert timezone.get_current_timezone() == berlin
        with timezone.override(None):
            assert timezone.get_current_timezone() == timezone.get_default_timezone()
        assert timezone.localtime(dt.datetime(2026, 7, 1, tzinfo=dt.UTC)).hour == 2


def test_aware_and_naive_are_told_apart_and_turned():
    naive = dt.datetime(2026, 1, 1, 12)
    aware = timezone.make_aware(naive, "Europe/Berlin")

    assert timezone.is_aware(aware)
    assert timezone.is_naive(naive)
    assert timezone.make_naive(aware, berlin) == naive
    with pytest.raises(ValueError, match="is aware"):
        timezone.make_aware(aware)
    with pytest.raises(ValueError, match="is naive"):
        timezone.make_naive(naive)
    with pytest.raises(ValueError, match="is naive"):
        timezone.localtime(naive)


def test_an_unknown_zone_says_what_to_write():
    with pytest.raises(ImproperlyConfigured, match="Europe/Berlin"):
        timezone.activate("Europe/Nowhere")


def test_the_day_is_that_of_the_zone():
    late = dt.datetime(2026, 7, 1, 23, tzinfo=dt.UTC)

    with timezone.override("Europe/Berlin"):
        assert (timezone.localdate(late), timezone.localdate(late, dt.UTC)) == (
            dt.date(2026, 7, 2),
            dt.date(2026, 7, 1),
        )
        assert timezone.localdate() == timezone.localtime().date()
        with pytest.raises(ValueError, match="wants an aware datetime"):
            timezone.localdate(dt.datetime(2026, 7, 1))


def test_the_current_zone_has_a_name():
    names = []
    for zone in ("Europe/Berlin", dt.UTC, dt.timezone(dt.timedelta(hours=2))):
        with timezone.override(zone):
            names.append(timezone.get_current_timezone_name())

    assert names == ["Europe/Berlin", "UTC", "UTC+02:00"]
