"""What an import that failed is told to write instead."""

import datetime
import importlib
import pathlib
import re
import sys
import textwrap
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import factory
import pytest

import covet
from covet.apps.registry import Apps
from covet.conf.holder import import_settings_module
from covet.db import models, transaction
from covet.exceptions import ImproperlyConfigured
from covet.http import Request
from covet.http.foreign import INSTEAD, explain
from covet.loading import import_string
from covet.porting.hints import _OTHER_WORDS, import_hint, path_hint, use_hint
from covet.porting.model_words import MODEL_WORDS
from covet.porting.names import NAMES, find
from covet.porting.rest_words import WORDS
from covet.rest import Link, ModelViewSet, Router, Slug, Versions
from covet.rest.foreign import _HERE as ROUTE_WORDS
from covet.rest.routes import RouteOptions
from covet.templates.environment import Engine
from covet.templates.foreign import _INSTEAD as TAG_WORDS
from covet.templates.part import _GLOBALS
from covet.test import AsyncClient
from covet.timezone import make_aware


def failure(source: str, folder: Path) -> ImportError:
    """The error of a module with this source."""
    file = folder / "failing_module.py"
    file.write_text(textwrap.dedent(source))
    with pytest.raises(ImportError) as caught:
        exec(compile(file.read_text(), str(file), "exec"), {})
    return caught.value


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("from django.db import models", "What Django has as django.db.models is here: from covet.db import models"),
        (
            "from covet.http import HttpResponse",
            "What Django has as django.http.HttpResponse is here: from covet.http import Response",
        ),
        (
            "from covet.utils import timezone",
            "What Django has as django.utils.timezone is here: from covet import timezone",
        ),
        ("import covet.contrib.auth", "What Django has as django.contrib.auth is here: from covet import auth"),
        (
            "x = 1\nfrom covet.http import (\n    Request,\n    HttpResponseNotFound,\n)",
            "Instead of django.http.HttpResponseNotFound there is: Response(…, status=404)",
        ),
        ("from covet.http import Respnse", "Did you mean 'covet.http.Response'?"),
        ("from covet.htp import Response", "Did you mean 'covet.http'?"),
        ("from covet.test import TestCase", "Instead of django.test.TestCase there is: test functions of pytest"),
        (
            "from rest_framework import serializers",
            "Instead of rest_framework.serializers there is: covet.rest.Schema and covet.rest.ModelSchema",
        ),
        ("from covet.rest import serializers", "there is: covet.rest.Schema and covet.rest.ModelSchema"),
        ("from covet.rest import HTTPException", "HTTPException is here: from covet.http import HTTPException"),
        ("from fastapi_missing import x", ""),
        ("from covet.rest.security import OAuth2PasswordBearer", "a dependency that reads a header"),
        ("from ninja import NinjaAPI", "Instead of ninja.NinjaAPI there is: covet.rest.Router"),
        ("from ninja import Schema", "Schema is here: from covet.rest import Schema"),
        ("from litestar import get", "the methods of a covet.rest.Router: @api.get(…)"),
        ("from sqlalchemy import select", "covet.db.models, with models and querysets"),
        (
            "from rest_framework.serializers import ModelSerializer",
            "Instead of rest_framework.serializers.ModelSerializer there is: covet.rest.ModelSchema",
        ),
        ("from django.utils.encoding import force_str", "django.utils.encoding.force_str is Python's own str."),
        ("from covet.db.models import NullBooleanField", "there is: covet.db.models.BooleanField with null=True."),
        ("from covet.postgres.fields import CITextField", "covet.db.models.TextField with db_collation=…"),
        ("from covet.urls import url", "there is: covet.urls.re_path, or covet.urls.path."),
        ("from django.conf.urls import url", "there is: covet.urls.re_path, or covet.urls.path."),
        ("from covet.i18n import ugettext_lazy", "from covet.i18n import gettext_lazy"),
        ("from django.core.urlresolvers import reverse", "is here: from covet.urls import reverse"),
        ("from django.shortcuts import render_to_response", "there is: covet.shortcuts.render"),
        ("from asgiref.sync import sync_to_async", "covet.concurrency.to_thread()"),
        ("import pytz", "Instead of pytz there is: zoneinfo.ZoneInfo"),
        (
            "from django.contrib.auth import aauthenticate",
            "with an 'a' here: from covet.auth import authenticate, and await it.",
        ),
        ("from covet.mail import send_mail", "Instead of django.core.mail there is: nothing yet; aiosmtplib"),
        ("from covet.messages import success", "Instead of django.contrib.messages there is: nothing yet"),
        ("from covet.serializers import serialize", "the commands dumpdata and loaddata for fixtures"),
        ("from django.views.decorators.http import condition", "from covet.views.decorators import condition"),
        ("from covet.utils.deprecation import MiddlewareMixin", "there is: covet.middleware.Middleware"),
        ("from covet.utils.zzzzzz import x", "Instead of django.utils there is: covet.text"),
        ("from django.contrib.sitemaps import Sitemap", "Instead of django.contrib.sitemaps there is: nothing yet"),
        ("from rest_framework.authtoken.models import Token", "docs/howto/tokens.md"),
        ("from covet.rest import TokenAuthentication", "docs/howto/tokens.md"),
        ("from rest_framework.versioning import URLPathVersioning", 'covet.rest.Versions({…}, strategy="path")'),
        ("from covet.rest.versioning import NamespaceVersioning", 'strategy="namespace"'),
        ("from rest_framework.relations import SlugRelatedField", 'author: Annotated[str, Slug("username")]'),
        ("from covet.rest import APIView", "covet.rest.ViewSet, or functions on a covet.rest.Router"),
        ("from covet.rest import IsAuthenticated", "from covet.rest.permissions import IsAuthenticated"),
        ("from covet.rest.permissions import BasePermission", "there is: covet.rest.permissions.Permission."),
        ("from covet.rest.permissions import IsAuthentcated", "Did you mean 'covet.rest.permissions.IsAuthenticated'?"),
        ("from covet.test import APIClient", "the pytest fixture client, a covet.test.AsyncClient"),
        ("from drf_spectacular.utils import extend_schema", "summary=, tags=, responses=, openapi_extra="),
        ("from rest_framework_simplejwt.views import TokenObtainPairView", "docs/howto/tokens.md"),
        ("from django_filters.rest_framework import DjangoFilterBackend", "covet.rest.FilterSet"),
        ("from corsheaders.defaults import default_headers", "CORS_ALLOWED_ORIGINS"),
        ("import rest_framework", "Instead of rest_framework there is: covet.rest."),
        ("from pgvector.django import VectorField", "there is: covet.postgres.fields.VectorField."),
        ("from pgvector.django import VectorExtension", "there is: covet.postgres.operations.VectorExtension."),
        ("from cacheops import cached_as", "cache() of a queryset"),
        ("from concurrency.fields import IntegerVersionField", "covet.db.models.VersionField"),
        ("from psycopg2.extras import NumericRange", "there is: covet.postgres.fields.Range."),
        ("from model_utils import Choices", "there is: covet.db.models.TextChoices."),
        ("from model_utils import FieldTracker", ""),
        ("from django.db.models.sql import Query", "Instead of django.db.models.sql there is: sql_with_params()"),
        ("from covet.db.models.sql.where import WhereNode", "Instead of django.db.models.sql there is"),
        ("from django.db.models.constants import LOOKUP_SEP", "there is: the text '__'."),
        ("from covet.db.models import ManyToOneRel", "auto_created and not concrete"),
        ("from covet.db.models import ObjectDoesNotExist", "is here: from covet.exceptions import ObjectDoesNotExist"),
        ("from covet.db.models.query import ModelIterable", "from_db() of the model"),
        ("from django.db.models.expressions import Col", "with as_sql(): docs/howto/raw-sql.md"),
        ("from django.db.models.expressions import BaseExpression", "is here: from covet.db.models import Expression"),
        (
            "from django.contrib.contenttypes.prefetch import GenericPrefetch",
            "from covet.contenttypes import GenericPre",
        ),
        (
            "from django.contrib.postgres.fields.jsonb import KeyTextTransform",
            "is here: from covet.db.models import KeyTextTransform",
        ),
        ("from covet.http import zzzzzz", ""),
        ("import zzzzzz", ""),
    ],
)
def test_the_line_to_write_is_told(source: str, says: str, tmp_path: Path) -> None:
    hint = import_hint(failure(source, tmp_path))

    assert says in hint
    assert bool(hint) is bool(says)


