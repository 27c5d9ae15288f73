"""Operations joined into fewer, without changing what they do."""

from __future__ import annotations

import pytest

from covet.db import migrations, models
from covet.db.migrations.optimize import optimize


def text(**options):
    return models.CharField(max_length=10, **options)


def create(name="Item", **fields):
    return migrations.CreateModel(name, [("id", models.BigAutoField(primary_key=True)), *fields.items()])


def described(operations):
    return [operation.describe() for operation in optimize(operations, "blog")]


def noop(apps, schema_editor):
    pass


def test_what_is_created_and_deleted_vanishes():
    assert optimize([create(), migrations.AddField("item", "t", text()), migrations.DeleteModel("Item")], "blog") == []


def test_fields_are_folded_into_the_model_that_is_created():
    (folded,) = optimize(
        [
            create(a=text(), b=text()),
            migrations.AddField("Item", "c", text()),
            migrations.RenameField("item", "a", "z"),
            migrations.AlterField("item", "b", models.TextField()),
            migrations.RemoveField("item", "c"),
            migrations.AddIndex("item", models.Index(fields=["z"], name="i")),
            migrations.AlterModelOptions("item", {"ordering": ["z"]}),
            migrations.RenameModel("Item", "Post"),
        ],
        "blog",
    )

    assert folded == migrations.CreateModel(
        "Post",
        [("id", models.BigAutoField(primary_key=True)), ("z", text()), ("b", models.TextField())],
        {"indexes": [models.Index(fields=["z"], name="i")], "ordering": ["z"]},
    )


def generated(name):
    return models.GeneratedField(expression=models.F(name) * 2, output_field=models.IntegerField(), db_persist=True)


def test_a_renamed_field_is_renamed_in_what_names_it_when_the_model_is_created():
    fields = [
        ("tenant", models.IntegerField()),
        ("spent", models.IntegerField()),
        ("double", generated("spent")),
        ("parent", models.ForeignObject("self", models.CASCADE, ["tenant", "spent"], ["tenant", "spent"])),
        ("pk", models.CompositePrimaryKey("tenant", "spent")),
    ]
    options = {"unique_together": {("tenant", "spent")}, "ordering": ["-spent"]}

    (folded,) = optimize(
        [migrations.CreateModel("Item", fields, options), migrations.RenameField("item", "spent", "used")], "blog"
    )

    assert folded == migrations.CreateModel(
        "Item",
        [
            ("tenant", models.IntegerField()),
            ("used", models.IntegerField()),
            ("double", generated("used")),
            ("parent", models.ForeignObject("self", models.CASCADE, ["tenant", "used"], ["tenant", "used"])),
            ("pk", models.CompositePrimaryKey("tenant", "used")),
        ],
        {"unique_together": {("tenant", "used")}, "ordering": ["-used"]},
    )


def test_a_field_that_names_another_does_not_pass_its_renaming():
    operations = [
        migrations.AddField("item", "double", generated("spent")),
        migrations.RenameField("item", "spent", "used"),
        migrations.RenameField("item", "double", "twice"),
    ]

    assert described(operations) == ["Add field twice to item", "Rename field spent on item to used"]


def test_a_relation_is_folded_only_behind_what_it_refers_to():
    operations = [
        create("Article"),
        create("Author"),
        migrations.AddField("article", "author", models.ForeignKey("blog.author", on_delete=models.CASCADE)),
    ]

    assert described(operations) == ["Create model Author", "Create model Article"]


def test_models_that_refer_to_each_other_stay_apart():
    fk = models.ForeignKey("blog.article", on_delete=models.CASCADE)
    back = models.ForeignKey("blog.author", on_delete=models.CASCADE)

    assert described([create("Article"), create("Author", a=fk), migrations.AddField("article", "author", back)]) == [
        "Create model Article",
        "Create model Author",
        "Add field author to article",
    ]


def test_python_code_is_a_wall():
    operations = [create(), migrations.RunPython(noop), migrations.AddField("item", "t", text())]

    assert len(optimize(operations, "blog")) == 3


def test_elidable_code_is_left_out():
    operations = [create(), migrations.RunPython(noop, elidable=True), migrations.AddField("item", "t", text())]

    assert described(operations) == ["Create model Item"]


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([migrations.AddField("i", "a", text()), migrations.RemoveField("i", "a")], []),
        ([migrations.AlterField("i", "a", text()), migrations.RemoveField("i", "a")], ["Remove field a from i"]),
        ([migrations.RenameField("i", "a", "b"), migrations.RenameField("i", "b", "c")], ["Rename field a on i to c"]),
        ([migrations.RenameField("i", "a", "b"), migrations.RenameField("i", "b", "a")], []),
        ([migrations.RenameModel("A", "B"), migrations.RenameModel("B", "C")], ["Rename model A to C"]),
        ([migrations.AlterModelTable("i", "x"), migrations.AlterModelTable("i", "y")], ["Rename table for i to y"]),
        ([migrations.AlterModelOptions("i", {}), migrations.DeleteModel("I")], ["Delete model I"]),
        ([migrations.RemoveField("i", "a"), migrations.DeleteModel("I")], ["Delete model I"]),
        (
            [migrations.AddIndex("i", models.Index(fields=["a"], name="x")), migrations.RemoveIndex("i", "x")],
            [],
        ),
    ],
)
def test_pairs(operations, expected):
    assert described(operations) == expected
