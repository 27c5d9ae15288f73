"""What makemigrations finds: pure, without files and databases."""

from __future__ import annotations

import pytest

from covet.db import models
from covet.db.migrations import operations
from covet.db.migrations.errors import AnswerNeeded, MigrationError
from covet.db.migrations.migration import SwappableDependency
from covet.db.migrations.questioner import Answers, Unasked, parse_default, parse_rename


def fk(to, **options):
    return models.ForeignKey(to, on_delete=models.CASCADE, **options)


def title(**options):
    return models.CharField(max_length=100, **options)


# ── models ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_model_is_created_with_its_fields_in_order(make_model, make_project, compare):
    new = make_project(make_model("blog.Item", {"title": title(), "body": models.TextField()}, ordering=["title"]))

    found = compare(make_project(), new)

    (migration,) = found.migrations["blog"]
    (create,) = migration.operations
    assert migration.name == "0001_initial"
    assert migration.initial is True
    assert [name for name, _ in create.fields] == ["id", "title", "body"]
    assert create.options == {"ordering": ["title"]}


def test_nothing_changed_finds_nothing(make_model, make_project, compare):
    def state():
        return make_project(
            make_model("blog.Author", {"name": title()}),
            make_model(
                "blog.Item",
                {
                    "title": title(),
                    "author": fk("blog.Author"),
                    "tags": models.ManyToManyField("blog.Author", related_name="+"),
                },
                unique_together={("title", "author")},
                indexes=[models.Index(fields=["title"], name="by_title")],
                constraints=[models.CheckConstraint(condition=models.Q(title__gt=""), name="titled")],
            ),
        )

    assert not compare(state(), state())


def test_models_are_created_after_those_they_refer_to(make_model, make_project, compare, describe):
    new = make_project(make_model("blog.Article", {"author": fk("blog.Author")}), make_model("blog.Author"))

    found = compare(make_project(), new)

    assert describe(found) == {"blog": [["Create model Author", "Create model Article"]]}


def test_models_that_refer_to_each_other_get_the_second_field_afterwards(
    make_model, make_project, compare, describe, after
):
    new = make_project(
        make_model("blog.A", {"b": fk("blog.B")}, unique_together={("b",)}), make_model("blog.B", {"a": fk("blog.A")})
    )

    found = compare(make_project(), new)

    assert describe(found) == {
        "blog": [["Create model A", "Create model B", "Add field b to a", "Alter unique_together for A (1 rule)"]]
    }
    assert not compare(after(make_project(), found), new)


def test_apps_that_refer_to_each_other_are_cut_into_several_migrations(
    make_model, make_project, compare, describe, after
):
    new = make_project(make_model("a.One", {"two": fk("b.Two")}), make_model("b.Two", {"one": fk("a.One", null=True)}))

    found = compare(make_project(), new)

    assert describe(found) == {"a": [["Create model One"], ["Add field two to one"]], "b": [["Create model Two"]]}
    first, second = found.migrations["a"]
    assert (first.name, second.name) == ("0001_initial", "0002_initial")
    assert found.migrations["b"][0].dependencies == [("a", "0001_initial")]
    assert sorted(second.dependencies) == [("a", "0001_initial"), ("b", "0001_initial")]
    assert not compare(after(make_project(), found), new)


def test_apps_in_turn_without_a_circle_of_models_need_no_added_fields(make_model, make_project, compare, describe):
    new = make_project(
        make_model("a.Low"),
        make_model("a.High", {"middle": fk("b.Middle")}),
        make_model("b.Middle", {"low": fk("a.Low")}),
    )

    found = compare(make_project(), new)

    assert describe(found) == {"a": [["Create model Low"], ["Create model High"]], "b": [["Create model Middle"]]}


def test_a_through_model_comes_before_the_field_that_uses_it(make_model, make_project, compare, describe, after):
    new = make_project(
        make_model("blog.Club", {"members": models.ManyToManyField("blog.Person", through="blog.Membership")}),
        make_model("blog.Person"),
        make_model("blog.Membership", {"club": fk("blog.Club"), "person": fk("blog.Person")}),
    )

    found = compare(make_project(), new)

    assert describe(found) == {
        "blog": [["Create model Club", "Create model Person", "Create model Membership", "Add field members to club"]]
    } or describe(found) == {
        "blog": [["Create model Person", "Create model Club", "Create model Membership", "Add field members to club"]]
    }
    assert not compare(after(make_project(), found), new)


