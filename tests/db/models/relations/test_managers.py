"""Reverse and many-to-many managers, prefetching, signals, and relations to oneself."""

from __future__ import annotations

from typing import Any

import pytest

from covet.db.models import Count, Prefetch, prefetch_related_objects
from covet.db.models.manager import EmptyManager
from covet.db.models.signals import m2m_changed
from covet.db.observe import record_queries
from covet.exceptions import FieldError, QueryNotAwaited
from tests._apps.blog.models import Article, Author, Comment, Tag
from tests._apps.tree.models import Group, Membership, Node, Person


async def _labels(article: Article) -> list[str]:
    return list(await article.tags.values_list("label", flat=True))


@pytest.fixture
async def ann(blog: Any) -> Author:
    return await Author.objects.create(name="Ann")


@pytest.fixture
async def article(ann: Author) -> Article:
    return await Article.objects.create(title="one", author=ann)


@pytest.mark.row("relations.reverse")
async def test_a_reverse_manager_queries_creates_and_adds(ann: Author, article: Article) -> None:
    bob = await Author.objects.create(name="Bob")
    made = await ann.articles.create(title="two", views=5)
    assert made.author is ann
    assert await ann.articles.filter(views__gt=1).count() == 1
    assert [row.title for row in await ann.articles.order_by("title")] == ["one", "two"]
    with record_queries() as queries:
        for row in await ann.articles.all():
            assert row.author is ann
    assert len(queries) == 1
    await bob.articles.add(made)
    assert made.author_id == bob.pk
    assert await ann.articles.count() == 1
    found, created = await bob.articles.get_or_create(title="three")
    assert (created, found.author_id) == (True, bob.pk)
    again, created = await bob.articles.update_or_create(title="three", defaults={"views": 9})
    assert (again.pk, created, again.views) == (found.pk, False, 9)
    await bob.articles.bulk_create([Article(title="four"), Article(title="five")])
    assert await bob.articles.count() == 4
    with pytest.raises(TypeError, match="takes Article objects"):
        await ann.articles.add(Tag(label="x"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not saved"):
        await ann.articles.add(Article(title="new"))
    await ann.articles.add(Article(title="new"), bulk=False)
    assert await ann.articles.filter(title="new").exists()


@pytest.mark.row("relations.reverse")
async def test_a_nullable_reverse_manager_removes_and_sets(ann: Author, article: Article) -> None:
    other = await Article.objects.create(title="other", author=ann)
    await ann.edited.add(article, other)
    assert await ann.edited.count() == 2
    await ann.edited.remove(article)
    assert article.editor is None
    with pytest.raises(Article.DoesNotExist, match="does not belong"):
        await ann.edited.remove(article)
    await ann.edited.set([article])
    assert [row.title for row in await ann.edited.all()] == ["one"]
    await ann.edited.clear()
    assert await ann.edited.count() == 0
    # Not without a key that may be NULL.
    assert not hasattr(ann.articles, "remove")


@pytest.mark.row("relations.reverse", "relations.unsaved")
async def test_managers_of_unsaved_instances_and_assignments_are_refused(blog: Any) -> None:
    with pytest.raises(ValueError, match="not saved"):
        Author(name="x").articles.all()
    with pytest.raises(ValueError, match="not saved"):
        await Article(title="x").tags.add(1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"await author\.articles\.set"):
        Author(name="x").articles = []  # type: ignore[assignment]
    with pytest.raises(TypeError, match=r"await article\.tags\.set"):
        Article(title="x").tags = []  # type: ignore[assignment]


@pytest.mark.row("relations.many_to_many")
async def test_many_to_many_add_remove_set_clear_and_create(article: Article) -> None:
    red, blue, green = [await Tag.objects.create(label=label) for label in ("red", "blue", "green")]
    with record_queries() as queries:
        await article.tags.add(red, blue.pk)
    assert sum("INSERT" in query.sql for query in queries) == 1
    await article.tags.add(red)
    assert await _labels(article) == ["blue", "red"]
    await article.tags.remove(red)
    assert await _labels(article) == ["blue"]
    await article.tags.set([red, green])
    assert await _labels(article) == ["green", "red"]
    made = await article.tags.create(label="new")
    assert await made.articles.count() == 1
    found, created = await article.tags.get_or_create(label="red")
    assert (found, created) == (red, False)
    found, created = await article.tags.get_or_create(label="violet")
    assert created
    assert await _labels(article) == ["green", "new", "red", "violet"]
    await article.tags.clear()
    assert await _labels(article) == []
    # From the other side.
    await red.articles.add(article)
    assert await _labels(article) == ["red"]
    await red.articles.set([])
    assert await _labels(article) == []
    with pytest.raises(TypeError, match="takes Tag objects"):
        await article.tags.add(article)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not saved"):
        await article.tags.add(Tag(label="unsaved"))


@pytest.mark.row("signals.models")
async def test_many_to_many_changes_send_signals(article: Article) -> None:
    red, blue = await Tag.objects.create(label="red"), await Tag.objects.create(label="blue")
    seen: list[tuple[Any, ...]] = []

    async def listen(sender: Any, **named: Any) -> None:
        seen.append((named["action"], named["reverse"], named["model"], named["pk_set"]))

    through = Article.tags.through
    m2m_changed.connect(listen, sender=through)
    try:
        await article.tags.add(red, blue)
        await article.tags.add(red)
        await article.tags.remove(blue)
        await red.articles.clear()
    finally:
        m2m_changed.disconnect(listen, sender=through)
    assert seen == [
        ("pre_add", False, Tag, {red.pk, blue.pk}),
        ("post_add", False, Tag, {red.pk, blue.pk}),
        ("pre_add", False, Tag, set()),
        ("post_add", False, Tag, set()),
        ("pre_remove", False, Tag, {blue.pk}),
        ("post_remove", False, Tag, {blue.pk}),
        ("pre_clear", True, Article, None),
        ("post_clear", True, Article, None),
    ]


@pytest.mark.row("contract.prefetched", "queries.prefetch_related", "queries.prefetch_objects")
async def test_prefetched_relations_are_plain_lists(article: Article, ann: Author) -> None:
    other = await Article.objects.create(title="two", author=ann)
    red, blue = await Tag.objects.create(label="red"), await Tag.objects.create(label="blue")
    await article.tags.add(red, blue)
    await other.tags.add(red)
    await Comment.objects.create(article=article, text="first")
    with record_queries() as queries:
        rows = await Article.objects.order_by("pk").select_related("author").prefetch_related("tags", "comments")
        assert [[tag.label for tag in row.tags.all()] for row in rows] == [["blue", "red"], ["red"]]
        assert [len(row.comments.all()) for row in rows] == [1, 0]  # type: ignore[attr-defined]
        assert rows[0].comments.all()[0].article is rows[0]  # type: ignore[attr-defined]
        assert rows[0].author.name == "Ann"
    assert len(queries) == 3
    # The same tag is one object.
    assert rows[0].tags.all()[1] is rows[1].tags.all()[0]
    # A refinement is a new query, of this row's tags.
    with pytest.raises(QueryNotAwaited):
        list(rows[0].tags.filter(label="red"))
    assert await rows[1].tags.filter(label="blue").count() == 0
    await rows[1].tags.add(blue)
    assert await rows[1].tags.count() == 2


@pytest.mark.row("queries.prefetch_related")
async def test_prefetching_follows_paths_and_takes_querysets(article: Article, ann: Author) -> None:
    red = await Tag.objects.create(label="red")
    await Tag.objects.create(label="lonely")
    await article.tags.add(red)
    await Comment.objects.create(article=article, text="good", stars=5)
    await Comment.objects.create(article=article, text="bad", stars=1)
    with record_queries() as queries:
        (author,) = await Author.objects.prefetch_related("articles__tags__articles", "articles__comments")
        (row,) = author.articles.all()
        assert [tag.articles.all()[0].title for tag in row.tags.all()] == ["one"]
    assert len(queries) == 5
    best = Prefetch("articles__comments", Comment.objects.filter(stars__gt=3), to_attr="best")
    (author,) = await Author.objects.prefetch_related(best)
    assert [comment.text for comment in author.articles.all()[0].best] == ["good"]  # type: ignore[attr-defined]
    nested = Prefetch("articles", Article.objects.prefetch_related("tags"))
    with record_queries() as queries:
        (author,) = await Author.objects.prefetch_related(nested)
        assert author.articles.all()[0].tags.all()[0].label == "red"
    assert len(queries) == 3
    (tag,) = await Tag.objects.filter(label="red").prefetch_related("articles__author")
    assert tag.articles.all()[0].author.name == "Ann"
    rows = await Author.objects.all()
    await prefetch_related_objects(rows, "articles")
    assert len(rows[0].articles.all()) == 1
    with pytest.raises(FieldError, match="Did you mean 'articles'"):
        await Author.objects.prefetch_related("articels")
    with pytest.raises(ValueError, match="instances"):
        Prefetch("articles", Article.objects.values("title"))
    assert await Tag.objects.annotate(n=Count("articles")).order_by("label").values_list("n", flat=True) == [0, 1]


@pytest.mark.row("queries.iterator")
async def test_prefetching_streams_chunk_by_chunk(article: Article, ann: Author) -> None:
    for number in range(3):
        await Article.objects.create(title=str(number), author=ann)
    with record_queries() as queries:
        async for row in Article.objects.prefetch_related("comments").iterator(chunk_size=2):
            assert list(row.comments.all()) == []  # type: ignore[attr-defined]
    assert sum("comment" in query.sql for query in queries) == 2


@pytest.mark.row("relations.self")
async def test_a_tree_refers_to_itself(tree: Any) -> None:
    root = await Node.objects.create(name="root")
    left = await Node.objects.create(name="left", parent=root)
    leaf = await Node.objects.create(name="leaf", parent=left)
    assert [node.name for node in await Node.objects.filter(parent__parent=root)] == ["leaf"]
    assert [node.name for node in await Node.objects.filter(children__name="leaf")] == ["left"]
    assert await Node.objects.filter(parent=None).values_list("name", flat=True) == ["root"]
    found = await Node.objects.select_related("parent__parent").get(pk=leaf.pk)
    assert found.parent.parent.name == "root"
    assert (await Node.objects.select_related("parent__parent").get(pk=root.pk)).parent is None
    count, by_model = await root.delete()
    assert (count, by_model) == (3, {"testtree.Node": 3})


@pytest.mark.row("relations.self")
async def test_friends_are_symmetrical_and_heroes_are_not(tree: Any) -> None:
    ann, bob = await Person.objects.create(name="Ann"), await Person.objects.create(name="Bob")
    await ann.friends.add(bob)
    assert [person.name for person in await bob.friends.all()] == ["Ann"]
    await bob.friends.remove(ann)
    assert await ann.friends.count() == 0
    await ann.heroes.add(bob)
    assert await bob.heroes.count() == 0
    assert [person.name for person in await bob.fans.all()] == ["Ann"]  # type: ignore[attr-defined]
    assert [person.name for person in await Person.objects.filter(heroes=bob)] == ["Ann"]
    assert [person.name for person in await Person.objects.filter(fans=ann)] == ["Bob"]
    (found,) = await Person.objects.filter(pk=ann.pk).prefetch_related("friends", "heroes", "fans")
    assert [len(found.friends.all()), len(found.heroes.all()), len(found.fans.all())] == [0, 1, 0]  # type: ignore[attr-defined]


@pytest.mark.row("relations.through")
async def test_a_model_between_holds_further_values(tree: Any) -> None:
    ann, bob = await Person.objects.create(name="Ann"), await Person.objects.create(name="Bob")
    group = await Group.objects.create(name="g")
    await group.members.add(ann, through_defaults={"role": lambda: "chair", "inviter": bob})
    await group.members.add(bob)
    await group.members.add(bob)
    assert await Membership.objects.order_by("pk").values_list("person__name", "role", "inviter__name") == [
        ("Ann", "chair", "Bob"),
        ("Bob", "member", None),
    ]
    assert [person.name for person in await group.members.filter(memberships__role="chair")] == ["Ann"]
    assert [found.name for found in await Group.objects.filter(members=ann)] == ["g"]
    assert [found.name for found in await bob.groups.all()] == ["g"]  # type: ignore[attr-defined]
    await group.members.set([bob])
    assert await Membership.objects.count() == 1


@pytest.mark.row("queries.prefetch_related")
async def test_a_sliced_prefetch_is_cut_for_each_row(article: Article, ann: Author) -> None:
    other = await Article.objects.create(title="two", author=ann)
    for number in range(4):
        await Comment.objects.create(article=article if number < 3 else other, text=str(number), stars=number)
    newest = Prefetch("comments", Comment.objects.order_by("-stars")[:2], to_attr="newest")
    with record_queries() as queries:
        rows = await Article.objects.order_by("pk").prefetch_related(newest)
    assert len(queries) == 2
    assert [[comment.text for comment in row.newest] for row in rows] == [["2", "1"], ["3"]]  # type: ignore[attr-defined]
    red, blue = await Tag.objects.create(label="red"), await Tag.objects.create(label="blue")
    await article.tags.add(red, blue)
    await other.tags.add(red)
    rows = await Article.objects.order_by("pk").prefetch_related(Prefetch("tags", Tag.objects.order_by("-label")[:1]))
    assert [[tag.label for tag in row.tags.all()] for row in rows] == [["red"], ["red"]]


@pytest.mark.row("managers.empty")
async def test_a_manager_without_rows_asks_nothing(blog: Any) -> None:
    await Author.objects.create(name="there")
    nobody: EmptyManager[Author] = EmptyManager(Author)
    with record_queries() as queries:
        assert await nobody.all() == []
        assert await nobody.filter(name="there").count() == 0
        assert not await nobody.exists()
        with pytest.raises(Author.DoesNotExist):
            await nobody.get(name="there")
    assert len(queries) == 0
