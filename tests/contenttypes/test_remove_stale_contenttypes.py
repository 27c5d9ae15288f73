"""Content types whose models are gone are listed, asked about and deleted."""

from __future__ import annotations

import pytest

from covet.exceptions import CommandError
from covet.management import call_command, output

pytestmark = pytest.mark.usefixtures("site")


def types():
    from covet.contenttypes import ContentType

    return ContentType.objects


async def remaining():
    return [row.model async for row in types().filter(model__in=["scroll", "papyrus"]).order_by("model")]


@pytest.fixture
async def stale(site):
    await types().create(app_label="shelf", model="scroll")
    await types().create(app_label="attic", model="papyrus")


async def test_those_of_installed_apps_go_and_others_when_asked_for(stale, capsys):
    before = await types().count()

    await call_command("remove_stale_contenttypes", "--noinput")
    assert await remaining() == ["papyrus"]
    assert "shelf.scroll\n1 rows deleted: 1 contenttypes.ContentType.\n" in capsys.readouterr().out
    await call_command("remove_stale_contenttypes", "--noinput")
    assert capsys.readouterr().out == "Each content type has its model.\n"
    await call_command("remove_stale_contenttypes", "--noinput", "--include-stale-apps")

    assert await types().count() == before - 2


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
