"""Dependencies replaced for a while: what a test puts in the place of a mailer, a clock, or whoever is logged in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

__all__ = ["OVERRIDES", "dependency_overrides", "override_dependencies"]

OVERRIDES: dict[Any, Callable[..., Any]] = {}
"""Dependencies and what is called in their place; endpoints look here once a request, those without dependencies never."""

dependency_overrides = OVERRIDES
"""The same, under the name that tests change: ``dependency_overrides[current_user] = fake_user``."""


@contextmanager
def override_dependencies(replacements: Mapping[Any, Callable[..., Any]]) -> Iterator[None]:
    """Call other functions in the place of dependencies until the block ends.

    A replacement is a dependency itself: sync, async or yielding, with arguments of its own. Blocks nest.

    Args:
        replacements: What is called, by the function that ``Depends`` names.
    """
    before = dict(OVERRIDES)
    OVERRIDES.update(replacements)
    try:
        yield
    finally:
        OVERRIDES.clear()
        OVERRIDES.update(before)
