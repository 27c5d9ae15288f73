"""The site builds without a warning, every page is in its navigation, and the reference has every public name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from tests._environ import unmeasured
from tests.conftest import repository_root

ROOT = repository_root()
FRONT_DOORS = [
    "access",
    "accel",
    "apps",
    "auth",
    "auth.decorators",
    "auth.hashers",
    "auth.models",
    "auth.passwords",
    "checks",
    "conf",
    "contenttypes",
    "db",
    "db.errors",
    "db.migrations",
    "db.models",
    "db.models.functions",
    "db.models.signals",
    "db.observe",
    "db.transaction",
    "dispatch",
    "exceptions",
    "graphql",
    "http",
    "i18n",
    "json",
    "limits",
    "log",
    "management",
    "middleware",
    "paginator",
    "problems",
    "pubsub",
    "rest",
    "schema",
    "security",
    "sessions",
    "shortcuts",
    "signing",
    "templates",
    "test",
    "text",
    "timezone",
    "urls",
    "validators",
    "views",
    "websocket",
]

LIST_NAMES = """
import importlib, inspect, json
import covet
from covet.conf import settings

settings.configure(
    SECRET_KEY="x" * 50,
    INSTALLED_APPS=["covet.contenttypes", "covet.auth", "covet.sessions", "covet.rest", "covet.graphql", "covet.websocket"],
)
covet.setup()
exported = {}
for door in DOORS:
    module = importlib.import_module(f"covet.{door}")
    values = {name: getattr(module, name) for name in module.__all__}
    exported[door] = [
        [f"covet.{door}.{name}", f"{value.__module__}.{value.__qualname__}"]
        for name, value in values.items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__.startswith("covet")
    ]
print(json.dumps(exported))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site: the one that this run has built already (by the same command, strictly), or a new one."""
    if built := os.environ.get("COVET_TEST_SITE"):
        return Path(built)
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(folder)],
        cwd=ROOT,
        env=unmeasured(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def described(site: Path) -> set[str]:
    """The names in the site's inventory of objects."""
    inventory = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    return {line.split(" ", 1)[0] for line in zlib.decompress(inventory).decode().splitlines()}


@pytest.fixture(scope="module")
def exported() -> dict[str, list[list[str]]]:
    """The classes and functions that each front door exports, each with the addresses it may be described at."""
    done = subprocess.run(
        [sys.executable, "-c", f"DOORS = {FRONT_DOORS!r}\n{LIST_NAMES}"],
        cwd=ROOT,
        env=unmeasured(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("door", FRONT_DOORS)
def test_each_public_name_is_in_the_reference(
    door: str, described: set[str], exported: dict[str, list[list[str]]]
) -> None:
    """A class or function is described by the address users import it from, or by that of its own module."""
    assert [homes[0] for homes in exported[door] if not described.intersection(homes)] == []


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")[1]

    pages = [page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")]

    assert [page for page in sorted(pages) if page not in navigation] == []
