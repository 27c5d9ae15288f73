"""A subscription over a real socket, fed by a write in another process through Redis."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import websockets

from covet.apps.lifecycle import setup, started
from covet.conf import override
from covet.db import connections
from covet.handlers.application import Application
from covet.pubsub.part import broker_of
from tests.graphql.conftest import APPS, create_tables
from tests.websocket.conftest import serving

WRITER = """
import asyncio, sys
import covet
from covet.conf import settings

database, channels = sys.argv[1:]
settings.configure(
    SECRET_KEY="another-process-" + "x" * 40,
    INSTALLED_APPS={apps!r},
    DATABASES={{"default": database}},
    CHANNELS={{"default": channels}},
)
covet.setup()

async def write():
    from covet.db import transaction
    from covet.pubsub import channel
    from tests.graphql.blogapp.models import Article, Author

    async with transaction.atomic():
        author = await Author.objects.create(name="Elsewhere", email="else@where.org")
        article = await Article.objects.create(title="From another process", author=author)
        transaction.on_commit(lambda: channel("articles").publish({{"pk": article.pk}}))

covet.run(write())
"""


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[tuple[Application, str, str]]:
    """A project on a database file and a Redis prefix that another process can use too."""
    database = f"sqlite:///{tmp_path / 'shared.sqlite3'}"
    channels = f"{os.environ['COVET_TEST_REDIS_URL']}?prefix=test-{secrets.token_hex(6)}"
    async with override(
        INSTALLED_APPS=APPS,
        ROOT_URLCONF="covet.graphql.urls",
        MIDDLEWARE=[],
        ALLOWED_HOSTS=["127.0.0.1"],
        DATABASES={"default": database},
        CHANNELS={"default": channels},
    ):
        apps = setup()
        async with started():
            await create_tables()
            yield Application(apps), database, channels
            await connections["default"].close()


async def test_a_write_in_another_process_reaches_a_subscriber(shared: tuple[Application, str, str]) -> None:
    project, database, channels = shared
    async with (
        serving(project) as (url, _),
        websockets.connect(
            f"{url}/graphql", subprotocols=[websockets.Subprotocol("graphql-transport-ws")], open_timeout=60
        ) as ws,
    ):
        await ws.send('{"type":"connection_init"}')
        assert json.loads(await ws.recv())["type"] == "connection_ack"
        query = "subscription { articlePublished { title author { name } } }"
        await ws.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))
        await _until_listening()

        writer = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER.format(apps=APPS), database, channels, stderr=asyncio.subprocess.PIPE
        )
        _, complaints = await writer.communicate()
        assert writer.returncode == 0, complaints.decode()
        async with asyncio.timeout(30):
            message = json.loads(await ws.recv())

    assert message == {
        "id": "1",
        "type": "next",
        "payload": {"data": {"articlePublished": {"title": "From another process", "author": {"name": "Elsewhere"}}}},
    }


async def _until_listening() -> None:
    broker: Any = broker_of()
    async with asyncio.timeout(30):
        while "articles" not in broker._fan_out or broker._confirmed:
            await asyncio.sleep(0.005)
