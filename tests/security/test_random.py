"""Random texts, comparison and keyed hashes."""

from __future__ import annotations

import string

from covet.security import random


def test_a_random_string_has_the_length_and_the_characters_asked_for() -> None:
    text = random.get_random_string(200, "ab")

    assert len(text) == 200
    assert set(text) == {"a", "b"}
    assert set(random.get_random_string(50)) <= set(string.ascii_letters + string.digits)


def test_two_secret_keys_differ_and_need_no_quotes_in_an_env_file() -> None:
    first, second = random.get_random_secret_key(), random.get_random_secret_key()

    assert first != second
    assert len(first) >= 50
    assert not set(first) & set("'\"\\$# `")


def test_comparison_takes_texts_and_bytes() -> None:
    assert random.constant_time_compare("geheim-ü", "geheim-ü".encode())
    assert not random.constant_time_compare("a", "b")


def test_another_salt_gives_another_hash() -> None:
    one = random.salted_hmac("sessions", "value", "secret").hexdigest()

    assert one == random.salted_hmac(b"sessions", b"value", b"secret").hexdigest()
    assert one != random.salted_hmac("tokens", "value", "secret").hexdigest()
    assert one != random.salted_hmac("sessions", "value", "other").hexdigest()
