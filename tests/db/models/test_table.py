"""Tables as values: the same on every machine, with names that every database takes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from covet.apps import apps
from covet.db import models
from covet.db.models import functions as fn
from covet.db.models.table import identifier, index_of, rule_of, table_of
from covet.db.sql import nodes
from covet.exceptions import FieldError


@pytest.fixture(autouse=True)
def registry() -> Iterator[Any]:
    with apps.isolate() as isolated:
        yield isolated


class Meta:
    app_label = "shop"


def model(_name: str = "Thing", _bases: Any = (models.Model,), /, meta: Any = None, **body: Any) -> Any:
    options = type("Meta", (Meta,), meta or {})
    return type(_name, _bases, {**body, "Meta": options, "__module__": __name__})


def test_columns_keys_and_defaults() -> None:
    table = table_of(
        model(
            title=models.CharField(max_length=9, db_column="t", db_comment="what it is called"),
            count=models.PositiveSmallIntegerField(null=True, db_default=3),
            made=models.DateTimeField(db_default=fn.Now()),
            meta={"db_table_comment": "things"},
        )
    )
    assert table.name == "shop_thing"
    assert table.comment == "things"
    assert table.primary_key == ("id",)
    key, title, count, made = table.columns
    assert (key.identity, key.type.kind) == (True, "bigint")
    assert (title.name, title.type, title.comment) == ("t", nodes.ColumnType("varchar", length=9), "what it is called")
    assert count.null
    assert count.type.unsigned
    assert count.default == nodes.Bound(3, count.type)
    assert isinstance(made.default, nodes.Func)
    assert [check.name for check in table.checks] == [identifier("shop_thing", ["count"], "_check")]


def test_generated_columns_hold_bare_names_and_constants() -> None:
    table = table_of(
        model(
            a=models.IntegerField(),
            total=models.GeneratedField(
                expression=models.F("a") * 2 + models.Value(1),
                output_field=models.IntegerField(),
                db_persist=True,
            ),
        )
    )
    generated = table.column("total").generated
    assert generated is not None
    assert generated.stored
    assert nodes.Column(None, "a") in _parts(generated.expression)
    assert not any(isinstance(part, nodes.Param) for part in _parts(generated.expression))


def test_conditions_hold_bare_names_and_constants() -> None:
    made = model(
        a=models.IntegerField(),
        day=models.DateField(),
        meta={
            "constraints": [
                models.CheckConstraint(condition=models.Q(a__in=[1, 2]) | ~models.Q(a__lt=models.F("id")), name="c"),
                models.UniqueConstraint(fields=["a"], condition=models.Q(day__isnull=False), name="u"),
                models.UniqueConstraint(fn.Abs("a").desc(), "day", name="e"),
            ],
            "indexes": [
                models.Index(fields=["-a"], condition=models.Q(a__range=(1, 5)), name="i"),
                models.Index(models.F("a").desc(), fn.Abs("a"), name="j"),
            ],
        },
    )
    table = table_of(made)
    condition = next(check for check in table.checks if check.name == "c").condition
    parts = _parts(condition)
    assert not any(isinstance(part, nodes.Param) for part in parts)
    assert {part.alias for part in parts if isinstance(part, nodes.Column)} == {None}
    unique = {rule.name: rule for rule in table.uniques}
    assert unique["u"].condition == nodes.IsNull(nodes.Column(None, "day"), negated=True)
    assert [part.descending for part in unique["e"].parts] == [True, False]
    assert unique["e"].parts[1].column == "day"
    index = {found.name: found for found in table.indexes}
    assert index["i"].parts[0].descending
    assert index["i"].condition is not None
    assert index["j"].parts[0].column == "a"
    assert isinstance(index["j"].parts[1].expression, nodes.Func)
    assert rule_of(made, made._meta.constraints[0]).name == "c"
    assert index_of(made, made._meta.indexes[0]) == index["i"]


def test_a_rule_cannot_reach_into_another_table() -> None:
    author = model("Author", name=models.CharField(max_length=3))
    made = model(
        "Book",
        author=models.ForeignKey(author, on_delete=models.CASCADE),
        meta={"constraints": [models.CheckConstraint(condition=models.Q(author__name="x"), name="c")]},
    )
    with pytest.raises(FieldError, match="another table"):
        table_of(made)


def test_foreign_keys_and_children() -> None:
    place = model("Place", code=models.CharField(max_length=3, unique=True))
    bar = model("Bar", (place,), drinks=models.IntegerField())
    visit = model(
        "Visit",
        place=models.ForeignKey(place, on_delete=models.CASCADE, to_field="code"),
        loose=models.ForeignKey(place, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"),
    )
    table = table_of(bar)
    assert [column.name for column in table.columns] == ["place_ptr_id", "drinks"]
    assert table.primary_key == ("place_ptr_id",)
    (key,) = table_of(visit).foreign_keys
    assert (key.columns, key.to_table, key.to_columns) == (("place_id",), "shop_place", ("code",))
    assert table_of(visit).column("place_id").type.kind == "varchar"
    assert [rule.parts[0].column for rule in table_of(place).uniques] == ["code"]


def test_rules_of_the_database_stand_in_its_keys() -> None:
    place = model("Place")
    visit = model(
        "Visit",
        one=models.ForeignKey(place, on_delete=models.DB_CASCADE, related_name="+"),
        two=models.ForeignKey(place, on_delete=models.DB_SET_NULL, null=True, related_name="+"),
        three=models.ForeignKey(place, on_delete=models.CASCADE, related_name="+"),
    )
    assert [key.on_delete for key in table_of(visit).foreign_keys] == ["CASCADE", "SET NULL", ""]


def test_a_proxy_has_the_table_of_its_model() -> None:
    place = model("Place", code=models.CharField(max_length=3))
    assert table_of(model("Pub", (place,), meta={"proxy": True})) == table_of(place)


def test_equal_models_have_equal_tables(registry: Any) -> None:
    def make() -> Any:
        with apps.isolate():
            author = model("Author", name=models.CharField(max_length=3, db_index=True))
            return model(
                "Book",
                title=models.CharField(max_length=3, unique=True),
                author=models.ForeignKey(author, on_delete=models.CASCADE),
                meta={"unique_together": [("title", "author")], "indexes": [models.Index(fields=["title"])]},
            )

    assert table_of(make()) == table_of(make())


@pytest.mark.parametrize("length", [1, 10, 30, 60, 200])
def test_names_fit_every_database_and_tell_their_columns_apart(length: int) -> None:
    one = identifier("t" * length, ["c" * length], "_uniq")
    other = identifier("t" * length, ["c" * length + "x"], "_uniq")
    assert len(one) <= 60
    assert one != other
    assert one.endswith("_uniq")


def test_names_do_not_hang_on_the_process() -> None:
    code = (
        "from covet.db.models.table import identifier;"
        "print(identifier('blog_article', ['author_id', 'title'], '_fk_blog_author_id'))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert seen == {"blog_article_author_id_title_" + next(iter(seen)).split("_title_")[1]}


def test_a_name_of_an_index_is_made_and_kept() -> None:
    made = model(a=models.IntegerField(), meta={"indexes": [models.Index(fields=["a"])]})
    (index,) = made._meta.indexes
    index.set_name_with_model(made)
    first = index.name
    index.set_name_with_model(made)
    assert index.name == first
    assert len(first) <= 30
    assert first.endswith("_idx")
    assert table_of(made).indexes[-1].name == first


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: models.Index(), "fields"),
        (lambda: models.Index("a", fields=["b"]), "not both"),
        (lambda: models.Index(fn.Lower("a")), "name"),
        (lambda: models.Index(fields="a"), "list or tuple"),
        (lambda: models.Index(fields=["a"], condition=models.Q(a=1)), "name"),
        (lambda: models.UniqueConstraint(name="u"), "fields"),
        (lambda: models.UniqueConstraint("a", fields=["b"], name="u"), "not both"),
        (lambda: models.UniqueConstraint(fields=["a"]), "needs a name"),
        (
            lambda: models.UniqueConstraint(
                fields=["a"], name="u", condition=models.Q(a=1), deferrable=models.Deferrable.DEFERRED
            ),
            "cannot be deferred",
        ),
        (lambda: models.UniqueConstraint(fields=["a", "b"], name="u", opclasses=["x"]), "one operator class"),
        (lambda: models.CheckConstraint(condition=models.Q(a=1), name=""), "needs a name"),
    ],
)
def test_wrong_rules_raise_at_once(make: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        make()


@pytest.mark.parametrize(
    "rule",
    [
        models.Index(fields=["-a", "b"], name="i", include=["c"], condition=models.Q(a=1)),
        models.Index(fn.Lower("a").desc(), name="j"),
        models.UniqueConstraint(fields=["a"], name="u", include=["b"], nulls_distinct=False),
        models.UniqueConstraint(fields=["a"], name="u", deferrable=models.Deferrable.IMMEDIATE),
        models.UniqueConstraint(fn.Lower("a"), name="v", condition=models.Q(b=1), violation_error_code="taken"),
        models.CheckConstraint(condition=models.Q(a__gt=1), name="c", violation_error_message="No."),
    ],
)
def test_rules_are_values(rule: Any) -> None:
    clone = rule.clone()
    assert clone == rule
    assert hash(clone) == hash(rule)
    assert clone is not rule
    path, _args, kwargs = rule.deconstruct()
    assert path == f"covet.db.models.{type(rule).__name__}"
    assert kwargs["name"] == rule.name
    kwargs = {**kwargs, "name": "other"}
    assert type(rule)(*rule.deconstruct()[1], **kwargs) != rule


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("No more than 100%", "No more than 100%"),
        ("100% sure: %(name)s, %(other)s", "100% sure: c, %(other)s"),
        ("100%% of %%(name)s", "100% of %(name)s"),
        ("", ""),
    ],
)
def test_a_percent_sign_in_the_words_of_a_constraint_is_one(message: str, told: str) -> None:
    """They are looked at when somebody breaks the constraint, who is not to get an error of the server for them."""
    rule = models.CheckConstraint(condition=models.Q(a__gt=1), name="c", violation_error_message=message)

    assert rule.get_violation_error_message() == told


def _parts(node: Any) -> list[Any]:
    from msgspec import Struct

    found = [node]
    if isinstance(node, tuple):
        return [part for item in node for part in _parts(item)]
    if isinstance(node, Struct):
        for name in node.__struct_fields__:
            found += _parts(getattr(node, name))
    return found
