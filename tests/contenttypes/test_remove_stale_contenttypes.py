"""Content types whose models are gone are listed, asked about and deleted."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE

import pytest

from covet.exceptions import CommandError
from covet.management import call_command, output
from tests.conftest import repository_root


def types():
    from covet.contenttypes import ContentType

    return ContentType.objects


async def remaining():
    return [row.model async for row in types().filter(model__in=["scroll", "papyrus"]).order_by("model")]


@pytest.fixture
async def stale(site):
    await types().create(app_label="shelf", model="scroll")
    await types().create(app_label="attic", model="papyrus")


# In a process of its own: what refers to content types is deleted with them, and other tests of this process have defined
# models that do, of which this site has no tables.
SCRIPT = """
import asyncio, sys
from covet.conf import settings
settings.configure(
    SECRET_KEY="x" * 50, DATABASES={"default": sys.argv[1]}, INSTALLED_APPS=["covet.contenttypes", "tests._apps.shelf"]
)
from covet.apps.lifecycle import run
from covet.management import call_command

async def main():
    from covet.contenttypes import ContentType
    await call_command("migrate", "--verbosity", "0")
    before = await ContentType.objects.count()
    await ContentType.objects.create(app_label="shelf", model="scroll")
    await ContentType.objects.create(app_label="attic", model="papyrus")
    for arguments in ([], [], ["--include-stale-apps"]):
        await call_command("remove_stale_contenttypes", "--noinput", *arguments)
    print(await ContentType.objects.count() - before)

run(main())
"""


async def test_those_of_installed_apps_go_and_others_when_asked_for(vendor, scratch):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SCRIPT, await scratch(vendor), stdout=PIPE, stderr=PIPE, cwd=repository_root()
    )
    out, err = await process.communicate()

    assert out.decode().splitlines() == [
        "shelf.scroll",
        "1 rows deleted: 1 contenttypes.ContentType.",
        "Each content type has its model.",
        "attic.papyrus",
        "1 rows deleted: 1 contenttypes.ContentType.",
        "0",
    ], err.decode()


async def test_nothing_goes_without_a_yes(stale):
    with pytest.raises(CommandError, match="no terminal to ask on") as caught:
        await call_command("remove_stale_contenttypes")
    assert caught.value.exit_code == 3
    assert await remaining() == ["papyrus", "scroll"]
    with pytest.raises(CommandError, match="DATABASES has no 'other'"):
        await call_command("remove_stale_contenttypes", "--database", "other")


async def test_an_answer_of_no_leaves_all(stale, monkeypatch, capsys):
    monkeypatch.setattr(output, "is_interactive", lambda: True)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda prompt: "n")

    await call_command("remove_stale_contenttypes")

    assert await remaining() == ["papyrus", "scroll"] and "Nothing was deleted." in capsys.readouterr().out
