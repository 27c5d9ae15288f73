"""The visitor's language and time zone, for what goes on after the layers that chose them have returned.

A middleware's choice ends with its ``with`` block, which is when the view has answered. The pieces of a stream are made later, and
so is what runs after the answer: both are for the same visitor.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING

from covet import timezone
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.i18n import language
else:
    language = late_module(__name__, "covet.i18n.language")

__all__ = ["Visitor"]


class Visitor:
    """What holds where it is made; ``speaking()`` makes it hold again."""

    __slots__ = ("language", "zone")

    def __init__(self) -> None:
        self.language: str | None = language.get_chosen_language()
        self.zone: dt.tzinfo = timezone.get_current_timezone()

    @contextlib.contextmanager
    def speaking(self) -> Iterator[None]:
        """Make the language and the time zone the current ones inside the block."""
        with language.override(self.language), timezone.override(self.zone):
            yield
