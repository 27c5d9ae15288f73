"""Which functions have local values that no report shows: what ``sensitive_variables`` was told, by their code."""

from __future__ import annotations

from types import CodeType

__all__ = ["SENSITIVE"]

# By the code, which the frames of a traceback have: a coroutine that has ended no longer knows who called it.
SENSITIVE: dict[CodeType, frozenset[str]] = {}
