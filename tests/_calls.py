"""Looking at the calls of Python functions: what CI can count where times would only be noise."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["profiled"]

Profile = Callable[[Any, str, Any], None]


class profiled:  # stands in a ``with``, as a function does
    """Gives each call and return inside the block to ``profile``, without the collector's and its own.

    What the collector frees may call back, and those calls are somebody else's: whether they come would hang on all that
    ran before.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile

    def __enter__(self) -> None:
        self._before, self._was_on = sys.getprofile(), gc.isenabled()
        gc.collect()
        gc.disable()
        profile = self._profile

        def look(frame: Any, event: str, argument: Any) -> None:
            if frame.f_code is not leave:
                profile(frame, event, argument)

        leave = type(self).__exit__.__code__
        sys.setprofile(look)

    def __exit__(self, *failure: object) -> None:
        sys.setprofile(self._before)
        if self._was_on:
            gc.enable()
