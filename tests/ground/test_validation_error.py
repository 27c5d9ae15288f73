"""``ValidationError``: one error, several, or errors by field; how they are joined, compared and read."""

from __future__ import annotations

import pickle

import pytest

from covet.exceptions import NON_FIELD_ERRORS, ValidationError

pytestmark = pytest.mark.row("models.validation_error")


def test_one_error_has_a_text_a_code_and_values() -> None:
    error = ValidationError("%(n)d is too much.", code="max_value", params={"n": 3})
    assert (error.message, error.code, error.params) == ("%(n)d is too much.", "max_value", {"n": 3})
    assert error.messages == ["3 is too much."]
    assert error.message_dict == {NON_FIELD_ERRORS: ["3 is too much."]}
    assert error.error_list == [error]
    assert error.error_dict is None
    assert str(error) == "3 is too much."
    assert ValidationError(error).code == "max_value"
    again = pickle.loads(pickle.dumps(error))
    assert (again.messages, again.code) == (error.messages, error.code)


def test_lists_are_flattened_and_keep_their_codes() -> None:
    inner = ValidationError([ValidationError("a", code="x"), "b"])
    error = ValidationError([inner, [ValidationError({"name": ["c"]})], "d"])
    assert error.messages == ["a", "b", "c", "d"]
    assert [one.code for one in error.error_list] == ["x", None, None, None]
    assert ValidationError(inner).messages == ["a", "b"]
    assert str(inner) == "a; b"


def test_errors_by_field_are_lists_of_errors() -> None:
    error = ValidationError({"name": "a", "age": [ValidationError("b", code="x"), ["c"]], NON_FIELD_ERRORS: ["d"]})
    assert error.message_dict == {"name": ["a"], "age": ["b", "c"], NON_FIELD_ERRORS: ["d"]}
    assert error.error_dict is not None
    assert [one.code for one in error.error_dict["age"]] == ["x", None]
    assert error.messages == ["a", "b", "c", "d"]
    assert str(error) == "name: a; age: b, c; __all__: d"
    assert ValidationError(error).message_dict == error.message_dict
    assert "name" in repr(error)


def test_errors_are_added_to_those_there_are() -> None:
    found: dict[str, list[ValidationError]] = {}
    assert ValidationError({"name": ["a"]}).update_error_dict(found) is found
    ValidationError({"name": ["b"], "age": ["c"]}).update_error_dict(found)
    ValidationError("d").update_error_dict(found)
    ValidationError(["e", "f"]).update_error_dict(found)
    assert ValidationError(found).message_dict == {"name": ["a", "b"], "age": ["c"], NON_FIELD_ERRORS: ["d", "e", "f"]}


def test_equal_errors_are_equal_and_hash_alike() -> None:
    pairs = [
        (ValidationError("a", "x", {"n": [1]}), ValidationError("a", "x", {"n": [1]})),
        (ValidationError(["a", "b"]), ValidationError(["b", "a"])),
        (ValidationError({"f": ["a"], "g": "b"}), ValidationError({"g": ["b"], "f": "a"})),
    ]
    for one, other in pairs:
        assert one == other
        assert hash(one) == hash(other)
    different = [
        ValidationError("a"),
        ValidationError("a", "x"),
        ValidationError("a", params={"n": 1}),
        ValidationError("b"),
        ValidationError(["a", "b"]),
        ValidationError({"f": ["a"]}),
    ]
    assert len(set(different)) == len(different)
    assert ValidationError("a") != "a"