def test_a_child_is_created_after_its_parent_and_deleted_before_it(make_model, make_project, compare, describe):
    parent = make_model("blog.Zebra")
    link = models.OneToOneField("blog.Zebra", on_delete=models.CASCADE, parent_link=True, primary_key=True)
    child = make_model("blog.Child", {"zebra_ptr": link}, bases=("blog.zebra",))

    created = compare(make_project(), make_project(child, parent))
    deleted = compare(make_project(child, parent), make_project())

    assert describe(created) == {"blog": [["Create model Zebra", "Create model Child"]]}
    assert describe(deleted) == {"blog": [["Delete model Child", "Delete model Zebra"]]}


def test_models_that_refer_to_each_other_are_deleted_by_cutting_them_off_first(
    make_model, make_project, compare, after
):
    old = make_project(make_model("blog.A", {"b": fk("blog.B")}), make_model("blog.B", {"a": fk("blog.A")}))

    found = compare(old, make_project())

    assert not compare(after(old, found), make_project())
    assert [type(item).__name__ for item in found.migrations["blog"][0].operations].count("DeleteModel") == 2


def test_a_reference_is_removed_before_the_model_it_refers_to(make_model, make_project, compare, describe):
    old = make_project(make_model("a.Author"), make_model("b.Book", {"author": fk("a.Author")}))

    found = compare(old, make_project(make_model("b.Book")))

    assert describe(found) == {"a": [["Delete model Author"]], "b": [["Remove field author from book"]]}
    assert found.migrations["a"][0].dependencies == [("b", found.migrations["b"][0].name)]


@pytest.mark.row("relations.swappable")
def test_a_swappable_model_is_a_dependency_on_the_setting(make_model, make_project, compare):
    new = make_project(make_model("accounts.User"), make_model("blog.Post", {"author": fk("accounts.User")}))

    found = compare(make_project(), new, swappable={"accounts.user": "AUTH_USER_MODEL"})

    (dependency,) = found.migrations["blog"][0].dependencies
    assert isinstance(dependency, SwappableDependency)
    assert dependency == ("accounts", "__first__")


def test_only_the_apps_asked_for_and_those_they_need_are_migrated(make_model, make_project, compare):
    new = make_project(make_model("a.One"), make_model("b.Two", {"one": fk("a.One")}), make_model("c.Three"))

    found = compare(make_project(), new, labels=["b"])

    assert sorted(found.migrations) == ["a", "b"]


def test_the_number_follows_the_latest_and_the_name_says_what_is_done(make_model, make_project, make_graph, compare):
    graph = make_graph({"blog.0001_initial": [], "blog.0007_x": ["blog.0001_initial"]})
    old, new = (
        make_project(make_model("blog.Item")),
        make_project(make_model("blog.Item", {"title": title(default="")})),
    )

    (migration,) = compare(old, new, graph=graph).migrations["blog"]

    assert migration.name == "0008_item_title"
    assert migration.dependencies == [("blog", "0007_x")]


# ── renames ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_possible_rename_of_a_model_without_an_answer_stops_with_exit_code_3(make_model, make_project, compare):
    old, new = (
        make_project(make_model("blog.Item", {"t": title()})),
        make_project(make_model("blog.Post", {"t": title()})),
    )

    with pytest.raises(AnswerNeeded, match=r"--rename blog\.Item:Post") as caught:
        compare(old, new)

    assert caught.value.exit_code == 3


def test_a_renamed_model_keeps_its_references(make_model, make_project, compare, describe, after):
    old = make_project(
        make_model("blog.Item", {"t": title(), "parent": fk("blog.Item", null=True)}),
        make_model("shop.Order", {"item": fk("blog.Item")}),
    )
    new = make_project(
        make_model("blog.Post", {"t": title(), "parent": fk("blog.Post", null=True)}),
        make_model("shop.Order", {"item": fk("blog.Post")}),
    )

    found = compare(old, new, Answers(renames=[parse_rename("blog.Item:Post")]))

    assert describe(found) == {"blog": [["Rename model Item to Post"]]}
    assert not compare(after(old, found), new)


