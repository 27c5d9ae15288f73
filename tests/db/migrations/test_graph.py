"""The graph of migrations: order, leaves, circles, missing ones."""

from __future__ import annotations

import pytest

from covet.db.migrations.errors import CircularDependency, MigrationNotFound
from covet.db.migrations.graph import MigrationGraph
from covet.db.migrations.migration import Migration

CHAIN = {"a.0001": [], "a.0002": ["a.0001"], "b.0001": ["a.0001"], "a.0003": ["a.0002", "b.0001"]}


def texts(keys):
    return [".".join(key) for key in keys]


def test_forwards_plan_puts_what_is_needed_first(make_graph):
    graph = make_graph(CHAIN)

    assert texts(graph.forwards_plan(("a", "0003"))) == ["a.0001", "a.0002", "b.0001", "a.0003"]


def test_backwards_plan_begins_with_the_last(make_graph):
    graph = make_graph(CHAIN)

    assert texts(graph.backwards_plan(("a", "0001"))) == ["a.0003", "a.0002", "b.0001", "a.0001"]


def test_roots_and_leaves_are_those_of_the_own_app(make_graph):
    graph = make_graph(CHAIN)

    assert texts(graph.leaf_nodes()) == ["a.0003", "b.0001"]
    assert texts(graph.root_nodes()) == ["a.0001", "b.0001"]


def test_apps_come_in_the_order_of_installation(make_graph):
    graph = make_graph(
        {"auth.0001": ["types.0001"], "types.0001": [], "blog.0001": [], "zoo.0001": []},
        order=("types", "auth", "zoo", "blog"),
    )

    assert texts(graph.full_plan()) == ["types.0001", "auth.0001", "zoo.0001", "blog.0001"]


def test_two_latest_migrations_are_a_conflict(make_graph):
    graph = make_graph({"a.0001": [], "a.0002_x": ["a.0001"], "a.0002_y": ["a.0001"]})

    assert graph.conflicts() == {"a": ["0002_x", "0002_y"]}


def test_a_circle_is_named_in_its_order(make_graph):
    graph = make_graph({"a.0001": ["b.0001"], "b.0001": ["c.0001"], "c.0001": ["a.0001"], "d.0001": []})

    with pytest.raises(CircularDependency, match=r"a\.0001 → b\.0001 → c\.0001 → a\.0001"):
        graph.validate()


def test_a_missing_dependency_names_both_and_suggests(make_graph):
    graph = make_graph({"a.0001_initial": [], "b.0001": ["a.0001_inital"]})

    with pytest.raises(MigrationNotFound, match=r"b\.0001 depends on a\.0001_inital.*mean '0001_initial'"):
        graph.validate()


def test_ten_thousand_migrations_in_a_row_do_not_exhaust_the_stack():
    graph = MigrationGraph()
    for number in range(10_000):
        graph.add(("a", f"{number:05d}"), Migration(f"{number:05d}", "a"))
        if number:
            graph.add_dependency(("a", f"{number:05d}"), ("a", f"{number - 1:05d}"))

    graph.validate()

    assert len(graph.forwards_plan(("a", "09999"))) == 10_000
    assert len(graph.backwards_plan(("a", "00000"))) == 10_000
