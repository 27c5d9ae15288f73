"""Puts changes in the order of what they need, and cuts them into migrations where apps need each other in turn."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias, TypeVar

from msgspec import Struct, field

from covet.db.migrations.errors import CircularDependency
from covet.db.migrations.operations.base import Operation

__all__ = ["Change", "Fact", "circles", "cut", "in_order"]

Fact: TypeAlias = tuple[str, ...]
"""Something that a change brings about: ``("model", app, name)``, ``("field gone", app, model, field)``, …"""

T = TypeVar("T", bound=Hashable)


class Change(Struct, frozen=True, eq=False):
    """An operation of an app, what it brings about and what has to have been brought about before.

    A need that no change gives is there already. One that several give waits for all of them.
    """

    app_label: str
    operation: Operation
    gives: frozenset[Fact] = field(default_factory=frozenset)
    needs: frozenset[Fact] = field(default_factory=frozenset)


def in_order(changes: Sequence[Change]) -> list[Change]:
    """Return the changes so that each stands behind what it needs; otherwise in the order they came in.

    Raises:
        CircularDependency: They need each other.
    """
    givers = _givers(changes)
    position = {change: index for index, change in enumerate(changes)}
    waiting = {change: set(_before(change, givers)) for change in changes}
    followers: dict[Change, list[Change]] = {change: [] for change in changes}
    for change, before in waiting.items():
        for other in before:
            followers[other].append(change)
    ready = [position[change] for change, before in waiting.items() if not before]
    heapq.heapify(ready)
    ordered: list[Change] = []
    while ready:
        change = changes[heapq.heappop(ready)]
        ordered.append(change)
        for follower in followers[change]:
            waiting[follower].discard(change)
            if not waiting[follower]:
                heapq.heappush(ready, position[follower])
    if len(ordered) != len(changes):
        stuck = "; ".join(change.operation.describe() for change in changes if waiting[change])
        raise CircularDependency(
            f"These changes need each other and cannot be put in order: {stuck}. Make them in two steps, with "
            "makemigrations after each."
        )
    return ordered


def cut(changes: Sequence[Change]) -> Iterator[tuple[str, list[Change]]]:
    """Yield the changes in portions, each of one app and each needing only what was yielded before.

    A whole app at once where that is possible; where apps need each other in turn, the part of the first that needs
    nothing of the others comes first.
    """
    givers = _givers(changes)
    remaining: dict[str, list[Change]] = {}
    for change in changes:
        remaining.setdefault(change.app_label, []).append(change)
    done: set[Change] = set()
    while remaining:
        portions = {label: _possible(remaining[label], givers, done) for label in sorted(remaining)}
        whole = [label for label, portion in portions.items() if len(portion) == len(remaining[label])]
        label = whole[0] if whole else next(label for label, portion in portions.items() if portion)
        portion = portions[label]
        done.update(portion)
        taken = set(portion)
        remaining[label] = [change for change in remaining[label] if change not in taken]
        if not remaining[label]:
            del remaining[label]
        yield label, portion


def circles(needs: Mapping[T, Iterable[T]]) -> dict[T, frozenset[T]]:
    """Return for each key all keys that it needs, directly or not, and that need it: itself, when there is no circle."""
    reached: dict[T, set[T]] = {}
    for start in needs:
        seen: set[T] = set()
        stack = [start]
        while stack:
            for following in needs.get(stack.pop(), ()):
                if following in needs and following not in seen:
                    seen.add(following)
                    stack.append(following)
        reached[start] = seen
    return {key: frozenset({key} | {other for other in seen if key in reached[other]}) for key, seen in reached.items()}


def _givers(changes: Sequence[Change]) -> dict[Fact, list[Change]]:
    givers: dict[Fact, list[Change]] = {}
    for change in changes:
        for fact in change.gives:
            givers.setdefault(fact, []).append(change)
    return givers


def _before(change: Change, givers: Mapping[Fact, list[Change]]) -> Iterator[Change]:
    for fact in change.needs:
        for other in givers.get(fact, ()):
            if other is not change:
                yield other


def _possible(changes: Sequence[Change], givers: Mapping[Fact, list[Change]], done: set[Change]) -> list[Change]:
    """Return those of one app's changes, in order, that need nothing but each other and what is done."""
    taken: list[Change] = []
    there = set(done)
    for change in changes:
        if all(other in there for other in _before(change, givers)):
            taken.append(change)
            there.add(change)
    return taken
