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
        (TwinRow(), "asave", r"write await ….save\(…\)"),
        (TwinRow(), "aviews", r"Did you mean 'views'\?"),
        (TwinRow(), "zzzzzz", "no attribute 'zzzzzz'$"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_meant_is_told(owner: Any, name: str, says: str) -> None:
    with pytest.raises(AttributeError, match=says):
        getattr(owner, name)
