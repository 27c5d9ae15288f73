"""The hidden field behind ``Meta.order_with_respect_to``."""

from __future__ import annotations

from typing import Any

from covet.db.models.fields.numbers import IntegerField

__all__ = ["OrderWrt"]


class OrderWrt(IntegerField[int]):
    """The place of a row among those of the same parent; new rows come last."""

    def __init__(self, verbose_name: Any = None, **options: Any) -> None:
        options["name"] = "_order"
        options["editable"] = False
        super().__init__(verbose_name, **options)

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Write nothing that is always the same."""
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("editable", None)
        return name, path, args, kwargs
