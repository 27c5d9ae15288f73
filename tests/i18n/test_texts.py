"""Texts in the language of the moment, lazy and at once."""

from __future__ import annotations

import asyncio
import copy
import pickle
import shutil
import struct
from pathlib import Path

import pytest

from covet import json
from covet.apps.registry import Apps
from covet.conf import override
from covet.i18n import (
    LazyString,
    activate,
    deactivate,
    get_language,
    get_language_bidi,
    get_language_info,
    gettext,
    gettext_lazy,
    ngettext,
    ngettext_lazy,
    pgettext,
)
from covet.i18n import override as language
from covet.i18n.catalog import I18nPart
from covet.i18n.language import get_supported_language, parse_accept_language


def compiled(messages: dict[str, str]) -> bytes:
    """A .mo file of these messages."""
    entries = sorted((key.encode(), value.encode()) for key, value in messages.items())
    count = len(entries)
    keys, values, blob = [], [], b""
    start = 28 + 16 * count
    for table, place in ((keys, 0), (values, 1)):
        for entry in entries:
            table.append((len(entry[place]), start + len(blob)))
            blob += entry[place] + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, count, 28, 28 + 8 * count, 0, 0)
    return head + b"".join(struct.pack("<2I", *pair) for pair in (*keys, *values)) + blob


GERMAN = {
    "": "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n",
    "Hello": "Hallo",
    "%(n)d book\0%(n)d books": "%(n)d Buch\0%(n)d Bücher",
    "month\x04May": "Mai",
}


@pytest.fixture
def german(tmp_path: Path) -> Apps:
    for code, messages in (("de", GERMAN), ("de_AT", {"": GERMAN[""], "Hello": "Servus"})):
        folder = tmp_path / code / "LC_MESSAGES"
        folder.mkdir(parents=True)
        (folder / "covet.mo").write_bytes(compiled(messages))
    apps = Apps()
    with override(LOCALE_PATHS=[str(tmp_path)]):
        apps.setup([], [I18nPart])
    return apps


def test_texts_follow_the_current_language(german: Apps) -> None:
    with german.use():
        assert gettext("Hello") == "Hello"
        with language("de"):
            assert gettext("Hello") == "Hallo"
            assert ngettext("%(n)d book", "%(n)d books", 2) % {"n": 2} == "2 Bücher"
            assert pgettext("month", "May") == "Mai"
            assert gettext("Unknown") == "Unknown"
            assert gettext("") == ""
            with language("de-AT"):
                assert (gettext("Hello"), pgettext("month", "May")) == ("Servus", "Mai")
        assert gettext("Hello") == "Hello"


def test_lazy_texts_ask_when_they_are_shown(german: Apps) -> None:
    hello = gettext_lazy("Hello")
    books = ngettext_lazy("%(n)d book", "%(n)d books", "n")

    with german.use(), language("de"):
        assert str(hello) == "Hallo"
        assert f"{hello}!" == hello + "!" == "Hallo!"
        assert "-" + hello == "-Hallo"
        assert str(books % {"n": 1}) == "1 Buch"
        assert str(books % {"n": 3}) == "3 Bücher"
        assert hello.upper() == "HALLO"
        assert (len(hello), hello[0], "all" in hello, hello == "Hallo") == (5, "H", True, True)
        assert json.dumps({"text": hello}) == b'{"text":"Hallo"}'
    assert str(hello) == "Hello"


def test_lazy_texts_survive_copies_and_pickles_and_write_themselves(german: Apps) -> None:
    hello = gettext_lazy("Hello")

    assert copy.deepcopy(hello) is hello
    assert isinstance(pickle.loads(pickle.dumps(hello)), LazyString)
    assert hello.deconstruct() == ("covet.i18n.gettext_lazy", ("Hello",), {})
    assert repr(hello) == "gettext_lazy('Hello')"
    with pytest.raises(TypeError, match="filled in"):
        (gettext_lazy("%(a)s") % {"a": 1}).deconstruct()


@pytest.mark.parametrize(
    ("layers", "code", "told"),
    [
        (["covet.middleware.locale.LocaleMiddleware"], "en", "Hallo"),
        ([], "de", "Hallo"),
        ([], "en", "Hello"),
    ],
    ids=["chosen among languages", "the project's own", "never chosen"],
)
async def test_catalogues_that_requests_are_told_in_are_read_at_start_up(
    layers: list[str], code: str, told: str, tmp_path: Path
) -> None:
    folder = tmp_path / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "covet.mo").write_bytes(compiled(GERMAN))
    apps = Apps()
    languages = [("en", "English"), ("de", "German")]
    with override(LOCALE_PATHS=[str(tmp_path)], MIDDLEWARE=layers, LANGUAGES=languages, LANGUAGE_CODE=code):
        apps.setup([], [I18nPart])

    await apps.part(I18nPart).startup()

    shutil.rmtree(tmp_path)
    with apps.use(), language("de"):
        assert gettext("Hello") == told


async def test_each_task_has_its_own_language() -> None:
    async def speak(code: str) -> str:
        activate(code)
        await asyncio.sleep(0)
        return get_language()

    assert await asyncio.gather(*(asyncio.create_task(speak(code)) for code in ("de", "fr"))) == ["de", "fr"]
    assert get_language() == "en"
    activate("pt_BR")
    assert get_language() == "pt-br"
    deactivate()
    assert get_language() == "en"


@pytest.mark.parametrize(
    ("wished", "found"),
    [("de", "de"), ("de-CH", "de"), ("zh-Hans-CN", "zh-hans"), ("zh", "zh-hans"), ("xx", None), ("", None)],
)
def test_wishes_are_met_by_the_nearest_language(wished: str, found: str | None) -> None:
    assert get_supported_language(wished) == found


@pytest.mark.parametrize(
    ("wished", "found"),
    [
        ("zh-TW", "zh-hant"),
        ("zh_HK", "zh-hant"),
        ("zh-MO", "zh-hant"),
        ("zh-CN", "zh-hans"),
        ("zh-SG", "zh-hans"),
        ("zh-Hant-CN", "zh-hant"),
        ("zh", "zh-hans"),
        ("no", "nb"),
        ("no-NO", "nb"),
    ],
)
def test_a_region_may_say_the_script(wished: str, found: str) -> None:
    with override(LANGUAGES=[("zh-hans", "Simplified"), ("zh-hant", "Traditional"), ("nb", "Bokmål")]):
        assert get_supported_language(wished) == found


def test_languages_are_told_by_their_names() -> None:
    german = get_language_info("de")
    assert (german["code"], german["name"], german["name_local"], german["bidi"]) == ("de", "German", "Deutsch", False)
    assert get_language_info("ar_EG")["bidi"] is True
    assert get_language_info("pt-br")["name"] == "Brazilian Portuguese"
    with override(LANGUAGES=[("tlh", "Klingon")]):
        assert get_language_info("tlh")["name_local"] == "Klingon"
    with pytest.raises(KeyError, match="LANGUAGES"):
        get_language_info("tlh")
    with language("he"):
        assert get_language_bidi()
    assert not get_language_bidi()


def test_accept_language_is_read_best_first() -> None:
    assert parse_accept_language("en;q=0.3, de-AT, fr;q=0.9, *;q=0.1, x;q=0, junk!;q=1") == ("de-AT", "fr", "en", "*")
