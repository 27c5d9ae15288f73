"""Relations of which only some rows count, under a name of their own."""

from __future__ import annotations

import pytest

from covet.conf import override
from covet.db.models import Count, F, FilteredRelation, Prefetch, Q, Sum
from covet.db.models.lookups import Exact
from covet.db.observe import record_queries
from covet.exceptions import FieldError
from tests._apps.blog.models import Article, Author, Book, Comment, Profile, Tag

pytestmark = [pytest.mark.usefixtures("blog"), pytest.mark.row("lookups.filtered_relation")]


async def _write() -> tuple[Author, Author]:
    ann, bob = await Author.objects.create(name="Ann", age=30), await Author.objects.create(name="Bob", age=40)
    red, blue = await Tag.objects.create(label="red"), await Tag.objects.create(label="blue")
    for author, title, views, tags in ((ann, "one", 10, [red]), (ann, "two", 200, [red, blue]), (bob, "three", 5, [])):
        article = await Article.objects.create(title=title, author=author, views=views, editor=bob)
        await article.tags.add(*tags)
        await Comment.objects.create(article=article, text="c", stars=views)
    return ann, bob


async def test_rows_without_a_partner_stay_and_count_nothing() -> None:
    await _write()
    hits = FilteredRelation("articles", condition=Q(articles__views__gt=100))
    counted = Author.objects.annotate(hits=hits).annotate(n=Count("hits"), views=Sum("hits__views")).order_by("pk")
    assert await counted.values_list("name", "n", "views") == [("Ann", 1, 200), ("Bob", 0, None)]
    assert await Author.objects.alias(hits=hits).filter(hits__isnull=False).values_list("name", flat=True) == ["Ann"]
    assert await Author.objects.alias(hits=hits).filter(hits__isnull=True).values_list("name", flat=True) == ["Bob"]
    assert await Author.objects.alias(hits=hits).exclude(hits__isnull=False).values_list("name", flat=True) == ["Bob"]
    assert await Author.objects.annotate(hits=hits).count() == 2


async def test_uses_of_the_name_beside_one_filter_are_one_join() -> None:
    await _write()
    rows = Author.objects.annotate(seen=FilteredRelation("articles", condition=Q(articles__views__gte=10)))
    rows = rows.filter(seen__title="two", seen__views=200).order_by("-seen__views").annotate(t=F("seen__title"))
    with record_queries() as log:
        assert await rows.values_list("name", "t", "seen__views") == [("Ann", "two", 200)]
    assert log[0].sql.count("JOIN") == 1
    article = await Article.objects.get(title="two")
    assert await Author.objects.alias(seen=FilteredRelation("articles")).filter(seen=article).count() == 1
    assert await Author.objects.filter(pk__in=rows.values("pk")).update(age=1) == 1


async def test_two_calls_of_filter_are_about_two_rows_that_fulfil_the_condition() -> None:
    ann, _bob = await _write()
    rows = Author.objects.annotate(seen=FilteredRelation("articles", condition=Q(articles__views__gte=10)))
    assert await rows.filter(seen__title="two", seen__views=10) == []
    assert await rows.filter(seen__title="two").filter(seen__views=10) == [ann]
    assert await rows.filter(seen__title="two").filter(seen__views=5) == []  # the condition holds for each of the joins
    assert await rows.values_list("seen__views").filter(seen__title="two").order_by("seen__views") == [(10,), (200,)]
    assert await rows.annotate(n=Count("seen")).filter(seen__title="two").values_list("n", flat=True) == [2]
    assert await rows.filter(seen__title="two").annotate(n=Count("seen")).values_list("n", flat=True) == [1]


async def test_the_plain_relation_beside_it_is_another_join() -> None:
    ann, bob = await _write()
    rows = Author.objects.annotate(seen=FilteredRelation("articles", condition=Q(articles__views__gte=100)))
    beside = rows.filter(seen__title="two", articles__title="one")
    with record_queries() as log:
        assert await beside.values_list("name", "seen__pk", "articles__views") == [("Ann", 2, 10)]
    assert log[0].sql.count("JOIN") == 2
    assert await rows.filter(articles__title="three").values_list("name", "seen__title") == [("Bob", None)]
    twice = rows.annotate(same=FilteredRelation("articles", condition=Q(articles__views__gte=100)))
    assert await twice.filter(seen__views=200, same__title="two") == [ann]
    with record_queries() as log:
        assert await twice.filter(seen__views=200, same__views=10) == []
    assert log[0].sql.count("JOIN") == 2
    assert await twice.annotate(n=Count("seen"), m=Count("articles")).values_list("n", "m").order_by("pk") == [
        (2, 2),
        (0, 1),
    ]
    assert bob.name == "Bob"