def test_saying_that_nothing_was_renamed_removes_and_creates(make_model, make_project, compare, describe):
    old, new = make_project(make_model("blog.Item")), make_project(make_model("blog.Post"))

    found = compare(old, new, Answers(nothing_renamed=True))

    assert describe(found) == {"blog": [["Delete model Item", "Create model Post"]]}


def test_a_rename_of_case_only_is_a_rename(make_model, make_project, compare, after):
    old, new = make_project(make_model("blog.item")), make_project(make_model("blog.Item"))

    assert not compare(old, new)


def test_a_renamed_field_takes_its_rules_along(make_model, make_project, compare, describe, after):
    def state(name):
        return make_project(
            make_model(
                "blog.Item",
                {name: title(), "n": models.IntegerField()},
                ordering=[f"-{name}"],
                unique_together={(name, "n")},
                indexes=[models.Index(fields=[f"-{name}"], name="by_title")],
                constraints=[
                    models.CheckConstraint(condition=models.Q(**{f"{name}__gt": models.F("n")}), name="c"),
                    models.UniqueConstraint(fields=[name], name="u"),
                ],
            )
        )

    old, new = state("title"), state("headline")

    found = compare(old, new, Answers(renames=[parse_rename("blog.item.title:headline")]))

    assert describe(found) == {"blog": [["Rename field title on item to headline"]]}
    assert not compare(after(old, found), new)


def test_a_field_renamed_and_changed_is_renamed_then_altered(make_model, make_project, compare, describe):
    old = make_project(make_model("blog.Item", {"title": title()}))
    new = make_project(make_model("blog.Item", {"headline": models.TextField()}))

    found = compare(old, new, Answers(renames=[parse_rename("blog.Item.title:headline")]))

    assert describe(found) == {"blog": [["Rename field title on item to headline", "Alter field headline on item"]]}


@pytest.mark.parametrize("model", ["Item", "Post"])
def test_a_model_and_its_field_are_renamed_together_under_either_name(
    make_model, make_project, compare, describe, model
):
    old = make_project(make_model("blog.Item", {"title": title()}))
    new = make_project(make_model("blog.Post", {"headline": title()}))
    renames = [parse_rename("blog.Item:Post"), parse_rename(f"blog.{model}.title:headline")]

    found = describe(compare(old, new, Answers(renames=renames)))

    assert found == {"blog": [["Rename model Item to Post", "Rename field title on post to headline"]]}


def test_a_field_renamed_with_its_column_kept_is_asked_for_too(make_model, make_project, compare, describe):
    old = make_project(make_model("blog.Item", {"title": title()}))
    new = make_project(make_model("blog.Item", {"headline": title(db_column="title")}))

    with pytest.raises(AnswerNeeded):
        compare(old, new)
    found = compare(old, new, Answers(renames=[parse_rename("blog.Item.title:headline")]))

    assert describe(found) == {"blog": [["Alter field title on item", "Rename field title on item to headline"]]}


def test_a_rename_that_does_not_fit_is_refused(make_model, make_project, compare):
    state = make_project(make_model("blog.Item", {"title": title()}))

    with pytest.raises(MigrationError, match="does not fit") as caught:
        compare(state, state.clone(), Answers(renames=[parse_rename("blog.Item.titel:headline")]))

    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["Item:Post", "blog.Item", "blog.Item.title.x:y", "blog.Item:not a name", ":"])
def test_a_rename_that_cannot_be_read_says_how_to_write_it(text):
    with pytest.raises(MigrationError, match=r"app\.Model:NewName"):
        parse_rename(text)


# ── fields ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_column_that_may_not_be_null_needs_an_answer(make_model, make_project, compare):
    old = make_project(make_model("blog.Item"))
    new = make_project(make_model("blog.Item", {"views": models.IntegerField()}))

    with pytest.raises(AnswerNeeded, match=r"blog\.Item\.views is new and may not be NULL") as caught:
        compare(old, new)

    assert caught.value.exit_code == 3


