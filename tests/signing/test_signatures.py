"""Signed texts: they come back, or they are refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from covet import signing
from covet.conf import override
from covet.exceptions import ImproperlyConfigured
from covet.signing import BadSignature, SignatureExpired, Signer, TimestampSigner

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(values, st.booleans())
def test_values_come_back(value: Any, compress: bool) -> None:
    assert signing.loads(signing.dumps(value, compress=compress)) == value


@given(st.text(max_size=20), st.integers(0, 60), st.characters(codec="ascii", categories=["L", "N"]))
def test_a_changed_text_is_refused(text: str, place: int, char: str) -> None:
    signed = Signer().sign(text)
    place %= len(signed)
    changed = signed[:place] + char + signed[place + 1 :]

    if changed != signed:
        with pytest.raises(BadSignature):
            Signer().unsign(changed)


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    with pytest.raises(BadSignature):
        signing.loads(text)


def test_a_signature_for_one_purpose_is_no_good_for_another() -> None:
    with pytest.raises(BadSignature):
        Signer("b").unsign(Signer("a").sign("x"))


def test_an_old_signature_is_refused_when_its_age_matters() -> None:
    with time_machine.travel("2030-01-01T00:00:00Z", tick=False) as clock:
        signed = TimestampSigner().sign("x")
        clock.shift(61)
        assert TimestampSigner().unsign(signed) == "x"
        assert TimestampSigner().unsign(signed, max_age=timedelta(minutes=2)) == "x"
        with pytest.raises(SignatureExpired):
            TimestampSigner().unsign(signed, max_age=60)


def test_fallback_keys_verify_but_do_not_sign() -> None:
    with override(SECRET_KEY="old" * 20):
        signed = Signer().sign("x")
    with override(SECRET_KEY="new" * 20, SECRET_KEY_FALLBACKS=["old" * 20]):
        assert Signer().unsign(signed) == "x"
        assert Signer().sign("x") != signed
    with override(SECRET_KEY="new" * 20), pytest.raises(BadSignature):
        Signer().unsign(signed)


def test_without_a_key_nothing_is_signed() -> None:
    with override(SECRET_KEY=""), pytest.raises(ImproperlyConfigured, match="SECRET_KEY is empty"):
        Signer().sign("x")


def test_a_packed_bomb_is_refused() -> None:
    bomb = signing.dumps("a" * 5_000_000, compress=True)
    with pytest.raises(BadSignature, match="too large"):
        signing.loads(bomb)
