"""The safe steps against a table in use: clients that read and write all the time never wait longer than the lock time-out."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from covet.db import migrations, models, transaction
from covet.db.database import Database
from covet.db.errors import SerializationFailure
from covet.db.migrations.execute import Executor
from covet.db.migrations.migration import Migration
from covet.db.migrations.safer import make_safe

pytestmark = pytest.mark.vendors("postgresql")

CHANGES = [
    migrations.RemoveField("item", "old"),
    migrations.AddField("item", "stars", models.IntegerField(default=3)),
    migrations.AddIndex("item", models.Index(fields=["views"], name="by_views")),
    migrations.AddConstraint("item", models.CheckConstraint(condition=models.Q(views__gte=0), name="counted")),
    migrations.AddConstraint("item", models.UniqueConstraint(fields=["code"], name="once")),
    migrations.AddField("item", "author", models.ForeignKey("blog.author", on_delete=models.CASCADE, null=True)),
    # By a shadow column, with the index and the check that have just been made.
    migrations.AlterField("item", "views", models.BigIntegerField()),
]


def first():
    return (
        "blog.0001",
        [
            migrations.CreateModel("Author", [("id", models.BigAutoField(primary_key=True))]),
            migrations.CreateModel(
                "Item",
                [
                    ("id", models.BigAutoField(primary_key=True)),
                    ("code", models.BigIntegerField()),
                    ("views", models.IntegerField()),
                    ("old", models.TextField(default="")),
                ],
            ),
        ],
    )


@dataclass
class Clients:
    """Readers and writers, each statement in a transaction that waits for no lock longer than the limit.

    The database itself stops a statement that waits longer, and so the client fails, and the test.
    """

    database: Database
    rows: int
    limit_s: float
    done: int = 0
    slowest_s: float = 0.0
    stale_plans: int = 0
    running: bool = True
    is_new: bool = False
    switched: asyncio.Event = field(default_factory=asyncio.Event)
    codes: random.Random = field(default_factory=lambda: random.Random(1))

    async def statement(self, sql, args=()):
        began = time.perf_counter()
        while True:
            try:
                await self._transaction(sql, args)
                break
            except SerializationFailure as error:
                # A plan was made for the column's old type: PostgreSQL fails one transaction with it, as with any change
                # of a result's type, and the connection forgets the plan. The next may come to another connection.
                if "was prepared for has changed" not in str(error):
                    raise
                self.stale_plans += 1
        self.slowest_s = max(self.slowest_s, time.perf_counter() - began)
        self.done += 1

    async def _transaction(self, sql, args):
        async with transaction.atomic(using=self.database):
            await self.database.execute(f"SET LOCAL lock_timeout = {round(self.limit_s * 1000)}")
            await self.database.fetch(sql, args)

    async def read(self):
        while self.running:
            await self.statement("SELECT id, views FROM blog_item WHERE id = $1", (random.randint(1, self.rows),))

    async def write(self):
        while self.running:
            key = random.randint(1, self.rows)
            await self.statement("UPDATE blog_item SET views = views + 1 WHERE id = $1", (key,))

    async def insert(self):
        """The former release, and from ``is_new`` on the new one."""
        while self.running:
            code, is_new = self.codes.getrandbits(60) + 10**9, self.is_new
            columns, values = ("code, views, stars", "$1, 1, 5") if is_new else ("code, views, old", "$1, 1, ''")
            await self.statement(f"INSERT INTO blog_item ({columns}) VALUES ({values})", (code,))
            if is_new:
                self.switched.set()

    async def linger(self):
        """Transactions that go on for a while after their statement: what changes a table has to wait for them."""
        while self.running:
            async with transaction.atomic(using=self.database):
                await self.database.fetch("SELECT id FROM blog_item WHERE id = 1")
                await asyncio.sleep(0.02)


async def change_while_in_use(database, make_loader, rows, limit_s):
    loader = make_loader(first())
    await Executor(database, loader).migrate()
    await database.execute("INSERT INTO blog_author DEFAULT VALUES")
    await database.execute(
        f"INSERT INTO blog_item (code, views, old) SELECT n, 0, 'x' FROM generate_series(1, {rows}) n"
    )
    whole = Migration.build("0002_change", "blog", CHANGES, [("blog", "0001")])
    plan = await make_safe(database, [whole], loader.state())
    last = plan.later[0]
    last.dependencies = [plan.migrations[-1].key]
    for migration in [*plan.migrations, last]:
        migration.lock_timeout_s = limit_s / 2
        loader.migrations[migration.key] = migration
    loader.build()
    other = Database("clients", replace(database.config, pool=replace(database.config.pool, max_size=5)))
    clients = Clients(other, rows, limit_s)
    began = time.perf_counter()
    try:
        async with asyncio.TaskGroup() as group:
            for work in (clients.read, clients.read, clients.write, clients.insert, clients.linger):
                group.create_task(work())
            # The new release is deployed between the steps that it needs and those that need it.
            await Executor(database, loader).migrate([plan.migrations[1].key])
            clients.is_new = True
            await clients.switched.wait()
            await Executor(database, loader).migrate()
            clients.running = False
    finally:
        await other.close()
    seconds = time.perf_counter() - began

    (found,) = await database.fetch("SELECT count(*), count(*) FILTER (WHERE stars IS NULL) FROM blog_item")
    assert found[0] >= rows and found[1] == 0
    columns = await database.introspection.columns("blog_item")
    assert {column.name: column.type for column in columns}["views"] == "bigint"
    names = {column.name: column.null for column in columns}
    assert names == {"id": False, "code": False, "views": False, "stars": False, "author_id": True}
    assert {"by_views", "once"} <= {index.name for index in await database.introspection.indexes("blog_item")}
    assert clients.done > 0 and clients.stale_plans <= 5
    return clients, seconds


async def test_clients_go_on_while_a_table_is_changed(database, make_loader):
    await change_while_in_use(database, make_loader, 2000, 5.0)


@pytest.mark.soak
async def test_clients_go_on_while_a_table_of_a_million_rows_is_changed(database, make_loader):
    clients, seconds = await change_while_in_use(database, make_loader, 1_000_000, 1.0)
    print(f"{clients.done} statements of the clients in {seconds:.0f} s, the slowest {clients.slowest_s * 1000:.0f} ms")
