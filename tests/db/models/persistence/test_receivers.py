"""Receivers on every path that writes: in order, sync or async, inside the writer's transaction, and able to query."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

import covet
from covet.db import transaction
from covet.db.database import Database
from covet.db.models import signals
from tests._apps.blog.models import Article, Author, Comment, Tag

Events = list[tuple[Any, ...]]
SAVES = ("pre_save", "post_save", "pre_delete", "post_delete")
BULKS = ("pre_bulk_create", "post_bulk_create", "pre_bulk_update", "post_bulk_update", "pre_update", "post_update")


@contextmanager
def connected(signal: Any, receiver: Callable[..., Any], sender: Any) -> Any:
    signal.connect(receiver, sender=sender, weak=False)
    try:
        yield
    finally:
        signal.disconnect(receiver, sender=sender)


@pytest.fixture
async def seen(blog: Database) -> AsyncIterator[Events]:
    """What was told about authors, articles and their tags; a sync and an async receiver take turns."""
    events: Events = []

    def note(name: str, is_async: bool) -> Callable[..., Any]:
        def detail(sender: Any, named: dict[str, Any]) -> None:
            assert named["using"] == "default"
            events.append((name, sender.__name__, *((named["action"],) if "action" in named else ())))

        def sync_receiver(sender: Any, **named: Any) -> None:
            detail(sender, named)

        async def async_receiver(sender: Any, **named: Any) -> None:
            await asyncio.sleep(0)
            detail(sender, named)

        return async_receiver if is_async else sync_receiver

    with ExitStack() as stack:
        for number, name in enumerate((*SAVES, *BULKS)):
            for sender in (Author, Article):
                stack.enter_context(connected(getattr(signals, name), note(name, bool(number % 2)), sender))
        stack.enter_context(connected(signals.m2m_changed, note("m2m", False), Article.tags.through))  # type: ignore[attr-defined]
        yield events


def told(seen: Events) -> Events:
    events, seen[:] = list(seen), []
    return events


def pair(kind: str, model: str = "Author") -> Events:
    return [(f"pre_{kind}", model), (f"post_{kind}", model)]


@pytest.mark.row("signals.models")
async def test_every_path_that_writes_tells_before_and_after(seen: Events) -> None:
    ann = await Author.objects.create(name="Ann", email="ann@example.com")
    assert told(seen) == pair("save")
    await ann.save()
    assert told(seen) == pair("save")
    await Author.objects.get_or_create(name="Ann")
    assert told(seen) == []
    bob, _ = await Author.objects.get_or_create(name="Bob")
    assert told(seen) == pair("save")
    await Author.objects.update_or_create(name="Bob", defaults={"age": 3})
    assert told(seen) == pair("save")
    article = await ann.articles.create(title="one")
    assert told(seen) == pair("save", "Article")
    await bob.articles.get_or_create(title="two")
    assert told(seen) == pair("save", "Article")
    await bob.articles.add(article)
    assert told(seen) == pair("update", "Article")
    await bob.articles.add(article, bulk=False)
    assert told(seen) == pair("save", "Article")
    await bob.edited.set([article])
    assert told(seen) == pair("update", "Article")
    await bob.edited.clear()
    assert told(seen) == pair("update", "Article")
    await Author.objects.bulk_create([Author(name="in bulk")])
    assert told(seen) == pair("bulk_create")
    rows = list(await Author.objects.all())
    await Author.objects.bulk_update(rows, ["name"])
    assert told(seen) == pair("bulk_update")
    await Author.objects.filter(name="in bulk").update(age=2)
    assert told(seen) == pair("update")
    await Author.objects.filter(name="in bulk").delete()
    assert told(seen) == pair("delete")
    # What goes along is told too.
    await bob.delete()
    assert sorted(told(seen)) == sorted(
        [*pair("delete"), *[event for event in pair("delete", "Article") for _ in "xx"]]
    )


@pytest.mark.row("signals.models")
async def test_every_change_of_a_many_to_many_set_is_told(seen: Events) -> None:
    article = await Article.objects.create(title="x", author=await Author.objects.create(name="Ann"))
    red, blue = await Tag.objects.create(label="red"), await Tag.objects.create(label="blue")
    seen.clear()

    def actions(*names: str) -> Events:
        return [("m2m", "Article_tags", f"{when}_{name}") for name in names for when in ("pre", "post")]

    await article.tags.add(red)
    assert told(seen) == actions("add")
    await article.tags.add(red)
    assert told(seen) == actions("add")  # with an empty pk_set, as in Django
    await red.articles.remove(article)  # type: ignore[attr-defined]
    assert told(seen) == actions("remove")
    await article.tags.set([red, blue])
    assert told(seen) == actions("add")
    await article.tags.set([blue])
    assert told(seen) == actions("remove")
    await article.tags.create(label="green")
    assert told(seen) == actions("add")
    await article.tags.clear()
    assert told(seen) == actions("clear")


@pytest.mark.row("contract.run_sync")
async def test_a_sync_receiver_reaches_the_database_in_the_writers_transaction(blog: Database) -> None:
    """Decided: sync receivers run in threads, where ``covet.run_sync`` works; what they write is undone with the rest."""

    def log(sender: Any, instance: Any, **named: Any) -> None:
        assert covet.run_sync(Author.objects.filter(pk=instance.pk).count()) == 1
        covet.run_sync(Tag.objects.create(label=f"made {instance.name}"))

    with connected(signals.post_save, log, Author):
        await Author.objects.create(name="Ann")
        with pytest.raises(ZeroDivisionError):
            async with transaction.atomic():
                await Author.objects.create(name="Bob")
                async with transaction.atomic():
                    await Author.objects.create(name="Cid")
                raise ZeroDivisionError
        async with transaction.atomic():
            await asyncio.gather(*[Author.objects.create(name=f"at once {n}") for n in range(5)])

    labels = await Tag.objects.order_by("label").values_list("label", flat=True)
    assert list(labels) == ["made Ann", *[f"made at once {n}" for n in range(5)]]


async def test_an_error_of_a_receiver_leaves_the_save_and_the_block_decides(blog: Database) -> None:
    def refuse(sender: Any, **named: Any) -> None:
        raise LookupError("not today")

    with connected(signals.post_save, refuse, Author), pytest.raises(LookupError, match="not today"):
        async with transaction.atomic():
            await Author.objects.create(name="Ann")
    assert not await Author.objects.exists()


async def test_a_receiver_may_register_what_waits_for_the_commit(blog: Database) -> None:
    ran: list[str] = []

    def later(sender: Any, instance: Any, **named: Any) -> None:
        transaction.on_commit(lambda: ran.append(instance.name))

    with connected(signals.post_save, later, Author):
        async with transaction.atomic():
            await Author.objects.create(name="Ann")
            assert ran == []
        assert ran == ["Ann"]
        with pytest.raises(ZeroDivisionError):
            async with transaction.atomic():
                await Author.objects.create(name="Bob")
                raise ZeroDivisionError
    assert ran == ["Ann"]


@pytest.mark.row("signals.silent")
async def test_rows_that_go_by_cascade_are_told_only_where_somebody_listens(blog: Database) -> None:
    gone: list[str] = []

    def note(sender: Any, instance: Any, origin: Any, **named: Any) -> None:
        gone.append(instance.text)
        assert isinstance(origin, Author)

    ann = await Author.objects.create(name="Ann")
    article = await Article.objects.create(title="x", author=ann)
    await Comment.objects.bulk_create([Comment(article=article, text=str(n)) for n in range(3)])
    with connected(signals.pre_delete, note, Comment):
        total, counts = await ann.delete()
    assert sorted(gone) == ["0", "1", "2"]
    assert (total, counts["testblog.Comment"]) == (5, 3)


@pytest.mark.row("signals.models")
async def test_deletions_are_told_in_order_before_and_in_reverse_after(blog: Database) -> None:
    author = await Author.objects.create(name="Ann")
    for title in ("one", "two"):
        await Article.objects.create(title=title, author=author)
    told: list[str] = []

    def before(sender: Any, instance: Any, **_: Any) -> None:
        told.append(f"before {instance}")

    def after(sender: Any, instance: Any, **_: Any) -> None:
        told.append(f"after {instance}")

    with ExitStack() as stack:
        for model in (Author, Article):
            stack.enter_context(connected(signals.pre_delete, before, model))
            stack.enter_context(connected(signals.post_delete, after, model))
        await author.delete()

    assert told == ["before one", "before two", "before Ann", "after two", "after one", "after Ann"]
