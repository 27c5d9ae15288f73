"""``pre_migrate`` and ``post_migrate``: once for each app with models, before and after the steps, with what they are."""

from __future__ import annotations

from typing import Any

import pytest

from covet.db.models.signals import post_migrate, pre_migrate
from tests.conftest import Scratch


@pytest.mark.row("signals.migrations")
async def test_each_app_with_models_hears_before_and_after(vendor: str, scratch: Scratch) -> None:
    from covet.apps.lifecycle import setup, started
    from covet.conf import override
    from covet.conf.service_url import parse_database
    from covet.db import connections
    from covet.db.database import Database
    from covet.db.migrations.execute import migrate_all

    url = await scratch(vendor)
    database = Database("default", parse_database(url))
    told: list[tuple[str, str, int, bool]] = []

    async def note(sender: Any, signal: Any, app_config: Any, using: str, plan: Any, state: Any, **named: Any) -> None:
        """Runs outside the steps' transactions, on tables that are there afterwards and were not before."""
        assert sender is app_config
        assert using == "default"
        assert {"apps", "verbosity", "interactive"} <= set(named)
        tables = await database.introspection.tables()
        name = "pre" if signal is pre_migrate else "post"
        told.append((name, app_config.label, len(plan), "covet_content_type" in str(tables) or len(tables) > 1))
        assert (("contenttypes", "contenttype") in state.models) is (name == "post" or not plan)

    apps = ["covet.contenttypes", "covet.auth", "tests._apps.members"]
    async with override(DATABASES={"default": url}, INSTALLED_APPS=apps, DATABASE_ROUTERS=[]):
        with connections.using({"default": database}):
            setup()
            async with started():
                pre_migrate.connect(note)
                post_migrate.connect(note)
                try:
                    await migrate_all(database)
                    first = list(told)
                    told.clear()
                    await migrate_all(database)
                finally:
                    pre_migrate.disconnect(note)
                    post_migrate.disconnect(note)
                await database.close()

    steps = first[0][2]
    assert steps > 0
    # "members" has no models.
    labels = ["contenttypes", "auth"]
    assert [(name, label, count) for name, label, count, _there in first] == [
        (name, label, steps) for name in ("pre", "post") for label in labels
    ]
    assert [there for *_rest, there in first] == [False, False, True, True]
    assert {(name, count) for name, _label, count, _there in told} <= {("pre", 0), ("post", 0)}
    assert ("post", "auth", 0, True) in told
