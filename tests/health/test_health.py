"""``/healthz`` and ``/readyz``."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from covet.apps.draining import draining
from covet.apps.part import AppPart
from covet.apps.registry import Apps
from covet.health import probes
from covet.health.urls import urlpatterns
from tests.handlers.sites import Site


class Searching(AppPart):
    asked = 0
    trouble: Exception | None = None
    hangs = False

    async def probe(self) -> None:
        type(self).asked += 1
        await asyncio.sleep(0)
        if self.hangs:
            await asyncio.sleep(60)
        if self.trouble is not None:
            raise self.trouble


class Silent(AppPart):
    """A part without a probe is not asked."""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Searching, "asked", 0)
    monkeypatch.setattr(Searching, "trouble", None)
    monkeypatch.setattr(Searching, "hangs", False)


def apps_with_parts() -> Apps:
    apps = Apps()
    apps.setup([], [Searching, Silent])
    return apps


async def test_both_answer_when_nothing_is_wrong(site: Site) -> None:
    client = await site(urlpatterns)

    alive, ready = await client.get("/healthz"), await client.get("/readyz")

    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "parts": {}})
    assert ready.headers["cache-control"] == "no-store"


async def test_a_server_that_stops_is_alive_but_not_ready(site: Site) -> None:
    client = await site(urlpatterns)
    draining.begin()
    try:
        alive, ready = await client.get("/healthz"), await client.get("/readyz")
    finally:
        draining.end()

    assert alive.status_code == 200
    assert (ready.status_code, ready.json()) == (503, {"status": "draining"})


async def test_a_part_that_cannot_work_is_named_and_its_reason_only_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Searching, "trouble", ConnectionError("10.0.0.7 refused"))
    with caplog.at_level(logging.WARNING, "covet.health"):
        report = await probes.probe_all(apps_with_parts())

    assert report.parts == {"searching": False}
    assert not report.is_ready
    assert "10.0.0.7 refused" in caplog.text


async def test_a_part_that_hangs_cannot_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Searching, "hangs", True)
    monkeypatch.setattr(probes, "TIMEOUT_S", 0.05)

    report = await probes.probe_all(apps_with_parts())

    assert report.parts == {"searching": False}


async def test_many_who_ask_share_one_round_and_its_end_is_theirs_to_wait_for() -> None:
    apps = apps_with_parts()
    first = asyncio.ensure_future(probes.probe_all(apps))
    others = [asyncio.ensure_future(probes.probe_all(apps)) for _ in range(20)]
    await asyncio.sleep(0)
    first.cancel()

    reports: list[Any] = await asyncio.gather(*others)

    assert all(report.is_ready for report in reports)
    assert Searching.asked == 1


async def test_an_old_answer_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    apps = apps_with_parts()
    monkeypatch.setattr(probes, "FRESH_S", 600.0)
    await probes.probe_all(apps)
    await probes.probe_all(apps)
    assert Searching.asked == 1
    monkeypatch.setattr(probes, "FRESH_S", -1.0)

    await probes.probe_all(apps)

    assert Searching.asked == 2
