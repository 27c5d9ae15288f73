"""Changes of models as people make them, by their source: what is found, and that it leads there and no further.

The changes and the operations are in ``scenarios.toml``. Where they differ from what Django finds, it is on purpose: rules
follow a renamed field, a generated column is made anew, and a model's parents with tables are not exchanged.
"""

from __future__ import annotations

import re
import sys
import tomllib
import types
from pathlib import Path

import pytest

from covet.apps.registry import apps
from covet.db import models
from covet.db.migrations.autodetect import detect
from covet.db.migrations.graph import MigrationGraph
from covet.db.migrations.questioner import Unasked
from covet.db.migrations.state import ProjectState

CHANGES = tomllib.loads((Path(__file__).parent / "scenarios.toml").read_text(encoding="utf-8"))["change"]


class Asked(Unasked):
    """Says that what may have been renamed was, and remembers what was asked."""

    def __init__(self, *, renamed):
        self.renamed = renamed
        self.asked = []

    def _say(self, question):
        self.asked.append(question)
        return self.renamed

    def renamed_model(self, app_label, old_name, new_name):
        return self._say(f"{app_label}.{old_name} renamed to {new_name}?")

    def moved_model(self, old_label, new_label):
        return self._say(f"{old_label} moved to {new_label}?")

    def renamed_field(self, app_label, model_name, old_name, new_name, field):
        return self._say(f"{app_label}.{model_name}.{old_name} renamed to {new_name}?")

    def default_for_new(self, app_label, model_name, field_name, field):
        self.asked.append(f"{app_label}.{model_name}.{field_name}: a value for old rows?")
        return 1

    def default_for_not_null(self, app_label, model_name, field_name, field):
        self.asked.append(f"{app_label}.{model_name}.{field_name}: a value where it is NULL?")
        return 1

    def confirm_shared_default(self, app_label, model_name, field_name):
        self.asked.append(f"{app_label}.{model_name}.{field_name}: one value for all?")
        return True


@pytest.fixture
def read(monkeypatch):
    """The state of models that are written in the apps ``a`` and ``b``."""

    def read_all(sources):
        with apps.isolate() as registry:
            for app, source in sources.items():
                module = types.ModuleType(f"{app}.models")
                monkeypatch.setitem(sys.modules, module.__name__, module)
                module.models = models
                module.MODEL = registry.get_model
                exec(labelled(source, app), module.__dict__)
            return ProjectState.from_apps(registry)

    return read_all


def labelled(source, app):
    """The source with the app's label in each model: the apps are not installed."""
    blocks = []
    for block in re.split(r"\n\n(?=\S)", source):
        is_model = block.startswith("class ") and not any(
            f"({base}" in block.partition(":")[0]
            for base in ("models.CharField", "models.Manager", "models.TextChoices")
        )
        if is_model and "(" in block.partition(":")[0] and "app_label" not in block:
            if "    class Meta:\n" in block:
                block = block.replace("    class Meta:\n", f"    class Meta:\n        app_label = {app!r}\n")
            else:
                block = f"{block.rstrip()}\n\n    class Meta:\n        app_label = {app!r}\n"
        blocks.append(block)
    return "\n\n".join(blocks)


@pytest.mark.parametrize("change", CHANGES, ids=[change["name"].replace(" ", "-") for change in CHANGES])
def test_a_change_is_found_and_leads_there(read, loader_of_detected, change):
    before, after = read(change["before"]), read(change["after"])
    first = detect(ProjectState({}), before, MigrationGraph(), Unasked())
    asked = Asked(renamed=change.get("renamed", False))

    found = detect(before, after, loader_of_detected(first).graph, asked)

    operations = {
        f"{label}.{number}": [operation.describe() for operation in migration.operations]
        for label, group in found.migrations.items()
        for number, migration in enumerate(group, 1)
    }
    assert (operations, asked.asked) == (change["operations"], change.get("asked", []))
    assert [refusal.partition(":")[0] for refusal in found.refusals] == change.get("refused", [])
    # The history as a whole, as on a new database: each step leaves models that fit together.
    loader = loader_of_detected(first, found)
    state = loader.base_state()
    for key in loader.graph.full_plan():
        for operation in loader.graph.nodes[key].operations:
            state = state.clone()
            operation.state_forwards(key[0], state)
        assert state.apps.get_models() is not None
    if not found.refusals:
        assert not detect(state, after, loader.graph, Unasked())
