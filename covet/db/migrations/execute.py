"""Plans migrations and carries them out on a database, forwards and backwards."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from covet.apps import apps as global_apps
from covet.db import transaction
from covet.db.migrations.adopt import has_been_made
from covet.db.migrations.errors import InvalidPlan, MigrationError
from covet.db.migrations.graph import MigrationKey
from covet.db.migrations.journal import Journal, Unfinished
from covet.db.migrations.limits import Limits, alter_hints_of, limits_of, retried
from covet.db.migrations.loader import Loader
from covet.db.migrations.lock import migration_lock
from covet.db.migrations.operations.special import RunPython
from covet.db.migrations.partial import refuse_others, roll_back
from covet.db.migrations.recorder import Recorder
from covet.db.migrations.sync import sync_models
from covet.db.models.signals import post_migrate, pre_migrate
from covet.db.routers import router

if TYPE_CHECKING:
    from covet.apps import Apps
    from covet.db.database import Database
    from covet.db.migrations.migration import Migration
    from covet.db.migrations.operations.base import Operation
    from covet.db.migrations.state import ProjectState

__all__ = ["Executor", "Progress", "Step", "Target", "migrate", "migrate_all", "migration_sql", "unapplied"]

Target = tuple[str, str | None]
"""An app and the migration to go to; ``None`` is before its first."""


class Step(NamedTuple):
    """One migration to apply or, backwards, to undo."""

    migration: Migration
    backwards: bool = False


class Progress(Protocol):
    """Whoever is told how far a run is."""

    def planned(self, steps: Sequence[Step]) -> None:
        """These steps will be taken."""

    def resumed(self, step: Step) -> None:
        """The migration that has begun was left half-way by an earlier process, and goes on from there."""

    def operation(self, operation: Operation, duration_s: float | None) -> None:
        """An operation begins; with its seconds: it has ended."""

    def retried(self, step: Step, pause_s: float) -> None:
        """A lock was not granted in time; after a pause the step is tried again."""

    def started(self, step: Step, *, fake: bool) -> None:
        """A migration begins."""

    def finished(self, step: Step, *, fake: bool, duration_s: float) -> None:
        """A migration is done."""

    def failed(self) -> None:
        """The migration that had begun failed."""

    def waiting(self) -> None:
        """Another process is migrating the database; this one waits."""

    def synced(self, tables: Sequence[str]) -> None:
        """Tables of apps without migrations were made."""


class _Silent:
    def planned(self, steps: Sequence[Step]) -> None:
        pass

    def resumed(self, step: Step) -> None:
        pass

    def operation(self, operation: Operation, duration_s: float | None) -> None:
        pass

    def retried(self, step: Step, pause_s: float) -> None:
        pass

    def started(self, step: Step, *, fake: bool) -> None:
        pass

    def finished(self, step: Step, *, fake: bool, duration_s: float) -> None:
        pass

    def failed(self) -> None:
        pass

    def waiting(self) -> None:
        pass

    def synced(self, tables: Sequence[str]) -> None:
        pass


class Executor:
    """Migrates one database.

    Args:
        database: The database.
        loader: The migrations.
        progress: Who is told how far it is.

    Attributes:
        latest: The models after all migrations, if the last ``migrate`` left none to be applied: it has them anyway.
        current: The step that is being taken, or that was when ``migrate`` was cancelled or failed.
    """

    def __init__(self, database: Database, loader: Loader, progress: Progress | None = None) -> None:
        self.database = database
        self.loader = loader
        self.recorder = Recorder(database)
        self.journal = Journal(database)
        self.progress: Progress = progress or _Silent()
        self.latest: ProjectState | None = None
        self.current: Step | None = None

    async def applied(self) -> set[MigrationKey]:
        """Return the applied migrations, after fitting the graph to them and checking that their history fits.

        Raises:
            InconsistentHistory: A migration is applied whose dependency is not.
        """
        recorded = await self.recorder.applied()
        self.loader.fit(recorded)
        self.loader.require_consistent(recorded, self.database.alias)
        return self.loader.counted(recorded)

    def plan(self, applied: set[MigrationKey], targets: Iterable[Target] | None = None) -> list[Step]:
        """Return the steps that lead to the targets; by default to the latest migration of every app.

        Raises:
            InvalidPlan: One target is ahead and another one behind.
        """
        graph = self.loader.graph
        done, steps = set(applied), []
        wanted: Iterable[Target] = targets if targets is not None else list(graph.leaf_nodes())
        for app_label, name in wanted:
            if name is None:
                keys = [key for root in graph.root_nodes(app_label) for key in graph.backwards_plan(root)]
                steps += self._backwards(keys, done)
            elif (app_label, name) in done and targets is not None:
                followers = [child for child in graph.children((app_label, name)) if child[0] == app_label]
                steps += self._backwards([key for child in followers for key in graph.backwards_plan(child)], done)
            else:
                for key in graph.forwards_plan((app_label, name), done):
                    done.add(key)
                    steps.append(Step(graph.nodes[key]))
        if len({step.backwards for step in steps}) > 1:
            raise InvalidPlan("These targets lie partly ahead and partly behind. Go to them one after another.")
        return steps

    def _backwards(self, keys: Iterable[MigrationKey], done: set[MigrationKey]) -> list[Step]:
        steps = []
        for key in keys:
            if key in done:
                done.discard(key)
                steps.append(Step(self.loader.graph.nodes[key], backwards=True))
        return steps

    async def migrate(
        self,
        targets: Iterable[Target] | None = None,
        *,
        fake: bool = False,
        fake_initial: bool = False,
        sync: bool = False,
    ) -> list[Step]:
        """Apply, or undo, what leads to the targets, and return the steps that were taken.

        The lock is held from before the plan is made: a second process waits, and then plans anew.

        Args:
            targets: Where to go; by default to the latest migration of every app.
            fake: Only write that they are applied, or are not.
            fake_initial: Do so for an app's first migration when its tables are there.
            sync: Make the missing tables of apps without migrations, too.
        """
        targets = None if targets is None else list(targets)
        async with migration_lock(self.database, self.progress.waiting):
            await self.recorder.ensure_table()
            applied = await self.applied()
            steps = self.plan(applied, targets)
            unfinished = await self.journal.unfinished()
            refuse_others(unfinished, {(step.migration.key, step.backwards) for step in steps})
            self.progress.planned(steps)
            state = self._states(applied)
            await self._signal(pre_migrate, steps, state)
            is_forward = not (steps and steps[0].backwards)
            if is_forward:
                # What is applied comes first: the state that a step meets is that of the database.
                for step in steps:
                    fake_it = fake or (fake_initial and await self._was_made(step.migration, state, unfinished))
                    state = await self._step(step, state, fake=fake_it)
            else:
                state = await self._go_back(steps, applied, fake=fake)
            await self._record_replaced()
            if sync:
                made = await sync_models(self.database, self.loader)
                if made:
                    self.progress.synced(made)
            await self._signal(post_migrate, steps, state)
        is_whole = is_forward and len(applied) + len(steps) == len(self.loader.graph.nodes)
        self.latest = state if is_whole else None
        return steps

    # ── one step ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _step(self, step: Step, state: ProjectState, *, fake: bool) -> ProjectState:
        """Take one step; its row is written, or deleted, in the very transaction of its operations."""
        migration = step.migration
        self.current = step
        self.progress.started(step, fake=fake)
        began = time.perf_counter()
        try:
            if fake:
                after = state if step.backwards else migration.mutate_state(state)
                async with transaction.atomic(using=self.database):
                    await self._write(step)
                    if await self.journal.exists():
                        # Whoever had to finish a migration by hand says so by --fake.
                        await self.journal.forget(migration.key)
            else:
                limits = limits_of(migration, self.database.alias)
                # Nothing was kept, or the journal knows what was: so it can be tried again.
                after = await retried(
                    lambda: self._attempt(step, state, limits),
                    limits.retries,
                    lambda pause_s: self.progress.retried(step, pause_s),
                )
        except BaseException:
            self.progress.failed()
            raise
        self.current = None
        self.progress.finished(step, fake=fake, duration_s=time.perf_counter() - began)
        return after

    async def _attempt(self, step: Step, state: ProjectState, limits: Limits) -> ProjectState:
        migration, watch = step.migration, self.progress.operation
        editor = self.database.schema_editor(atomic=migration.atomic)
        editor.lock_timeout_s, editor.statement_timeout_s = limits.lock_s, limits.statement_s
        editor.alter_hints = alter_hints_of(migration)
        async with editor:
            log = None
            if not editor.atomic:
                log = editor.log = await self.journal.begin(migration.key, backwards=step.backwards)
                if log.is_resumed:
                    self.progress.resumed(step)
            if step.backwards:
                await migration.unapply(state, editor, watch)
                after = state
            else:
                after = await migration.apply(state, editor, watch)
            if log is None:
                await self._write(step)
                return after
            log.starts(len(migration.operations), editor)
            await editor.finish()
            editor.log = None
            async with transaction.atomic(using=self.database):
                await self._write(step)
                await log.clear()
        return after

    async def roll_back_partial(self) -> tuple[MigrationKey, list[str]] | None:
        """Take back the migration that an earlier run left half-way.

        Returns:
            Its key and what was taken back; ``None`` when there is none.

        Raises:
            MigrationError: It cannot be taken back.
        """
        async with migration_lock(self.database, self.progress.waiting):
            applied = await self.applied()
            unfinished = await self.journal.unfinished()
            if unfinished is None:
                return None
            return unfinished.key, await roll_back(self.database, self.loader, applied, unfinished)

    async def _write(self, step: Step) -> None:
        """Write, or delete, the rows of a migration and, for a squashed one, of those that it replaces."""
        keys = [(item[0], item[1]) for item in step.migration.replaces] or [step.migration.key]
        if step.backwards:
            for key in {*keys, step.migration.key}:
                await self.recorder.forget(key)
        else:
            for key in keys:
                await self.recorder.record(key)

    async def _record_replaced(self) -> None:
        """Record squashed migrations all of whose parts are applied."""
        if not self.loader.has_squashed:
            return
        recorded = await self.recorder.applied()
        for key, migration in self.loader.graph.nodes.items():
            if migration.replaces and key not in recorded and all(tuple(i) in recorded for i in migration.replaces):
                await self.recorder.record(key)

    async def prune(self, app_label: str) -> list[MigrationKey]:
        """Delete the rows of an app's migrations that have no file any more, and return them.

        Raises:
            MigrationError: A squashed migration still stands for some of them.
        """
        async with migration_lock(self.database, self.progress.waiting):
            recorded = await self.recorder.applied()
            gone = [key for key in recorded if key[0] == app_label and key not in self.loader.migrations]
            for key, migration in sorted(self.loader.migrations.items()):
                if key[0] == app_label and any(tuple(item) in gone for item in migration.replaces):
                    raise MigrationError(
                        f"{key[0]}.{key[1]} still stands for migrations that are to be pruned, and other databases may need "
                        "that. When all of them have it applied, take 'replaces' out of it and prune again."
                    )
            for key in gone:
                await self.recorder.forget(key)
        return gone

    async def _was_made(self, migration: Migration, state: ProjectState, unfinished: Unfinished | None) -> bool:
        """Whether everything that an app's first migration makes is in the database already."""
        # Of one that was left half-way the journal knows what is there.
        is_begun = unfinished is not None and unfinished.key == migration.key
        return (
            not is_begun
            and self.loader.is_initial(migration.key)
            and await has_been_made(self.database, migration, state)
        )

    # ── backwards ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _go_back(self, steps: list[Step], applied: set[MigrationKey], *, fake: bool) -> ProjectState:
        for step in steps:
            if not fake:
                step.migration.require_reversible()
        wanted = {step.migration.key for step in steps}
        before: dict[MigrationKey, ProjectState] = {}
        state = self.loader.base_state()
        # What stays comes first, what goes last: the state that a step meets is that of the database.
        order = self.loader.graph.full_plan(applied)
        going = [step.migration.key for step in reversed(steps)]
        for key in [*[key for key in order if key not in wanted], *going]:
            if key in wanted:
                before[key] = state
            state = self.loader.graph.nodes[key].mutate_state(state)
        for step in steps:
            state = await self._step(step, before[step.migration.key], fake=fake)
        return before[steps[-1].migration.key]

    # ── signals ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _states(self, applied: set[MigrationKey]) -> ProjectState:
        state = self.loader.base_state()
        for key in self.loader.graph.full_plan():
            if key in applied:
                state = self.loader.graph.nodes[key].mutate_state(state)
        return state

    async def announce(self) -> None:
        """Send ``post_migrate`` with an empty plan: what migrations leave in tables that were emptied is made again."""
        await self._signal(post_migrate, [], self._states(await self.applied()))

    async def _signal(self, signal: Any, steps: list[Step], state: ProjectState) -> None:
        """Send a signal once for each installed app that has models.

        ``state`` is what the database has now; ``apps`` the running project's models, some of which it may not have yet.
        """
        registry = self.loader.apps
        if registry is None or not registry.models_ready:
            return
        for config in registry.get_app_configs():
            if registry.all_models.get(config.label):
                await signal.send(
                    config,
                    app_config=config,
                    using=self.database.alias,
                    plan=[(step.migration, step.backwards) for step in steps],
                    apps=registry,
                    state=state,
                    verbosity=1,
                    interactive=False,
                )