def test_a_one_off_default_is_no_part_of_the_model(make_model, make_project, compare, after):
    old = make_project(make_model("blog.Item"))
    new = make_project(make_model("blog.Item", {"views": models.IntegerField()}))

    found = compare(old, new, Answers(defaults=dict([parse_default("blog.Item.views=40 + 2")])))

    (add,) = found.migrations["blog"][0].operations
    assert (add.field.default, add.preserve_default) == (42, False)
    assert not compare(after(old, found), new)


@pytest.mark.parametrize(
    "field",
    [
        models.CharField(max_length=5, null=True),
        models.CharField(max_length=5, default="x"),
        models.CharField(max_length=5, blank=True),
        models.IntegerField(default=0),
        models.ManyToManyField("blog.Item"),
    ],
)
def test_columns_that_fill_themselves_need_no_answer(field, make_model, make_project, compare):
    old, new = make_project(make_model("blog.Item")), make_project(make_model("blog.Item", {"f": field}))

    assert len(compare(old, new).migrations["blog"][0].operations) == 1


def test_null_to_not_null_needs_an_answer_and_keeps_the_default_out(make_model, make_project, compare, after):
    old = make_project(make_model("blog.Item", {"views": models.IntegerField(null=True)}))
    new = make_project(make_model("blog.Item", {"views": models.IntegerField()}))

    with pytest.raises(AnswerNeeded, match="may no longer be NULL"):
        compare(old, new)
    found = compare(old, new, Answers(defaults={("blog", "item", "views"): 0}))

    assert found.migrations["blog"][0].operations[0].preserve_default is False
    assert not compare(after(old, found), new)


def test_a_unique_field_with_a_computed_default_asks_first(make_model, make_project, compare):
    import uuid

    old = make_project(make_model("blog.Item"))
    new = make_project(make_model("blog.Item", {"token": models.UUIDField(default=uuid.uuid4, unique=True)}))

    with pytest.raises(AnswerNeeded, match="computed once for all existing"):
        compare(old, new)


def test_a_field_that_becomes_many_to_many_is_removed_and_added(make_model, make_project, compare, describe, after):
    old = make_project(make_model("blog.Tag"), make_model("blog.Item", {"tags": fk("blog.Tag", null=True)}))
    new = make_project(make_model("blog.Tag"), make_model("blog.Item", {"tags": models.ManyToManyField("blog.Tag")}))

    found = compare(old, new)

    assert describe(found) == {"blog": [["Remove field tags from item", "Add field tags to item"]]}
    assert not compare(after(old, found), new)


def test_labels_and_choices_alter_the_field(make_model, make_project, compare, describe):
    old = make_project(make_model("blog.Item", {"t": title()}))
    new = make_project(make_model("blog.Item", {"t": title(help_text="x", choices=[("a", "A")])}))

    assert describe(compare(old, new)) == {"blog": [["Alter field t on item"]]}


# ── options and rules ────────────────────────────────────────────────────────────────────────────────────────────────


def test_options_managers_and_table_are_compared(make_model, make_project, compare, describe):
    old = make_project(make_model("blog.Item", ordering=["id"]))
    new = make_project(make_model("blog.Item", verbose_name="thing", db_table="things"))

    assert describe(compare(old, new)) == {"blog": [["Change Meta options on Item", "Rename table for Item to things"]]}


def test_a_changed_rule_is_removed_and_added_and_a_new_message_only_altered(
    make_model, make_project, compare, describe
):
    def state(limit, message):
        condition = models.Q(n__lt=limit)
        rule = models.CheckConstraint(condition=condition, name="few", violation_error_message=message)
        return make_project(make_model("blog.Item", {"n": models.IntegerField()}, constraints=[rule]))

    assert describe(compare(state(5, "a"), state(5, "b"))) == {"blog": [["Alter constraint few on item"]]}
    assert describe(compare(state(5, "a"), state(6, "a"))) == {
        "blog": [["Remove constraint few from item", "Create constraint few on item"]]
    }


def test_an_index_under_a_new_name_is_renamed(make_model, make_project, compare, describe, after):
    def state(name):
        return make_project(make_model("blog.Item", {"t": title()}, indexes=[models.Index(fields=["t"], name=name)]))

    found = compare(state("one"), state("two"))

    assert describe(found) == {"blog": [["Rename index one of item to two"]]}
    assert not compare(after(state("one"), found), state("two"))


