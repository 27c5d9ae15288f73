"""Transformations of text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.text import camel_to_words, distance, join_words, misspelt, pluralize, slugify, suggest, truncate


@pytest.mark.parametrize(
    ("text", "slug"),
    [("Hello, World!", "hello-world"), ("  Grüß   Gott ", "gru-gott"), ("a__b--c", "a__b-c"), ("", ""), (12, "12")],
)
def test_slugify_keeps_letters_digits_and_single_dashes(text, slug):
    assert slugify(text) == slug


def test_slugify_keeps_other_alphabets_when_asked():
    assert slugify("Новый год", allow_unicode=True) == "новый-год"


@given(st.text())
def test_slugify_of_a_slug_changes_nothing(text):
    assert slugify(slugify(text)) == slugify(text)


def test_camel_case_becomes_words():
    assert camel_to_words("BlogPost") == "blog post"
    assert camel_to_words("HTTPRequest") == "http request"


def test_words_are_counted_cut_and_joined():
    assert pluralize(1, "app") == "1 app"
    assert pluralize(2, "query", "queries") == "2 queries"
    assert truncate("abcdef", 4) == "abc…"
    assert truncate("abc", 4) == "abc"
    assert join_words(["a", "b", "c"]) == "a, b and c"
    assert join_words(["a"]) == "a"


def test_suggest_finds_the_near_name_in_its_own_spelling():
    assert suggest("databses", ["DEBUG", "DATABASES"]) == "DATABASES"
    assert suggest("zzz", ["DEBUG"]) is None


@pytest.mark.parametrize(("left", "right", "steps"), [("DEBGU", "DEBUG", 1), ("DEBUG", "DEBUG", 0), ("abc", "xyz", 3)])
def test_distance_counts_letters_and_swaps(left, right, steps):
    assert distance(left, right, limit=2) == steps


@given(st.text(max_size=8), st.text(max_size=8))
def test_distance_is_the_same_both_ways(left, right):
    assert distance(left, right, limit=3) == distance(right, left, limit=3)


def test_a_long_name_may_be_two_letters_off() -> None:
    """A short one with two other letters is mostly another word."""

    class Above:
        def get_queryset(self) -> None: ...

        def list(self) -> None: ...

    long = type("Long", (Above,), {"get_qeuryste": lambda self: None, "__module__": "shop"})
    short = type("Short", (Above,), {"lost2": lambda self: None, "__module__": "shop"})

    assert misspelt(long, Above) == ("get_qeuryste", "get_queryset")
    assert misspelt(short, Above) is None
