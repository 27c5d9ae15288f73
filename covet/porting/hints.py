"""What to write instead of an import that failed: Django's place of a name, another framework's word for it, a misspelling."""

from __future__ import annotations

import ast
import linecache
import re
import traceback
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final

from covet.porting.names import MODULES, NAMES, find, names_of
from covet.text import suggest

__all__ = ["import_hint", "path_hint", "use_hint"]

_ROOT: Final = str(Path(__file__).resolve().parents[1])
_FOREIGN: Final = frozenset(
    {
        "asgiref",
        "django",
        "fastapi",
        "litestar",
        "ninja",
        "pytz",
        "rest_framework",
        "sqlalchemy",
        "sqlmodel",
        "starlette",
        "tortoise",
    }
)
# Where a name that other frameworks have too is to be found.
_ROOMS: Final = ("covet.rest", "covet.http", "covet.websocket", "covet.shortcuts", "covet.exceptions")
_LONGEST_IMPORT: Final = 40  # lines

_OTHER_WORDS: Final = {
    "asgiref.sync": "covet.concurrency.to_thread() for a sync function; an async one is awaited",
    "django.conf.urls.handler404": "handler404 = … in the root urls.py, with nothing to import",
    "django.conf.urls.handler500": "handler500 = … in the root urls.py, with nothing to import",
    "django.conf.urls.url": "covet.urls.re_path, or covet.urls.path",
    "django.contrib.admin": "nothing yet; covet.rest.ModelViewSet answers for a model's rows",
    "django.contrib.auth.mixins.LoginRequiredMixin": "covet.auth.decorators.login_required around View.as_view()",
    "django.contrib.auth.mixins.PermissionRequiredMixin": "covet.auth.decorators.permission_required around View.as_view()",
    "django.contrib.auth.mixins.UserPassesTestMixin": "covet.auth.decorators.user_passes_test around View.as_view()",
    "django.contrib.messages": "nothing yet; request.session keeps what the next page shall show",
    "django.contrib.postgres.fields.CICharField": "covet.db.models.CharField with db_collation=…, of a collation that knows no case",
    "django.contrib.postgres.fields.CIEmailField": "covet.db.models.EmailField with db_collation=…, of a collation that knows no case",
    "django.contrib.postgres.fields.CITextField": "covet.db.models.TextField with db_collation=…, of a collation that knows no case",
    "django.core.cache": "covet.db.models.QuerySet.cache() keeps the result of a query",
    "django.core.mail": "nothing yet; aiosmtplib sends mails without blocking",
    "django.core.management.base.BaseCommand": "a command is a function below @covet.management.command()",
    "django.core.management.BaseCommand": "a command is a function below @covet.management.command()",
    "django.core.serializers": "covet.rest.ModelSchema, or the commands dumpdata and loaddata for fixtures",
    "django.core.serializers.json": "covet.json, whose dumps() writes dates, decimals and UUIDs",
    "django.db.models.CommaSeparatedIntegerField": "covet.db.models.CharField with validators=[validate_comma_separated_integer_list]",
    "django.db.models.get_model": "apps.get_model() of covet.apps",
    "django.db.models.IPAddressField": "covet.db.models.GenericIPAddressField",
    "django.db.models.NullBooleanField": "covet.db.models.BooleanField with null=True",
    "django.db.models.permalink": "covet.urls.reverse in get_absolute_url()",
    "django.db.transaction.commit_manually": "covet.db.transaction.atomic",
    "django.db.transaction.commit_on_success": "covet.db.transaction.atomic",
    "django.forms": "a covet.rest.Schema: data: Annotated[SignUp, Form()], or await request.form()",
    "django.forms.models.model_to_dict": "a ModelSchema: ArticleOut.model_validate(article).model_dump()",
    "django.http.HttpResponseBadRequest": "Response(…, status=400), or raise covet.http.BadRequest",
    "django.http.HttpResponseForbidden": "Response(…, status=403), or raise covet.http.Forbidden",
    "django.http.HttpResponseNotAllowed": "raise covet.http.MethodNotAllowed",
    "django.http.HttpResponseNotFound": "Response(…, status=404), or raise covet.http.Http404",
    "django.http.HttpResponsePermanentRedirect": "RedirectResponse(…, permanent=True)",
    "django.http.HttpResponseServerError": "Response(…, status=500)",
    "django.http.QueryDict": "covet.http.QueryParams",
    "django.shortcuts.render_to_response": "covet.shortcuts.render, which takes the request first",
    "django.test.AsyncClient": "covet.test.AsyncClient",
    "django.test.Client": "the pytest fixture client, a covet.test.AsyncClient",
    "django.test.SimpleTestCase": "test functions of pytest",
    "django.test.TestCase": "test functions of pytest with the fixtures db and client",
    "django.test.TransactionTestCase": "test functions of pytest with the fixture transactional_db",
    "django.utils.crypto.get_random_string": "secrets.token_urlsafe()",
    "django.utils.dateparse.parse_date": "datetime.date.fromisoformat()",
    "django.utils.dateparse.parse_datetime": "datetime.datetime.fromisoformat()",
    "django.utils.encoding.python_2_unicode_compatible": "nothing: __str__() is enough",
    "django.utils.encoding.smart_text": "str()",
    "django.utils.html.format_html": "markupsafe.Markup('…{}').format(…)",
    "django.utils.http.urlencode": "urllib.parse.urlencode()",
    "django.utils.http.urlquote": "urllib.parse.quote()",
    "django.utils.http.urlunquote": "urllib.parse.unquote()",
    "django.utils.lru_cache": "functools.lru_cache",
    "django.utils.six": "nothing: Python has these by other names since 3.0",
    "fastapi.APIRouter": "covet.rest.Router",
    "fastapi.exceptions.RequestValidationError": "nothing to catch: wrong values are answered with 422, one problem for all",
    "fastapi.FastAPI": "covet.rest.Router, included by a urls module",
    "fastapi.middleware": "covet.middleware, named in MIDDLEWARE",
    "fastapi.Security": "covet.rest.Depends, and security=[…] of the route for the documentation",
    "fastapi.security": "a dependency that reads a header, and covet.rest.openapi.security for the documentation",
    "fastapi.staticfiles": "'covet.staticfiles' in INSTALLED_APPS",
    "fastapi.status": "the number itself, or http.HTTPStatus",
    "fastapi.templating": "covet.shortcuts.render",
    "fastapi.testclient": "the pytest fixture client, a covet.test.AsyncClient",
    "fastapi.UploadFile": "covet.rest.UploadedFile",
    "fastapi.WebSocket": "covet.websocket.WebSocket",
    "litestar.Controller": "covet.rest.ViewSet",
    "litestar.delete": "the methods of a covet.rest.Router: @api.delete(…)",
    "litestar.di": "covet.rest.Depends",
    "litestar.dto": "covet.rest.ModelSchema, or a schema of the fields that are wanted",
    "litestar.get": "the methods of a covet.rest.Router: @api.get(…)",
    "litestar.Litestar": "a project: covet.asgi.get_asgi_application()",
    "litestar.patch": "the methods of a covet.rest.Router: @api.patch(…)",
    "litestar.post": "the methods of a covet.rest.Router: @api.post(…)",
    "litestar.put": "the methods of a covet.rest.Router: @api.put(…)",
    "litestar.testing": "the pytest fixture client, a covet.test.AsyncClient",
    "ninja.FilterSchema": "covet.rest.FilterSet",
    "ninja.NinjaAPI": "covet.rest.Router",
    "ninja.pagination": "response=covet.rest.Page[…]",
    "ninja.security": "covet.rest.permissions",
    "pytz": "zoneinfo.ZoneInfo, and covet.timezone",
    "rest_framework.authentication": "the middleware that sets request.user, such as covet.auth's",
    "rest_framework.decorators.action": "covet.rest.action",
    "rest_framework.decorators.api_view": "the methods of a covet.rest.Router: @api.get(…)",
    "rest_framework.exceptions": "covet.http, with NotFound, Forbidden and the like",
    "rest_framework.filters": "filters, search and ordering of a covet.rest.ModelViewSet",
    "rest_framework.generics": "covet.rest.ModelViewSet, narrowed by serves = […]",
    "rest_framework.mixins": "covet.rest.ModelViewSet, narrowed by serves = […]",
    "rest_framework.pagination.CursorPagination": "covet.rest.CursorPage",
    "rest_framework.pagination.LimitOffsetPagination": "covet.rest.OffsetPage",
    "rest_framework.pagination.PageNumberPagination": "covet.rest.Page",
    "rest_framework.parsers": "formats=[…] of a route, or REST_FORMATS",
    "rest_framework.permissions": "covet.rest.permissions",
    "rest_framework.renderers": "formats=[…] of a route, or REST_FORMATS",
    "rest_framework.response.Response": "the value itself is returned, or covet.http.JSONResponse",
    "rest_framework.reverse.reverse": "covet.urls.reverse",
    "rest_framework.routers": "covet.rest.Router",
    "rest_framework.routers.DefaultRouter": "covet.rest.Router",
    "rest_framework.serializers": "covet.rest.Schema and covet.rest.ModelSchema",
    "rest_framework.serializers.ModelSerializer": "covet.rest.ModelSchema",
    "rest_framework.serializers.Serializer": "covet.rest.Schema",
    "rest_framework.status": "the number itself, or http.HTTPStatus",
    "rest_framework.test": "the pytest fixture client, a covet.test.AsyncClient",
    "rest_framework.throttling": "covet.rest.Throttle",
    "rest_framework.urlpatterns": "?format=csv, which routes take that have formats",
    "rest_framework.views.APIView": "covet.rest.ViewSet, or functions on a covet.rest.Router",
    "rest_framework.viewsets": "covet.rest.ModelViewSet, covet.rest.ViewSet",
    "rest_framework.viewsets.ModelViewSet": "covet.rest.ModelViewSet",
    "rest_framework.viewsets.ReadOnlyModelViewSet": "covet.rest.ReadOnlyModelViewSet",
    "rest_framework.viewsets.ViewSet": "covet.rest.ViewSet",
    "sqlalchemy": "covet.db.models, with models and querysets",
    "sqlmodel": "covet.db.models for tables, and covet.rest.ModelSchema for what is sent",
    "starlette.responses.JSONResponse": "covet.http.JSONResponse",
    "starlette.responses.Response": "covet.http.Response",
    "tortoise": "covet.db.models, with models and querysets",
}
"""What is done in another way here; a path with names below it speaks for them too."""

