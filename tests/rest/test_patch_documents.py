"""JSON Patch and JSON Merge Patch on documents: the examples of both RFCs, and their laws."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonpointer import JsonPointerException
from pydantic import Field
from pydantic import ValidationError as PydanticError

from covet.http.errors import BadRequest, Conflict, UnprocessableContent
from covet.rest import JsonPatch, MergePatch, Schema
from covet.rest.patches import equal

# RFC 6902, appendix A: document, patch, what comes of it; None for an error.
RFC_6902: dict[str, tuple[Any, list[dict[str, Any]], Any]] = {
    "A.1 adding an object member": (
        {"foo": "bar"},
        [{"op": "add", "path": "/baz", "value": "qux"}],
        {"baz": "qux", "foo": "bar"},
    ),
    "A.2 adding an array element": (
        {"foo": ["bar", "baz"]},
        [{"op": "add", "path": "/foo/1", "value": "qux"}],
        {"foo": ["bar", "qux", "baz"]},
    ),
    "A.3 removing an object member": (
        {"baz": "qux", "foo": "bar"},
        [{"op": "remove", "path": "/baz"}],
        {"foo": "bar"},
    ),
    "A.4 removing an array element": (
        {"foo": ["bar", "qux", "baz"]},
        [{"op": "remove", "path": "/foo/1"}],
        {"foo": ["bar", "baz"]},
    ),
    "A.5 replacing a value": (
        {"baz": "qux", "foo": "bar"},
        [{"op": "replace", "path": "/baz", "value": "boo"}],
        {"baz": "boo", "foo": "bar"},
    ),
    "A.6 moving a value": (
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    "A.7 moving an array element": (
        {"foo": ["all", "grass", "cows", "eat"]},
        [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    "A.8 testing a value: success": (
        {"baz": "qux", "foo": ["a", 2, "c"]},
        [{"op": "test", "path": "/baz", "value": "qux"}, {"op": "test", "path": "/foo/1", "value": 2}],
        {"baz": "qux", "foo": ["a", 2, "c"]},
    ),
    "A.9 testing a value: error": ({"baz": "qux"}, [{"op": "test", "path": "/baz", "value": "bar"}], None),
    "A.10 adding a nested member object": (
        {"foo": "bar"},
        [{"op": "add", "path": "/child", "value": {"grandchild": {}}}],
        {"foo": "bar", "child": {"grandchild": {}}},
    ),
    "A.11 ignoring unrecognized elements": (
        {"foo": "bar"},
        [{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}],
        {"foo": "bar", "baz": "qux"},
    ),
    "A.12 adding to a nonexistent target": (
        {"foo": "bar"},
        [{"op": "add", "path": "/baz/bat", "value": "qux"}],
        None,
    ),
    "A.14 ~ escape ordering": (
        {"/": 9, "~1": 10},
        [{"op": "test", "path": "/~01", "value": 10}],
        {"/": 9, "~1": 10},
    ),
    "A.15 comparing strings and numbers": (
        {"/": 9, "~1": 10},
        [{"op": "test", "path": "/~01", "value": "10"}],
        None,
    ),
    "A.16 adding an array value": (
        {"foo": ["bar"]},
        [{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}],
        {"foo": ["bar", ["abc", "def"]]},
    ),
}

# RFC 7396, appendix A.
RFC_7396: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


def patch(*steps: dict[str, Any]) -> JsonPatch:
    return JsonPatch.model_validate(list(steps))


@pytest.mark.parametrize("name", RFC_6902)
def test_the_examples_of_rfc_6902(name: str) -> None:
    document, steps, wanted = copy.deepcopy(RFC_6902[name])

    if wanted is None:
        with pytest.raises(Conflict):
            patch(*steps).apply(document)
    else:
        assert patch(*steps).apply(document) == wanted
    assert document == RFC_6902[name][0]


@pytest.mark.parametrize("number", range(len(RFC_7396)))
def test_the_examples_of_rfc_7396(number: int) -> None:
    document, change, wanted = copy.deepcopy(RFC_7396[number])

    assert MergePatch(change).apply(document) == wanted
    assert document == RFC_7396[number][0]


@pytest.mark.parametrize(
    ("document", "steps", "wanted"),
    [
        ({"a": 1}, [{"op": "replace", "path": "", "value": [1]}, {"op": "add", "path": "/0", "value": 0}], [0, 1]),
        ({"": {"": 1}}, [{"op": "replace", "path": "/", "value": 2}], {"": 2}),
        ({"0": "a"}, [{"op": "replace", "path": "/0", "value": "b"}], {"0": "b"}),
        ({"-": 1}, [{"op": "remove", "path": "/-"}], {}),
        ({"a": 1}, [{"op": "move", "from": "/a", "path": "/a"}], {"a": 1}),
        ({"a": [1]}, [{"op": "copy", "from": "/a", "path": "/a/-"}], {"a": [1, [1]]}),
        ({"a": [1, 2]}, [{"op": "test", "path": "/a", "value": [1.0, 2]}], {"a": [1, 2]}),
        ({"a": None}, [{"op": "test", "path": "/a", "value": None}], {"a": None}),
        (5, [{"op": "remove", "path": ""}], None),
    ],
    ids=["root", "empty names", "digits of an object", "dash", "in place", "into itself", "numbers", "null", "all"],
)
def test_places_at_the_edge(document: Any, steps: list[dict[str, Any]], wanted: Any) -> None:
    assert patch(*steps).apply(document) == wanted


@pytest.mark.parametrize(
    ("step", "pointer", "code"),
    [
        ({"op": "remove", "path": "/b"}, "/1/path", "no_such_place"),
        ({"op": "replace", "path": "/a/3", "value": 1}, "/1/path", "no_such_place"),
        ({"op": "replace", "path": "/a/-", "value": 1}, "/1/path", "no_such_place"),
        ({"op": "add", "path": "/a/3", "value": 1}, "/1/path", "no_such_place"),
        ({"op": "add", "path": "/a/01", "value": 1}, "/1/path", "no_such_place"),
        ({"op": "add", "path": "/a/-1", "value": 1}, "/1/path", "no_such_place"),
        ({"op": "add", "path": "/a/\u0661", "value": 1}, "/1/path", "no_such_place"),
        ({"op": "add", "path": "/a/" + "9" * 5000, "value": 1}, "/1/path", "no_such_place"),
        ({"op": "add", "path": "/a/0/x", "value": 1}, "/1/path", "no_such_place"),
        ({"op": "copy", "from": "/b", "path": "/c"}, "/1/from", "no_such_place"),
        ({"op": "move", "from": "/b/c", "path": "/c"}, "/1/from", "no_such_place"),
        ({"op": "move", "from": "/a", "path": "/a/0"}, "/1/path", "into_itself"),
        ({"op": "test", "path": "/a/0", "value": True}, "/1/value", "test_failed"),
        ({"op": "test", "path": "/b", "value": None}, "/1/path", "no_such_place"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place_and_changes_nothing(
    step: dict[str, Any], pointer: str, code: str
) -> None:
    document = {"a": [1, 2]}

    with pytest.raises(Conflict) as raised:
        patch({"op": "add", "path": "/d", "value": 1}, step).apply(document)

    assert [(one.pointer, one.code) for one in raised.value.errors] == [(pointer, code)]
    assert document == {"a": [1, 2]}


@pytest.mark.parametrize(
    "step",
    [
        {"op": "spam", "path": "/a"},
        {"path": "/a"},
        {"op": "add", "path": "/a"},
        {"op": "move", "path": "/a"},
        {"op": "remove", "path": "a"},
        {"op": "remove", "path": "/~2"},
        {"op": "remove", "path": None},
    ],
    ids=["no such op", "no op", "no value", "no from", "no slash", "no such escape", "no path"],
)
def test_what_is_no_operation_is_none(step: dict[str, Any]) -> None:
    with pytest.raises(PydanticError):
        patch(step)


def test_values_of_a_patch_are_shared_with_no_document() -> None:
    value = {"x": [1]}
    steps = patch(
        {"op": "add", "path": "/a", "value": value},
        {"op": "copy", "from": "/a", "path": "/b"},
        {"op": "add", "path": "/b/x/-", "value": 2},
    )

    first, second = steps.apply({}), steps.apply({})

    assert first == second == {"a": {"x": [1]}, "b": {"x": [1, 2]}}
    assert value == {"x": [1]}


def test_copies_of_copies_come_to_an_end() -> None:
    doubling = [{"op": "copy", "from": "", "path": f"/{number}"} for number in range(64)]

    with pytest.raises(BadRequest, match="copies more"):
        patch(*doubling).apply({"a": "x" * 100})


def test_a_document_that_nests_too_deeply_is_refused() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]

    for one in (patch({"op": "test", "path": "/0", "value": 1}), MergePatch({"a": 1})):
        if isinstance(one, MergePatch):
            assert one.apply(deep) == {"a": 1}
            continue
        with pytest.raises(BadRequest, match="too deeply"):
            one.apply(deep)


class Owner(Schema):
    name: str = Field(max_length=5)
    age: int | None = None


class Item(Schema):
    title: str = Field(alias="Title")
    owner: Owner


def test_a_schema_gives_another_one() -> None:
    item = Item(Title="a", owner=Owner(name="Ann", age=3))

    stepped = patch({"op": "replace", "path": "/Title", "value": "b"}).apply(item)
    merged = MergePatch({"owner": {"age": None}}).apply(item)

    assert (stepped.title, stepped.owner, item.title) == ("b", item.owner, "a")
    assert merged.owner == Owner(name="Ann")
    with pytest.raises(UnprocessableContent) as raised:
        MergePatch({"owner": {"name": "too long"}}).apply(item)
    assert [one.pointer for one in raised.value.errors] == ["/owner/name"]


# ── laws

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "~", "/", "é", 1.0, 1.5])
NAMES = st.sampled_from(["a", "b", "0", "1", "-", "", "~", "/", "~1"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
DOCUMENTS = st.lists(VALUES, max_size=4) | st.dictionaries(NAMES, VALUES, max_size=4)


def pointers_of(document: Any, prefix: str = "") -> list[str]:
    found = [prefix]
    if isinstance(document, dict):
        for name, value in document.items():
            found += pointers_of(value, f"{prefix}/{name.replace('~', '~0').replace('/', '~1')}")
        found.append(f"{prefix}/new")
    if isinstance(document, list):
        for number, value in enumerate(document):
            found += pointers_of(value, f"{prefix}/{number}")
        found += [f"{prefix}/-", f"{prefix}/{len(document)}", f"{prefix}/{len(document) + 1}"]
    return found


@st.composite
def patches(draw: Any) -> tuple[Any, list[dict[str, Any]]]:
    document = draw(DOCUMENTS)
    # A removed root is null for one and nothing at all for others: the RFC is silent.
    places = st.sampled_from(pointers_of(document)[1:] or ["/new"])
    steps = st.one_of(
        st.builds(lambda path, value: {"op": "add", "path": path, "value": value}, places, VALUES),
        st.builds(lambda path: {"op": "remove", "path": path}, places),
        st.builds(lambda path, value: {"op": "replace", "path": path, "value": value}, places, VALUES),
        st.builds(lambda path, source: {"op": "move", "path": path, "from": source}, places, places),
        st.builds(lambda path, source: {"op": "copy", "path": path, "from": source}, places, places),
        st.builds(lambda path, value: {"op": "test", "path": path, "value": value}, places, SCALARS),
    )
    return document, draw(st.lists(steps, max_size=5))


@given(patches())
def test_a_patch_comes_to_what_it_comes_to_elsewhere(drawn: tuple[Any, list[dict[str, Any]]]) -> None:
    document, steps = drawn
    before = copy.deepcopy(document)
    wanted: Any
    try:
        wanted = jsonpatch.apply_patch(document, steps)
    except (jsonpatch.JsonPatchException, JsonPointerException):
        wanted = Conflict

    try:
        found: Any = patch(*steps).apply(document)
    except Conflict:
        found = Conflict

    assert found is wanted or (wanted is not Conflict and equal(found, wanted))
    assert equal(document, before)


@given(DOCUMENTS, DOCUMENTS)
def test_the_difference_of_two_documents_makes_the_one_of_the_other(one: Any, other: Any) -> None:
    steps = jsonpatch.make_patch(one, other).patch

    assert equal(patch(*steps).apply(one), other)


def merge_patch_between(one: Any, other: Any) -> Any:
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return other
    changes = {name: merge_patch_between(one.get(name), value) for name, value in other.items()}
    return {**dict.fromkeys(one.keys() - other.keys()), **changes}


def without_nulls(value: Any) -> Any:
    """A merge patch cannot say that a member of an object shall be null."""
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return value


@given(DOCUMENTS, DOCUMENTS.map(without_nulls))
def test_a_merge_patch_makes_any_document_without_nulls_of_any_other(one: Any, other: Any) -> None:
    change = merge_patch_between(one, other)

    assert equal(MergePatch(change).apply(one), other)
    assert equal(MergePatch(change).apply(other), other)


class Anything(Schema):
    inner: Any = None


def test_what_nests_too_deeply_is_refused_for_schemas_too() -> None:
    """Each operation may nest as deep as a body may, and the next one goes on from there."""
    deep: Any = "x"
    for _ in range(150):
        deep = {"a": deep}
    steps: list[dict[str, Any]] = [{"op": "add", "path": "/inner", "value": deep}]
    steps += [{"op": "add", "path": "/inner" + "/a" * (150 * number), "value": deep} for number in range(1, 20)]
    patch = JsonPatch.model_validate([*steps, {"op": "copy", "from": "/inner", "path": "/inner"}])

    with pytest.raises(BadRequest, match="nests too deeply"):
        patch.apply({"inner": None})
    with pytest.raises(BadRequest, match="nests too deeply"):
        patch.apply(Anything())


def test_copies_are_counted_together() -> None:
    """Each alone is little, and a patch has room for a thousand of them."""
    patch = JsonPatch.model_validate([{"op": "copy", "from": "/a", "path": f"/{number}"} for number in range(3)])

    assert len(patch.apply({"a": "x" * 300_000})) == 4
    with pytest.raises(BadRequest, match="copies more"):
        patch.apply({"a": "x" * 400_000})
