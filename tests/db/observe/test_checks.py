"""What the system check says of DATABASES."""

from __future__ import annotations

from typing import Any

import pytest

from covet.conf import override
from covet.db.checks import check_databases


@pytest.mark.parametrize(
    ("databases", "ids"),
    [
        ({"default": "sqlite:///x.db"}, []),
        ({"default": "sqlite://:memory:"}, ["db.W001"]),
        ({"other": "sqlite:///x.db"}, ["db.E001"]),
        ({"default": "postgres://u:p@h/x?statement_cache_size=0"}, ["db.W002"]),
        ({}, []),
    ],
)
def test_databases_are_looked_at_without_connecting(databases: dict[str, str], ids: list[str]) -> None:
    with override(DATABASES=databases):
        assert [message.id for message in check_databases()] == ids


def test_a_wrong_router_is_an_error() -> None:
    with override(DATABASES={"default": "sqlite:///x.db"}, DATABASE_ROUTERS=["decimal.Decimal"]):
        found: list[Any] = list(check_databases())

    assert [message.id for message in found] == ["db.E004"]
    assert "decimal.Decimal" in found[0].msg
