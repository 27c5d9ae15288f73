"""The house's rules that no linter holds."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import covet
from tests.conftest import repository_root

ROOT = repository_root()
MODULES = sorted((ROOT / "covet").rglob("*.py"))
HEAVY = (
    "pydantic",
    "click",
    "jinja2",
    "strawberry",
    "uvicorn",
    "asyncpg",
    "aiomysql",
    "aiosqlite",
    "msgspec",
    "redis",
    "asyncio",
)


def loaded_by(statement: str) -> set[str]:
    """Top-level names in ``sys.modules`` after a statement, in a fresh interpreter."""
    out = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{statement}\nimport sys\nprint(*sorted({{n.partition('.')[0] for n in sys.modules}}))",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return set(out.split())


def test_importing_covet_loads_nothing_heavy() -> None:
    """A script that asks for the version alone must start at once."""
    assert not loaded_by("import covet; covet.__version__") & set(HEAVY)


def test_asking_for_the_settings_object_does_not_load_pydantic() -> None:
    """It is loaded with the first setting that is read."""
    assert "pydantic" not in loaded_by("from covet.conf import settings")


@pytest.mark.parametrize(
    "package", [name for _, name, is_package in pkgutil.iter_modules(covet.__path__, "covet.") if is_package]
)
def test_every_room_can_be_imported_first(package: str) -> None:
    """No room leans on another having been imported before it."""
    setup = "from covet.conf import settings; settings.configure(SECRET_KEY='x' * 50, INSTALLED_APPS=['covet.contenttypes', 'covet.auth', 'covet.sessions'], DATABASES={'default': 'sqlite://:memory:'})"
    needs_apps = package in {"covet.auth", "covet.contenttypes", "covet.sessions"}
    loaded_by(f"{setup if needs_apps else ''}\nimport {package}")


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.name == "__init__.py"], ids=lambda p: str(p.relative_to(ROOT))
)
def test_a_front_door_holds_a_docstring_imports_and_names_only(path: Path) -> None:
    """What a package's ``__init__`` offers is said in ``__all__``, and defined elsewhere."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path.parent == ROOT / "covet" or path.parent.name in ("migrations", "commands", "management"):
        return
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.If, ast.Try, ast.Expr)

    others = [node for node in tree.body if not isinstance(node, allowed)]
    lazy = [n for n in others if isinstance(n, ast.FunctionDef) and n.name in ("__getattr__", "__dir__")]

    assert ast.get_docstring(tree), "a package says what it is for"
    assert others == lazy, f"line {others[0].lineno}: a front door defines nothing"


def test_every_name_that_a_front_door_offers_exists() -> None:
    """``from covet.http import *`` must not fail."""
    import covet.db.models
    import covet.http
    import covet.urls

    for module in (covet.db.models, covet.http, covet.urls):
        missing = [name for name in module.__all__ if not hasattr(module, name)]
        assert not missing, f"{module.__name__}: {missing}"


def test_no_module_is_a_drawer() -> None:
    """Shared code gets a name."""
    drawers = {"utils", "util", "helpers", "helper", "misc", "common", "tools"}
    named = {ROOT / "covet/middleware/common.py"}  # Django's name for Django's thing: CommonMiddleware

    assert [str(p) for p in MODULES if (p.stem in drawers or p.stem.startswith("base_")) and p not in named] == []


def test_a_module_above_five_hundred_lines_is_named_with_its_reason() -> None:
    """ADR 0014 lists them; one that has become shorter leaves the list."""
    text = (ROOT / "docs/internals/adr/0014-modules-above-five-hundred-lines.md").read_text(encoding="utf-8")
    decision = text.partition("## Decision")[2].partition("## Consequences")[0]
    named = {f"covet/{name.replace('.', '/')}.py" for name in re.findall(r"`([a-z_.0-9]+)`", decision)}
    long = {str(p.relative_to(ROOT)) for p in MODULES if len(p.read_text(encoding="utf-8").splitlines()) > 500}

    assert named == long


def test_every_built_in_part_exists() -> None:
    """The default of APP_PARTS names classes that can be imported."""
    from covet.conf import settings
    from covet.loading import import_string

    for path in settings.APP_PARTS:
        assert import_string(path)


def test_every_setting_is_documented() -> None:
    """The reference page names each one, with its own doc line."""
    page = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")

    from covet.conf.defaults import Defaults

    names = [name for name in Defaults.__annotations__ if name.isupper()]
    assert names
    assert [name for name in names if f"`{name}`" not in page] == [], "run scripts/settings_reference"


# What the log-in views of a project read, which docs/howto/users-and-sessions.md gives.
OF_PROJECTS = {"LOGIN_REDIRECT_URL", "LOGOUT_REDIRECT_URL", "PASSWORD_RESET_TIMEOUT"}


def test_every_setting_is_read() -> None:
    """One that nobody reads is set in vain, and nothing says so."""
    from covet.conf.defaults import declared

    words = {ROOT / "covet/conf/defaults.py", ROOT / "covet/security/foreign.py"}
    code = "".join(path.read_text(encoding="utf-8") for path in MODULES if path not in words)
    recipe = (ROOT / "docs/howto/users-and-sessions.md").read_text(encoding="utf-8")

    # All names at once: a search for each would go through all of the code again.
    read = set(re.findall(r"settings\.([A-Z]\w*)|(?<=[\"'])([A-Z]\w*)(?=[\"'])", code))
    unread = set(declared()) - {name for pair in read for name in pair}
    assert unread == OF_PROJECTS
    assert {name for name in unread if f"settings.{name}" not in recipe} == set()


def test_the_links_between_the_pages_lead_somewhere() -> None:
    """Relative links of README and the pages outside docs/ are no dead ends (mkdocs checks its own)."""
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_accelerated_function_has_a_twin() -> None:
    """What ``covet_rust`` offers, plain Python offers too."""
    covet_rust = pytest.importorskip("covet_rust") if not _in_ci() else importlib.import_module("covet_rust")
    from covet.accel import twins

    offered = {name for name in dir(covet_rust) if not name.startswith("_") and callable(getattr(covet_rust, name))}
    plain = {
        name
        for _, module, _ in pkgutil.iter_modules(twins.__path__, f"{twins.__name__}.")
        for name in dir(importlib.import_module(module))
    }

    assert offered - plain == set()


def _in_ci() -> bool:
    import os

    return bool(os.environ.get("CI"))
