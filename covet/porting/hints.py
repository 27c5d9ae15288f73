"""What to write instead of an import that failed: Django's place of a name, another framework's word for it, a misspelling."""

from __future__ import annotations

import ast
import linecache
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from covet.porting.names import find, names_of
from covet.text import suggest

__all__ = ["import_hint"]

_ROOT: Final = str(Path(__file__).resolve().parents[1])
_FOREIGN: Final = frozenset({"django", "rest_framework", "fastapi", "starlette"})
_LONGEST_IMPORT: Final = 40  # lines

_OTHER_WORDS: Final = {
    "django.core.cache": "covet.db.models.QuerySet.cache() keeps the result of a query",
    "django.core.management.base.BaseCommand": "a command is a function below @covet.management.command()",
    "django.core.management.BaseCommand": "a command is a function below @covet.management.command()",
    "django.http.HttpResponseBadRequest": "Response(…, status=400), or raise covet.http.BadRequest",
    "django.http.HttpResponseForbidden": "Response(…, status=403), or raise covet.http.Forbidden",
    "django.http.HttpResponseNotAllowed": "raise covet.http.MethodNotAllowed",
    "django.http.HttpResponseNotFound": "Response(…, status=404), or raise covet.http.Http404",
    "django.http.HttpResponsePermanentRedirect": "RedirectResponse(…, permanent=True)",
    "django.http.HttpResponseServerError": "Response(…, status=500)",
    "django.http.QueryDict": "covet.http.QueryParams",
    "django.test.Client": "the pytest fixture client, a covet.test.AsyncClient",
    "django.test.AsyncClient": "covet.test.AsyncClient",
    "django.test.TestCase": "test functions of pytest with the fixtures db and client",
    "django.test.TransactionTestCase": "test functions of pytest with the fixture transactional_db",
    "django.utils.crypto.get_random_string": "secrets.token_urlsafe()",
    "django.utils.dateparse.parse_date": "datetime.date.fromisoformat()",
    "django.utils.dateparse.parse_datetime": "datetime.datetime.fromisoformat()",
    "django.utils.html.format_html": "markupsafe.Markup('…{}').format(…)",
    "django.utils.http.urlencode": "urllib.parse.urlencode()",
    "fastapi.APIRouter": "covet.rest.Router",
    "fastapi.FastAPI": "covet.rest.Router, included by a urls module",
    "fastapi.UploadFile": "covet.rest.UploadedFile",
    "fastapi.WebSocket": "covet.websocket.WebSocket",
    "rest_framework.decorators.action": "covet.rest.action",
    "rest_framework.decorators.api_view": "the methods of a covet.rest.Router: @api.get(…)",
    "rest_framework.pagination.CursorPagination": "covet.rest.CursorPage",
    "rest_framework.pagination.LimitOffsetPagination": "covet.rest.OffsetPage",
    "rest_framework.pagination.PageNumberPagination": "covet.rest.Page",
    "rest_framework.permissions": "covet.rest.permissions",
    "rest_framework.response.Response": "the value itself is returned, or covet.http.JSONResponse",
    "rest_framework.routers.DefaultRouter": "covet.rest.Router",
    "rest_framework.serializers.ModelSerializer": "covet.rest.ModelSchema",
    "rest_framework.serializers.Serializer": "covet.rest.Schema",
    "rest_framework.views.APIView": "covet.rest.ViewSet, or functions on a covet.rest.Router",
    "rest_framework.viewsets.ModelViewSet": "covet.rest.ModelViewSet",
    "rest_framework.viewsets.ReadOnlyModelViewSet": "covet.rest.ReadOnlyModelViewSet",
    "rest_framework.viewsets.ViewSet": "covet.rest.ViewSet",
    "starlette.responses.JSONResponse": "covet.http.JSONResponse",
    "starlette.responses.Response": "covet.http.Response",
}
"""What is done in another way here; a path with names below it speaks for them too."""


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
        root, _, rest = path.partition(".")
        if root not in _FOREIGN and root != "covet":
            continue
        # What Covet has needs no hint; the first name that it has not is the one that failed.
        if root == "covet" and (not rest or _is_here(path)):
            continue
        foreign = path if root in _FOREIGN else f"django.{rest}"
        hint = _said(foreign) or (_misspelt(path) if root == "covet" else "")
        if hint:
            return f" {hint}"
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
    for length in range(len(parts), 1, -1):
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
