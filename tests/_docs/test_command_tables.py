"""What the pages say of commands is so."""

from __future__ import annotations

import re

from tests.conftest import repository_root

ROOT = repository_root()


def known_commands() -> set[str]:
    folders = [ROOT / "covet/commands", *(ROOT / "covet").glob("*/management/commands")]
    return {path.stem for folder in folders for path in folder.glob("[a-z]*.py")}


def test_every_command_is_in_the_table_of_commands() -> None:
    table = re.findall(r"^\| (`.*`) \|", (ROOT / "docs/howto/commands.md").read_text(encoding="utf-8"), re.M)

    named = {name for cell in table for name in re.findall(r"`(\w+)", cell)}

    assert known_commands() - named == set()


def test_the_commands_that_are_the_same_exist_and_those_to_come_do_not() -> None:
    page = (ROOT / "docs/porting/from-django.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (`.*`) \| (the same|not yet) \|$", page, re.M))
    said = {state: set(re.findall(r"`(\w+)`", names)) for names, state in rows.items()}

    known = known_commands()

    assert said["the same"] - known == set()
    assert said["not yet"] & known == set()
