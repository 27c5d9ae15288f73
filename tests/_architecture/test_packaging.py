"""What ``pyproject.toml`` promises: every extra is used, and the big ones contain the small ones."""

from __future__ import annotations

import ast
import tomllib
from functools import cache

import pytest
from packaging.requirements import Requirement

from tests.conftest import repository_root

ROOT = repository_root()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[Requirement]] = {
    name: [Requirement(text) for text in texts] for name, texts in PROJECT["optional-dependencies"].items()
}
# Where the module is not called like the distribution; what is loaded by uvicorn or pytest rather than by us.
MODULES = {
    "factory-boy": "factory",
    "pillow": "PIL",
    "pytest-asyncio": "pytest_asyncio",
    "Babel": "babel",
    "opentelemetry-sdk": "opentelemetry",
    "prometheus-client": "prometheus_client",
    "PyYAML": "yaml",
    "strawberry-graphql": "strawberry",
}
BY_NAME = {"websockets", "httptools", "watchfiles", "uvloop", "pytest-xdist", "covet-rust"}


@cache
def imported_by_covet() -> set[str]:
    """The top packages that any module of ``covet`` imports, wherever the import stands."""
    found: set[str] = set()
    for path in (ROOT / "covet").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_an_extra_brings_what_covet_uses(extra: str) -> None:
    """ADR 0009: an extra that nothing imports is a promise that nobody keeps."""
    used = imported_by_covet()

    for requirement in EXTRAS[extra]:
        if requirement.name == "covet":
            assert requirement.extras <= set(EXTRAS)
        elif requirement.name not in BY_NAME:
            assert MODULES.get(requirement.name, requirement.name) in used


def test_all_contains_every_extra_but_the_unpublished_one() -> None:
    named = {extra for requirement in EXTRAS["all"] for extra in requirement.extras}

    assert named == set(EXTRAS) - {"all", "rust"}


def test_the_next_major_is_never_taken_untested() -> None:
    """Upper bounds where a library's next major, or Strawberry's next minor, has broken its users before."""
    bounded = {
        requirement.name
        for requirement in [*map(Requirement, PROJECT["dependencies"]), *(r for rs in EXTRAS.values() for r in rs)]
        if any(specifier.operator == "<" for specifier in requirement.specifier)
    }

    assert {"click", "pydantic", "uvicorn", "asyncpg", "aiomysql", "redis", "strawberry-graphql"} <= bounded
