"""Models in transactions that several tasks share, and cancelled at every place where they wait."""

from __future__ import annotations

import asyncio
import functools
import re
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any

import pytest

from covet.accel import first_step
from covet.db import transaction
from covet.db.backends import places
from covet.db.backends.places import _awaited_at
from covet.db.database import Database
from covet.db.errors import IntegrityError, TransactionError, TransactionManagementError
from covet.db.models import F, signals
from covet.db.observe import record_queries
from tests._apps.blog.models import Article, Author, Comment, Tag

Work = Callable[[], Coroutine[Any, Any, Any]]


class CancelledAt:
    """Awaits a coroutine, and cancels its own task where it waits for the ``number``-th time."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], number: int) -> None:
        self.coroutine = coroutine
        self.number = number
        self.waits = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self.coroutine.__await__()
        sent: Any = None
        error: BaseException | None = None
        while True:
            try:
                future = steps.throw(error) if error is not None else steps.send(sent)
            except StopIteration as stop:
                return stop.value
            error = None
            self.waits += 1
            if self.waits == self.number:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            try:
                sent = yield future
            except BaseException as caught:  # handed on to the coroutine, as a task does
                error = caught


async def cancelled_everywhere(work: Work, check: Work) -> int:
    """Run ``work`` again and again, cancelled at its first, second, … wait until it ends before; returns how often."""
    for number in range(1, 200):
        stepper = CancelledAt(work(), number)

        async def run(stepper: CancelledAt = stepper) -> None:
            await stepper

        task = asyncio.create_task(run())
        await asyncio.wait([task], timeout=60)
        assert task.done(), f"cancelled at wait {number}, it never ended"
        if not task.cancelled():
            task.result()
            if stepper.waits < number:
                return number - 1
        await check()
    raise AssertionError("it waits without end")


@pytest.fixture
async def ann(blog: Database) -> AsyncIterator[Author]:
    yield await Author.objects.create(name="Ann", age=1)


@pytest.mark.row("contract.cancellation")
async def test_a_transaction_cancelled_at_any_wait_is_whole_or_gone(blog: Database, ann: Author) -> None:
    async def work() -> None:
        async with transaction.atomic():
            article = await Article.objects.create(title="x", author=ann)
            async with transaction.atomic():
                await Comment.objects.bulk_create([Comment(article=article, text=str(n)) for n in range(3)])
                await article.tags.create(label=f"t{article.pk}")
            await Author.objects.filter(pk=ann.pk).update(age=F("age") + 1)

    async def check() -> None:
        # One statement at a time and many at once: every connection of the pool is asked.
        counts = await asyncio.gather(
            Article.objects.count(),
            Comment.objects.count(),
            Tag.objects.count(),
            Author.objects.values_list("age", flat=True).get(pk=ann.pk),
        )
        assert counts[1] == counts[0] * 3
        assert counts[2] == counts[0]
        assert counts[3] == counts[0] + 1
        assert not blog.in_atomic_block

    assert await cancelled_everywhere(work, check) >= 5


@pytest.mark.row("contract.cancellation")
async def test_a_save_outside_a_block_cancelled_at_any_wait_leaves_clean_connections(blog: Database) -> None:
    async def work() -> None:
        author = await Author.objects.create(name="x")
        author.age = 5
        await author.save()
        await author.refresh_from_db()
        await author.articles.create(title="y")
        await author.delete()

    async def check() -> None:
        numbers = await asyncio.gather(*[Author.objects.filter(pk__gt=n).count() for n in range(6)])
        assert len(numbers) == 6

    assert await cancelled_everywhere(work, check) >= 5


async def test_a_stream_cancelled_at_any_wait_gives_its_connection_back(blog: Database, ann: Author) -> None:
    await Article.objects.bulk_create([Article(title=str(n), author=ann) for n in range(20)])

    async def work() -> None:
        async for article in Article.objects.iterator(chunk_size=5):
            await Article.objects.filter(pk=article.pk).exists()

    async def work_in_a_block() -> None:
        async with transaction.atomic():
            await work()

    async def check() -> None:
        assert await asyncio.gather(*[Article.objects.count() for _ in range(4)]) == [20] * 4

    for one in (work, work_in_a_block):
        assert await cancelled_everywhere(one, check) >= 4


@pytest.mark.row("contract.scope")
async def test_saves_gathered_in_a_block_are_undone_together(blog: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with transaction.atomic():
            made = await asyncio.gather(*[Author.objects.create(name=str(n)) for n in range(20)])
            assert len({author.pk for author in made}) == 20
            assert await Author.objects.count() == 20
            raise ZeroDivisionError
    assert await Author.objects.count() == 0


async def test_siblings_with_blocks_of_their_own_fail_alone(blog: Database) -> None:
    async def one(number: int) -> None:
        async with transaction.atomic():
            author = await Author.objects.create(name=str(number))
            await asyncio.gather(*[author.articles.create(title=str(n)) for n in range(3)])
            async with transaction.atomic():
                await author.save(update_fields=["name"])
            if number % 2:
                raise LookupError

    async with transaction.atomic():
        results = await asyncio.gather(*[one(number) for number in range(6)], return_exceptions=True)
        assert [type(result) for result in results] == [type(None), LookupError] * 3
    assert sorted(await Author.objects.values_list("name", flat=True)) == ["0", "2", "4"]
    assert await Article.objects.count() == 9


async def test_a_violation_inside_its_own_block_leaves_the_outer_one_usable(blog: Database) -> None:
    async with transaction.atomic():
        await Author.objects.create(name="a", email="same@example.com")
        for _ in range(3):
            with pytest.raises(IntegrityError):
                async with transaction.atomic():
                    await Author.objects.create(name="b", email="same@example.com")
        await Author.objects.create(name="c")
    assert await Author.objects.count() == 2


async def test_a_task_group_that_fails_inside_a_block_leaves_nothing(blog: Database) -> None:
    async def fail() -> None:
        await Author.objects.create(name="before")
        raise LookupError

    with pytest.raises(ExceptionGroup):
        async with transaction.atomic(), asyncio.TaskGroup() as group:
            group.create_task(fail())
            for number in range(5):
                group.create_task(Author.objects.create(name=str(number)))
    assert await Author.objects.count() == 0
    await Author.objects.create(name="after")


async def test_a_task_that_outlives_its_block_is_told_whatever_it_does(blog: Database, ann: Author) -> None:
    gate = asyncio.Event()

    async def late(work: Work) -> Any:
        await gate.wait()
        return await work()

    async def nested() -> None:
        async with transaction.atomic():
            raise AssertionError("a block must not open in one that has ended")

    async def stream() -> None:
        async for _ in Author.objects.iterator():
            raise AssertionError

    works: list[Work] = [
        lambda: Author.objects.create(name="late"),
        lambda: Author.objects.count(),
        lambda: Author.objects.filter(name="x").update(age=1),
        lambda: ann.save(),
        lambda: ann.delete(),
        lambda: ann.refresh_from_db(),
        lambda: Author.objects.bulk_create([Author(name="late")]),
        nested,
        stream,
    ]
    async with transaction.atomic():
        tasks = [asyncio.create_task(late(work)) for work in works]
        await asyncio.sleep(0)
    gate.set()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(result, TransactionManagementError), result
        assert "test_tasks_and_cancellation.py:" in str(result)
        assert "has ended" in str(result)
    assert await Author.objects.values_list("name", flat=True) == ["Ann"]


async def test_a_task_may_free_itself_of_a_block_by_a_context_of_its_own(blog: Database) -> None:
    import contextvars

    async def elsewhere() -> None:
        await Author.objects.create(name="by itself")

    empty = contextvars.Context()
    with pytest.raises(ZeroDivisionError):
        async with transaction.atomic():
            if blog.vendor != "sqlite":  # one writer: it would wait for this very block
                await asyncio.get_running_loop().create_task(elsewhere(), context=empty)
            raise ZeroDivisionError
    assert await Author.objects.count() == (0 if blog.vendor == "sqlite" else 1)


async def test_a_wait_of_models_that_cannot_end_names_both_places(blog: Database) -> None:
    """The block waits for a task that needs the turn which the block's own savepoint keeps."""
    async with transaction.atomic():
        start = asyncio.Event()

        async def sibling() -> None:
            await start.wait()
            await Author.objects.create(name="sibling")

        task = asyncio.create_task(sibling())
        with pytest.raises(TransactionError, match="cannot end") as caught:
            async with asyncio.timeout(30), transaction.atomic():
                await Author.objects.create(name="inner")
                start.set()
                await task
        assert str(caught.value).count("test_tasks_and_cancellation.py:") >= 2
        await Author.objects.create(name="goes on")
    assert await Author.objects.values_list("name", flat=True) == ["goes on"]


