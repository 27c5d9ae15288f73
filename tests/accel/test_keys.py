"""Both halves of ``duplicate_key`` say the same of any JSON text, and what a reader of pairs says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet import accel
from covet.accel.twins import keys as twin

HALVES = {"python": twin.duplicate_key, "chosen": accel.duplicate_key}


def write(pairs: list[tuple[str, bool, str]]) -> str:
    """An object of these pairs; a key may be spelled by escapes or as it is."""
    return "{" + ",".join(f"{json.dumps(name, ensure_ascii=escape)}:{value}" for name, escape, value in pairs) + "}"


names = st.sampled_from(["a", "b", "é", "\u2028", 'x"y', "\\", "\U0001f600", ""]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=3
)
texts = st.recursive(
    st.sampled_from(["1", "-2.5e30", "null", "true", '"a,{"', '"\\\\"', "[]", "{}"]),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(names, st.booleans(), inner), max_size=20).map(write)
    ),
    max_leaves=30,
)


def expected(text: str) -> str | None:
    found: list[str] = []

    def look(pairs: list[tuple[str, object]]) -> None:
        for index, (name, _) in enumerate(pairs):
            if not found and name in [other for other, _ in pairs[:index]]:
                found.append(name)

    json.loads(text, object_pairs_hook=look)
    return found[0] if found else None


@given(texts)
def test_both_halves_find_what_a_reader_of_pairs_finds(text: str) -> None:
    for half in HALVES.values():
        assert half(text.encode()) == expected(text)


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES.keys())
@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"a":1,"a":2}', "a"),
        ('{"a":1,"\\u0061":2}', "a"),
        ('{"\\ud83d\\ude00":1,"\U0001f600":2}', "\U0001f600"),
        ('[{"a":{"b":1}},{"a":{"c":1,"d":[],"c":2}}]', "c"),
        ('{"a":"a","b":"a"}', None),
        ('{"a":{"a":1}}', None),
        ('{"' + "9" * 5000 + '":' + "9" * 5000 + "}", None),
        ("{" + ",".join(f'"{n}":1' for n in range(5000)) + ',"17":2}', "17"),
        ('{"\\ud83d":1,"\\ud83d":2}', "\ufffd\ufffd\ufffd"),
        ("7", None),
    ],
    ids=["plain", "escaped", "pair", "inside", "values", "levels", "long", "many", "lone", "number"],
)
def test_keys_are_compared_as_they_are_read(half: object, text: str, key: str | None) -> None:
    assert half(text.encode()) == key  # type: ignore[operator]


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES.keys())
@pytest.mark.parametrize("text", [b"", b"{", b'{"a', b'{"a":1,"a', b'"\\', b"}]", b"\xff\xfe", b'{"\\u00'])
def test_what_is_no_json_does_no_harm(half: object, text: bytes) -> None:
    try:
        assert half(text) is None or text.startswith(b'{"a":1')  # type: ignore[operator]
    except ValueError:
        assert half is twin.duplicate_key
