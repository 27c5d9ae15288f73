"""The checks of relations: names that look-ups cannot say, models between that do not fit, options that do nothing."""

from __future__ import annotations

from typing import Any

import pytest

from covet.apps import apps
from covet.db import models


def found(**fields: Any) -> set[str]:
    """The ids of what is wrong with a model ``Group`` of these fields, beside ``Person`` and the ``Link`` between."""
    with apps.isolate():
        meta = type("Meta", (), {"app_label": "club"})
        base = {"Meta": meta, "__module__": __name__}
        type("Person", (models.Model,), dict(base))
        between = fields.pop("between", {})
        group = type("Group", (models.Model,), {**base, **fields})
        if between:
            type("Link", (models.Model,), {**base, **between})
        return {str(one.id) for one in group.check() if one.id != "fields.W340"}  # type: ignore[attr-defined]


def key(to: str = "Person", **options: Any) -> Any:
    return models.ForeignKey(to, models.CASCADE, related_name="+", **options)


def many(to: str = "Person", **options: Any) -> Any:
    return models.ManyToManyField(to, through="Link", **options)


@pytest.mark.row("relations.names")
@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (models.ForeignKey("Person", models.CASCADE, related_name="groups_"), {"fields.E308"}),
        (models.ForeignKey("Person", models.CASCADE, related_query_name="a__b"), {"fields.E309"}),
        (models.ForeignKey("Person", models.CASCADE, related_name="groups"), set()),
        (models.ForeignKey("Person", models.CASCADE, unique=True), {"fields.W342"}),
        (models.OneToOneField("Person", models.CASCADE), set()),
        (models.ManyToManyField("Person", validators=[str]), {"fields.W341"}),
        (models.ManyToManyField("self", related_name="friends"), {"fields.W345"}),
        (models.ManyToManyField("self", related_name="fans", symmetrical=False), set()),
        (models.ManyToManyField("Person", db_comment="who"), {"fields.W346"}),
    ],
)
def test_names_and_options_of_relations(field: Any, expected: set[str]) -> None:
    assert found(members=field) == expected


@pytest.mark.row("relations.through")
@pytest.mark.parametrize(
    ("field", "between", "expected"),
    [
        (many("self"), {"a": key("Group"), "b": key("Group"), "c": key("Group")}, "fields.E333"),
        (many("self"), {"a": key("Group")}, "fields.E336"),
        (many(), {"a": key("Group"), "b": key("Group"), "c": key()}, "fields.E334"),
        (many(), {"a": key("Group"), "b": key(), "c": key()}, "fields.E335"),
        (many(), {"a": key("Group")}, "fields.E336"),
        (many(), {"b": key()}, "fields.E336"),
        (many(through_fields=("a",)), {"a": key("Group"), "b": key()}, "fields.E337"),
        (many(through_fields=("a", None)), {"a": key("Group"), "b": key()}, "fields.E337"),
        (many(through_fields=("a", "x")), {"a": key("Group"), "b": key()}, "fields.E338"),
        (many(through_fields=("b", "a")), {"a": key("Group"), "b": key()}, "fields.E339"),
        (many(through_fields=("a", "id")), {"a": key("Group"), "b": key()}, "fields.E339"),
        (many(through_fields=("a", "c")), {"a": key("Group"), "b": key(), "c": key()}, None),
        (many("self"), {"a": key("Group"), "b": key("Group")}, None),
        (many(), {"a": key("Group"), "b": key()}, None),
    ],
)
def test_models_between_have_one_key_each_way(field: Any, between: dict[str, Any], expected: str | None) -> None:
    assert found(members=field, between=between) == ({expected} if expected else set())
