"""ModelsPart in a project of its own: models found, checked and linked; databases closed at shutdown."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def run(tmp_path: Path, models_module: str, code: str) -> str:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "models.py").write_text(models_module)
    program = (
        "from covet.conf import settings\n"
        "settings.configure(INSTALLED_APPS=['shop'], DATABASES={'default': 'sqlite:///db.sqlite3'},"
        " APP_PARTS=['covet.db.models.part.ModelsPart'])\n"
        "import covet\n" + code
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


MODELS = """
from covet.db import models

class Article(models.Model):
    title = models.CharField(max_length=9)
    tag = models.ForeignKey("Tag", on_delete=models.CASCADE)

class Tag(models.Model):
    name = models.CharField(max_length=9)
"""


def test_an_app_says_which_app_its_models_are_of(tmp_path: Path) -> None:
    out = run(
        tmp_path,
        MODELS,
        "covet.setup()\n"
        "from covet.apps import apps\n"
        "from covet.db.models.part import ModelsPart\n"
        "print([m._meta.label for m in apps.part(ModelsPart).models])\n"
        "tag = apps.get_model('shop.Tag')\n"
        "print([r.get_accessor_name() for r in tag._meta.related_objects])\n"
        "print(list(apps.part(ModelsPart).check(apps)))\n",
    )
    assert out.splitlines() == ["['shop.Article', 'shop.Tag']", "['article_set']", "[]"]


def test_databases_are_closed_at_the_end(tmp_path: Path) -> None:
    out = run(
        tmp_path,
        MODELS,
        "from covet.db import connections\n"
        "async def main():\n"
        "    return (await connections['default'].fetch('SELECT 41 + 1'))[0][0]\n"
        "print(covet.run(main()))\n",
    )
    assert out.splitlines() == ["42"]


def test_a_missing_option_is_an_error_of_check_and_not_of_import(tmp_path: Path) -> None:
    out = run(
        tmp_path,
        "from covet.db import models\nclass Article(models.Model):\n    title = models.CharField()\n",
        "covet.setup()\n"
        "from covet.apps import apps\n"
        "from covet.db.models.part import ModelsPart\n"
        "for message in apps.part(ModelsPart).check(apps):\n"
        "    print(message.id, message.msg, message.hint)\n",
    )
    assert out.splitlines() == [
        "fields.E120 CharField needs the option 'max_length'. "
        "Write CharField(max_length=100), or use TextField for texts of any length."
    ]


def test_a_model_with_a_field_that_misuses_options_names_the_line(tmp_path: Path) -> None:
    out = run(
        tmp_path,
        "from covet.db import models\nclass Article(models.Model):\n    title = models.CharField(max_lenght=3)\n",
        "covet.setup()\n",
    )
    assert "CharField has no option 'max_lenght'. Did you mean 'max_length'?" in out
    assert "shop.models" in out
