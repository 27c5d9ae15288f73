"""A generated project with a user model of its own from the start: keyed by UUID, known by e-mail, on each database."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests import _forking
from tests._environ import bare
from tests.conftest import VENDORS, Scratch

BIN = Path(sys.executable).parent

USER = '''"""Members sign in by e-mail."""

import uuid
from typing import Any, ClassVar

from covet.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from covet.db import models


class MemberManager(BaseUserManager["Member"]):
    async def create_user(self, email: str, password: str | None = None, **values: Any) -> "Member":
        member = self.model(email=self.normalize_email(email), **values)
        await member.set_password(password)
        await member.save()
        return member

    async def create_superuser(self, email: str, password: str | None = None, **values: Any) -> "Member":
        return await self.create_user(email, password, is_superuser=True, is_staff=True, **values)


class Member(AbstractBaseUser, PermissionsMixin):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(unique=True)
    is_staff = models.BooleanField(default=False)

    objects: ClassVar[MemberManager] = MemberManager()

    USERNAME_FIELD = "email"
'''

NOTES = """

class Note(models.Model):
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notes")
    readers = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="shared", blank=True)
    text = models.TextField()
"""

URLS = '''"""Log in, and ask who is there."""

from covet import auth
from covet.http import JSONResponse, Request, Response
from covet.urls import path


async def log_in(request: Request) -> Response:
    data = await request.json()
    user = await auth.authenticate(request, username=data["email"], password=data["password"])
    if user is None:
        return JSONResponse({"error": "wrong"}, status=400)
    await auth.login(request, user)
    return JSONResponse({"pk": str(user.pk)})


async def who(request: Request) -> Response:
    claim = type(request.user.pk).__name__
    user = await request.user
    return JSONResponse(
        {
            "claim": claim,
            "name": user.get_username(),
            "model": type(user).__name__,
            "may": user.is_authenticated and await user.has_perm("notes.add_note"),
        }
    )


urlpatterns = [path("login", log_in), path("who", who)]
'''

SCRIPT = """
import json
import covet
from covet.asgi import get_asgi_application
from covet.test.client import AsyncClient

covet.setup()
from accounts.models import Member
from covet.auth import get_user_model
from covet.auth.models import Group, Permission
from notes.models import Note

async def main():
    found = {"model": get_user_model().__name__}
    eve = await Member.objects.create_user("eve@Example.com", "correct horse battery")
    async with AsyncClient(get_asgi_application(), base_url="http://localhost") as client:
        found["wrong"] = (await client.post("/login", json={"email": "ann@example.com", "password": "x"})).status_code
        found["anonymous"] = (await client.post("/api/notes/items/", json={"name": "x"})).status_code
        answer = await client.post("/login", json={"email": "ann@example.com", "password": "correct horse battery"})
        found["login"] = answer.status_code
        found["who"] = (await client.get("/who")).json()
        ann = await Member.objects.get(email="ann@example.com")
        found["same"] = answer.json()["pk"] == str(ann.pk)
        found["write"] = (await client.post("/api/notes/items/", json={"name": "x"})).status_code
        query = {"query": "{ notesItems { totalCount } }"}
        found["graphql"] = (await client.post("/graphql", json=query)).json()["data"]
        await client.force_login(eve)
        found["eve"] = (await client.get("/who")).json()
    group = await Group.objects.create(name="writers")
    await group.permissions.add(await Permission.objects.get(codename="add_note"))
    await eve.groups.add(group)
    eve = await Member.objects.get(pk=eve.pk)
    found["group"] = await eve.has_perm("notes.add_note")
    note = await Note.objects.create(owner=ann, text="hi")
    await note.readers.add(eve)
    found["relations"] = [
        await ann.notes.count(), await eve.shared.count(), await Note.objects.filter(readers__email=eve.email).count()
    ]
    await ann.delete()
    found["left"] = await Note.objects.count()
    print(json.dumps(found))

covet.run(main())
"""


def run(folder: Path, *arguments: str | Path, **environ: str) -> str:
    done = _forking.run(*map(str, arguments), cwd=folder, env=bare(HOME=str(folder), **environ))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two apps of the template, of which one becomes the user's; no migration was made before."""
    folder = tmp_path_factory.mktemp("swapped")
    run(folder, BIN / "covet-admin", "startproject", "mysite", ".")
    for name in ("accounts", "notes"):
        run(folder, "manage.py", "startapp", name)
    for name in ("views", "schema", "routing"):
        (folder / "accounts" / f"{name}.py").unlink()
    (folder / "accounts" / "models.py").write_text(USER)
    (folder / "accounts" / "urls.py").write_text(URLS)
    models = folder / "notes" / "models.py"
    models.write_text(
        models.read_text().replace(
            "from covet.db import models", "from covet.conf import settings\nfrom covet.db import models"
        )
        + NOTES
    )
    with (folder / "mysite" / "settings.py").open("a") as settings:
        settings.write('\nAUTH_USER_MODEL = "accounts.Member"\n')
    made = run(folder, "manage.py", "makemigrations")
    assert "Create model Member" in made
    assert "Create model Note" in made
    return folder


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_project_with_its_own_user_migrates_and_logs_in(vendor: str, scratch: Scratch, project: Path) -> None:
    environ = {
        "DATABASE_URL": await scratch(vendor),
        "COVET_SUPERUSER_EMAIL": "ann@example.com",
        "COVET_SUPERUSER_PASSWORD": "correct horse battery",
    }
    run(project, "manage.py", "migrate", **environ)
    assert "No changes" in run(project, "manage.py", "makemigrations", "--check", **environ)
    run(project, "manage.py", "check", "--fail-level", "WARNING", **environ)
    assert "ann@example.com created" in run(project, "manage.py", "createsuperuser", "--noinput", **environ)

    found = json.loads(run(project, "-c", SCRIPT, COVET_SETTINGS_MODULE="mysite.settings", **environ))

    assert found == {
        "model": "Member",
        "wrong": 400,
        "anonymous": 401,
        "login": 200,
        "who": {"claim": "UUID", "name": "ann@example.com", "model": "Member", "may": True},
        "same": True,
        "write": 201,
        "graphql": {"notesItems": {"totalCount": 1}},
        "eve": {"claim": "UUID", "name": "eve@example.com", "model": "Member", "may": False},
        "group": True,
        "relations": [1, 1, 1],
        "left": 0,
    }
