"""Both halves write and read PostgreSQL's flat arrays of integers alike, and know what they leave to others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from covet import accel
from covet.accel.twins import integers as twin

WRITERS = {"python": twin.encode_integers, "chosen": accel.encode_integers}
READERS = {"python": twin.decode_integers, "chosen": accel.decode_integers}
widths = st.sampled_from([4, 8])


class Whole(int):
    """A number that is not plain."""


@given(
    values=st.lists(st.integers(-(2**65), 2**65) | st.integers(-9, 9)),
    width=widths,
    kind=st.sampled_from([list, tuple]),
)
@example(values=[2**31 - 1, -(2**31)], width=4, kind=list)
@example(values=[2**31], width=4, kind=list)
@example(values=[2**63 - 1, -(2**63)], width=8, kind=tuple)
@example(values=[-(2**63) - 1], width=8, kind=list)
def test_both_halves_write_the_same_and_read_it_back(values: list[int], width: int, kind: Any) -> None:
    written = accel.encode_integers(kind(values), width)

    assert written == twin.encode_integers(kind(values), width)
    fits = all(-(2 ** (8 * width - 1)) <= value < 2 ** (8 * width - 1) for value in values)
    assert (written is not None) is fits
    if written is not None:
        assert [read(written, width) for read in READERS.values()] == [values, values]


@pytest.mark.parametrize("half", WRITERS)
@pytest.mark.parametrize(
    "values", [[None], [1, "2"], [1.0], [True], [Whole(1)], [[1]], {1}, "12", b"12", None, 3], ids=repr
)
def test_what_is_no_flat_list_of_plain_integers_is_left_to_others(half: str, values: Any) -> None:
    assert WRITERS[half](values, 8) is None


@given(data=st.binary(max_size=60), width=widths)
@example(data=b"\0\0\0\1\0\0\0\0\0\0\0\x14\0\0\0\1\0\0\0\1\xff\xff\xff\xff", width=8)
@example(data=b"\0\0\0\1\0\0\0\0\0\0\0\x14\xff\xff\xff\xff\0\0\0\1", width=8)
@example(data=b"\0\0\0\1\0\0\0\0\0\0\0\x14\0\0\0\1\0\0\0\1\0\0\0\4\0\0\0\5", width=4)
@example(data=b"\0\0\0\1\0\0\0\0\0\0\0\x14\0\0\0\0\0\0\0\1x", width=4)
@example(data=b"\0\0\0\2\0\0\0\0\0\0\0\x14\0\0\0\0\0\0\0\1", width=4)
@example(data=bytes(12), width=4)
def test_both_halves_read_any_bytes_alike(data: bytes, width: int) -> None:
    assert accel.decode_integers(data, width) == twin.decode_integers(data, width)


@pytest.mark.parametrize("half", READERS)
def test_an_array_may_hold_null(half: str) -> None:
    data = bytes.fromhex("00000001 00000001 00000014 00000002 00000001 ffffffff 00000008 ffffffffffffffff")
    assert READERS[half](data, 8) == [None, -1]