async def migrate(
    alias: str = "default",
    targets: Iterable[Target] | None = None,
    *,
    apps: Apps | None = None,
    fake: bool = False,
    fake_initial: bool = False,
    sync: bool = False,
    progress: Progress | None = None,
) -> list[Step]:
    """Migrate one of the project's databases; see ``Executor.migrate``."""
    from covet.db import connections

    executor = Executor(connections[alias], Loader.from_apps(apps or global_apps), progress)
    return await executor.migrate(targets, fake=fake, fake_initial=fake_initial, sync=sync)


async def migrate_all(database: Database, apps: Apps | None = None, verbosity: int = 0) -> list[Step]:
    """Bring a database to the latest state, tables of apps without migrations included; for tests.

    Args:
        database: The database, empty or not.
        apps: Whose migrations; the running project's by default.
        verbosity: 0 is silent, more prints each migration to stderr.
    """
    progress = _Printing() if verbosity else None
    return await Executor(database, Loader.from_apps(apps or global_apps), progress).migrate(sync=True)


async def unapplied(database: Database, apps: Apps | None = None) -> list[MigrationKey]:
    """Return the migrations that the database has not had, in order; nothing is changed."""
    executor = Executor(database, Loader.from_apps(apps or global_apps))
    steps = executor.plan(await executor.applied())
    return [
        step.migration.key
        for step in steps
        if router.allow_migrate(database.alias, step.migration.app_label) is not False
    ]


