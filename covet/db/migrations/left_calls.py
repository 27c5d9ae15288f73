"""Tells of calls that a function of ``RunPython`` left without ``await``: they have done nothing, and the migration would
be recorded as applied all the same."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from covet.concurrency import unawaited
from covet.exceptions import QueryNotAwaited

__all__ = ["refuse_left_calls"]

_NEVER_AWAITED: Final = re.compile(r"coroutine '(?P<name>[^']+)' was never awaited")


@contextmanager
def refuse_left_calls(function: str) -> Iterator[None]:
    """Raise at the end of the block when calls of async functions were dropped in it without ``await``.

    Raises:
        QueryNotAwaited: There were some; the text names them and the lines.
    """
    left: dict[str, None] = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("always", _NEVER_AWAITED.pattern, RuntimeWarning)
        show = warnings.showwarning

        def note(message: Any, category: type[Warning], filename: str, lineno: int, *rest: Any, **named: Any) -> None:
            found = _NEVER_AWAITED.match(str(message)) if issubclass(category, RuntimeWarning) else None
            if found is None:
                show(message, category, filename, lineno, *rest, **named)
            else:
                left[f"{found['name']}() ({Path(filename).name}, line {lineno})"] = None

        warnings.showwarning = note
        try:
            yield
        except (AttributeError, TypeError) as error:
            # Something was wanted of the coroutine, instead of what it gives; the error keeps it.
            called = unawaited(getattr(error, "obj", None))
            if called is not None:
                left[f"{called}()"] = None
            if not left:
                raise
            raise QueryNotAwaited(f"{_told(function, left)} {type(error).__name__}: {error}") from error
        finally:
            # Where filters belong to a context (Python 3.14 without the GIL), this is not put back by itself.
            warnings.showwarning = show
    if left:
        raise QueryNotAwaited(_told(function, left))


def _told(function: str, left: dict[str, None]) -> str:
    names = ", ".join(left)
    return (
        f"{function}() did not await {names}, so nothing came of it. Write 'await', in an 'async def'; "
        "a plain 'def' calls covet.run_sync(…)."
    )
