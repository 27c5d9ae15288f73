"""What is taken without pydantic is what pydantic would have made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from covet.conf.defaults import declared
from covet.conf.errors import SettingsError
from covet.conf.sources import _UNCHECKED, _hint, _plain, check_values
from covet.conf.typed import convert

NAMES = sorted(name for name, known in declared().items() if known.convert is None)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=6)
    | st.sampled_from(["true", "False", "TRUE", "0", "1", "-1", "007", "yes", "٣", "²", "1_000", "9" * 30, "", "1.5"])
    | st.sampled_from([Path("a/b"), Path()])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=2)
    ),
    max_leaves=6,
)


def shape(value: Any) -> Any:
    """The value with the types all the way down: 1, True and 1.0 are equal but not the same."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value), [shape(item) for item in value]
    return type(value), value


@given(st.sampled_from(NAMES), VALUES)
@example("FIXTURE_DIRS", "a/b")
@example("STATICFILES_DIRS", [Path("a"), ("p", Path("b"))])
@example("STATICFILES_DIRS", [Path("a"), "b"])
@example("GRAPHQL_GRAPHIQL", "true")
@example("SHUTDOWN_GRACE_S", 3)
@example("MIGRATION_LOCK_TIMEOUT_S", 3)
@example("MIGRATION_LOCK_TIMEOUT_S", {"default": 1.5, "other": None})
@example("SECURE_PROXY_SSL_HEADER", ("a", "b", "c"))
@example("DEBUG", 1)
@example("MAX_BODY_SIZE", True)
def test_a_value_taken_as_it_is_is_what_pydantic_makes_of_it(name: str, value: Any) -> None:
    taken = _plain(declared()[name], value)

    if taken is not _UNCHECKED:
        converted, mistakes = convert({name: value}, {name: _hint(name)})
        assert not mistakes
        assert shape(taken) == shape(converted[name])


@given(st.sampled_from(NAMES), VALUES)
def test_a_loaded_list_or_mapping_is_not_the_modules_own(name: str, value: Any) -> None:
    try:
        loaded = check_values({name: value}, source="here")
    except SettingsError:
        return
    if isinstance(value, (list, dict)) and value:
        assert loaded.values[name] is not value
