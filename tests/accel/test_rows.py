"""Both halves of ``encode_rows`` write the same bytes, and pydantic's."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import os
import subprocess
import sys
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ConfigDict, RootModel

from covet import accel
from covet.accel.twins import rows as twin
from tests._environ import bare

try:
    import covet_rust
except ImportError:  # the Rust half is left out here; CI builds it
    covet_rust = None  # type: ignore[assignment]
else:
    if covet_rust.__file__ is None:  # the folder of its sources
        covet_rust = None  # type: ignore[assignment]

HALVES = [pytest.param(twin.encode_rows, id="python")]
if covet_rust is not None:
    HALVES.append(pytest.param(covet_rust.encode_rows, id="rust"))
needs_rust = pytest.mark.skipif(covet_rust is None, reason="covet_rust is not built")


class Anything(RootModel[Any]):
    model_config = ConfigDict(ser_json_bytes="base64")


def pydantic_bytes(value: Any) -> bytes:
    return Anything(value).model_dump_json().encode()


offsets = st.integers(-86_399, 86_399).map(lambda s: datetime.timezone(datetime.timedelta(seconds=s)))
zones = st.none() | st.just(datetime.UTC) | offsets
texts = st.text(st.characters(exclude_categories=["Cs"]))
whole_zones = st.none() | st.integers(-1439, 1439).map(lambda m: datetime.timezone(datetime.timedelta(minutes=m)))
plain_values = (
    st.none()
    | texts
    | st.integers()
    | st.booleans()
    | st.decimals()
    | st.uuids()
    | st.dates()
    | st.times(timezones=whole_zones)
    | st.datetimes(timezones=whole_zones)
)
scalars = (
    plain_values
    | st.floats()
    | st.datetimes(timezones=zones)
    | st.times(timezones=zones)
    | st.timedeltas()
    | st.binary()
)
nested = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)


@given(st.lists(st.tuples(scalars, nested, texts), max_size=5))
def test_both_halves_and_pydantic_write_the_same_bytes_for_any_values(rows: list[tuple[Any, ...]]) -> None:
    plan = accel.RowPlan(["a", 'k"\n', "é"])

    written = twin.encode_rows(rows, plan)

    assert written == pydantic_bytes([dict(zip(plan.keys, row, strict=True)) for row in rows])
    if covet_rust is not None:
        assert covet_rust.encode_rows(rows, plan) == written


@given(st.lists(st.tuples(plain_values, st.none() | st.floats()), max_size=5))
def test_declared_kinds_write_what_undeclared_ones_write(rows: list[tuple[Any, ...]]) -> None:
    declared = accel.RowPlan(["a", "b"], kinds=["plain", "float"])

    assert twin.encode_rows(rows, declared) == twin.encode_rows(rows, accel.RowPlan(["a", "b"]))


@needs_rust
@given(st.dictionaries(texts | st.integers() | st.none() | st.booleans(), st.integers(), max_size=6))
def test_both_halves_write_keys_that_are_no_text_alike(value: dict[Any, int]) -> None:
    plan = accel.RowPlan(["a"])

    assert covet_rust.encode_rows([(value,)], plan) == twin.encode_rows([(value,)], plan)


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Shouting(str):
    def __str__(self) -> str:
        return "another text"


@pytest.mark.parametrize("encode", HALVES)
def test_enums_and_subclasses_are_written_as_their_values(encode: Any) -> None:
    row = (Colour.RED, Level.HIGH, Shouting("quiet"), (1, 2))

    assert encode([row], accel.RowPlan("abcd")) == b'[{"a":"red","b":3,"c":"quiet","d":[1,2]}]'


@pytest.mark.parametrize("encode", HALVES)
def test_converters_are_called_but_never_with_null(encode: Any) -> None:
    plan = accel.RowPlan(["n", "t"], converters=[lambda value: value.upper(), None])

    assert encode([("x", 1), (None, 2)], plan) == b'[{"n":"X","t":1},{"n":null,"t":2}]'


@pytest.mark.parametrize("encode", HALVES)
def test_rows_may_be_any_sequence_from_any_iterable(encode: Any) -> None:
    plan = accel.RowPlan(["a", "b"])

    assert encode(iter([[1, 2], (3, 4)]), plan) == b'[{"a":1,"b":2},{"a":3,"b":4}]'
    assert encode([], plan) == b"[]"
    assert encode([(), ()], accel.RowPlan([])) == b"[{},{}]"


@pytest.mark.parametrize("encode", HALVES)
@pytest.mark.parametrize("row", [(1,), (1, 2, 3), [1]])
def test_a_row_of_another_length_is_an_error(encode: Any, row: Any) -> None:
    with pytest.raises(ValueError):
        encode([row], accel.RowPlan(["a", "b"]))


@pytest.mark.parametrize("encode", HALVES)
@pytest.mark.parametrize("value", [object(), {1, 2}, {(1, 2): 3}, 1j])
def test_a_value_without_a_spelling_is_a_type_error(encode: Any, value: Any) -> None:
    with pytest.raises(TypeError, match="no spelling"):
        encode([(value,)], accel.RowPlan(["a"]))


@pytest.mark.parametrize("encode", HALVES)
def test_a_lone_surrogate_is_an_error_and_no_broken_utf8(encode: Any) -> None:
    with pytest.raises(UnicodeEncodeError):
        encode([("\ud800",)], accel.RowPlan(["a"]))


@pytest.mark.parametrize("encode", HALVES)
def test_nesting_has_a_limit(encode: Any) -> None:
    value: Any = 1
    for _ in range(200):
        value = [value]
    assert json.loads(encode([(value,)], accel.RowPlan(["a"])))

    with pytest.raises(RecursionError, match="200"):
        encode([([value],)], accel.RowPlan(["a"]))


@pytest.mark.parametrize("encode", HALVES)
def test_an_error_of_a_converter_comes_through(encode: Any) -> None:
    with pytest.raises(decimal.InvalidOperation):
        encode([("x",)], accel.RowPlan(["a"], converters=[decimal.Decimal]))


def test_a_plan_says_when_its_parts_do_not_fit() -> None:
    with pytest.raises(ValueError, match="as many"):
        accel.RowPlan(["a", "b"], converters=[None])


def ask(environment: str | None) -> list[str]:
    script = "from covet import accel; print(accel.active()['encode_rows']); print(accel.reason())"
    env = {key: value for key, value in os.environ.items() if key != "COVET_ACCEL"}
    if environment is not None:
        env["COVET_ACCEL"] = environment
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_the_environment_turns_the_native_half_off() -> None:
    assert ask("0") == ["python", "turned off by COVET_ACCEL"]


@needs_rust
def test_the_native_half_is_taken_where_it_is_installed() -> None:
    half, why = ask(None)

    assert half == "rust"
    assert why.startswith("covet-rust ")


def test_the_folder_of_its_sources_is_not_taken_for_it() -> None:
    """A checkout on the path, as an editable install puts it there: the demo runs without cargo."""
    script = (
        "import sys, types; sys.modules['covet_rust'] = types.ModuleType('covet_rust')\n"
        "from covet import accel; print(accel.active()['encode_rows'], accel.reason(), sep='\\n')"
    )

    done = subprocess.run([sys.executable, "-c", script], env=bare(), capture_output=True, text=True)

    assert done.stdout.splitlines() == ["python", "covet-rust is not installed"], done.stderr


def test_a_uuid_and_a_decimal_are_texts() -> None:
    row = (uuid.UUID(int=1), decimal.Decimal("1.10"))

    assert json.loads(accel.encode_rows([row], accel.RowPlan("ab"))) == [
        {"a": "00000000-0000-0000-0000-000000000001", "b": "1.10"}
    ]
