"""One test's connection serves everybody who runs code for it: client, server, sockets, commands, threads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.test.test_plugin import SETTINGS, Project

APP = {
    "room/__init__.py": "",
    "room/management/__init__.py": "",
    "room/management/commands/__init__.py": "",
    "room/urls.py": """
import covet
from covet.auth.models import User
from covet.db import transaction
from covet.http import JSONResponse
from covet.urls import path

async def names():
    return [user.username async for user in User.objects.order_by("username")]

async def add(request, name):
    ran = []
    async with transaction.atomic():
        await User.objects.create(username=name)
        transaction.on_commit(lambda: ran.append(name))
        assert ran == []
    assert ran == [name]
    return JSONResponse(await names())

async def fail(request, name):
    async with transaction.atomic():
        await User.objects.create(username=name)
        raise RuntimeError("undo it")

def sync_add(request, name):
    covet.run_sync(User.objects.create(username=name))
    return JSONResponse(covet.run_sync(names()))

urlpatterns = [path("add/<str:name>", add), path("fail/<str:name>", fail), path("sync/<str:name>", sync_add)]
""",
    "room/routing.py": """
from covet.auth.models import User
from covet.access import AllowAny
from covet.urls import path
from covet.websocket import permissions
from room.urls import names

@permissions(AllowAny)
async def echo(ws):
    await ws.accept()
    async for text in ws:
        await User.objects.create(username=text)
        await ws.send_json(await names())

websocket_urlpatterns = [path("ws/add/", echo)]
""",
    "room/management/commands/add_user.py": """
import click
from covet.auth.models import User
from covet.management import command

@command()
@click.argument("name")
async def add_user(name: str) -> None:
    "Add a user."
    await User.objects.create(username=name)
""",
    "room/management/commands/add_sync.py": """
import click
import covet
from covet.auth.models import User
from covet.management import command

@command()
@click.argument("name")
def add_sync(name: str) -> None:
    "Add a user from a thread."
    covet.run_sync(User.objects.create(username=name))
""",
}

TESTS = """
import asyncio
import httpx
import pytest
from covet.auth.models import User
from covet.db import connections, transaction
from covet.management import call_command
from covet.test.websocket import connect
from room.urls import names

@pytest.mark.parametrize("turn", [1, 2])
async def test_everybody_sees_what_the_others_wrote(db, client, live_server, turn):
    await User.objects.create(username="a-test")
    assert (await client.get("/add/b-client")).json() == ["a-test", "b-client"]
    assert (await client.get("/sync/c-sync")).json() == ["a-test", "b-client", "c-sync"]
    await call_command("add_user", "d-command")
    await call_command("add_sync", "e-sync-command")
    async with httpx.AsyncClient(base_url=str(live_server), timeout=60) as browser:
        assert (await browser.get("/add/f-server")).json()[-1] == "f-server"
    async with connect("/ws/add/") as ws:
        await ws.send("g-socket")
        assert (await ws.receive_json())[-2:] == ["f-server", "g-socket"]
    import websockets
    origin = str(live_server).rstrip("/")
    async with websockets.connect(live_server.ws_url + "/ws/add/", origin=origin, open_timeout=60) as ws:
        await ws.send("h-real-socket")
        assert "h-real-socket" in await ws.recv()
    assert await names() == [
        "a-test", "b-client", "c-sync", "d-command", "e-sync-command", "f-server", "g-socket", "h-real-socket"
    ]

async def test_many_at_once_take_turns_on_the_one_connection(db, client, live_server):
    async with httpx.AsyncClient(base_url=str(live_server), timeout=60) as browser:
        answers = await asyncio.gather(
            *[client.get(f"/add/client-{n}") for n in range(5)],
            *[browser.get(f"/add/server-{n}") for n in range(5)],
            *[client.get(f"/sync/thread-{n}") for n in range(5)],
            *[User.objects.create(username=f"task-{n}") for n in range(5)],
        )
    assert {answer.status_code for answer in answers[:15]} == {200}
    assert await User.objects.count() == 20

async def test_a_failed_request_undoes_its_own_writes_only(db, client):
    await User.objects.create(username="kept")
    with pytest.raises(RuntimeError):
        await client.get("/fail/undone")
    assert await names() == ["kept"]
    async with transaction.atomic():
        await User.objects.create(username="in a block")
    assert await names() == ["in a block", "kept"]
"""


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql", "mysql"])
def test_everything_that_runs_for_a_test_shares_its_connection(vendor: str, tmp_path: Path) -> None:
    url = {"postgresql": os.environ["COVET_TEST_POSTGRES_URL"], "mysql": os.environ["COVET_TEST_MYSQL_URL"]}.get(vendor)
    project = Project(tmp_path, *([url] if url else []))
    for name, text in APP.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    settings = SETTINGS.format(default=url or "sqlite:///real.sqlite3", other="sqlite:///real2.sqlite3")
    settings = settings.replace('"tests._apps.members"', '"covet.websocket", "room"').replace(
        '"tests._apps.members.urls"', '"room.urls"'
    )
    (tmp_path / "project_settings.py").write_text(settings)

    outcome, output = project.test(TESTS)

    assert outcome == {"passed": 4}, output