async def test_exclude_leaves_out_rows_of_which_a_related_one_fulfils_both() -> None:
    ann, bob = await _write()
    cid = await Author.objects.create(name="Cid")
    rows = Author.objects.annotate(seen=FilteredRelation("articles", condition=Q(articles__views__gte=10))).order_by(
        "pk"
    )
    assert await rows.exclude(seen__title="one") == [bob, cid]  # once each, however many rows they have
    assert await rows.exclude(seen__title="three") == [ann, bob, cid]  # that one is not seen
    assert await rows.exclude(seen__isnull=True) == [ann]
    assert await rows.exclude(seen=None) == [ann]
    assert await rows.exclude(seen__isnull=False) == [bob, cid]
    assert await rows.filter(Q(seen__views__gt=1) & ~Q(seen__title="one")).values_list("seen__title", flat=True) == [
        "two"
    ]
    deep = Author.objects.annotate(
        top=FilteredRelation("articles__comments", condition=Q(articles__comments__stars__gt=100))
    ).order_by("pk")
    assert await deep.exclude(top__text="c") == [bob, cid]
    assert await deep.exclude(top__isnull=False) == [bob, cid]
    assert await deep.filter(top__text="c", articles__title="two").values_list("top__stars", flat=True) == [200]
    assert await deep.filter(top__text="c", articles__title="one") == []  # a comment on that article
    tags = Article.objects.annotate(red=FilteredRelation("tags", condition=Q(tags__label="red"))).order_by("pk")
    assert await tags.exclude(red__label="red").values_list("title", flat=True) == ["three"]


async def test_one_filtered_relation_goes_on_from_another() -> None:
    ann, _bob = await _write()
    rows = Author.objects.annotate(
        seen=FilteredRelation("articles", condition=Q(articles__views__gte=10)),
        said=FilteredRelation("seen__comments", condition=Q(seen__comments__stars__gt=100)),
    )
    assert await rows.filter(said__text="c").values_list("name", "seen__title", "said__stars") == [("Ann", "two", 200)]
    assert await rows.annotate(n=Count("said")).order_by("pk").values_list("n", flat=True) == [1, 0]
    assert await rows.filter(said__isnull=False) == [ann]
    assert await rows.exclude(said__isnull=True) == []  # one of her articles has no such comment
    on_the_way = FilteredRelation(
        "articles__comments", condition=Q(articles__title="one", articles__comments__stars=10)
    )
    assert await Author.objects.annotate(c=on_the_way).filter(c__isnull=False) == [ann]
    with pytest.raises(FieldError, match="said"):
        Author.objects.annotate(seen=FilteredRelation("said__article"), said=FilteredRelation("seen__comments"))


@pytest.mark.parametrize("optimizer", [True, False], ids=["optimizer", "plain"])
async def test_a_key_of_the_filtered_row_is_read_from_the_join(optimizer: bool) -> None:
    await _write()
    rows = Author.objects.annotate(seen=FilteredRelation("articles", condition=Q(articles__views__gte=100)))
    with override(QUERY_OPTIMIZER=optimizer):
        assert await rows.order_by("pk").values_list("name", "seen__pk") == [("Ann", 2), ("Bob", None)]
        assert await rows.order_by("pk").values_list("name", "seen") == [("Ann", 2), ("Bob", None)]
        assert await rows.filter(seen__isnull=False).distinct().values_list("name", flat=True) == ["Ann"]
        assert await rows.filter(seen__isnull=False).count() == 1
        assert await rows.filter(seen__title="two").exists() is True
        assert await rows.aggregate(n=Count("seen"), s=Sum("seen__views")) == {"n": 1, "s": 200}


async def test_conditions_join_as_any_other() -> None:
    ann, bob = await _write()
    either = Q(articles__views__lt=8) | Q(articles__title__startswith="t", articles__views__gt=100)
    rows = Author.objects.annotate(some=FilteredRelation("articles", condition=either)).filter(some__isnull=False)
    assert await rows == [ann, bob]
    but = FilteredRelation("articles", condition=~Q(articles__title="one"))
    assert await Author.objects.annotate(but=but).values_list("but__title", flat=True).order_by("but__title") == [
        "three",
        "two",
    ]
    mine = FilteredRelation("articles", condition=Q(articles__views__gt=F("age")))
    assert await Author.objects.annotate(mine=mine).filter(mine__isnull=False) == [ann]
    two = Author.objects.annotate(
        low=FilteredRelation("articles", condition=Q(articles__views__lt=100)),
        high=FilteredRelation("articles", condition=Q(articles__views__gt=100)),
    ).filter(low__isnull=False, high__isnull=False)
    assert await two == [ann]


