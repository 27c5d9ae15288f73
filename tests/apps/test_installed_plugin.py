"""An app from its own distribution, installed by pip: one line in INSTALLED_APPS adds all of it, and removes all of it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import _forking
from tests._environ import bare
from tests.conftest import repository_root

PLUGIN = repository_root() / "tests" / "_apps" / "plugin_dist"
PROBE = """
import json
from covet.conf import settings
from covet.db import connections
from covet.apps.lifecycle import started
from covet.asgi import get_asgi_application
from covet.checks import run_checks
from covet.exceptions import CovetError
from covet.test.client import AsyncClient
from covet.test.websocket import WebSocketRejected, connect
from covet.templates.engine import render_to_string
from covet.urls import reverse

found = {"models": sorted(model._meta.label for model in apps.get_models() if model._meta.app_label == "guestbook")}
found["parts"] = sorted(type(part).__name__ for part in apps.parts() if type(part).__module__.startswith("guestbook"))
found["open"] = [part.is_open for part in apps.parts() if hasattr(part, "is_open") and hasattr(part, "stamps")]
found["stamps"] = [part.stamps for part in apps.parts() if hasattr(part, "stamps")]
found["checks"] = [m.id for m in await run_checks(apps) if (m.id or "").startswith("guestbook")]
found["label"] = "guestbook" in apps.app_configs and apps.get_app_config("guestbook").was_ready
application = get_asgi_application()
async with AsyncClient(application, base_url="http://localhost") as client:
    found["page"] = (await client.get("/guestbook/")).status_code
    found["api"] = (await client.get("/api/guestbook/entries/")).status_code
    found["openapi"] = [path for path in (await client.get("/openapi.json")).json()["paths"] if "guestbook" in path]
    answer = await client.post("/graphql", json={"query": "{ guestbookEntries { totalCount edges { node { name } } } }"})
    found["graphql"] = answer.json().get("data")
try:
    async with connect("/ws/guestbook/", app=application, headers={"host": "localhost"}) as ws:
        found["websocket"] = await ws.receive_json()
except WebSocketRejected as error:
    found["websocket"] = error.status
try:
    found["template"] = await render_to_string("guestbook/index.html", {"entries": []})
except CovetError as error:
    found["template"] = None
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The plugin, built and installed into a folder of its own."""
    source = tmp_path_factory.mktemp("source") / "plugin_dist"
    shutil.copytree(PLUGIN, source, ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path_factory.mktemp("installed")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--no-index", "--quiet",
         "--target", str(target), str(source)],
        capture_output=True,
        text=True,
        timeout=180,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    admin = Path(sys.executable).parent / "covet-admin"
    done = subprocess.run([admin, "startproject", "mysite", "."], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def manage(site, installed):
    settings = site / "mysite" / "settings.py"
    plain = settings.read_text()

    def run(*args, plugged):
        settings.write_text(plain + ('\nINSTALLED_APPS += ["guestbook"]\n' if plugged else ""))
        return _forking.run("manage.py", *args, cwd=site, env=bare(PYTHONPATH=str(installed)))

    return run


@pytest.fixture(scope="module")
def probe(manage):
    def run(*, plugged):
        migrated = manage("migrate", plugged=plugged)
        assert migrated.returncode == 0, migrated.stderr
        done = manage("shell", "-c", PROBE, plugged=plugged)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_adding_the_app_adds_all_of_it_and_removing_it_removes_all_of_it(manage, probe):
    before = probe(plugged=False)
    signed_before = manage("guestbook_sign", "Ann", plugged=False)
    listed_before = manage("--help", plugged=False).stdout

    assert manage("migrate", plugged=True).returncode == 0
    signed = manage("guestbook-sign", "Ann", plugged=True)
    with_it = probe(plugged=True)
    listed = manage("--help", plugged=True).stdout
    migrations = manage("showmigrations", plugged=True).stdout
    after = probe(plugged=False)

    nothing = {
        "models": [],
        "parts": [],
        "open": [],
        "stamps": [],
        "checks": [],
        "label": False,
        "page": 404,
        "api": 404,
        "openapi": [],
        "graphql": None,
        "websocket": 404,
        "template": None,
    }
    assert before == after == nothing
    assert signed.stdout == "Ann is number 1.\n", signed.stderr
    assert with_it == {
        "models": ["guestbook.Entry"],
        "parts": ["StampsPart"],
        "open": [True],
        "stamps": [["guestbook:first", "guestbook:second"]],
        "checks": ["guestbook.I001"],
        "label": True,
        "page": 200,
        "api": 200,
        "openapi": ["/api/guestbook/entries/"],
        "graphql": {"guestbookEntries": {"totalCount": 1, "edges": [{"node": {"name": "Ann"}}]}},
        "websocket": {"entries": 1},
        "template": "<h1>Guests</h1>",
    }
    assert "Commands of guestbook:\n  guestbook_sign" in listed
    assert "Write a name into the guestbook." in listed
    assert "guestbook" not in listed_before
    assert signed_before.returncode == 2
    assert "guestbook" in migrations
    assert "0001_initial" in migrations


def test_it_takes_the_installed_copy_and_not_the_checkout(installed, manage):
    done = manage("shell", "-c", "import guestbook; print(guestbook.__file__)", plugged=True)

    assert done.stdout.startswith(str(installed)), done.stderr
    assert (installed / "covet_guestbook-1.0.0.dist-info").is_dir()
