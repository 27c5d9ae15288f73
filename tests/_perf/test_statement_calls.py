"""How many Python calls of ours one statement costs: exact anywhere, so a new branch on the hot path fails here first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import covet
from covet.conf.service_url import parse_database
from covet.db import transaction
from covet.db.database import Database
from tests._calls import profiled
from tests.conftest import Scratch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

OURS = str(Path(covet.__file__).parent)
TWINS = str(Path(covet.__file__).parent / "accel" / "twins")


async def calls_of(work: Callable[[], Awaitable[Any]]) -> list[str]:
    """The functions of ``covet`` that are entered while ``work`` runs; a resumed coroutine counts again.

    What is native where it can be makes no calls of Python there, and those of its twin are left out.
    """
    entered: list[str] = []

    def look(frame: Any, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(OURS) and not file.startswith(TWINS):
            entered.append(frame.f_code.co_name)

    with profiled(look):
        await work()
    return entered


async def test_a_warm_fetch_is_three_calls_of_ours(database: Database) -> None:
    """Fetch, the connection's, and the release; asyncio resumes the coroutine once for each wait of the driver."""
    sql = "SELECT 1"
    for _ in range(3):
        await database.fetch(sql)

    entered = await calls_of(lambda: database.fetch(sql))

    own = [name for name in dict.fromkeys(entered) if name not in ("look", "<lambda>")]
    # What wakes the task where its answer is read: it spares each statement a turn of the loop.
    waiter = [
        "__init__",
        "__await__",
        "add_done_callback",
        "get_loop",
        "done",
        "set_result",
        "run",
        "result",
        "exception",
    ]
    allowed = {
        # A prepared statement is asyncpg's own coroutine: none of the connection's stands round it, and is resumed.
        "postgresql": ["fetch", "begin_fetch", "release", *waiter, "data_received", "cancelled"],
        # ``hand_over`` wakes for several answers what aiosqlite would wake for each.
        "sqlite": ["fetch", "_run", "__call__", "run_fetch", "release", "hand_over", *waiter],
        "mysql": [
            "fetch", "_query", "is_closed", "_stream_broken", "_text", "_read_query_result", "read_answer", "_wait_for_more",
            "_take_rows", "_take", "_layout", "parse", "release", "__init__",
        ],
    }  # fmt: skip
    assert set(own) <= set(allowed[database.vendor]), own
    if database.vendor == "postgresql":
        # ``fetch`` when it begins, and when the server has answered.
        assert len(entered) <= 4


async def test_a_warm_fetch_opens_nothing_and_resets_nothing(database: Database) -> None:
    await database.fetch("SELECT 1")
    pool = database._readers or database._writer
    assert pool is not None
    size = pool.size

    for _ in range(50):
        await database.fetch("SELECT 1")

    assert pool.size == size
    assert not pool._tasks


async def test_a_statement_in_a_transaction_is_one_call_more(database: Database) -> None:
    """``Transaction.run`` takes the turn and gives it back by itself where nobody else waits."""
    sql = "SELECT 1"
    await database.fetch(sql)
    outside = await calls_of(lambda: database.fetch(sql))
    async with transaction.atomic(using=database):
        await database.fetch(sql)
        inside = await calls_of(lambda: database.fetch(sql))

    # On SQLite reads outside share a connection, by another function.
    assert set(inside) - set(outside) <= {"run"} | ({"_hop"} if database.vendor == "sqlite" else set())


async def test_a_commit_takes_one_turn_of_the_loop(scratch: Scratch) -> None:
    """What keeps a cancellation away from COMMIT is the driver's own wait: no second future, no second turn, no coroutine round it."""
    database = Database("default", parse_database(await scratch("postgresql")))
    for _ in range(2):
        async with transaction.atomic(using=database):
            await database.fetch("SELECT 1")
    block = transaction.atomic(using=database)
    await block.__aenter__()
    await database.fetch("SELECT 1")
    entered = await calls_of(lambda: block.__aexit__(None, None, None))
    await database.close()

    # Once when it begins, and once when the server has answered.
    assert entered.count("commit_uncancelled") == 2
    assert "uncancelled" not in entered
    assert len(entered) <= 8, entered


async def test_a_savepoint_goes_to_the_driver_at_once(scratch: Scratch) -> None:
    database = Database("default", parse_database(await scratch("postgresql")))
    async with transaction.atomic(using=database):
        await database.fetch("SELECT 1")
        block = transaction.atomic(using=database)
        opened = await calls_of(block.__aenter__)
        closed = await calls_of(lambda: block.__aexit__(None, None, None))
    await database.close()

    # asyncpg's own Python has no part in it.
    assert not {"execute", "drops_statements"}.intersection([*opened, *closed])
    assert len(opened) <= 12 and len(closed) <= 16, (opened, closed)