@pytest.mark.parametrize(
    ("use", "says"),
    [
        (lambda: models.CheckConstraint(check=models.Q(a=1), name="a"), "Write condition=…"),  # type: ignore[call-arg]
        (lambda: models.NullBooleanField, "covet.db.models.BooleanField with null=True"),  # type: ignore[attr-defined]
        (lambda: transaction.commit_on_success, "there is: covet.db.transaction.atomic."),  # type: ignore[attr-defined]
        (lambda: make_aware(datetime.datetime.min, is_dst=True), "zoneinfo knows of summer time"),  # type: ignore[call-arg]
        (lambda: models.CharFeild, "Did you mean 'covet.db.models.CharField'?"),  # type: ignore[attr-defined]
        (lambda: models.zzzzzzzzzz, ""),  # type: ignore[attr-defined]
        (lambda: pathlib.Pat, ""),  # type: ignore[attr-defined]
        (lambda: dict(check=1).check, ""),  # type: ignore[attr-defined]
        (lambda: Slug(slug_field="name"), "The field is the first argument: Slug('username')."),  # type: ignore[call-arg]
        (lambda: Link("authors-detail", many=True), "Write Annotated[list[str], Link(…)]."),  # type: ignore[call-arg]
        (lambda: Versions({}, default_version="1"), "Write default=…."),  # type: ignore[call-arg]
        (lambda: Router().register("a", ModelViewSet, base_name="a"), "Write basename=…."),  # type: ignore[call-arg]
        (lambda: ModelViewSet.as_view(), "A router mounts it: api.register('articles', Articles)."),  # type: ignore[attr-defined]
        (lambda: Path.as_view(), ""),  # type: ignore[attr-defined]
        (lambda: models.CheckConstraint(), ""),  # type: ignore[call-arg]
        (lambda: int("x"), ""),
    ],
)
def test_names_and_arguments_by_another_name_are_told(use: Callable[[], Any], says: str) -> None:
    with pytest.raises((AttributeError, TypeError, ValueError)) as caught:
        use()

    hint = use_hint(caught.value)
    explain(caught.value)

    assert says in hint
    assert bool(hint) is bool(says)
    assert [note for note in getattr(caught.value, "__notes__", ()) if note in hint] == ([hint.strip()] if hint else [])