async def test_relations_by_a_table_between_and_forward_ones() -> None:
    ann, bob = await _write()
    red = FilteredRelation("tags", condition=Q(tags__label="blue"))
    rows = Article.objects.annotate(blue=red).filter(blue__isnull=False)
    assert await rows.values_list("title", "blue__label") == [("two", "blue")]
    editor = FilteredRelation("author", condition=Q(author__name="Bob"))
    loaded = await Article.objects.annotate(by=editor).select_related("by").order_by("pk")
    with record_queries() as log:
        assert [row.by for row in loaded] == [None, None, bob]  # type: ignore[attr-defined]
    assert len(log) == 0
    deep = FilteredRelation("articles__comments", condition=Q(articles__comments__stars__gt=100))
    assert await Author.objects.annotate(top=deep).filter(top__stars=200) == [ann]
    nested = Author.objects.annotate(seen=FilteredRelation("articles", condition=Q(articles__views=5)))
    assert await nested.filter(seen__comments__text="c") == [bob]


async def test_wrong_filtered_relations_are_refused() -> None:
    with pytest.raises(ValueError, match="name of a relation"):
        FilteredRelation("")
    with pytest.raises(ValueError, match="is a Q"):
        FilteredRelation("articles", condition="articles__views > 1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no querysets"):
        FilteredRelation("articles", condition=Q(articles__in=Article.objects.all()))
    with pytest.raises(FieldError, match="articles"):
        Author.objects.annotate(x=FilteredRelation("artikles"))
    with pytest.raises(ValueError, match="no relation"):
        Author.objects.annotate(x=FilteredRelation("articles__title"))
    with pytest.raises(ValueError, match="no relation"):
        Author.objects.annotate(x=FilteredRelation("articles__in"))
    with pytest.raises(FieldError, match="no field"):
        await Author.objects.annotate(x=FilteredRelation("articles", condition=Q(nothing=1))).filter(x__isnull=True)
    with pytest.raises(ValueError, match="conflicts"):
        Author.objects.annotate(name=FilteredRelation("articles"))
    with pytest.raises(TypeError, match="needs a name"):
        Author.objects.annotate(FilteredRelation("articles"))
    deeper = FilteredRelation("articles", condition=Q(articles__comments__text="c"))
    with pytest.raises(ValueError, match="further on"):
        await Author.objects.annotate(x=deeper).filter(x__isnull=False)
    assert FilteredRelation("a") == FilteredRelation("a") != FilteredRelation("b")
    assert hash(FilteredRelation("a")) == hash(FilteredRelation("a")) and "'a'" in repr(FilteredRelation("a"))
    assert FilteredRelation("a") != 1


async def _with_profiles() -> None:
    """Ann, with articles of 10 and 200 views, writes; Bob, with one of 5, has no profile; Cid has one and no article."""
    ann, bob = await _write()
    cid = await Author.objects.create(name="Cid", age=7)
    await Profile.objects.create(author=ann, bio="writes")
    await Profile.objects.create(author=cid, bio="reads")
    await Book.objects.create(name="two", owner=ann)
    await Book.objects.create(name="three", owner=bob)
    await Book.objects.create(name="other", owner=bob)


@pytest.mark.parametrize("optimizer", [True, False])
async def test_a_condition_reads_relations_beside_the_one_that_is_filtered(optimizer: bool) -> None:
    await _with_profiles()
    writes = FilteredRelation("articles", condition=Q(profile__bio="writes"))
    rows = Author.objects.annotate(seen=writes).order_by("name", "seen__pk")
    with override(QUERY_OPTIMIZER=optimizer):
        assert await rows.values_list("name", "seen__title") == [
            *(("Ann", title) for title in ("one", "two")),
            ("Bob", None),
            ("Cid", None),
        ]
        names = rows.order_by("name").values_list("name", flat=True)
        assert await names.filter(seen__isnull=False).distinct() == ["Ann"]
        assert await names.filter(seen__isnull=True) == ["Bob", "Cid"]
        assert await names.exclude(seen__isnull=False) == ["Bob", "Cid"]
        assert await names.exclude(seen__title="one", seen__views=10) == ["Bob", "Cid"]
        assert await rows.filter(seen__isnull=False).distinct().count() == 1
        assert await rows.filter(seen__title="two").exists() is True
        assert await Author.objects.annotate(seen=writes).count() == 3
        counted = Author.objects.annotate(seen=writes).annotate(n=Count("seen")).order_by("name")
        assert await counted.values_list("name", "n") == [("Ann", 2), ("Bob", 0), ("Cid", 0)]
        # Any look-up, tree or expression may read them.
        unlike = Author.objects.annotate(seen=FilteredRelation("articles", condition=~Q(profile__bio__startswith="w")))
        assert await unlike.filter(seen__isnull=False).values_list("name", "seen__title") == [("Bob", "three")]
        exact = FilteredRelation("articles", condition=Q(Exact(F("profile__bio"), "writes"), articles__views__gt=10))
        assert await Author.objects.annotate(seen=exact).filter(seen__isnull=False).values_list("seen__title") == [
            ("two",)
        ]