async def test_a_task_that_is_only_a_query_is_named_in_messages(blog: Database) -> None:
    """There is no line of the project to name: so the task is."""
    async with transaction.atomic():
        other = asyncio.create_task(Author.objects.filter(name="y").count(), name="the counter")
        with pytest.raises(TransactionError, match=r"cannot end.*'the counter' \(.*count\)"):
            async with asyncio.timeout(30), transaction.atomic():
                await other
    async with transaction.atomic():
        with record_queries() as queries:
            await asyncio.create_task(Author.objects.create(name="x"), name="the import")
            await asyncio.create_task(Author.objects.filter(name="x").exists(), name="the question")
            line = sys._getframe().f_lineno - 1
            ahead = asyncio.create_task(Author.objects.filter(name="x").exists(), name="ahead")
            done = asyncio.Event()
            ahead.add_done_callback(lambda _: done.set())
            await done.wait()
    assert queries[0].where.startswith("task 'the import' (")
    assert queries[1].where == f"task 'the question' (Fetch.exists), awaited at {__file__}:{line}"
    assert queries[2].where == "task 'ahead' (Fetch.exists)"


async def _in_one() -> Any:
    return await asyncio.gather(Author.objects.count(), Author.objects.filter(name="x").exists())


async def _in_a_wait() -> Any:
    async with asyncio.timeout(30):
        return await asyncio.wait_for(asyncio.gather(Author.objects.count(), asyncio.shield(_first_of_all())), 30)


