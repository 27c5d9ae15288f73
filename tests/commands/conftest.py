"""A project without a database, for commands that need none."""

import os
import subprocess
import sys

import pytest

from tests import _forking
from tests._environ import bare
from tests.commands.running import Running

SETTINGS = """
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "hunter2" * 10
DEBUG = True
INSTALLED_APPS = ["shop"]
ROOT_URLCONF = "site_.urls"
OWN_SETTING = 3
"""
URLS = """
from covet.http import Response
from covet.urls import path
async def home(request):
    return Response("hello from here")
urlpatterns = [path("", home)]
"""
CHECKS = """
from covet.apps import AppConfig
from covet.checks import Error, Warning, register
class ShopConfig(AppConfig):
    name = "shop"
    def ready(self):
        @register("shopping")
        def shelves(apps):
            yield Warning("A shelf is crooked.", hint="Straighten it.", obj="shop.shelves", id="shop.W001")
        @register("shopping", deploy=True)
        async def doors(apps):
            yield Error("The door is open.", id="shop.E001")
"""
MANAGE = """
import os
os.environ.setdefault("COVET_SETTINGS_MODULE", "site_.settings")
from covet.management import main
main()
"""


@pytest.fixture
def project(tmp_path):
    for path, text in {
        "manage.py": MANAGE,
        "site_/__init__.py": "",
        "site_/settings.py": SETTINGS,
        "site_/urls.py": URLS,
        "shop/__init__.py": "",
        "shop/apps.py": CHECKS,
    }.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.lstrip("\n"))
    return tmp_path


@pytest.fixture
def environ():
    return bare(HOME=os.environ.get("HOME", "/"), PYTHONUNBUFFERED="1")


@pytest.fixture
def manage(project, environ):
    def run(*args, stdin="", **more):
        if args[0] in {"runserver", "serve"}:  # they start themselves again
            command = [sys.executable, "manage.py", *args]
            return subprocess.run(
                command, cwd=project, capture_output=True, text=True, timeout=60, input=stdin, env={**environ, **more}
            )
        return _forking.run("manage.py", *args, cwd=project, env={**environ, **more}, given=stdin)

    return run


@pytest.fixture
def running(project, environ):
    """``running("serve", "0")`` starts a command that goes on; another class than ``Running`` may know more of it."""
    started = []

    def start(*args, kind=Running, **more):
        started.append(kind(*args, project=project, environ={**environ, **more}))
        return started[-1]

    yield start
    for one in started:
        one.close()