def test_a_rule_goes_before_its_field_and_comes_after_it(make_model, make_project, compare, describe, after):
    old = make_project(
        make_model(
            "blog.Item",
            {"a": title(), "b": title()},
            unique_together={("a", "b")},
            indexes=[models.Index(fields=["a"], name="i")],
        )
    )
    new = make_project(
        make_model(
            "blog.Item",
            {"b": title(), "c": title(default="")},
            unique_together={("b", "c")},
            indexes=[models.Index(fields=["c"], name="j")],
        )
    )

    found = compare(old, new, Unasked())

    steps = describe(found)["blog"][0]
    assert steps.index("Remove index i from item") < steps.index("Remove field a from item")
    assert steps.index("Add field c to item") < steps.index("Create index j on item (c)")
    assert not compare(after(old, found), new)


def test_changed_bases_are_told(make_model, make_project, compare):
    class Mixin:
        pass

    old = make_project(make_model("blog.Item", {"id": models.BigAutoField(primary_key=True)}))
    new = make_project(
        make_model("blog.Item", {"id": models.BigAutoField(primary_key=True)}, bases=(Mixin, models.Model))
    )

    found = compare(old, new)

    assert not found
    assert "bases of blog.Item changed" in found.notes[0]


def pointer(to):
    return models.OneToOneField(to, on_delete=models.CASCADE, parent_link=True, primary_key=True, auto_created=True)


def child(make_model, label, parent, **fields):
    name = parent.partition(".")[2]
    return make_model(label, {f"{name}_ptr": pointer(parent), **fields}, bases=(parent,))


def test_other_parents_with_tables_are_refused_with_the_way_out(make_model, make_project, compare):
    parent = make_model("blog.Base")
    alone, inherits = make_model("blog.Item"), child(make_model, "blog.Item", "blog.base")
    for old, new, text in (
        (alone, inherits, "in no other table, and has them in blog.base now"),
        (inherits, alone, "in blog.base, and has them in no other table now"),
    ):
        found = compare(make_project(parent, old), make_project(parent, new))

        assert not found
        (refusal,) = found.refusals
        assert text in refusal and "copy the rows with RunPython" in refusal


def test_a_proxy_of_another_model_is_deleted_and_created(make_model, make_project, compare, describe):
    both = make_model("blog.A"), make_model("blog.B")
    old = make_project(*both, make_model("blog.P", {}, proxy=True, bases=("blog.a",)))
    new = make_project(*both, make_model("blog.P", {}, proxy=True, bases=("blog.b",)))

    assert describe(compare(old, new)) == {"blog": [["Delete model P", "Create proxy model P"]]}


def test_a_field_that_moves_to_the_parent_leaves_its_children_first(make_model, make_project, compare, describe):
    def number():
        return models.IntegerField(null=True)

    def states(on_parent, on_child):
        return make_project(
            make_model("blog.Base", on_parent),
            child(make_model, "blog.Item", "blog.base"),
            child(make_model, "blog.Last", "blog.item", **on_child),
        )

    old, new = states({}, {"n": number()}), states({"n": number()}, {})

    assert describe(compare(old, new)) == {"blog": [["Remove field n from last", "Add field n to base"]]}
    assert describe(compare(new, old)) == {"blog": [["Remove field n from base", "Add field n to last"]]}


def test_a_model_that_becomes_a_proxy_is_deleted_and_created(make_model, make_project, compare, describe):
    base = make_model("blog.Base")
    old = make_project(base, make_model("blog.Item"))
    new = make_project(base, make_model("blog.Item", {}, proxy=True, bases=("blog.base",)))

    assert describe(compare(old, new)) == {"blog": [["Delete model Item", "Create proxy model Item"]]}


def test_operations_are_equal_by_what_they_say():
    one = operations.AddField("item", "t", title())

    assert one == operations.AddField("item", "t", title())
    assert one != operations.AddField("item", "t", title(null=True))
    assert one != operations.AlterField("item", "t", title())