async def _first_of_all() -> Any:
    return await asyncio.gather(Author.objects.count())


async def _in_a_group() -> Any:
    async with asyncio.TaskGroup() as group:
        group.create_task(Author.objects.count())


async def _as_they_end() -> Any:
    for one in asyncio.as_completed([Author.objects.count()]):
        await one


async def _rows() -> Any:
    yield await asyncio.gather(Author.objects.count())


class _Wrapped:
    def __await__(self) -> Any:
        return _in_one().__await__()


async def _in_an_object() -> Any:
    await _Wrapped()


async def _in_a_generator() -> Any:
    async for _ in _rows():
        pass


async def _after_a_first_step() -> Any:
    """As a view is run that waits."""
    await first_step(_in_one())


@pytest.mark.parametrize(
    ("ask", "functions"),
    [
        (_in_one, [_in_one]),
        (_in_a_wait, [_in_a_wait, _first_of_all]),
        (_in_a_group, [_in_a_group]),
        (_as_they_end, [_as_they_end]),
        (_in_an_object, [_in_one]),
        (_in_a_generator, [_rows]),
        (_after_a_first_step, [_in_one]),
    ],
)
async def test_the_line_that_waits_for_bare_queries_is_named(blog: Database, ask: Any, functions: list[Any]) -> None:
    lines = {number for one in functions for _, _, number in one.__code__.co_lines() if number is not None}
    with record_queries() as queries:
        await ask()

    for query in queries:
        place, _, call = query.where.partition(" ")
        file, _, line = place.rpartition(":")
        assert file == __file__ and int(line) in lines and re.fullmatch(r"\(.*(count|exists)\)", call)
    assert len({query.where.partition(" ")[0] for query in queries}) == len(functions)


