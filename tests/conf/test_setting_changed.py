"""``setting_changed``: told what an override changes, and what it puts back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from covet.conf import override, settings
from covet.conf.holder import Settings
from covet.signals import setting_changed


@pytest.fixture
def log() -> Iterator[list[tuple[Any, ...]]]:
    seen: list[tuple[Any, ...]] = []

    def receiver(sender: Any, setting: str, value: Any, enter: bool, **_: Any) -> None:
        assert sender is Settings
        # What the receiver reads is what it is told.
        assert getattr(settings, setting, None) == value
        seen.append((setting, value, enter))

    setting_changed.connect(receiver)
    yield seen
    setting_changed.disconnect(receiver)


async def test_each_setting_is_told_when_it_changes_and_when_it_is_put_back(log: list[Any]) -> None:
    before = settings.PAGE_SIZE
    with override(PAGE_SIZE=7, OWN_NAME="x"):
        assert log == [("OWN_NAME", "x", True), ("PAGE_SIZE", 7, True)]
        log.clear()
    assert log == [("OWN_NAME", None, False), ("PAGE_SIZE", before, False)]
    log.clear()

    async with override(PAGE_SIZE=8):
        pass

    assert log == [("PAGE_SIZE", 8, True), ("PAGE_SIZE", before, False)]


def test_a_receiver_that_refuses_a_value_leaves_the_settings_as_they_were() -> None:
    def refuse(sender: Any, enter: bool, **_: Any) -> None:
        if enter:
            raise ValueError("not that one")

    before = settings.PAGE_SIZE
    setting_changed.connect(refuse)
    try:
        with pytest.raises(ValueError, match="not that one"), override(PAGE_SIZE=7):
            raise AssertionError
    finally:
        setting_changed.disconnect(refuse)

    assert before == settings.PAGE_SIZE


def test_a_receiver_cannot_be_async() -> None:
    async def receiver(sender: Any, **_: Any) -> None: ...

    setting_changed.connect(receiver)
    try:
        with pytest.raises(TypeError, match="is async"), override(PAGE_SIZE=7):
            raise AssertionError
    finally:
        setting_changed.disconnect(receiver)