_ARGUMENTS: Final = {
    ("CheckConstraint", "check"): "Write condition=…, as Django does since 5.1.",
    (
        "make_aware",
        "is_dst",
    ): "Leave it out: zoneinfo knows of summer time, and fold=1 of the datetime is the second of two hours.",
    ("include", "app_name"): "Write include((patterns, 'name')), or app_name = 'name' in the module.",
}
"""What to write in the place of an argument, by the callable."""


def import_hint(error: BaseException) -> str:
    """Return a sentence that says what to write instead of the import that failed.

    Args:
        error: What the import raised; its traceback tells the line.

    Returns:
        The sentence with a space before it, or an empty text: it was no import, or nothing is known about it.
    """
    if not isinstance(error, ImportError):
        return ""
    for path in _wanted(error):
        hint = path_hint(path)
        if hint:
            return hint
    return ""


def use_hint(error: BaseException) -> str:
    """Return the same for a name that a module of Covet has not, ``models.NullBooleanField``, or an argument by another name."""
    if isinstance(error, AttributeError) and isinstance(error.obj, ModuleType) and isinstance(error.name, str):
        module = error.obj.__name__
        return path_hint(f"{module}.{error.name}") if module.partition(".")[0] == "covet" else ""
    if isinstance(error, TypeError):
        found = _unexpected().match(str(error))
        words = None if found is None else _ARGUMENTS.get((found[1], found[2]))
        return "" if words is None else f" {words}"
    return ""


