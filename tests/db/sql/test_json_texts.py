"""Documents as they are kept: a number that JSON lacks is refused, and a document without one is not looked through for it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from covet.db.sql import dialect
from covet.db.sql.dialect import json_text

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(st.text(), parts, max_size=4),
)


def holds_odd(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(holds_odd, parts))


@given(documents)
@example([None, 2**70])
@example([math.nan, 2**70])
@example({"null": -math.inf})
@example([0xCB7FF80000, None, b"\xcb".decode("latin-1") + "\x7f"])
def test_what_is_no_number_is_refused_and_all_else_kept(value: Any) -> None:
    if holds_odd(value):
        with pytest.raises(ValueError, match="NaN and infinities cannot be kept"):
            json_text(value)
    elif value is not None:
        assert json.loads(json_text(value) or "") == value


def test_a_document_with_null_is_not_written_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialect, "stdlib_json", None)
    assert json_text({"a": None, "b": [1.5, "null", 1e308]}) == '{"a":null,"b":[1.5,"null",1e308]}'