async def migration_sql(database: Database, loader: Loader, key: MigrationKey, *, backwards: bool = False) -> list[str]:
    """Return the SQL of a migration for a database, with a comment for each operation; nothing is run.

    Raises:
        Irreversible: It cannot be undone, and the way back was asked for.
    """
    migration = loader.graph.nodes[key]
    if backwards:
        migration.require_reversible()
    state = loader.base_state()
    for other in loader.graph.forwards_plan(key):
        if other != key:
            state = loader.graph.nodes[other].mutate_state(state)
    steps: list[tuple[Operation, ProjectState, ProjectState]] = []
    for operation in migration.operations:
        before, state = state, state.clone()
        operation.state_forwards(migration.app_label, state)
        steps.append((operation, before, state))
    lines: list[str] = []
    async with database.schema_editor(collect=True, atomic=migration.atomic) as editor:
        editor.alter_hints = alter_hints_of(migration)
        for operation, before, after in reversed(steps) if backwards else steps:
            lines += ["--", f"-- {operation.describe()}", "--"]
            count = len(editor.collected_sql)
            states = (after, before) if backwards else (before, after)
            await operation.run(migration.app_label, editor, *states, backwards=backwards)
            added = editor.collected_sql[count:]
            nothing = "-- (Python code, which is no SQL)" if isinstance(operation, RunPython) else "-- (no SQL)"
            lines += added or [nothing]
        count = len(editor.collected_sql)
    if len(editor.collected_sql) > count:
        lines += ["--", "-- Foreign keys of new tables", "--", *editor.collected_sql[count:]]
    if migration.atomic and database.features.rolls_back_ddl:
        lines = ["BEGIN;", *lines, "COMMIT;"]
    if migration.atomic and editor.collected_sql:
        lines = [
            *(f"{sql};" for sql in editor.statements_before()),
            *lines,
            *(f"{sql};" for sql in editor.statements_after()),
        ]
    return lines


class _Printing(_Silent):
    def finished(self, step: Step, *, fake: bool, duration_s: float) -> None:
        import sys

        print(f"{step.migration}: {duration_s * 1000:.0f} ms", file=sys.stderr)