def test_an_order_among_the_rows_of_a_parent_is_an_option(make_model, make_project, compare, describe, after):
    def state(**options):
        return make_project(
            make_model("blog.Author"), make_model("blog.Item", {"author": fk("blog.Author")}, **options)
        )

    created = compare(make_project(), state(order_with_respect_to="author"))
    added = compare(state(), state(order_with_respect_to="author"))
    removed = compare(state(order_with_respect_to="author"), state())

    assert describe(created) == {"blog": [["Create model Author", "Create model Item"]]}
    assert describe(added) == {"blog": [["Set order_with_respect_to on Item to author"]]}
    assert describe(removed) == {"blog": [["Set order_with_respect_to on Item to None"]]}
    assert not compare(after(state(), added), state(order_with_respect_to="author"))


def test_an_order_goes_before_the_field_that_it_is_by(make_model, make_project, compare, describe, after):
    author = make_model("blog.Author", {"first": fk("blog.Item", null=True)})
    ordered = make_model("blog.Item", {"author": fk("blog.Author")}, order_with_respect_to="author")
    plain = make_project(make_model("blog.Author"), make_model("blog.Item"))

    emptied = compare(make_project(author, ordered), make_project())
    taken_off = compare(make_project(make_model("blog.Author"), ordered), plain)
    many = make_model("blog.Item", {"author": models.ManyToManyField("blog.Author")})
    changed = compare(
        make_project(make_model("blog.Author"), many), make_project(make_model("blog.Author"), ordered), Unasked()
    )

    assert describe(taken_off) == {
        "blog": [["Set order_with_respect_to on Item to None", "Remove field author from item"]]
    }
    steps = describe(changed)["blog"][0]
    assert steps == [
        "Remove field author from item",
        "Add field author to item",
        "Set order_with_respect_to on Item to author",
    ]
    assert not compare(after(make_project(author, ordered), emptied), make_project())


def foreign(to, **options):
    return models.ForeignKey(to, on_delete=models.CASCADE, null=True, **options)


@pytest.mark.parametrize(
    ("before", "after", "renames"),
    [
        (("shop.Brand", "shop.brand"), ("shop.Label", "shop.label"), ["shop.Brand:Label"]),
        (("shop.Brand", "shop.brand"), ("shop.Label", None), []),
    ],
    ids=["renamed", "deleted"],
)
def test_on_a_new_database_other_apps_speak_of_a_model_while_it_is_there(
    make_model, make_project, compare, loader_of_detected, before, after, renames
):
    def states(name, target):
        return make_project(
            make_model(name),
            make_model("warehouse.Item", {"brand": foreign(target)} if target else {}),
            make_model("shop.X"),
        )

    old, middle, new = states(*before), states(before[0], after[1] and before[1]), states(*after)
    first = compare(make_project(), old)
    found = [first]
    for one, other in ((old, middle), (middle, new)):
        answers = Answers(renames=[parse_rename(text) for text in renames], nothing_renamed=not renames)
        if one is not other and compare(one, other, answers if other is new else Answers(nothing_renamed=True)):
            graph = loader_of_detected(*found).graph
            found.append(compare(one, other, answers if other is new else Answers(nothing_renamed=True), graph))

    loader = loader_of_detected(*found)

    # One run over the whole history, as on a new database: every reference finds its model at each step.
    state = loader.base_state()
    for key in loader.graph.full_plan():
        state = loader.graph.nodes[key].mutate_state(state)
        assert state.apps.get_models()
    assert not compare(state, new, graph=loader.graph)


def test_on_a_new_database_other_apps_refer_to_a_field_while_it_has_its_name(
    make_model, make_project, compare, loader_of_detected
):
    def states(name):
        brand = make_model("shop.Brand", {name: models.CharField(max_length=9, unique=True)})
        return make_project(brand, make_model("a.Item", {"brand": foreign("shop.brand", to_field=name)}))

    old, new = states("code"), states("slug")
    first = compare(make_project(), old)
    answers = Answers(renames=[parse_rename("shop.Brand.code:slug")])
    second = compare(old, new, answers, loader_of_detected(first).graph)

    assert ("a", "0001_initial") in second.migrations["shop"][0].dependencies
    assert not compare(loader_of_detected(first, second).state(), new)