def test_an_option_of_meta_that_there_was_is_told() -> None:
    with pytest.raises(
        TypeError, match=r"no option 'index_together'. Write indexes = \[models.Index\(fields=\[…\]\)\]"
    ):
        type(
            "Old",
            (models.Model,),
            {"__module__": "x", "Meta": type("Meta", (), {"app_label": "old", "index_together": [["a"]]})},
        )


def test_a_path_of_django_in_a_setting_is_told() -> None:
    with pytest.raises(
        ImproperlyConfigured, match=r"no module 'django'\. .*from covet\.db\.models import BigAutoField"
    ):
        import_string("django.db.models.BigAutoField")
    with pytest.raises(ImproperlyConfigured, match=r"there is no module 'zzzz'\.$"):
        import_string("zzzz.Name")


@pytest.mark.parametrize(
    ("use", "says"),
    [
        (lambda client: client.get("/", follow=True), " Write follow_redirects=True."),
        (
            lambda client: client.post("/", {"a": 1}),
            " Write data={…} for a form, json={…} for JSON, params={…} for the query.",
        ),
        (
            lambda client: client.post("/", content_type="text/csv"),
            " Write content=… with headers={'content-type': …}.",
        ),
        (lambda client: client.get("/", nowhere=True), ""),
    ],
)
def test_arguments_of_djangos_client_are_told(use: Callable[[AsyncClient], Any], says: str) -> None:
    """httpx's client refuses them before it makes a request."""
    with pytest.raises(TypeError) as caught:
        use(AsyncClient(None))

    assert use_hint(caught.value) == says


def test_factory_boys_factory_for_django_is_told_and_not_what_it_imports_itself(tmp_path: Path) -> None:
    says = " Instead of factory.django there is: covet.test.factories.Factory, whose rows are awaited."

    assert import_hint(failure("from factory.django import DjangoModelFactory", tmp_path)) == says
    with pytest.raises(AttributeError) as caught:
        factory.django.DjangoModelFactory
    assert use_hint(caught.value) == says


