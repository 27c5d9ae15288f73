"""What each command may import, recorded: start-up time is imports, and a count of them is the same on any machine.

The aims, in multiples of a bare interpreter, are in the docs; a new name here is a decision, not an accident.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests._environ import bare

HELP = {
    "covet",
    "covet.conf",
    "covet.conf.errors",
    "covet.conf.holder",
    "covet.exceptions",
    "covet.importing",
    "covet.loading",
    "covet.management",
    "covet.management.entry",
    "covet.management.find",
    "covet.text",
    "covet.timezone",
    "mysite",
    "mysite.settings",
}
VERSION = HELP - {"covet.conf", "covet.conf.errors", "covet.conf.holder", "covet.timezone", "mysite", "mysite.settings"}
COMMAND = {"covet", "click", "typing_extensions", "msgspec", "mysite"}
SETTINGS = COMMAND | {"dotenv"}
# The models of covet.auth know their hashers; a plain value of a setting needs no pydantic.
MODELS = SETTINGS | {"_argon2_cffi_bindings", "_cffi_backend", "aiosqlite", "argon2"}
PYDANTIC = {"annotated_types", "pydantic", "pydantic_core", "typing_inspection"}
WHOLE = MODELS | PYDANTIC | {"covet_rust", "dateutil", "graphql", "six", "strawberry"}
# Of the standard library: what costs most, and neither help nor version needs.
HEAVY = {"asyncio", "email", "http", "json", "logging", "socket", "sqlite3", "ssl", "subprocess", "unittest"}

PROBE = """
import atexit, os, sys
before = set(sys.modules)
atexit.register(lambda: open("imported.txt", "w").write("\\n".join(set(sys.modules) - before)))
sys.argv = ["manage.py", *{args!r}]
sys.path.insert(0, os.getcwd())
os.environ["COVET_SETTINGS_MODULE"] = "mysite.settings"
from covet.management import main
main()
"""

Imported = Callable[..., set[str]]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    """``imported("check")``: the modules that a command of a generated project loads, but for the interpreter's own."""
    folder = tmp_path_factory.mktemp("imports")
    admin = Path(sys.executable).parent / "covet-admin"
    subprocess.run([admin, "startproject", "mysite", "."], cwd=folder, env=bare(), check=True, capture_output=True)

    def run(*args: str, without: str | None = None) -> set[str]:
        settings = folder / "mysite" / "settings.py"
        text = settings.read_text()
        if without is not None:
            settings.write_text(text.replace(f'    "{without}",\n', ""))
        # Without what measures coverage: it imports for itself.
        environment = {name: value for name, value in bare().items() if name == "PATH"}
        try:
            done = subprocess.run(
                [sys.executable, "-c", PROBE.format(args=args)], cwd=folder, env=environment, capture_output=True
            )
        finally:
            settings.write_text(text)
        assert done.returncode == 0, done.stderr.decode()
        return set((folder / "imported.txt").read_text().split())

    return run


def packages(modules: set[str]) -> set[str]:
    """The top packages that are not the standard library's."""
    tops = {module.partition(".")[0] for module in modules}
    return {top for top in tops - set(sys.stdlib_module_names) if not top.startswith("_sysconfigdata")}


@pytest.mark.parametrize(("argument", "allowed"), [("--help", HELP), ("--version", VERSION)])
def test_help_and_version_load_a_handful_of_modules(imported: Imported, argument: str, allowed: set[str]) -> None:
    modules = imported(argument)

    ours = {module for module in modules if module.partition(".")[0] not in sys.stdlib_module_names}
    assert {module for module in ours if not module.startswith("_sysconfigdata")} <= allowed
    assert not modules & HEAVY


@pytest.mark.parametrize(
    ("args", "allowed"),
    [
        (["startproject", "--help"], COMMAND),
        (["startapp", "--help"], COMMAND),
        (["completion", "bash"], COMMAND),
        (["settings", "DEBUG"], SETTINGS),
        (["makemigrations", "--check"], MODELS),
        # The first connection to SQLite picks what reads moments.
        (["migrate"], MODELS | {"covet_rust"}),
        (["check"], WHOLE),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_loads_the_packages_it_needs_and_no_other(
    imported: Imported, args: list[str], allowed: set[str]
) -> None:
    assert packages(imported(*args)) <= allowed


def test_a_project_without_graphql_does_not_pay_for_it(imported: Imported) -> None:
    modules = imported("check", without="covet.graphql")

    assert packages(modules) <= WHOLE - {"dateutil", "six", "graphql", "strawberry"}
    assert not [module for module in modules if module.startswith("covet.graphql")]
