"""States of models for the tests of migrations, written as short as the models themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from covet.db import models
from covet.db.migrations.autodetect import Detected, detect
from covet.db.migrations.graph import MigrationGraph
from covet.db.migrations.migration import Migration
from covet.db.migrations.model_state import ModelState
from covet.db.migrations.questioner import Answers, Questioner
from covet.db.migrations.state import ProjectState


def model_state(label: str, fields: dict[str, Any] | None = None, **options: Any) -> ModelState:
    """A model with an automatic key, unless ``fields`` has one."""
    app_label, _, name = label.partition(".")
    bases, managers = options.pop("bases", None), options.pop("managers", None)
    fields = dict(fields or {})
    if not any(field.primary_key for field in fields.values()) and bases is None:
        fields = {"id": models.BigAutoField(primary_key=True), **fields}
    return ModelState(app_label, name, fields, options, bases, managers=managers)


def project(*states: ModelState) -> ProjectState:
    return ProjectState({state.key: state for state in states})


def difference(
    old: ProjectState,
    new: ProjectState,
    questioner: Questioner | None = None,
    graph: MigrationGraph | None = None,
    **named: Any,
) -> Detected:
    return detect(old, new, graph or MigrationGraph(), questioner or Answers(), **named)


def described(detected: Detected) -> dict[str, list[list[str]]]:
    """The operations of what was found, as people read them."""
    return {
        label: [[operation.describe() for operation in migration.operations] for migration in found]
        for label, found in detected.migrations.items()
    }


def run_state(state: ProjectState, detected: Detected) -> ProjectState:
    """The state after all migrations that were found."""
    from covet.db.migrations.loader import Loader

    loader = Loader({})
    loader.packages = dict.fromkeys(detected.migrations)
    loader.migrations = {migration.key: migration for found in detected.migrations.values() for migration in found}
    for migration in loader.migrations.values():
        inside = [key for key in migration.dependencies if tuple(key) in loader.migrations]
        migration.dependencies = inside
    loader.build()
    for key in loader.graph.full_plan():
        state = loader.graph.nodes[key].mutate_state(state)
    return state


@pytest.fixture
def make_model() -> Callable[..., ModelState]:
    return model_state


@pytest.fixture
def make_project() -> Callable[..., ProjectState]:
    return project


@pytest.fixture
def compare() -> Callable[..., Detected]:
    return difference


@pytest.fixture
def describe() -> Callable[[Detected], dict[str, list[list[str]]]]:
    return described


@pytest.fixture
def after() -> Callable[[ProjectState, Detected], ProjectState]:
    return run_state


@pytest.fixture
def make_graph() -> Callable[..., MigrationGraph]:
    """A graph of migrations by ``"app.name"``, with what each depends on."""

    def make(edges: dict[str, list[str]], order: tuple[str, ...] = ()) -> MigrationGraph:
        graph = MigrationGraph(order)
        keys = {text: tuple(text.split(".")) for text in edges}
        for key in keys.values():
            graph.add(key, Migration(key[1], key[0]))  # type: ignore[arg-type]
        for text, parents in edges.items():
            for parent in parents:
                graph.add_dependency(keys[text], tuple(parent.split(".")))  # type: ignore[arg-type]
        return graph

    return make


def loader_of(*migrations: Any) -> Any:
    """A loader of migrations that are no files: ``(key, operations, dependencies, attributes)``."""
    from covet.db.migrations.loader import Loader

    loader = Loader({})
    for text, operations, *rest in migrations:
        app_label, name = text.split(".")
        dependencies = [tuple(item.split(".")) for item in (rest[0] if rest else [])]
        migration = Migration.build(name, app_label, operations, dependencies)
        for attribute, value in (rest[1] if len(rest) > 1 else {}).items():
            setattr(migration, attribute, value)
        loader.packages.setdefault(app_label, app_label)
        loader.migrated.setdefault(app_label, None)
        loader.migrations[migration.key] = migration
    loader.build()
    return loader


@pytest.fixture
def make_loader() -> Callable[..., Any]:
    return loader_of


@pytest.fixture
def loader_of_detected() -> Callable[..., Any]:
    """A loader of what was detected, step after step."""

    def make(*found: Detected) -> Any:
        from covet.db.migrations.loader import Loader

        loader = Loader({})
        for migration in [item for detected in found for group in detected.migrations.values() for item in group]:
            loader.packages.setdefault(migration.app_label, migration.app_label)
            loader.migrated.setdefault(migration.app_label, None)
            loader.migrations[migration.key] = migration
        loader.build()
        return loader

    return make
