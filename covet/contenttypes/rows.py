"""Keeps the rows of content types in step with the models, after every ``migrate``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from covet import checks
from covet.contenttypes.models import ContentType, missing
from covet.db.routers import router
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.apps import AppConfig
    from covet.db import transaction
    from covet.db.migrations.migration import Migration
    from covet.db.migrations.state import ProjectState
else:
    transaction = late_module(__name__, "covet.db.transaction")

__all__ = ["check_model_names", "sync_content_types"]


async def sync_content_types(
    sender: Any,
    *,
    app_config: AppConfig,
    using: str,
    state: ProjectState,
    plan: Sequence[tuple[Migration, bool]] = (),
    **named: Any,
) -> None:
    """Receive ``post_migrate``: carry renamed and moved models over, then make the rows of new ones.

    A row of a model that is gone stays: other rows may refer to it.
    """
    if ("contenttypes", "contenttype") not in state.models or not router.allow_migrate_model(using, ContentType):
        return
    label = app_config.label
    wanted = [model for model in app_config.get_models() if (label, model._meta.model_name) in state.models]
    rows = ContentType.objects.using(using)
    async with transaction.atomic(using=using):
        for old, new in _renamed(label, plan):
            if not await rows.filter(app_label=label, model=new).exists():
                await rows.filter(app_label=label, model=old).update(model=new)
        # Whichever app this is: an app that a model left, or goes back to, may have no models now and is not told.
        for model, former, other in _moved(plan):
            if not await rows.filter(app_label=other, model=model).exists():
                await rows.filter(app_label=former, model=model).update(app_label=other)
        known = [(found.app_label, found.model) for found in await rows.filter(app_label=label)]
        new_rows = missing(known, wanted)
        if new_rows:
            await rows.bulk_create(new_rows)
    ContentType.objects.clear_cache(using)


def _renamed(label: str, plan: Sequence[tuple[Migration, bool]]) -> list[tuple[str, str]]:
    """Return old and new names of the models of an app that a plan renamed, in the order of the plan."""
    from covet.db.migrations.operations.tables import RenameModel  # there, when migrations ran

    found: list[tuple[str, str]] = []
    for migration, backwards in plan:
        if migration.app_label != label:
            continue
        operations = [item for item in migration.operations if isinstance(item, RenameModel)]
        for operation in reversed(operations) if backwards else operations:
            names = operation.old_name.lower(), operation.new_name.lower()
            if names[0] != names[1]:
                found.append((names[1], names[0]) if backwards else names)
    return found


def _moved(plan: Sequence[tuple[Migration, bool]]) -> list[tuple[str, str, str]]:
    """Return the models that a plan moved, with former and new app: one app forgets a table, another takes it."""
    from covet.db.migrations.operations.special import SeparateDatabaseAndState
    from covet.db.migrations.operations.tables import CreateModel, DeleteModel

    found: list[tuple[str, str, str]] = []
    # By the name of the model, the apps whose other half of the move has not been met yet.
    left: dict[str, str] = {}
    taken: dict[str, str] = {}
    for migration, backwards in plan:
        label = migration.app_label
        leaving, coming = (CreateModel, DeleteModel) if backwards else (DeleteModel, CreateModel)
        for group in [item for item in migration.operations if isinstance(item, SeparateDatabaseAndState)]:
            for operation in [] if group.database_operations else group.state_operations:
                if not isinstance(operation, (CreateModel, DeleteModel)):
                    continue
                model = operation.name.lower()
                mine, others = (taken, left) if isinstance(operation, coming) else (left, taken)
                if others.get(model, label) == label:
                    mine[model] = label
                elif isinstance(operation, leaving):
                    found.append((model, label, others.pop(model)))
                else:
                    found.append((model, others.pop(model), label))
    return found


def check_model_names(apps: Any) -> Iterator[checks.CheckMessage]:
    """Yield an error for each model whose name does not fit into the column of content types."""
    limit = ContentType._meta.get_field("model").max_length
    for model in apps.get_models():
        if len(model._meta.model_name) > limit:
            yield checks.Error(
                f"The name of the model {model._meta.label} is longer than the {limit} characters that content types hold.",
                hint="Give the class a shorter name; Meta.db_table can keep the table's.",
                obj=model,
                id="contenttypes.E005",
            )
