"""Journeys 1 to 6 with everything installed: the documented app, on each database, reached by real clients."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
from pathlib import Path

import pytest

from tests._e2e.conftest import ROOT, Machine
from tests._ports import free_port
from tests.conftest import Scratch

PREPARE = """
import os, json
os.environ.setdefault("COVET_SETTINGS_MODULE", "mysite.settings")
import covet

async def main():
    from blog.models import Author
    from covet.auth import get_user_model
    from covet.auth.authentication import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from covet.sessions import Session, session_store
    from queries import journey

    seen = await journey(await Author.objects.create(name="Ann", email="ann@example.com"))
    user = await get_user_model().objects.get(username="ann")
    session = Session(session_store())
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(user.pk), "covet.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    await session.save()
    print(json.dumps({"session": session.key, "seen": seen}, default=str))

covet.run(main())
"""

PUBLISH = """
import os
os.environ.setdefault("COVET_SETTINGS_MODULE", "mysite.settings")
import covet

async def main():
    from blog.models import Article, Author
    from covet.pubsub import channel
    article = await Article.objects.create(title="From afar", author=await Author.objects.order_by("pk").first())
    await channel("articles").publish({"pk": article.pk})

covet.run(main())
"""


def make_project(machine: Machine, folder: Path, **environment: str) -> Path:
    """The generated project with the journey's own app in the place of the generated one."""
    machine.run("covet-admin", "startproject", "mysite", cwd=folder)
    project = folder / "mysite"
    machine.run("python", "manage.py", "startapp", "blog", cwd=project)
    for name in ("models", "views", "urls", "schema", "routing"):
        shutil.copy(ROOT / f"tests/_journeys/blog/{name}.py", project / f"blog/{name}.py")
    shutil.rmtree(project / "blog/tests")
    shutil.copy(ROOT / "tests/_journeys/queries.py", project / "queries.py")
    page = project / "blog/templates/blog/home.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("<ul>{% for article in articles %}<li>{{ article.title }}</li>{% endfor %}</ul>")
    for name in ("clients", "subscriber"):
        shutil.copy(ROOT / f"tests/_e2e/{name}.py", project / f"{name}.py")
    (project / "prepare.py").write_text(PREPARE)
    (project / "publish.py").write_text(PUBLISH)
    machine.run("python", "manage.py", "makemigrations", cwd=project, **environment)
    return project


@pytest.mark.parametrize("database", ["sqlite", "postgresql", "mysql"])
async def test_the_journeys(database: str, full_machine: Machine, tmp_path: Path, scratch: Scratch) -> None:
    """From ``migrate`` to HTML, REST, GraphQL and WebSocket; and a subscription fed by another process through Redis."""
    machine, port = full_machine, free_port()
    environment = {"COVET_CHANNELS__DEFAULT": os.environ["COVET_TEST_REDIS_URL"]}
    if database != "sqlite":
        environment["DATABASE_URL"] = await scratch(database)
    project = make_project(machine, tmp_path, **environment)

    machine.run("python", "manage.py", "migrate", cwd=project, **environment)
    machine.run(
        "python", "manage.py", "createsuperuser", "--username", "ann", "--email", "ann@example.com", "--noinput",
        cwd=project, COVET_SUPERUSER_PASSWORD="correct horse battery", **environment,
    )  # fmt: skip
    prepared = json.loads(machine.run("python", "prepare.py", cwd=project, **environment))
    with machine.serving(project, port, **environment):
        url = f"http://127.0.0.1:{port}"
        seen = json.loads(machine.run("python", "clients.py", url, prepared["session"], cwd=project, **environment))
        with subprocess.Popen(
            [machine.bin / "python", "subscriber.py", url], cwd=project, env=machine.environment(**environment),
            stdout=subprocess.PIPE, text=True,
        ) as subscriber:  # fmt: skip
            assert subscriber.stdout is not None
            assert subscriber.stdout.readline().strip() == "listening"
            # The server says nothing of a subscription that has begun, and what comes before is lost: so it comes again.
            while True:
                machine.run("python", "publish.py", cwd=project, **environment)
                if select.select([subscriber.stdout], [], [], 10)[0]:
                    break
            event = json.loads(subscriber.stdout.readline())

    assert prepared["seen"]["tags"] == ["one", "two"]
    assert prepared["seen"]["author"] == prepared["seen"]["joined"] == "Ann"
    assert prepared["seen"]["views"] == prepared["seen"]["popular"] == 1
    assert prepared["seen"]["sent"] == ["mail"]
    check_rest(seen)
    check_graphql(seen)
    assert seen["heard"]["text"] == "hello"
    assert event["payload"]["data"] == {"articlePublished": {"title": "From afar", "author": {"name": "ANN"}}}


def check_rest(seen: dict[str, object]) -> None:
    """What the REST client saw."""
    problem = "application/problem+json"
    assert "<li>Hello</li>" in str(seen["home"])
    assert seen["docs"] == 200
    assert "/api/articles/" in seen["paths"]  # type: ignore[operator]
    assert seen["page"]["total"] == 1  # type: ignore[index]
    assert seen["search"] == 0
    assert seen["anonymous"] == 401
    assert seen["without csrf"] == 403
    status, created = seen["created"]  # type: ignore[misc]
    assert (status, created["title"]) == (201, "By REST")
    assert seen["read"] == created
    assert seen["errors"] == {
        "unknown key": [422, problem, ["/author"]],
        "wrong type": [422, problem, ["/title"]],
        "unknown field": [422, problem, ["/titel"]],
        "no json": [400, problem, []],
        "duplicate": [409, problem, ["/email"]],
        "not found": [404, problem, []],
        "no path": [404, problem, []],
        "method": [405, problem, []],
    }
    assert seen["allow"] == ["GET", "HEAD", "OPTIONS", "POST"]
    assert seen["authors"]["total"] == 1  # type: ignore[index]
    assert seen["promoted"]["name"] == "ANN"  # type: ignore[index]


def check_graphql(seen: dict[str, object]) -> None:
    """What the GraphQL client saw."""
    articles = seen["graphql"]["data"]["articles"]  # type: ignore[index]
    assert articles["totalCount"] == 2
    assert {edge["node"]["title"] for edge in articles["edges"]} == {"Hello", "By REST"}
    assert {edge["node"]["author"]["name"] for edge in articles["edges"]} == {"ANN"}
    assert seen["mutation"]["data"]["createArticle"]["title"] == "By GraphQL"  # type: ignore[index]
    assert seen["refused mutation"]["errors"]  # type: ignore[index]
