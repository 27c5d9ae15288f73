"""Run by test_kill in a process of its own: kills a child before each of its statements, and lets another one go on.

``python -m tests.db.migrations.kill_points URL atomic|single STRIDE`` migrates forwards and backwards, each time with a child that SIGKILLs itself
before its n-th statement (those of the journal and of the record count, too), for every n or every second, third … one; a stride of 0 is for random times. After each the next child
must bring the database where the migration leads, or back. Children are forks: a fresh interpreter for each would take minutes.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

from covet.conf import settings
from covet.conf.service_url import parse_database
from covet.db import migrations, models
from covet.db.connections import connections
from covet.db.database import Database
from covet.db.migrations.execute import Executor
from covet.db.migrations.loader import Loader
from covet.db.migrations.migration import Migration

FIRST = [
    migrations.CreateModel("Author", [("id", models.BigAutoField(primary_key=True))]),
    migrations.CreateModel(
        "Item",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("title", models.CharField(max_length=50, null=True)),
            ("views", models.IntegerField(default=0)),
        ],
    ),
]


async def add_author(apps: Any, schema_editor: Any) -> None:
    await apps.get_model("blog", "Author").objects.create()


async def remove_author(apps: Any, schema_editor: Any) -> None:
    authors = [author async for author in apps.get_model("blog", "Author").objects.order_by("id")]
    await authors[-1].delete()


SECOND = [
    migrations.CreateModel(
        "Note",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("item", models.ForeignKey("blog.item", on_delete=models.CASCADE)),
        ],
    ),
    migrations.AddField("item", "author", models.ForeignKey("blog.author", on_delete=models.CASCADE, null=True)),
    migrations.RunPython(add_author, remove_author, atomic=True),
    migrations.AlterField("item", "title", models.CharField(max_length=90, default="none")),
    migrations.RenameField("item", "views", "seen"),
    migrations.RunSQL(
        "INSERT INTO blog_item (title, seen) VALUES ('made', 0); UPDATE blog_item SET seen = seen + 1",
        "UPDATE blog_item SET seen = seen - 1; DELETE FROM blog_item WHERE title = 'made'",
    ),
]


def loader(*, atomic: bool) -> Loader:
    made = Loader({})
    made.packages["blog"] = "blog"
    made.migrated["blog"] = None
    for name, operations, needs in (("0001", FIRST, []), ("0002", SECOND, [("blog", "0001")])):
        migration = Migration.build(name, "blog", operations, needs)
        migration.atomic = atomic
        made.migrations[migration.key] = migration
    made.build()
    return made


class Dying(Database):
    """Kills its process before the statement of that number."""

    left = -1

    async def execute(self, sql: str, args: Any = ()) -> int:
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        return await super().execute(sql, args)


Work = Callable[[Executor], Coroutine[Any, Any, object]]


def child(url: str, work: Work, *, atomic: bool, kill_at: int = -1, kill_after_s: float | None = None) -> int:
    """Fork; return the child's exit status, negative when it was killed."""
    pid = os.fork()
    if pid:
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            os.kill(pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:

        async def run() -> None:
            database = Dying("default", parse_database(url))
            database.left = kill_at
            with connections.using({"default": database}):
                await work(Executor(database, loader(atomic=atomic)))

        asyncio.run(run())
    except BaseException as error:
        print(type(error).__name__, error, file=sys.stderr, flush=True)
        os._exit(3)
    os._exit(0)


def go(name: str) -> Work:
    return lambda executor: executor.migrate([("blog", name)])


async def signature(executor: Executor) -> str:
    reader = executor.database.introspection
    tables = [name for name in await reader.tables() if name.startswith("blog_")]
    schema = [
        (
            name,
            await reader.columns(name),
            sorted(map(repr, await reader.indexes(name))),
            sorted(map(repr, await reader.constraints(name))),
        )
        for name in tables
    ]
    seen = "seen" if "blog_note" in tables else "views"
    rows = [tuple(row) for row in await executor.database.fetch(f"SELECT title, {seen} FROM blog_item ORDER BY title")]
    (authors,) = await executor.database.fetch("SELECT COUNT(*) FROM blog_author")
    unfinished = await executor.journal.unfinished()
    return repr((sorted(await executor.recorder.applied()), schema, rows, authors[0], unfinished))


def main(url: str, stride: int, *, atomic: bool) -> None:
    settings.configure(SECRET_KEY="x" * 50, INSTALLED_APPS=[])
    read, write = os.pipe()

    def look(work: Work) -> str:
        """Let a child work to its end; return what it sees then, through a pipe."""

        async def tell(executor: Executor) -> None:
            await work(executor)
            os.write(write, (await signature(executor)).encode() + b"\0")

        return told(tell)

    def told(work: Work) -> str:
        """Let a child work to its end; return what it writes into the pipe, up to a NUL."""
        status = child(url, work, atomic=atomic)
        assert status == 0, status
        found = b""
        while not found.endswith(b"\0"):
            found += os.read(read, 65536)
        return found.decode()

    async def name_modules(executor: Executor) -> None:
        await go("0002")(executor)
        await signature(executor)
        os.write(write, " ".join(sys.modules).encode() + b"\0")

    def kill(work: Work, number: int) -> bool:
        """Whether a child that does this work comes to its statement of that number, and dies."""
        status = child(url, work, atomic=atomic, kill_at=number)
        assert status in (0, -signal.SIGKILL), (number, status)
        return status != 0

    def same(found: str, wanted: str, *where: object) -> None:
        assert found == wanted, f"{where}\n{found[-400:]}\n{wanted[-400:]}\n{found}\n{wanted}"

    def kill_somewhere(rounds: int) -> None:
        """Kill at random times, several times before one child is let through."""
        for number in range(rounds):
            name, there = (("0002", after), ("0001", before))[number % 2]
            for _ in range(random.randint(1, 3)):
                child(url, go(name), atomic=atomic, kill_after_s=random.uniform(0.0, 0.4))
            same(look(go(name)), there, "at random", number)

    # What the work imports is imported here, once: that is half of a child's life.
    for name in told(name_modules).rstrip("\0").split():
        importlib.import_module(name)
    before = look(go("0001"))
    after = look(go("0002"))
    assert before != after
    same(look(go("0001")), before)
    if not stride:
        kill_somewhere(60)
        return
    forwards = backwards = taken_back = 0
    while kill(go("0002"), forwards):
        same(look(go("0002")), after, "forwards", forwards)
        if kill(go("0001"), forwards):
            backwards = forwards
        same(look(go("0001")), before, "backwards", forwards)
        forwards += stride
    # Taken back in place of finished.
    look(go("0001"))
    while kill(go("0002"), taken_back):
        same(look(lambda executor: executor.roll_back_partial()), before, "taken back", taken_back)
        taken_back += stride
    print(forwards, backwards, taken_back)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[3]), atomic=sys.argv[2] == "atomic")
