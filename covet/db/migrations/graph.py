"""The graph of migrations: in which order they run, which are the latest, and whether they fit together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from covet.db.migrations.errors import CircularDependency, MigrationNotFound
from covet.text import suggest

if TYPE_CHECKING:
    from covet.db.migrations.migration import Migration

__all__ = ["MigrationGraph", "MigrationKey", "key_text"]

MigrationKey: TypeAlias = tuple[str, str]


def key_text(key: MigrationKey) -> str:
    """Return ``app.name``."""
    return f"{key[0]}.{key[1]}"


class MigrationGraph:
    """Migrations by key, and what each waits for.

    Args:
        app_order: Labels in the order in which apps come when nothing else decides, as in ``INSTALLED_APPS``.

    Every walk is iterative (a history of ten thousand migrations is no deeper for Python's stack than one of ten) and
    its order depends on keys and ``app_order`` only, so it is the same on every machine.
    """

    def __init__(self, app_order: Sequence[str] = ()) -> None:
        self.nodes: dict[MigrationKey, Migration] = {}
        self._parents: dict[MigrationKey, set[MigrationKey]] = {}
        self._children: dict[MigrationKey, set[MigrationKey]] = {}
        self._missing: dict[MigrationKey, MigrationKey] = {}
        self._rank = {label: index for index, label in enumerate(app_order)}

    def __contains__(self, key: object) -> bool:
        return key in self.nodes

    def add(self, key: MigrationKey, migration: Migration) -> None:
        """Add a migration."""
        self.nodes[key] = migration
        self._parents.setdefault(key, set())
        self._children.setdefault(key, set())

    def add_dependency(self, child: MigrationKey, parent: MigrationKey) -> None:
        """Say that ``child`` runs after ``parent``; whether both exist is found by ``validate``."""
        if child not in self.nodes:
            self._missing.setdefault(child, parent)
            return
        if parent not in self.nodes:
            self._missing.setdefault(parent, child)
            return
        self._parents[child].add(parent)
        self._children[parent].add(child)

    def parents(self, key: MigrationKey) -> list[MigrationKey]:
        """Return what ``key`` directly waits for, in order."""
        return self._in_order(self._parents[key])

    def children(self, key: MigrationKey) -> list[MigrationKey]:
        """Return what directly waits for ``key``, in order."""
        return self._in_order(self._children[key])

    def _in_order(self, keys: set[MigrationKey]) -> list[MigrationKey]:
        # Most migrations have one neighbour, and one needs no order.
        return sorted(keys, key=self.sort_key) if len(keys) > 1 else list(keys)

    def sort_key(self, key: MigrationKey) -> tuple[int, str, str]:
        """Return what orders two keys when the graph does not."""
        return self._rank.get(key[0], len(self._rank)), key[0], key[1]

    def validate(self) -> None:
        """Check that all dependencies exist and that there is no circle.

        Raises:
            MigrationNotFound: A migration depends on one that does not exist.
            CircularDependency: Migrations wait for each other.
        """
        for parent, child in sorted(self._missing.items()):
            near = suggest(parent[1], [name for app, name in self.nodes if app == parent[0]])
            raise MigrationNotFound(
                f"Migration {key_text(child)} depends on {key_text(parent)}, which does not exist."
                + (f" Did you mean '{near}'?" if near else " Is the file missing, or the app not in INSTALLED_APPS?")
            )
        waiting = {key: len(parents) for key, parents in self._parents.items()}
        ready = [key for key, count in waiting.items() if not count]
        while ready:
            key = ready.pop()
            del waiting[key]
            for child in self._children[key]:
                waiting[child] -= 1
                if not waiting[child]:
                    ready.append(child)
        if waiting:
            circle = " → ".join(key_text(key) for key in self._circle(set(waiting)))
            raise CircularDependency(f"Migrations wait for each other: {circle}. Take one of these dependencies out.")

    def forwards_plan(self, key: MigrationKey, known: Collection[MigrationKey] = ()) -> list[MigrationKey]:
        """Return ``key`` and all it needs, what is needed first; without those that are known, and what they need."""
        return self._walk([key], self._parents, known)

    def backwards_plan(self, key: MigrationKey) -> list[MigrationKey]:
        """Return ``key`` and all that needs it, the last of them first."""
        return self._walk([key], self._children)

    def full_plan(self, keys: Iterable[MigrationKey] | None = None) -> list[MigrationKey]:
        """Return all migrations (or ``keys`` and what they need) in the order in which they run."""
        return self._walk(list(self.leaf_nodes() if keys is None else keys), self._parents)

    def root_nodes(self, app_label: str | None = None) -> list[MigrationKey]:
        """Return the migrations that wait for none of their own app."""
        return self._ends(app_label, self._parents)

    def leaf_nodes(self, app_label: str | None = None) -> list[MigrationKey]:
        """Return the migrations that none of their own app waits for."""
        return self._ends(app_label, self._children)

    def conflicts(self) -> dict[str, list[str]]:
        """Return the apps that have several latest migrations, with their names."""
        leaves: dict[str, list[str]] = {}
        for app_label, name in self.leaf_nodes():
            leaves.setdefault(app_label, []).append(name)
        return {label: names for label, names in leaves.items() if len(names) > 1}

    def _ends(self, app_label: str | None, links: dict[MigrationKey, set[MigrationKey]]) -> list[MigrationKey]:
        found = []
        for key in self.nodes:
            app = key[0]
            if app_label is None or app == app_label:
                for other in links[key]:
                    if other[0] == app:
                        break
                else:
                    found.append(key)
        return sorted(found, key=self.sort_key)

    def _walk(
        self,
        starts: list[MigrationKey],
        links: Mapping[MigrationKey, set[MigrationKey]],
        known: Collection[MigrationKey] = (),
    ) -> list[MigrationKey]:
        """Return the starts and all that ``links`` reach, each after what it links to."""
        done: dict[MigrationKey, None] = {}
        for start in starts:
            if start not in self.nodes:
                raise MigrationNotFound(f"There is no migration {key_text(start)}.")
            if start in known or start in done:
                continue
            stack: list[tuple[MigrationKey, Iterator[MigrationKey]]] = [(start, iter(self._in_order(links[start])))]
            while stack:
                key, rest = stack[-1]
                for following in rest:
                    if following not in done and following not in known:
                        near = links[following]
                        stack.append((following, iter(near if len(near) < 2 else self._in_order(near))))
                        break
                else:
                    done[key] = None
                    stack.pop()
        return list(done)

    def _circle(self, keys: set[MigrationKey]) -> list[MigrationKey]:
        path: list[MigrationKey] = [min(keys, key=self.sort_key)]
        while True:
            following = min((parent for parent in self._parents[path[-1]] if parent in keys), key=self.sort_key)
            if following in path:
                return [*path[path.index(following) :], following]
            path.append(following)
