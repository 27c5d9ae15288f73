"""A field that belongs to no model, such as the output field of an expression, travels inside a pickled query."""

from __future__ import annotations

import pickle
from decimal import Decimal
from typing import Any

import pytest

from covet.db import models
from covet.db.backends.mysql.dialect import MySQLDialect
from covet.db.backends.postgresql.dialect import PostgreSQLDialect
from covet.db.backends.sqlite.dialect import SQLiteDialect


@pytest.mark.parametrize("dialect", [SQLiteDialect(), PostgreSQLDialect(), MySQLDialect()], ids=lambda one: one.vendor)
def test_a_field_that_has_converted_values_can_be_pickled(dialect: Any) -> None:
    field = models.DecimalField(max_digits=5, decimal_places=2)
    field.converter(dialect)
    field.adapter(dialect)

    again = pickle.loads(pickle.dumps(field))

    assert again.decimal_places == 2
    convert = again.converter(dialect)
    assert convert is None or convert(Decimal("1.50")) == Decimal("1.50")
