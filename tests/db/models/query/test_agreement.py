"""Random conditions over random rows: the three databases and a Python model of Django's semantics agree.

Each example runs on all three databases, with the optimizer and without it.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import strategies as st

from covet.conf import override
from covet.db.database import Database
from tests._apps.blog.models import Article
from tests.db.models.query.worlds import Leaf, Tree, World, examples, expected, trees, worlds

Conditions = Sequence[tuple[list["Leaf | Tree"], list["Leaf | Tree"]]]
_asked = st.lists(st.tuples(st.lists(trees(), max_size=2), st.lists(trees(), max_size=1)), min_size=4, max_size=8)


async def _agree(databases: Sequence[Database], count: int, *, seeded: bool) -> None:
    async def check(world: World, asked: Conditions) -> None:
        for database in databases:
            await world.fill(database)
        for filters, excludes in asked:
            keys = sorted(expected(world.pieces, filters, excludes))
            for optimizes in (True, False):
                with override(QUERY_OPTIMIZER=optimizes):
                    for database in databases:
                        rows = Article.objects.using(database.alias)
                        for condition in filters:
                            rows = rows.filter(condition.q())
                        for condition in excludes:
                            rows = rows.exclude(condition.q())
                        told = f"{database.vendor} optimizer={optimizes} {filters} not {excludes}"
                        assert sorted(await rows.values_list("pk", flat=True)) == keys, told
                        assert sorted(await rows.distinct().values_list("pk", flat=True)) == sorted(set(keys)), told
                        assert await rows.count() == len(keys), told
                        assert await rows.distinct().count() == len(set(keys)), told
                        assert await rows.exists() is bool(keys), told

    await examples(check, worlds(), _asked, count=count, seeded=seeded)


async def test_conditions_mean_the_same_on_three_databases_and_in_python(three: tuple[Database, ...]) -> None:
    await _agree(three, 12, seeded=True)


@pytest.mark.soak
async def test_conditions_mean_the_same_for_a_long_time(three: tuple[Database, ...]) -> None:
    await _agree(three, 700, seeded=False)
