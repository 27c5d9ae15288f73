"""Adding an app to INSTALLED_APPS in a settings module that a person has edited."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.commands._installed_apps import CannotEdit, add_app


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('INSTALLED_APPS = [\n    "a",\n    "b",\n]\n', 'INSTALLED_APPS = [\n    "a",\n    "b",\n    "new",\n]\n'),
        ('INSTALLED_APPS = [\n    "a",\n    "b"\n]\n', 'INSTALLED_APPS = [\n    "a",\n    "b",\n    "new"\n]\n'),
        ('INSTALLED_APPS = ["a", "b"]\n', 'INSTALLED_APPS = ["a", "b", "new"]\n'),
        ("INSTALLED_APPS = ['a']\n", "INSTALLED_APPS = ['a', 'new']\n"),
        ('INSTALLED_APPS = ["a",]\n', 'INSTALLED_APPS = ["a", "new"]\n'),
        ("INSTALLED_APPS = []\n", 'INSTALLED_APPS = ["new"]\n'),
        ("INSTALLED_APPS = [\n]\n", 'INSTALLED_APPS = [\n"new"]\n'),
        ("INSTALLED_APPS: list[str] = ['a']\n", "INSTALLED_APPS: list[str] = ['a', 'new']\n"),
        ('INSTALLED_APPS = ("a",)\n', 'INSTALLED_APPS = ("a", "new",)\n'),
        ('INSTALLED_APPS = ("a", "b")\n', 'INSTALLED_APPS = ("a", "b", "new")\n'),
        ("INSTALLED_APPS = ()\n", 'INSTALLED_APPS = ("new",)\n'),
        ('INSTALLED_APPS = BASE + ["a"]\n', 'INSTALLED_APPS = BASE + ["a", "new"]\n'),
        (
            'INSTALLED_APPS = ["a"]\nINSTALLED_APPS += ["b"]\n',
            'INSTALLED_APPS = ["a"]\nINSTALLED_APPS += ["b", "new"]\n',
        ),
        (
            'INSTALLED_APPS = [\n    "a",  # first, a [\n    # "c",\n]\n',
            'INSTALLED_APPS = [\n    "a",  # first, a [\n    "new",\n    # "c",\n]\n',
        ),
        (
            'INSTALLED_APPS = [\n\t"a"  # no comma, yet\n]\n',
            'INSTALLED_APPS = [\n\t"a",\n\t"new"  # no comma, yet\n]\n',
        ),
        ('INSTALLED_APPS = ["ü", "b"]  # ä\n', 'INSTALLED_APPS = ["ü", "b", "new"]  # ä\n'),
        ('INSTALLED_APPS = [\r\n    "a",\r\n]\r\n', 'INSTALLED_APPS = [\r\n    "a",\r\n    "new",\r\n]\r\n'),
        ('X = 1; INSTALLED_APPS = ["a"]; Y = 2\n', 'X = 1; INSTALLED_APPS = ["a", "new"]; Y = 2\n'),
        ('INSTALLED_APPS = ["a", "new"]\n', 'INSTALLED_APPS = ["a", "new"]\n'),
    ],
)
def test_the_app_comes_last_and_the_rest_stays(before, after):
    assert add_app(before, "new") == after


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("", "not written as a list"),
        ("INSTALLED_APPS = load()\n", "not written as a list"),
        ("INSTALLED_APPS = [\n", "no valid Python"),
        ("INSTALLED_APPS = 'a', 'b'\n", "without parentheses"),
    ],
)
def test_what_cannot_be_edited_says_why(source, words):
    with pytest.raises(CannotEdit, match=words):
        add_app(source, "new")


def layout(names, multiline, comma, comment):
    if not multiline:
        return f"INSTALLED_APPS = [{', '.join(map(repr, names))}{',' if comma and names else ''}]\n"
    lines = [f"    {name!r}{',' if comma or i < len(names) - 1 else ''}{comment}" for i, name in enumerate(names)]
    return "\n".join(["# ä comment", "INSTALLED_APPS = [", *lines, "]", ""])


@given(
    st.lists(st.text(alphabet="abcä._", min_size=1), unique=True),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "  # why", "  # a, b]"]),
)
def test_any_layout_gains_exactly_the_app(names, multiline, comma, comment):
    source = layout(names, multiline, comma, comment)

    changed = add_app(add_app(source, "one_more"), "and_another")

    (assignment,) = ast.parse(changed).body
    assert ast.literal_eval(assignment.value) == [*names, "one_more", "and_another"]
    assert changed.count("#") == source.count("#")
