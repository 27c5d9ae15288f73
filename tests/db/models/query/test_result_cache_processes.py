"""Cached results between processes that share a Redis: given to each other, and out of date for all after a write of one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from covet.conf import override
from covet.db.database import Database
from covet.db.models import Count
from covet.db.observe import record_queries
from tests._apps.blog.models import Article, Author

#: A process of its own: it does what each line says, and answers each by a line.
PROGRAM = '''
import asyncio, sys, threading

from covet.conf import settings

settings.configure(
    SECRET_KEY="x" * 50, INSTALLED_APPS=[], DATABASES={"default": URL}, QUERY_CACHE=REDIS,
)
import covet

covet.setup()
from covet.apps import lifecycle
from covet.db import connections, models, transaction
from covet.db.models.table import table_of
from covet.db.observe import record_queries


class Lamp(models.Model):
    name = models.CharField(max_length=20)
    watts = models.IntegerField(default=0)

    class Meta:
        app_label = "lamps"
        db_table = TABLE


lamps = Lamp.objects.order_by("pk").cache(timeout=600)


async def obey(line, blocks):
    """Do what a line says, and return its answer."""
    order, _, value = line.partition(" ")
    if order == "make":
        async with connections["default"].schema_editor() as editor:
            await editor.create_table(table_of(Lamp))
        await Lamp.objects.bulk_create([Lamp(name="a"), Lamp(name="b")])
    elif order == "read":
        with record_queries() as log:
            watts = await lamps.values_list("watts", flat=True)
        return f"{list(watts)} by {len(log)}"
    elif order == "write":
        await Lamp.objects.filter(name="a").update(watts=int(value))
    elif order == "begin":
        blocks.append(transaction.atomic())
        await blocks[-1].__aenter__()
    elif order == "commit":
        await blocks.pop().__aexit__(None, None, None)
    return "done"


async def main():
    blocks = []
    async with lifecycle.started():
        while line := sys.stdin.readline().strip():
            print(await obey(line, blocks), flush=True)
        await connections.close()


asyncio.run(main())
'''


class Process:
    """A running program, spoken to by lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def say(self, line: str) -> str:
        """Send a line, and return the answer."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{line}\n".encode())
        await self.process.stdin.drain()
        answer = await asyncio.wait_for(self.process.stdout.readline(), 60)
        if not answer:
            _out, errors = await self.process.communicate()
            raise AssertionError(errors.decode())
        return answer.decode().strip()


@contextlib.asynccontextmanager
async def started(program: Path) -> AsyncIterator[Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, str(program), stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        yield Process(process)
    finally:
        await process.communicate(b"\n")


@pytest.mark.row("cache.results", "cache.stores")
@pytest.mark.parametrize("vendor", ["sqlite", "postgresql", "mysql"])
async def test_a_write_of_one_process_ends_the_results_of_another(scratch: Any, vendor: str, tmp_path: Path) -> None:
    names = {
        "URL": await scratch(vendor),
        "REDIS": os.environ["COVET_TEST_REDIS_URL"],
        "TABLE": f"lamp_{uuid.uuid4().hex[:12]}",
    }
    program = tmp_path / "program.py"
    program.write_text("".join(f"{name} = {value!r}\n" for name, value in names.items()) + PROGRAM)
    async with started(program) as one, started(program) as two:
        assert await one.say("make") == "done"
        assert await one.say("read") == "[0, 0] by 1"
        assert await one.say("read") == "[0, 0] by 0"
        assert await two.say("read") == "[0, 0] by 0"  # what the other process has read

        assert await two.say("write 40") == "done"
        assert await one.say("read") == "[40, 0] by 1"
        assert await two.say("read") == "[40, 0] by 0"

        assert await two.say("begin") == "done"
        assert await two.say("write 60") == "done"
        assert await two.say("read") == "[60, 0] by 1"  # its own write
        assert (await one.say("read")).startswith("[40, 0] by ")  # which nobody else sees yet
        assert await two.say("commit") == "done"
        assert await one.say("read") == "[60, 0] by 1"
        assert await one.say("read") == "[60, 0] by 0"


@pytest.mark.row("compiler.cache")
@pytest.mark.parametrize("optimizer", [True, False], ids=["optimizer", "plain"])
async def test_a_shape_is_compiled_once_whatever_its_values(blog: Database, optimizer: bool) -> None:
    ann = await Author.objects.create(name="Ann", age=3)

    async def ask(title: str, views: int, size: int) -> None:
        rows = Article.objects.filter(title=title, views__gt=views, author=ann)
        await rows.order_by("-views")[:size]
        await rows.annotate(n=Count("tags")).filter(n__gte=size).exclude(author__name=title).values("title", "n")
        await rows.count()
        await rows.exists()
        await rows.aggregate(n=Count("pk", filter=None))
        await Article.objects.filter(title=title).update(views=views)
        await Article.objects.filter(title=title, views=views).delete()
        await Article.objects.bulk_create([Article(title=title, author=ann, views=views)])
        await Article.objects.filter(author=ann).delete()

    with override(QUERY_OPTIMIZER=optimizer):
        with record_queries() as first:
            await ask("a", 1, 2)
            await ask("b", 2, 2)  # statements that are prepared apart the second time are there now
        before = len(blog.statements)
        with record_queries() as log:
            for number in range(5):
                await ask(f"{number}' OR 1=1", number, 2)
        assert len(blog.statements) == before, "a value has become part of a shape"
        assert {query.sql for query in log} <= {query.sql for query in first}
