"""Django's a-prefixed methods, and other attributes that are not there."""

from typing import Any

import pytest

from covet.db import models


class TwinRow(models.Model):
    views = models.IntegerField(default=0)

    class Meta:
        app_label = "twins"


@pytest.mark.parametrize(
    ("owner", "name", "says"),
    [
        (TwinRow.objects, "aget", r"write await ….get\(…\)"),
        (TwinRow.objects.all(), "acount", r"write await ….count\(…\)"),
        (TwinRow(), "asave", r"write await ….save\(…\)"),
        (TwinRow(), "aviews", r"Did you mean 'views'\?"),
        (TwinRow.objects.all(), "filtr", r"Did you mean 'filter'\?"),
        (TwinRow.objects, "zzzzzz", "no attribute 'zzzzzz'$"),
        (TwinRow(), "zzzzzz", "no attribute 'zzzzzz'$"),
        (TwinRow.objects, "_zzzzzz", "no attribute '_zzzzzz'$"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_meant_is_told(owner: Any, name: str, says: str) -> None:
    with pytest.raises(AttributeError, match=says):
        getattr(owner, name)
