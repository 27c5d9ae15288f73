"""Pieces of Django apps as they look afterwards: everything that is not named stays as it was written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from covet.commands._port_source import ported
from covet.management import call_command
from covet.porting import NotPorted, missing


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "from django.db import models  # a comment\nx  =  1\n",
            "from covet.db import models  # a comment\nx  =  1\n",
        ),
        (
            "from django.utils.translation import ugettext_lazy as _\n",
            "from covet.i18n import gettext_lazy as _\n",
        ),
        (
            "from django.db.models.fields.related import (\n    ForeignKey,\n)\n",
            "from covet.db.models import ForeignKey\n",
        ),
        ("import os, django.utils.timezone\n", "import os\nimport covet.timezone\n"),
        ("import django.db.models as m; m.CharField\n", "import covet.db.models as m; m.CharField\n"),
        ("from django.core.validators import *\n", "from covet.validators import *\n"),
        (
            "import django.db.models.deletion\nx = django.db.models.deletion.CASCADE\n",
            "import covet.db.models.deletion\nx = covet.db.models.deletion.CASCADE\n",
        ),
        (
            "import django\nif django.VERSION < (4, 0): pass\n",
            'import covet\nif (5, 2, 0, "final", 0) < (4, 0): pass\n',
        ),
        ("x = 'django.db.models.AutoField'\n", "x = 'covet.db.models.AutoField'\n"),
        ('"""See django.db.models of old."""\n', '"""See django.db.models of old."""\n'),
        (
            "from django.db import models\na = models.NullBooleanField()\nb = models.NullBooleanField('x', null=True)\n",
            "from covet.db import models\na = models.BooleanField(null=True, blank=True)\n"
            "b = models.BooleanField('x', blank=True, null=True)\n",
        ),
        (
            "def f():\n    from django.conf import settings; return 1\n",
            "def f():\n    from covet.conf import settings; return 1\n",
        ),
        (
            "try:\n    from django.forms import Form\nexcept ImportError:\n    Form = None\n",
            'try:\n    raise ImportError("django.forms.Form has no equivalent in Covet")\nexcept ImportError:\n    Form = None\n',
        ),
        (
            "dependencies = [('auth', '0012_x'), ('blog', '0001_initial')]\n",
            "dependencies = [('auth', \"__first__\"), ('blog', '0001_initial')]\n",
        ),
        (
            "import django.forms\nx = django.forms.Form\n",
            'import covet.porting\nx = covet.porting.missing("django.forms.Form")\n',
        ),
        ("import django.forms as f\n", 'from covet.porting import missing\nf = missing("django.forms")\n'),
    ],
)
def test_names_are_those_of_covet(source, expected):
    assert ported(source, "a.py")[0] == expected


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("for a in M.objects.all():\n        a.save()", "async for a in M.objects.all():\n        await a.save()"),
        ("x = list(M.objects.filter(a=1)[:3])", "x = list(await M.objects.filter(a=1)[:3])"),
        ("x = len(M.objects.all())", "x = (await M.objects.all().count())"),
        ("x = M.objects.get(pk=1).title", "x = (await M.objects.get(pk=1)).title"),
        ("x = [a.pk for a in M.objects.all()]", "x = [a.pk async for a in M.objects.all()]"),
        ("if not M.objects.filter(a=1):\n        pass", "if not await M.objects.filter(a=1).exists():\n        pass"),
        (
            "q = M.objects.all()\n    for a in q:\n        pass",
            "q = M.objects.all()\n    async for a in q:\n        pass",
        ),
        (
            "for a in M.objects.values('x'):\n        a.get('x')",
            "async for a in M.objects.values('x'):\n        a.get('x')",
        ),
        ("with transaction.atomic():\n        pass", "async with transaction.atomic():\n        pass"),
        ("d = {}\n    d.get('x')", "d = {}\n    d.get('x')"),
    ],
)
def test_functions_of_run_python_await_their_queries(before, after):
    frame = "{}def f(apps, schema_editor):\n    M = apps.get_model('blog', 'M')\n    {}\n\nx = RunPython(f, reverse_code=None)\n"
    text, findings = ported(frame.format("", before), "a.py")
    assert text == frame.format("async ", after)
    assert [finding.line for finding in findings] == [1]


@pytest.mark.parametrize(
    ("django", "covet"),
    [
        ("from django.dispatch.dispatcher import Signal, receiver", "from covet.dispatch import Signal, receiver"),
        (
            "from django.db import DEFAULT_DB_ALIAS",
            "from covet.db.connections import DEFAULT_ALIAS as DEFAULT_DB_ALIAS",
        ),
        ("from django.core.management import CommandError", "from covet.exceptions import CommandError"),
    ],
)
def test_names_that_moved_are_found(django, covet):
    assert ported(f"{django}\n", "a.py") == (f"{covet}\n", [])


def test_an_overridden_save_awaits_the_one_above():
    source = "class A:\n    def save(self, **kw):\n        if 1 or super().save(**kw):\n            return super().save(**kw)\n"
    text, findings = ported(source, "a.py")
    assert text == (
        "class A:\n    async def save(self, **kw):\n        if 1 or (await super().save(**kw)):\n"
        "            return await super().save(**kw)\n"
    )
    assert "look it over" in findings[0].text


@pytest.mark.parametrize(
    ("source", "line", "text"),
    [
        ("\nfrom django.forms import Form\n", 2, "django.forms.Form has no equivalent"),
        ("from django.db import models\nmodels.PointField\n", 2, "covet.db.models has no PointField"),
        ("x = 'django.nothing.here'\n", 1, '"django.nothing.here" has no equivalent'),
        ("class Meta:\n    index_together = []\n", 2, "write an Index"),
        ("dependencies = [('sites', '0001_initial')]\n", 1, "The app 'sites' does not exist"),
        ("def f():\n    return M.objects.get()\n", 1, "f() makes queries"),
        ("from django.db import models\nF = models.NullBooleanField\n", 2, "give it null=True"),
        ("from django.conf import settings\nsettings.A = 1\n", 2, 'getattr(settings, "A", …)'),
    ],
)
def test_what_has_no_equivalent_is_told_with_its_place(source, line, text):
    (finding,) = ported(source, "a.py")[1]
    assert (finding.path, finding.line) == ("a.py", line)
    assert text in finding.text


def test_a_name_without_equivalent_can_be_imported_and_not_used():
    name = missing("django.forms.Form")
    assert repr(name) == "<missing django.forms.Form>"
    for use in (lambda: name(), lambda: name.fields, lambda: name["x"]):
        with pytest.raises(NotPorted, match=r"django\.forms\.Form has no equivalent"):
            use()
    with pytest.raises(NotPorted):

        class Mine(name):
            pass

    assert not hasattr(name, "__iter__")


@pytest.fixture
def app(tmp_path):
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "models.py").write_text("from django.db import models\nfrom django import forms\n")
    (folder / "broken.py").write_text("def (\n")
    (folder / "page.html").write_text("hello")
    return folder


async def test_a_dry_run_writes_nothing(app, capsys):
    await call_command("import_django_app", app, dry_run=True)
    out, err = capsys.readouterr()
    assert "would change models.py" in out and "1 file of old rewritten." in out
    assert "models.py:2: django.forms has no equivalent" in err and "broken.py:1: cannot be read" in err
    assert (app / "models.py").read_text().startswith("from django.db")


async def test_the_result_goes_into_another_folder_or_in_place(app, tmp_path, capsys):
    await call_command("import_django_app", app, output=tmp_path / "new", as_json=True)
    report = json.loads(capsys.readouterr().out)
    assert report["changed"] == ["models.py"]
    assert {(item["path"], item["line"]) for item in report["findings"]} == {("models.py", 2), ("broken.py", 1)}
    assert (tmp_path / "new/old/models.py").read_text().startswith("from covet.db")
    assert (tmp_path / "new/old/page.html").read_text() == "hello"
    with pytest.raises(Exception, match=r"exists\. Remove it"):
        await call_command("import_django_app", app, output=tmp_path / "new")
    await call_command("import_django_app", app)
    assert (app / "models.py").read_text().startswith("from covet.db")


@pytest.mark.parametrize(("name", "message"), [("nowhere", "no folder"), (".", "no __init__.py")])
async def test_what_is_no_app_is_one_clear_line(tmp_path, name, message):
    with pytest.raises(Exception, match=message):
        await call_command("import_django_app", Path(tmp_path / name))
