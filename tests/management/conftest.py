"""A small project on disk, whose commands run in processes of their own."""

import subprocess
import textwrap

import pytest

from tests import _forking
from tests._environ import bare

SETTINGS = """
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "x" * 50
INSTALLED_APPS = ["shop"]
APP_PARTS = ["covet.management.part.ManagementPart", "shop.parts.Loud"]
"""
MANAGE = """
import os
os.environ.setdefault("COVET_SETTINGS_MODULE", "site_.settings")
from covet.management import main
main()
"""
PARTS = """
from covet.apps import AppPart
class Loud(AppPart):
    opened = False
    async def startup(self): self.opened = True
    async def shutdown(self): self.opened = False
"""
COMMANDS = {
    "greet": '''
        """Greet somebody."""
        import click
        from covet.apps import apps
        from covet.management import command, out
        from shop.parts import Loud
        @command(parts=[Loud])
        @click.argument("name")
        @click.option("--times", type=int, default=1)
        async def greet(name, times):
            """Greet NAME."""
            out.line(f"hello {name} " * times + str(apps.part(Loud).opened))
        ''',
    "waits": '''
        """Wait."""
        import asyncio
        from covet.management import command, out
        @command(parts=[])
        async def waits():
            out.line("ready")
            try:
                await asyncio.sleep(60)
            finally:
                out.line("closed")
        ''',
    "sync_one": '''
        """A sync command."""
        import asyncio, threading, covet
        from covet.management import command, out
        @command(parts=[])
        def sync_one():
            async def inner():
                return threading.current_thread() is threading.main_thread()
            out.line(f"{covet.run_sync(inner())} {threading.current_thread() is threading.main_thread()}")
        ''',
    "fails": '''
        """Fails."""
        import click
        from covet.exceptions import CommandError, ImproperlyConfigured
        from covet.management import command
        @command(parts=[])
        @click.argument("how")
        async def fails(how):
            if how == "command":
                raise CommandError("The cellar is flooded. Pump it dry.", exit_code=3)
            if how == "config":
                raise ImproperlyConfigured("A tap is missing.")
            if how == "bug":
                return {}["nothing"]
            if how == "import":
                from rest_framework.views import APIView
            if how == "exit":
                return 4
            if how == "click":
                raise click.UsageError("Not like that.")
        ''',
    "no_command": '"""Holds none."""\n',
    "broken": '"""Cannot be imported."""\nimport nothing_of_that_name\n',
    "_private": "raise SystemError\n",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    files = {
        "manage.py": MANAGE,
        "site_/__init__.py": "",
        "site_/settings.py": SETTINGS,
        "shop/__init__.py": "",
        "shop/parts.py": PARTS,
        "shop/management/__init__.py": "",
        "shop/management/commands/__init__.py": "",
        **{f"shop/management/commands/{name}.py": text for name, text in COMMANDS.items()},
    }
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"))
    return folder


@pytest.fixture
def manage(project):
    """``manage("greet", "Ann")`` runs manage.py in a process without a terminal."""

    def run(*args, program=None, cwd=None, **environ):
        folder, env = cwd or project, bare(**environ)
        if program is None:
            return _forking.run("manage.py", *args, cwd=folder, env=env)
        command = [*program, *args]
        return subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, env=env
        )

    return run