class AsCompleted:
    """What ``asyncio.as_completed()`` gives since Python 3.13."""

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._done: asyncio.Queue[Any] = asyncio.Queue()
        task.add_done_callback(self._handle_completion)

    def _handle_completion(self, task: asyncio.Task[Any]) -> None:
        self._done.put_nowait(task)


async def test_the_line_that_waits_for_whatever_ends_next_is_named_in_newer_pythons_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(places, "_AS_COMPLETED", (AsCompleted,))
    found: list[Any] = []

    async def look() -> None:
        await asyncio.sleep(0)
        found.append(_awaited_at(asyncio.current_task()))

    await AsCompleted(asyncio.create_task(look()))._done.get()
    line = sys._getframe().f_lineno - 1

    assert found == [f"{__file__}:{line}"]


class Touchy:
    """What does something when it is asked for anything, as lazy objects do."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"asked for {name}")


async def test_what_a_waiting_function_holds_is_asked_for_nothing() -> None:
    names: dict[str, Any] = {}
    # In a file that is none of the project's, and does not tell what it goes through.
    source = "def wait(held, task):\n    task._asyncio_future_blocking = True\n    yield task\n"
    exec(compile(source, places.__file__, "exec"), names)
    found: list[Any] = []

    async def look() -> None:
        await asyncio.sleep(0)
        found.append(_awaited_at(asyncio.current_task()))

    class Waits:
        def __await__(self) -> Any:
            return names["wait"](Touchy(), asyncio.ensure_future(look()))

    await Waits()
    line = sys._getframe().f_lineno - 1

    assert found == [f"{__file__}:{line}"]


async def test_tasks_that_wait_for_each_other_are_named_by_themselves() -> None:
    """Where a callback leads round in a circle, or to nothing, there is no line."""
    one, other = asyncio.get_running_loop().create_future(), asyncio.get_running_loop().create_future()
    one.add_done_callback(functools.partial(other.set_result))
    one.add_done_callback(other.cancel)
    other.add_done_callback(one.cancel)

    assert _awaited_at(one) is None


@pytest.mark.row("relations.batches")
async def test_peers_gathered_inside_a_block_cost_one_statement(blog: Database, ann: Author) -> None:
    others = [await Author.objects.create(name=str(n)) for n in range(4)]
    await Article.objects.bulk_create([Article(title=str(n), author=(ann, *others)[n % 5]) for n in range(100)])
    async with transaction.atomic():
        rows = await Article.objects.all()
        with record_queries() as queries:
            await asyncio.gather(*[row.author for row in list(rows)[::2]])
            async with transaction.atomic():
                assert {(await row.author).pk for row in rows} == {ann.pk, *[other.pk for other in others]}
    assert len(queries) == 1


async def test_commit_functions_may_write_and_read_and_fail(blog: Database) -> None:
    order: list[str] = []

    async def write() -> None:
        assert not blog.in_atomic_block
        await Author.objects.create(name="by the hook")
        order.append("hook")

    async with transaction.atomic():
        await Author.objects.create(name="first")
        async with transaction.atomic():
            await transaction.on_commit(write)
        with pytest.raises(ZeroDivisionError):
            async with transaction.atomic():
                transaction.on_commit(lambda: order.append("never"))
                raise ZeroDivisionError
        order.append("body")
    order.append("after")

    assert order == ["body", "hook", "after"]
    assert await Author.objects.count() == 2


async def test_a_cancelled_receiver_undoes_the_block_it_ran_in(blog: Database) -> None:
    entered = asyncio.Event()

    async def hang(sender: Any, **named: Any) -> None:
        entered.set()
        await asyncio.Event().wait()

    signals.post_save.connect(hang, sender=Author)
    try:

        async def work() -> None:
            async with transaction.atomic():
                await Author.objects.create(name="x")

        task = asyncio.create_task(work())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    finally:
        signals.post_save.disconnect(hang, sender=Author)
    assert await Author.objects.count() == 0
