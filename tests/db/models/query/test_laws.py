"""Laws by Hypothesis: what a query finds is what the same conditions find in plain Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covet.db.database import Database
from covet.db.models import Q
from tests._apps.blog.models import Article, Author

pytestmark = pytest.mark.usefixtures("blog")

_NAMES = ["a", "B", "ab", "a%b", "c_d", ""]
_rows = st.lists(
    st.tuples(
        st.sampled_from(_NAMES), st.integers(-3, 3), st.none() | st.integers(0, 3), st.booleans(), st.integers(0, 2)
    ),
    max_size=8,
)


@dataclass
class Row:
    """What Python knows of one row."""

    title: str
    views: int
    editor_age: int | None
    has_editor: bool
    is_open: bool


# A condition is a Q, and the same as a function that gives True, False or None (unknown, as in SQL).
Test = Callable[[Row], "bool | None"]


def _compare(value: Any, test: Callable[[Any], bool]) -> bool | None:
    return None if value is None else test(value)


_leaves: st.SearchStrategy[tuple[Q, Test]] = st.one_of(
    st.integers(-3, 3).map(lambda n: (Q(views=n), lambda row: row.views == n)),
    st.integers(-3, 3).map(lambda n: (Q(views__gt=n), lambda row: row.views > n)),
    st.integers(-3, 3).map(lambda n: (Q(views__lte=n), lambda row: row.views <= n)),
    st.lists(st.integers(-3, 3), max_size=3).map(lambda ns: (Q(views__in=ns), lambda row: row.views in ns)),
    st.tuples(st.integers(-3, 3), st.integers(-3, 3)).map(
        lambda ends: (Q(views__range=ends), lambda row: ends[0] <= row.views <= ends[1])
    ),
    st.sampled_from(_NAMES).map(lambda text: (Q(title=text), lambda row: row.title == text)),
    st.sampled_from(_NAMES).map(lambda text: (Q(title__icontains=text), lambda row: text.lower() in row.title.lower())),
    st.booleans().map(lambda flag: (Q(is_open=flag), lambda row: row.is_open is flag)),
    st.integers(0, 3).map(
        lambda age: (
            Q(editor__age=age),
            lambda row: row.has_editor and row.editor_age is not None and row.editor_age == age,
        )
    ),
    st.integers(0, 3).map(
        lambda age: (
            Q(editor__age__lt=age),
            lambda row: row.has_editor and row.editor_age is not None and row.editor_age < age,
        )
    ),
    st.booleans().map(lambda flag: (Q(editor__isnull=flag), lambda row: row.has_editor is not flag)),
    st.just((Q(editor__age=None), lambda row: row.editor_age is None)),
)


def _negate(part: tuple[Q, Test]) -> tuple[Q, Test]:
    q, test = part
    return ~q, lambda row: not test(row)


def _join(parts: tuple[tuple[Q, Test], tuple[Q, Test], str]) -> tuple[Q, Test]:
    (left, first), (right, second), connector = parts
    if connector == "AND":
        return left & right, lambda row: bool(first(row)) and bool(second(row))
    if connector == "OR":
        return left | right, lambda row: bool(first(row)) or bool(second(row))
    return left ^ right, lambda row: bool(first(row)) is not bool(second(row))


_conditions = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        inner.map(_negate), st.tuples(inner, inner, st.sampled_from(["AND", "OR", "XOR"])).map(_join)
    ),
    max_leaves=5,
)


async def _fill(rows: list[tuple[str, int, int | None, bool, int]]) -> list[Row]:
    await Article.objects.all().delete()
    await Author.objects.all().delete()
    author = await Author.objects.create(name="author")
    known = []
    for title, views, age, is_open, editors in rows:
        editor = await Author.objects.create(name="editor", age=age) if editors else None
        await Article.objects.create(title=title, views=views, author=author, editor=editor, is_open=is_open)
        known.append(Row(title, views, age if editors else None, bool(editors), is_open))
    return known


async def test_a_filter_finds_what_python_finds(blog: Database) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(_rows, st.lists(_conditions, min_size=3, max_size=6))
    def collect(rows: Any, conditions: Any) -> None:
        cases.append((rows, conditions))

    cases: list[tuple[Any, Any]] = []
    collect()
    for rows, conditions in cases:
        known = await _fill(rows)
        for condition, test in conditions:
            found = sorted(await Article.objects.filter(condition).values_list("title", "views", "is_open"))
            expected = sorted((row.title, row.views, row.is_open) for row in known if test(row))
            assert found == expected, condition
            left = await Article.objects.exclude(condition).count()
            assert left == len(known) - len(expected), condition


async def test_order_and_slices_are_those_of_a_list(blog: Database) -> None:
    cases: list[tuple[Any, int, int]] = []

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.integers(-5, 5), max_size=8), st.integers(0, 9), st.integers(0, 9))
    def collect(views: Any, low: int, high: int) -> None:
        cases.append((views, low, high))

    collect()
    author = await Author.objects.create(name="author")
    for views, low, high in cases:
        await Article.objects.all().delete()
        await Article.objects.bulk_create([Article(title="x", views=view, author=author) for view in views])
        ordered = Article.objects.order_by("views", "pk").values_list("views", flat=True)
        expected = sorted(views)
        assert await ordered[low:high] == expected[low:high]
        assert await ordered[low:] == expected[low:]
        assert await ordered.reverse()[:high] == expected[::-1][:high]
        assert await ordered[low:high].count() == len(expected[low:high])
        assert await ordered[low : low + 4][1:3] == expected[low : low + 4][1:3]
