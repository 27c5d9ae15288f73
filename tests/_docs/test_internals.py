"""The pages about the inside name modules, rooms and parts that exist."""

from __future__ import annotations

import re

from tests.conftest import repository_root

ROOT = repository_root()
PAGE = (ROOT / "docs/internals/architecture.md").read_text(encoding="utf-8")
# Where a short name of the page may begin: `query.plan` is covet.db.models.query.plan.
BEGINNINGS = ("", "db", "db/models", "db/models/query", "db/migrations", "pubsub", "websocket")


def is_there(name: str) -> bool:
    """A module, a package, or what a module defines."""
    parts = name.split(".")
    for beginning in BEGINNINGS:
        folder = ROOT / "covet" / beginning
        for known in range(len(parts), 0, -1):
            path = folder.joinpath(*parts[:known])
            if not path.is_dir() and not path.with_suffix(".py").is_file():
                continue
            rest = parts[known:]
            source = "" if path.is_dir() else path.with_suffix(".py").read_text(encoding="utf-8")
            if not rest or (len(rest) == 1 and re.search(rf"\b(def|class) {rest[0]}\b", source)):
                return True
    return False


def test_the_modules_that_the_architecture_names_exist() -> None:
    """The first word of each step of a path, the parts of the table, and the hot modules."""
    paths = PAGE.split("## The paths")[1].split("## Where speed lives")[0]
    steps = re.findall(r"^ +([a-z_]+(?:\.[a-z_]+)+)(?= )", paths, re.M)
    named = re.findall(r"`([a-z_0-9]+(?:\.[a-z_]+)+(?:\.[A-Z]\w+)?)`", PAGE.split("## The rooms")[1])

    assert len(steps) > 12
    assert [name for name in {*steps, *named} if not is_there(name)] == []


def test_the_table_of_parts_has_every_part() -> None:
    table = set(re.findall(r"^\| `([a-z_0-9.]+\.[A-Z]\w+)`", PAGE, re.M))

    found = {
        f"{'.'.join(path.relative_to(ROOT / 'covet').with_suffix('').parts)}.{name}"
        for path in (ROOT / "covet").rglob("*.py")
        for name in re.findall(r"^class (\w+)\(AppPart\)", path.read_text(encoding="utf-8"), re.M)
    }

    assert table == found


def test_the_rooms_are_drawn_as_the_contract_holds_them() -> None:
    """Each room stands in the drawing, and not above one that the contract puts over it."""
    contract = (ROOT / ".importlinter").read_text(encoding="utf-8").split("layers =\n")[1].split("\n\n")[0]
    layers = [re.findall(r"\((\w+)\)", line) for line in contract.splitlines()]
    drawing = PAGE.split("```\n", 1)[1].split("```", 1)[0]
    drawn = [re.findall(r"[a-z0-9_]+", line.split("   ")[0]) for line in drawing.splitlines()]

    assert drawn == [layer for layer in layers if layer != ["__main__"]]