def test_what_an_installed_package_wants_of_django_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the line of the project itself says nothing."""
    package = tmp_path / "site-packages" / "hinted_package.py"
    package.parent.mkdir()
    package.write_text("from django.db import models\n")
    monkeypatch.syspath_prepend(package.parent)

    told = import_hint(failure("import hinted_package", tmp_path))

    assert told == " What Django has as django.db.models is here: from covet.db import models"


def test_other_errors_have_no_hint() -> None:
    assert use_hint(ValueError("check")) == ""
    assert import_hint(ValueError("from django.db import models")) == ""
    assert import_hint(ImportError("nobody raised it")) == ""


def test_the_error_of_an_app_carries_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = tmp_path / "hinted_polls"
    app.mkdir()
    (app / "__init__.py").touch()
    (app / "apps.py").write_text("from covet.utils.translation import gettext_lazy as _\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ImproperlyConfigured, match=r"from covet\.i18n import gettext_lazy"):
        Apps().setup(["hinted_polls"], [])
    sys.modules.pop("hinted_polls", None)


def test_the_error_of_a_settings_module_carries_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hinted_settings.py").write_text("from django.utils.translation import gettext_lazy as _\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COVET_SETTINGS_MODULE", "hinted_settings")

    with pytest.raises(ImproperlyConfigured, match=r"hinted_settings.*from covet\.i18n import gettext_lazy"):
        import_settings_module()


@pytest.mark.parametrize("path", sorted(NAMES))
def test_every_other_place_of_a_name_exists(path: str) -> None:
    module, _, name = NAMES[path].rpartition(".")

    assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize("words", sorted({word for word in _OTHER_WORDS.values() if word.startswith("covet.")}))
def test_every_name_of_covet_in_a_hint_exists(words: str) -> None:
    module, _, name = words.split(",")[0].split("(")[0].split(" ")[0].rpartition(".")
    if module == "covet.db.models.QuerySet":
        module, name = "covet.db.models", "QuerySet"

    assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize("name", sorted(INSTEAD))
def test_what_a_request_is_said_to_have_is_there(name: str) -> None:
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""})
    named = re.findall(r"request\.(\w+)", INSTEAD[name])

    assert named
    assert all(each in dir(request) for each in named)


@pytest.mark.parametrize("name", sorted(ROUTE_WORDS))
def test_the_options_that_a_route_is_said_to_have_are_there(name: str) -> None:
    for option in re.findall(r"(\w+)=", ROUTE_WORDS[name]):
        assert option in RouteOptions.__annotations__
    for decorator in re.findall(r"@api\.(\w+)", ROUTE_WORDS[name]):
        assert callable(getattr(Router, decorator))


@pytest.mark.parametrize("tag", sorted(TAG_WORDS))
def test_the_filters_and_functions_that_a_tag_is_answered_with_are_there(tag: str) -> None:
    environment = Engine([], global_names=_GLOBALS).plain

    assert set(re.findall(r"\|(\w+)", TAG_WORDS[tag])) <= set(environment.filters)
    calls = set(re.findall(r"{{ (\w+)\(", TAG_WORDS[tag]))
    assert calls <= {*environment.globals, "loop"}


DOCUMENTED = tomllib.loads((Path(__file__).parent / "documented.toml").read_text())


@pytest.mark.parametrize("place", DOCUMENTED)
def test_what_django_documents_has_a_place_or_words(place: str) -> None:
    for name in DOCUMENTED[place]:
        found = find(f"{place}.{name}")

        assert found is not None or "Did you mean" not in path_hint(f"{place}.{name}") != "", name
        if found is not None and found.name and not found.module.endswith(".models"):  # models want their app installed
            assert hasattr(importlib.import_module(found.module), found.name), name


class HintedRow(models.Model):
    name = models.CharField(max_length=10)
    peers = models.ManyToManyField("self")

    class Meta:
        app_label = "hinted"


class HintedQuerySet(models.QuerySet[HintedRow]):
    pass


@pytest.mark.parametrize(
    ("used", "says"),
    [
        (lambda: HintedQuerySet(HintedRow)._clone(), "goes on to those that are chained from it"),
        (lambda: HintedRow.objects.all()._result_cache, "Await the queryset"),
        (lambda: HintedRow.objects.all()._raw_delete("default"), "Write await queryset.delete()"),
        (lambda: HintedRow.objects.all().query.clear_ordering(), "Write queryset.order_by()."),
        (lambda: HintedRow.objects.all().query.annotations, "chain the queryset"),
        (lambda: HintedRow()._state.fields_cache, "Write field.is_cached(row)"),
        (lambda: HintedRow()._get_pk_val(), "Write instance.pk."),
        (lambda: HintedRow._meta.get_field("peers").m2m_db_table(), "through._meta.db_table"),
        (lambda: HintedRow._meta.get_field("name").formfield(), "There are no forms yet"),
        (lambda: HintedRow._meta.index_together, "models.Index(fields="),
        (lambda: models.Q(name="x").children.append(("name", "y")), "q.add((name, value), Q.AND)"),
        (lambda: ().append(1), ""),
        (lambda: HintedRow().zzzzzz, ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_inner_attribute_of_django_is_told_what_to_write(used: Callable[[], Any], says: str) -> None:
    with pytest.raises(AttributeError) as caught:
        used()
    hint = use_hint(caught.value)
    assert says in hint
    assert bool(hint) is bool(says)


def test_what_is_told_of_rest_framework_and_of_models_is_there() -> None:
    for path, told in (WORDS | MODEL_WORDS).items():
        for name in re.findall(r"covet(?:\.\w+)+", told):
            assert find(name) is not None, (path, name)
        for page in re.findall(r"docs/[\w/-]+\.md", told):
            assert (Path(covet.__file__).parents[1] / page).is_file(), (path, page)