@cache
def _unexpected() -> re.Pattern[str]:
    return re.compile(r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'")


def path_hint(path: str) -> str:
    """Return the same for a dotted path that somebody asked for, such as one of a setting."""
    hint = _about(path)
    return f" {hint}" if hint else ""


def _about(path: str) -> str:
    root, _, rest = path.partition(".")
    if root not in _FOREIGN and root != "covet":
        return ""
    # What Covet has needs no hint; the first name that it has not is the one that failed.
    if root == "covet" and (not rest or _is_here(path)):
        return ""
    foreign = path if root in _FOREIGN else _djangos(rest)
    hint = _said(foreign) or _elsewhere(path)
    if root == "covet" and not hint:
        # Whoever came from there writes the name that he knows, in the room that is here.
        word = rest.removeprefix("rest.") if rest.startswith("rest.") else ""
        hint = (word and (_said(f"fastapi.{word}") or _said(f"rest_framework.{word}"))) or _misspelt(path)
    return hint


def _djangos(rest: str) -> str:
    """The path that Django has for one below ``covet``: of a room that moved, that of the room that it was."""
    for theirs, ours in sorted(MODULES.items(), reverse=True):
        room = ours.removeprefix("covet").removeprefix(".")
        if room and rest.startswith(f"{room}.") and f"{theirs}.{rest[len(room) + 1 :]}" in {*NAMES, *_OTHER_WORDS}:
            return f"{theirs}.{rest[len(room) + 1 :]}"
    urls = f"django.conf.{rest}"
    return urls if urls in _OTHER_WORDS else f"django.{rest}"


def _elsewhere(path: str) -> str:
    """The room that has the name which another one was asked for."""
    root, _, name = path.rpartition(".")
    if root.partition(".")[0] == "django" or (root.startswith("covet.") and names_of(root) is None):
        return ""  # a module that is misspelt comes first
    for module in _ROOMS:
        if module != root and name in (names_of(module) or ()):
            return f"{name} is here: from {module} import {name}"
    return ""


def _said(path: str) -> str:
    """What is known of a name of another framework."""
    found = find(path) if path.startswith("django.") else None
    if found is not None:
        module, _, name = found.path.rpartition(".")
        if module == "builtins":
            return f"{path} is Python's own {name}."
        return f"What Django has as {path} is here: from {module} import {name}"
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        words = _OTHER_WORDS.get(".".join(parts[:length]))
        if words is not None:
            return f"Instead of {'.'.join(parts[:length])} there is: {words}."
    return ""


def _misspelt(path: str) -> str:
    """The nearest name of the module, when the module is there; else the nearest module."""
    module, _, name = path.rpartition(".")
    names = names_of(module) if module else None
    if names is None:
        return _misspelt(module) if "." in module else ""
    # Of a class and its module, such as Response and response, the class: the later one is kept.
    near = suggest(name, sorted(names, reverse=True))
    return f"Did you mean '{module}.{near}'?" if near else ""


def _is_here(path: str) -> bool:
    module, _, name = path.rpartition(".")
    names = names_of(module)
    return names_of(path) is not None or (names is not None and name in names)


def _wanted(error: ImportError) -> Iterator[str]:
    """The dotted names that the failed statement of the project's own code asks for."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith((_ROOT, "<")) or "importlib" in frame.filename or frame.lineno is None:
            continue
        statement = _statement(frame.filename, frame.lineno)
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.level == 0 and statement.module:
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)
        return


def _statement(file: str, number: int) -> ast.stmt | None:
    """The import that begins at a line, over as many lines as it has."""
    text = ""
    for line in range(number, number + _LONGEST_IMPORT):
        text += linecache.getline(file, line)
        try:
            return ast.parse(text.strip()).body[0]
        except (SyntaxError, IndexError):
            continue
    return None