@pytest.mark.parametrize("optimizer", [True, False])
async def test_a_condition_compares_two_relations_of_many_rows(optimizer: bool) -> None:
    await _with_profiles()
    named = FilteredRelation("articles", condition=Q(articles__title=F("books__name")))
    with override(QUERY_OPTIMIZER=optimizer):
        rows = Author.objects.annotate(same=named).order_by("name", F("same__pk").asc(nulls_last=True))
        # Each book is a row of the join, as in any LEFT JOIN; those of another name find no article.
        assert await rows.values_list("name", "same__title") == [
            ("Ann", "two"),
            ("Bob", "three"),
            ("Bob", None),
            ("Cid", None),
        ]
        assert await rows.filter(same__isnull=False).values_list("name", flat=True) == ["Ann", "Bob"]
        assert await rows.exclude(same__isnull=False).values_list("name", flat=True) == ["Cid"]
        assert await rows.order_by("name").exclude(same__title="two").values_list("name", flat=True) == ["Bob", "Cid"]
        assert await rows.filter(same__isnull=False, same__views=5).distinct().count() == 1
        assert await rows.filter(same__title="two").filter(books__name="two").distinct().count() == 1


async def test_a_condition_reads_what_lies_beside_the_way() -> None:
    ann, bob = await _write()
    await Article.objects.filter(title="one").update(editor=ann)
    edited = FilteredRelation("articles__comments", condition=Q(articles__editor__name="Bob"))
    rows = Author.objects.annotate(top=edited).order_by("name", "top__stars")
    assert await rows.filter(top__isnull=False).values_list("name", "top__stars") == [("Ann", 200), ("Bob", 5)]
    assert await rows.exclude(top__stars=200) == [bob]
    older = FilteredRelation("author", condition=Q(author__age__lt=F("editor__age")))
    found = Article.objects.annotate(by=older).order_by("pk").values_list("title", "by__name")
    assert await found == [("one", None), ("two", "Ann"), ("three", None)]


async def test_a_condition_reads_another_filtered_relation() -> None:
    await _write()
    rows = Author.objects.annotate(
        low=FilteredRelation("articles", condition=Q(articles__views__lt=100)),
        higher=FilteredRelation("articles", condition=Q(articles__views__gt=F("low__views"))),
    ).order_by("name")
    assert await rows.values_list("name", "low__title", "higher__title") == [
        ("Ann", "one", "two"),
        ("Bob", "three", None),
    ]
    assert await rows.filter(higher__isnull=False).values_list("name", flat=True) == ["Ann"]


async def test_what_leads_on_from_the_relation_is_refused_when_it_is_written() -> None:
    with pytest.raises(ValueError, match=r"no relation further on .*FilteredRelation\('articles__comments'"):
        Author.objects.annotate(x=FilteredRelation("articles", condition=Q(articles__comments__text="c")))
    with pytest.raises(ValueError, match="no relation further on"):
        Author.objects.annotate(
            x=FilteredRelation("articles", condition=Q(Q(articles__author__name="c") | Q(name="x")))
        )
    read = Author.objects.annotate(
        x=FilteredRelation("articles", condition=Q(articles__body=F("articles__author__name")))
    )
    with pytest.raises(ValueError, match="no relation further on"):
        await read.filter(x__isnull=False)


async def test_only_defer_and_prefetch_related_take_relations_themselves() -> None:
    rows = Article.objects.annotate(by=FilteredRelation("author", condition=Q(author__age=1)))
    with pytest.raises(ValueError, match=r"only\('by__name'\) names a FilteredRelation"):
        rows.only("by__name")
    with pytest.raises(ValueError, match=r"defer\('by'\) names a FilteredRelation"):
        rows.defer("by")
    for lookup in ("by", "by__articles", Prefetch("by", to_attr="them")):
        with pytest.raises(ValueError, match=r"prefetch_related\('by.*names a FilteredRelation"):
            rows.prefetch_related(lookup)
