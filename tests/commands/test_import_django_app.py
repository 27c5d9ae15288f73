"""Apps written for Django, fetched from the package index, run their models and migrations here."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests import _forking
from tests._environ import unmeasured

# Small, under permissive licences, and each with something of its own: generic relations and a renamed index without a
# name; a swappable user and many-to-many fields; a function of RunPython and a one-to-one field as key; abstract models
# with keys to permissions, and methods added to the user; signals under an old address, and several databases in a column.
PACKAGES = {
    "taggit": "django-taggit==6.1.0",
    "waffle": "django-waffle==5.0.0",
    "axes": "django-axes==8.3.1",
    "guardian": "django-guardian==2.4.0",
    "reversion": "django-reversion==5.1.0",
}

SETTINGS = """
SECRET_KEY = "x" * 50
INSTALLED_APPS = ["covet.contenttypes", "covet.auth", "covet.sessions", "taggit", "waffle", "axes", "guardian", "reversion"]
DATABASES = {{"default": {url!r}}}
"""

USE = """
from covet.contenttypes.models import ContentType
from axes.models import AccessAttempt, AccessAttemptExpiration
from taggit.models import Tag, TaggedItem
from waffle.models import Switch
from covet.auth.models import Group, Permission
from guardian.models import GroupObjectPermission
from reversion.models import Revision, Version
from covet import timezone

tag = await Tag.objects.create(name="Grüner Tee")
twin = await Tag.objects.create(name="Grüner Tee!")
group = await Group.objects.create(name="drinkers")
kind = await ContentType.objects.get_for_model(group)
await TaggedItem.objects.create(tag=tag, content_type=kind, object_id=group.pk)
found = await TaggedItem.tags_for(Group, group)
attempt = await AccessAttempt.objects.create(
    username="ann", ip_address="::1", user_agent="curl", failures_since_start=1, get_data="", post_data=""
)
await AccessAttemptExpiration.objects.create(access_attempt=attempt, expires_at=timezone.now())
await attempt.delete()
right = await Permission.objects.get(codename="change_group")
await GroupObjectPermission.objects.bulk_create(
    [GroupObjectPermission(permission=right, content_type=kind, object_pk=group.pk, group=group)]
)
revision = await Revision.objects.create(date_created=timezone.now(), comment="first")
await Version.objects.create(
    revision=revision, object_id=group.pk, content_type=kind, db="default", format="json", serialized_data="[]", object_repr="x"
)
print(await GroupObjectPermission.objects.filter(permission__codename="change_group", object_pk=str(group.pk)).count())
print(await Version.objects.filter(revision__comment="first", db="default").count())
print([tag.slug, twin.slug], [str(item) for item in found], await AccessAttemptExpiration.objects.count())
"""


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """The packages as they are published, unpacked."""
    folder = tmp_path_factory.mktemp("originals")
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), *PACKAGES.values()],
        check=True,
        timeout=120,
    )
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder


def run(folder: Path, *arguments: str, given: str = "") -> tuple[int, str, str]:
    env = unmeasured(
        COVET_SETTINGS_MODULE="site_settings",
        PYTHONPATH=str(folder),
        PYTHONDONTWRITEBYTECODE="1",
        NO_COLOR="1",
    )
    done = _forking.run(*arguments, cwd=folder, env=env, given=given)
    return done.returncode, done.stdout, done.stderr


async def test_real_apps_migrate_and_nothing_is_left_to_migrate(originals, vendor, scratch, tmp_path):
    (tmp_path / "site_settings.py").write_text(SETTINGS.format(url=await scratch(vendor)))
    for name in PACKAGES:
        code, out, err = run(tmp_path, "-m", "covet", "import_django_app", str(originals / name), "-o", ".")
        assert code == 0 and "rewritten" in out, err
    for metadata in originals.glob("*.dist-info"):
        # A package may ask for its own version.
        shutil.copytree(metadata, tmp_path / metadata.name)
    # What the report asks for: views and receivers are code for another framework, and no part of the models.
    for name in ("urls.py", "jinja.py"):
        (tmp_path / "waffle" / name).unlink()
    for name in ("waffle", "axes"):
        config = tmp_path / name / "apps.py"
        config.write_text(config.read_text().partition("    def ready")[0])

    code, out, err = run(tmp_path, "-m", "covet", "makemigrations", "--check", "--dry-run", "-v")
    assert code == 0, out + err
    code, out, err = run(tmp_path, "-m", "covet", "migrate")
    assert code == 0 and "Applying taggit.0006" in out and "Applying axes.0010" in out, out + err
    code, out, err = run(tmp_path, "-m", "covet", "shell", given=USE)
    assert "['grüner-tee', 'grüner-tee_1'] ['Grüner Tee'] 0" in out, out + err
    assert "1\n1\n" in out, out + err
    for name in ("axes", "reversion", "guardian"):
        code, out, err = run(tmp_path, "-m", "covet", "migrate", name, "zero")
        assert code == 0, out + err
