"""``get_user_model()`` where models are declared: it is there once its app is, as in Django."""

import subprocess
import sys
from pathlib import Path

from tests._environ import bare

SCRIPT = """
import covet
from covet.conf import settings
from covet.exceptions import AppRegistryNotReady

settings.configure(INSTALLED_APPS=[{apps}], SECRET_KEY="x" * 50)
try:
    covet.setup()
except Exception as error:
    print(error)
else:
    from notes.models import Note
    print(Note._meta.get_field("owner").related_model.__name__)
"""


def run(folder: Path, apps: str) -> str:
    notes = folder / "notes"
    notes.mkdir()
    (notes / "__init__.py").touch()
    (notes / "models.py").write_text(
        "from covet.auth import get_user_model\nfrom covet.db import models\n\n\n"
        "class Note(models.Model):\n    owner = models.ForeignKey(get_user_model(), on_delete=models.CASCADE)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(apps=apps)],
        cwd=folder,
        capture_output=True,
        text=True,
        env=bare(),
        timeout=120,
    )
    assert not done.returncode, done.stderr
    return done.stdout.strip()


def test_a_model_may_name_the_user_model_itself(tmp_path: Path) -> None:
    assert run(tmp_path, "'covet.contenttypes', 'covet.auth', 'notes'") == "User"


def test_before_its_app_the_error_says_what_to_write(tmp_path: Path) -> None:
    said = run(tmp_path, "'notes', 'covet.contenttypes', 'covet.auth'")

    assert "The models are not loaded yet" in said
    assert "by a string" in said
