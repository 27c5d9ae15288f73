"""makemessages and compilemessages: from the sources to a translated page."""

from __future__ import annotations

import gettext
import json
import subprocess
import sys
from pathlib import Path

import pytest

from covet.exceptions import CommandError
from covet.i18n.messages import Source, extract, folder_of
from tests import _forking
from tests._environ import bare

VIEWS = """
from covet.i18n import gettext as _, gettext_lazy, ngettext, pgettext

# Translators: the front page's title
TITLE = gettext_lazy("Welcome")
def view(n):
    return _("Hello, %(name)s"), ngettext("%(n)d book", "%(n)d books", n), pgettext("month", "May")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    app = folder / "shop"
    (app / "templates/shop").mkdir(parents=True)
    (app / "static/shop").mkdir(parents=True)
    (app / "node_modules").mkdir()
    (folder / "templates").mkdir()
    (folder / "config").mkdir()
    (app / "__init__.py").write_text("")
    (app / "views.py").write_text(VIEWS)
    (app / "templates/shop/page.html").write_text("{% trans %}  Buy\n  now  {% endtrans %}{{ _('Basket') }}")
    (app / "static/shop/app.js").write_text("alert(gettext('Sold out'));")
    (app / "node_modules/other.js").write_text("gettext('not ours')")
    (folder / "templates/base.html").write_text("{{ _('Home') }}")
    (folder / "config/__init__.py").write_text(
        f"SECRET_KEY = {'x' * 50!r}\nINSTALLED_APPS = ['shop']\nLOCALE_PATHS = [{str(folder / 'locale')!r}]\n"
        "LANGUAGES = [('en', 'English'), ('de', 'German')]\n"
    )
    (folder / "manage.py").write_text(
        "import os\nos.environ['COVET_SETTINGS_MODULE'] = 'config'\n"
        "from covet.management import main\nif __name__ == '__main__':\n    main()\n"
    )
    return folder


def manage(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return _forking.run("manage.py", *arguments, cwd=project, env=bare())


def po(project: Path, folder: str = "shop/locale") -> Path:
    return project / folder / "de/LC_MESSAGES/covet.po"


def test_texts_of_python_templates_and_scripts_are_found(project: Path) -> None:
    done = manage(project, "makemessages", "-l", "de")
    assert done.returncode == 0, done.stderr
    text = po(project).read_text()
    for message in ("Welcome", "Hello, %(name)s", "%(n)d books", "Buy now", "Basket", "Sold out"):
        assert message in text
    assert 'msgctxt "month"' in text and "#. Translators: the front page's title" in text
    assert "not ours" not in text and "Home" not in text
    assert 'msgid "Home"' in po(project, "locale").read_text()
    assert "shop/locale/de/LC_MESSAGES/covet.po: 7 texts, 7 to translate, 0 to check" in done.stdout


def test_translations_stay_when_texts_change(project: Path) -> None:
    manage(project, "makemessages", "-l", "de")
    po(project).write_text(
        po(project).read_text().replace('msgid "Welcome"\nmsgstr ""', 'msgid "Welcome"\nmsgstr "Willkommen"')
    )
    before = po(project).read_text()
    assert ", unchanged" in manage(project, "makemessages", "--all").stdout
    assert po(project).read_text() == before
    (project / "shop/views.py").write_text(VIEWS.replace("Hello, %(name)s", "Hi, %(name)s"))
    check = manage(project, "makemessages", "--all", "--check")
    assert (check.returncode, po(project).read_text()) == (1, before)
    manage(project, "makemessages", "--all", "--no-location")
    after = po(project).read_text()
    assert "Willkommen" in after and "Hi, %(name)s" in after and "#: " not in after
    assert manage(project, "makemessages", "--all", "--no-location", "--check").returncode == 0


def test_texts_that_have_moved_are_up_to_date(project: Path) -> None:
    """``--check`` is about texts: a line more in the code is no work for a translator. Written again, the places follow."""
    manage(project, "makemessages", "-l", "de")
    before = po(project).read_text()
    (project / "shop/views.py").write_text("# A line more.\n" + VIEWS)

    check = manage(project, "makemessages", "--all", "--check", "--json")

    assert (check.returncode, po(project).read_text()) == (0, before)
    assert [one["changed"] for one in json.loads(check.stdout)] == [False, False]
    manage(project, "makemessages", "--all")
    assert po(project).read_text() != before


def test_texts_that_are_gone_are_kept_aside_or_dropped(project: Path) -> None:
    manage(project, "makemessages", "-l", "de")
    po(project).write_text(
        po(project).read_text().replace('msgid "Basket"\nmsgstr ""', 'msgid "Basket"\nmsgstr "Korb"')
    )
    (project / "shop/templates/shop/page.html").write_text("")
    manage(project, "makemessages", "-l", "de")
    assert '#~ msgstr "Korb"' in po(project).read_text()
    manage(project, "makemessages", "-l", "de", "--no-obsolete")
    assert "Korb" not in po(project).read_text()


def test_compiled_catalogues_are_read(project: Path) -> None:
    manage(project, "makemessages", "-l", "de")
    po(project).write_text(
        po(project).read_text().replace('msgid "Welcome"\nmsgstr ""', 'msgid "Welcome"\nmsgstr "Willkommen"')
    )
    done = manage(project, "compilemessages", "--json")
    assert len(json.loads(done.stdout)["files"]) == 2
    with po(project).with_suffix(".mo").open("rb") as file:
        assert gettext.GNUTranslations(file).gettext("Welcome") == "Willkommen"
    script = (
        "import covet; from covet.i18n import override, gettext; from shop.views import TITLE\n"
        "covet.setup()\nwith override('de'): print(TITLE, gettext('Basket'))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
        env=bare(COVET_SETTINGS_MODULE="config"),
    )
    assert shown.stdout.strip() == "Willkommen Basket"


def test_a_wrong_placeholder_is_named_and_not_compiled(project: Path) -> None:
    manage(project, "makemessages", "-l", "de")
    po(project).write_text(
        po(project)
        .read_text()
        .replace('msgid "Hello, %(name)s"\nmsgstr ""', 'msgid "Hello, %(name)s"\nmsgstr "Hallo, %(Name)s"')
    )
    done = manage(project, "compilemessages")
    assert done.returncode == 1
    assert f"{po(project)}:" in done.stderr and "placeholder" in done.stderr
    assert not po(project).with_suffix(".mo").exists()
    po(project).write_text("msgid unquoted\n")
    broken = manage(project, "compilemessages", "-l", "de")
    assert (broken.returncode, str(po(project)) in broken.stderr, "Traceback" in broken.stderr) == (1, True, False)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["makemessages"], "Name a language: makemessages -l de"),
        (["makemessages", "-l", "xx-nowhere"], "There is no language 'xx-nowhere'"),
        (["makemessages", "stop", "-l", "de"], "stop: no app of this project. It has: shop"),
    ],
)
def test_wrong_calls_are_one_line(project: Path, arguments: list[str], says: str) -> None:
    done = manage(project, *arguments)
    assert (done.returncode, says in done.stderr, done.stderr.count("\n")) == (1, True, 1)


def test_nothing_to_translate_is_said(project: Path) -> None:
    assert "There is no catalogue" in manage(project, "compilemessages").stdout
    for file in ("shop/views.py", "shop/templates/shop/page.html", "shop/static/shop/app.js", "templates/base.html"):
        (project / file).write_text("")
    assert manage(project, "makemessages", "-l", "de").stdout == "There are no texts to translate.\n"


def test_a_file_that_is_no_python_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def (:\n  _('x'\n")
    source = Source("x", tmp_path, tmp_path / "locale")
    with pytest.raises(CommandError, match=r"broken\.py"):
        extract(source)
    assert not [one for one in extract(source, ignore=["broken.py"]) if one.id]
    assert (folder_of("pt-br"), folder_of("zh-hans"), folder_of("DE")) == ("pt_BR", "zh_Hans", "de")
