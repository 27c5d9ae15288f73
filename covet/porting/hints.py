"""What to write instead of an import that failed: Django's place of a name, another framework's word for it, a misspelling."""

from __future__ import annotations

import ast
import linecache
import os
import re
import traceback
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final

from covet.porting.api_words import API_WORDS
from covet.porting.model_words import MEMBER_WORDS, MODEL_ROOTS, MODEL_WORDS, TREE_WORDS
from covet.porting.names import MODULES, NAMES, find, names_of
from covet.porting.rest_words import ROOTS, WORDS
from covet.text import suggest

__all__ = ["import_hint", "path_hint", "use_hint"]

_ROOT: Final = str(Path(__file__).resolve().parents[1])
_FOREIGN: Final = frozenset(
    {
        "asgiref",
        "django",
        "factory",
        "fastapi",
        "litestar",
        "ninja",
        "pytz",
        "sqlalchemy",
        "sqlmodel",
        "starlette",
        "tortoise",
        *MODEL_ROOTS,
        *ROOTS,
    }
)
# Where a name that other frameworks have too is to be found.
_ROOMS: Final = (
    "covet.rest",
    "covet.rest.permissions",
    "covet.http",
    "covet.websocket",
    "covet.shortcuts",
    "covet.exceptions",
)
_INSTALLED: Final = f"{os.sep}site-packages{os.sep}"
_LONGEST_IMPORT: Final = 40  # lines

_OTHER_WORDS: Final = {
    "asgiref.sync": "covet.concurrency.to_thread() for a sync function; an async one is awaited",
    "django.conf.urls.handler404": "handler404 = … in the root urls.py, with nothing to import",
    "django.conf.urls.handler500": "handler500 = … in the root urls.py, with nothing to import",
    "django.conf.urls.static.static": "nothing to write: 'covet.staticfiles' serves MEDIA_URL while DEBUG is on",
    "django.conf.urls.url": "covet.urls.re_path, or covet.urls.path",
    "django.contrib.admin": "nothing yet; covet.rest.ModelViewSet answers for a model's rows",
    "django.contrib.auth.mixins.AccessMixin": "covet.auth.decorators.user_passes_test around View.as_view()",
    "django.contrib.auth.mixins.LoginRequiredMixin": "covet.auth.decorators.login_required around View.as_view()",
    "django.contrib.auth.mixins.PermissionRequiredMixin": "covet.auth.decorators.permission_required around View.as_view()",
    "django.contrib.auth.mixins.UserPassesTestMixin": "covet.auth.decorators.user_passes_test around View.as_view()",
    "django.contrib.auth.views": "views of a few lines with covet.auth.authenticate(), login() and logout(): docs/howto/users-and-sessions.md",
    "django.contrib.flatpages": "nothing yet; a model and a view of a few lines",
    "django.contrib.gis": "nothing yet",
    "django.contrib.humanize": "the filters intcomma, timesince and timeuntil of templates",
    "django.contrib.messages": "nothing yet; request.session keeps what the next page shall show",
    "django.contrib.postgres.fields.CICharField": "covet.db.models.CharField with db_collation=…, of a collation that knows no case",
    "django.contrib.postgres.fields.CIEmailField": "covet.db.models.EmailField with db_collation=…, of a collation that knows no case",
    "django.contrib.postgres.fields.CITextField": "covet.db.models.TextField with db_collation=…, of a collation that knows no case",
    "django.contrib.redirects": "nothing yet; covet.views.RedirectView in the urls, or a middleware",
    "django.contrib.sessions.backends": "SESSION_ENGINE, a store: the database's, or a class of your own",
    "django.contrib.sessions.base_session": "the model Session of covet.sessions.models, and a store of your own for SESSION_ENGINE",
    "django.contrib.sitemaps": "nothing yet; a view that renders a template of XML",
    "django.contrib.sites": "nothing yet; request.get_host(), and covet.urls.host for routes by host",
    "django.contrib.staticfiles.storage.staticfiles_storage": "covet.staticfiles.links.static(), which gives the address of a file",
    "django.contrib.staticfiles.testing": "the pytest fixture live_server",
    "django.contrib.syndication": "nothing yet; a view that renders a template of XML",
    "django.core.cache": "covet.db.models.QuerySet.cache() keeps the result of a query",
    "django.core.exceptions.EmptyResultSet": "nothing to catch: a query that can find nothing is not sent",
    "django.core.exceptions.RequestDataTooBig": "nothing to catch: what is over DATA_UPLOAD_MAX_MEMORY_SIZE is answered with 413",
    "django.core.exceptions.SynchronousOnlyOperation": "nothing to catch: what waits is awaited",
    "django.core.exceptions.ViewDoesNotExist": "covet.exceptions.ImproperlyConfigured, raised when the project starts",
    "django.core.files.uploadedfile": "covet.http.UploadedFile, which tests send by files=… of the client",
    "django.core.handlers": "covet.asgi.get_asgi_application()",
    "django.core.mail": "nothing yet; aiosmtplib sends mails without blocking",
    "django.core.management.base.AppCommand": "a function below @covet.management.command() with click.argument('app_labels', nargs=-1)",
    "django.core.management.base.BaseCommand": "a command is a function below @covet.management.command()",
    "django.core.management.base.LabelCommand": "a function below @covet.management.command() with click.argument('labels', nargs=-1)",
    "django.core.management.BaseCommand": "a command is a function below @covet.management.command()",
    "django.core.paginator.AsyncPaginator": "covet.paginator.Paginator, whose methods are awaited",
    "django.core.serializers": "covet.rest.ModelSchema, or the commands dumpdata and loaddata for fixtures",
    "django.core.serializers.json": "covet.json, whose dumps() writes dates, decimals and UUIDs",
    "django.core.signing.get_cookie_signer": "covet.signing.Signer(salt=…)",
    "django.core.wsgi": "covet.asgi.get_asgi_application(), as application in asgi.py",
    "django.db.close_old_connections": "nothing: the pool closes what is too old or broken",
    "django.db.models.CommaSeparatedIntegerField": "covet.db.models.CharField with validators=[validate_comma_separated_integer_list]",
    "django.db.models.get_model": "apps.get_model() of covet.apps",
    "django.db.models.IPAddressField": "covet.db.models.GenericIPAddressField",
    "django.db.models.NullBooleanField": "covet.db.models.BooleanField with null=True",
    "django.db.models.permalink": "covet.urls.reverse in get_absolute_url()",
    "django.db.transaction.commit_manually": "covet.db.transaction.atomic",
    "django.db.transaction.commit_on_success": "covet.db.transaction.atomic",
    "django.db.transaction.get_connection": "connections[alias] of covet.db",
    "django.forms": "a covet.rest.Schema: data: Annotated[SignUp, Form()], or await request.form()",
    "django.forms.models.model_to_dict": "await model_to_dict(article) of covet.db.models, or a ModelSchema: its model_validate(article).model_dump()",
    "django.http.HttpResponseBadRequest": "Response(…, status=400), or raise covet.http.BadRequest",
    "django.http.HttpResponseForbidden": "Response(…, status=403), or raise covet.http.Forbidden",
    "django.http.HttpResponseGone": "Response(…, status=410)",
    "django.http.HttpResponseNotAllowed": "raise covet.http.MethodNotAllowed",
    "django.http.HttpResponseNotFound": "Response(…, status=404), or raise covet.http.Http404",
    "django.http.HttpResponseNotModified": "Response(status=304), or covet.views.decorators.condition",
    "django.http.HttpResponsePermanentRedirect": "RedirectResponse(…, permanent=True)",
    "django.http.HttpResponseServerError": "Response(…, status=500)",
    "django.http.QueryDict": "covet.http.QueryParams",
    "django.middleware.cache": "covet.db.models.QuerySet.cache() for queries, and covet.views.decorators.cache_control for clients",
    "django.middleware.clickjacking": "covet.middleware.security.SecurityMiddleware, which sends X_FRAME_OPTIONS",
    "django.middleware.common.BrokenLinkEmailsMiddleware": "the logger covet.request, which tells of 404s at level DEBUG",
    "django.shortcuts.render_to_response": "covet.shortcuts.render, which takes the request first",
    "django.template.Context": "a plain dict",
    "django.template.context_processors": "TEMPLATES['CONTEXT_PROCESSORS'], with covet.templates.processors; request and csrf are there anyway",
    "django.template.defaultfilters": "the filters of templates, of covet.templates.filters; slugify is covet.text.slugify",
    "django.template.engines": "covet.templates.render_to_string()",
    "django.template.loader.get_template": "covet.templates.render_to_string()",
    "django.template.loader.select_template": "covet.templates.render_to_string()",
    "django.template.RequestContext": "a plain dict, given to covet.shortcuts.render(request, …)",
    "django.template.response.SimpleTemplateResponse": "covet.templates.TemplateResponse",
    "django.template.Template": "covet.templates.render_to_string() of a file, or jinja2's environment: apps.part(TemplatesPart)",
    "django.test.AsyncClient": "covet.test.AsyncClient",
    "django.test.Client": "the pytest fixture client, a covet.test.AsyncClient",
    "django.test.LiveServerTestCase": "the pytest fixture live_server",
    "django.test.modify_settings": "covet.test.override_settings, or the fixture settings, with the whole list",
    "django.test.signals.template_rendered": "response.templates of an answer of the client",
    "django.test.SimpleTestCase": "test functions of pytest",
    "django.test.skipUnlessDBFeature": "pytest.mark.skipif",
    "django.test.tag": "pytest.mark",
    "django.test.TestCase": "test functions of pytest with the fixtures db and client",
    "django.test.TransactionTestCase": "test functions of pytest with the fixture transactional_db",
    "django.test.utils.ignore_warnings": "pytest.mark.filterwarnings",
    "django.test.utils.isolate_apps": "apps.isolate() of covet.apps",
    "django.test.utils.setup_test_environment": "nothing: the pytest plugin of Covet does it",
    "django.urls.get_resolver": "covet.urls.resolve(), or the command routes",
    "django.urls.get_script_prefix": "request.scope['root_path']",
    "django.urls.is_valid_path": "covet.urls.resolve(), which raises Http404 for a path that there is not",
    "django.urls.set_script_prefix": "the server's root_path",
    "django.utils": "covet.text, covet.timezone, covet.i18n, covet.dispatch, and what Python itself has",
    "django.utils.cache": "response.headers, and covet.views.decorators with cache_control, never_cache and vary_on_headers",
    "django.utils.crypto.salted_hmac": "covet.security.salted_hmac, which wants the secret and makes other digests",
    "django.utils.dateformat": "the filter date of templates, or strftime()",
    "django.utils.dateparse.parse_date": "datetime.date.fromisoformat()",
    "django.utils.dateparse.parse_datetime": "datetime.datetime.fromisoformat()",
    "django.utils.dateparse.parse_duration": "covet.db.models.fields.temporal.parse_duration()",
    "django.utils.dateparse.parse_time": "datetime.time.fromisoformat()",
    "django.utils.decorators.async_only_middleware": "nothing: a middleware is async by being written so",
    "django.utils.decorators.decorator_from_middleware_with_args": "covet.views.decorators.decorator_from_middleware, which takes arguments too",
    "django.utils.decorators.sync_and_async_middleware": "nothing: a middleware is async by being written so",
    "django.utils.decorators.sync_only_middleware": "nothing: a sync middleware runs in a thread",
    "django.utils.deprecation.MiddlewareMixin": "covet.middleware.Middleware, whose async __call__ stands for process_request and process_response",
    "django.utils.encoding.force_bytes": "text.encode()",
    "django.utils.encoding.iri_to_uri": "urllib.parse.quote()",
    "django.utils.encoding.python_2_unicode_compatible": "nothing: __str__() is enough",
    "django.utils.encoding.smart_text": "str()",
    "django.utils.feedgenerator": "nothing yet; a view that renders a template of XML",
    "django.utils.formats": "the filters date, time, floatformat and intcomma of templates",
    "django.utils.functional.classproperty": "typing.ClassVar, or a classmethod",
    "django.utils.functional.lazy": "covet.i18n.gettext_lazy for texts, covet.urls.reverse_lazy for addresses",
    "django.utils.functional.SimpleLazyObject": "nothing: functools.cache around what makes it",
    "django.utils.html.escapejs": "the filter json_script of templates",
    "django.utils.html.format_html": "markupsafe.Markup('…{}').format(…)",
    "django.utils.html.format_html_join": "markupsafe.Markup(…).join(…)",
    "django.utils.html.strip_tags": "markupsafe.Markup(text).striptags()",
    "django.utils.html.urlize": "the filter urlize of templates",
    "django.utils.http.http_date": "email.utils.format_datetime(moment, usegmt=True)",
    "django.utils.http.parse_http_date": "email.utils.parsedate_to_datetime()",
    "django.utils.http.urlencode": "urllib.parse.urlencode()",
    "django.utils.http.urlquote": "urllib.parse.quote()",
    "django.utils.http.urlsafe_base64_encode": "base64.urlsafe_b64encode()",
    "django.utils.http.urlunquote": "urllib.parse.unquote()",
    "django.utils.log.AdminEmailHandler": "nothing yet: logging.handlers.SMTPHandler with 'background': True, or a service that collects errors",
    "django.utils.log.ServerFormatter": "the formatters human and json, which every LOGGING may name",
    "django.utils.lru_cache": "functools.lru_cache",
    "django.utils.module_loading.autodiscover_modules": "an AppPart with module = '…', which every app is asked for",
    "django.utils.six": "nothing: Python has these by other names since 3.0",
    "django.utils.text.capfirst": "text[:1].upper() + text[1:]",
    "django.utils.text.get_valid_filename": "get_valid_name() of a storage",
    "django.utils.text.Truncator": "the filters truncatechars and truncatewords of templates, or covet.text.truncate()",
    "django.utils.timezone.get_fixed_timezone": "datetime.timezone(datetime.timedelta(minutes=…))",
    "django.utils.timezone.template_localtime": "the filter localtime of templates",
    "django.utils.translation.check_for_language": "code in dict(settings.LANGUAGES)",
    "django.utils.translation.deactivate_all": "covet.i18n.override(None)",
    "django.utils.translation.get_language_from_request": "covet.i18n.get_language(), in a request behind LocaleMiddleware",
    "django.utils.translation.to_locale": "nothing: a language code is both",
    "django.views.csrf": "the template 403.html, or handler403",
    "django.views.decorators.cache_page": "covet.db.models.QuerySet.cache() for queries, and cache_control beside it for clients",
    "django.views.decorators.cache.cache_page": "covet.db.models.QuerySet.cache() for queries, and covet.views.decorators.cache_control for clients",
    "django.views.decorators.clickjacking": "the header X-Frame-Options of the response, which SecurityMiddleware then leaves alone",
    "django.views.defaults": "the templates 404.html, 500.html and so on, or handler404 and its like",
    "django.views.generic.base": "covet.views, with View, TemplateView and RedirectView; mixins are their methods",
    "django.views.generic.CreateView": "a view with await request.form(), and a covet.rest.Schema that checks it",
    "django.views.generic.DeleteView": "a view with await request.form(), and a covet.rest.Schema that checks it",
    "django.views.generic.detail": "covet.views.DetailView, with get_object() and get_queryset()",
    "django.views.generic.edit": "a view with await request.form(), and a covet.rest.Schema that checks it",
    "django.views.generic.FormView": "a view with await request.form(), and a covet.rest.Schema that checks it",
    "django.views.generic.list": "covet.views.ListView, with get_queryset() and paginate_by",
    "django.views.generic.UpdateView": "a view with await request.form(), and a covet.rest.Schema that checks it",
    "django.views.i18n": "covet.views.i18n.set_language, and no catalogue for scripts yet",
    "django.views.static.serve": "covet.http.FileResponse",
    "factory.django": "covet.test.factories.Factory, whose rows are awaited",
    "pytz": "zoneinfo.ZoneInfo, and covet.timezone",
    **API_WORDS,
    **MODEL_WORDS,
    **WORDS,
    "sqlalchemy": "covet.db.models, with models and querysets",
    "sqlmodel": "covet.db.models for tables, and covet.rest.ModelSchema for what is sent",
    "starlette.responses.JSONResponse": "covet.http.JSONResponse",
    "starlette.responses.Response": "covet.http.Response",
    "tortoise": "covet.db.models, with models and querysets",
}
"""What is done in another way here; a path with names below it speaks for them too."""

_ARGUMENTS: Final = {
    **{(verb, "follow"): "Write follow_redirects=True." for verb in ("get", "post", "put", "patch", "delete")},
    **{
        (verb, "content_type"): "Write content=… with headers={'content-type': …}." for verb in ("post", "put", "patch")
    },
    ("CheckConstraint", "check"): "Write condition=…, as Django does since 5.1.",
    (
        "make_aware",
        "is_dst",
    ): "Leave it out: zoneinfo knows of summer time, and fold=1 of the datetime is the second of two hours.",
    ("Link", "lookup_field"): "Write field=….",
    ("Link", "lookup_url_kwarg"): "Write argument=….",
    ("Link", "many"): "Write Annotated[list[str], Link(…)].",
    ("Link", "read_only"): "Leave it out of the viewset's input.",
    ("Link", "view_name"): "The name of the route is the first argument: Link('authors-detail').",
    ("SelfLink", "view_name"): "The name of the route is the first argument: SelfLink('articles-detail').",
    ("SelfLink", "lookup_field"): "Write field=….",
    ("Slug", "allow_null"): "Write Annotated[str | None, Slug(…)].",
    ("Slug", "many"): "Write Annotated[list[str], Slug(…)].",
    ("Slug", "read_only"): "Leave it out of the viewset's input.",
    ("Slug", "slug_field"): "The field is the first argument: Slug('username').",
    ("Throttle", "scope"): "Throttles that are alike share their numbers; by='route' counts each endpoint alone.",
    ("Versions", "allowed_versions"): "They are the keys of the first argument: Versions({'1': [api], …}).",
    ("Versions", "default_version"): "Write default=….",
    ("Versions", "version_param"): "Write parameter=….",
    ("register", "base_name"): "Write basename=….",
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
        return path_hint(f"{module}.{error.name}") if module.partition(".")[0] in ("covet", "factory") else ""
    if isinstance(error, AttributeError) and isinstance(error.obj, type) and error.name == "as_view":
        is_ours = any(base.__module__.startswith("covet.rest.") for base in error.obj.__mro__)
        return " A router mounts it: api.register('articles', Articles)." if is_ours else ""
    if isinstance(error, AttributeError):
        return _of_member(error)
    if isinstance(error, TypeError):
        found = _unexpected().match(str(error))
        words = None if found is None else _ARGUMENTS.get((found[1], found[2]))
        if words is None and re.match(r"AsyncClient\.\w+\(\) takes \d+ positional arguments", str(error)):
            words = "Write data={…} for a form, json={…} for JSON, params={…} for the query."
        return "" if words is None else f" {words}"
    return ""


def _of_member(error: AttributeError) -> str:
    """What is known of an attribute that an object of Django has."""
    if isinstance(error.obj, tuple):
        where = traceback.extract_tb(error.__traceback__)[-1:]
        return f" {TREE_WORDS}" if where and f".children.{error.name}(" in (where[0].line or "") else ""
    for base in type(error.obj).__mro__:
        words = MEMBER_WORDS.get((base.__name__, str(error.name))) if base.__module__.startswith("covet.") else None
        if words is not None:
            return f" {words}"
    return ""


@cache
def _unexpected() -> re.Pattern[str]:
    return re.compile(r"(?:\w+\.)*?(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'")


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
        hint = (word and _said(f"fastapi.{word}")) or _of_rest_framework(path, rest) or _misspelt(path)
    return hint


def _of_rest_framework(path: str, rest: str) -> str:
    """What is known of a name of REST framework that was looked for in a room of ours, by its path there or by itself."""
    room, _, name = rest.rpartition(".")
    if room.partition(".")[0] not in ("auth", "rest", "test"):
        return ""
    theirs = f"rest_framework.{rest.removeprefix('rest.')}"
    if theirs in WORDS:
        return _said(theirs)
    known = next((word for word in WORDS if word.startswith("rest_framework.") and word.endswith(f".{name}")), "")
    if known:
        return _said(known)
    # Of a room that is here, only what is in it helps.
    return "" if names_of(path.rpartition(".")[0]) is not None else _said(theirs)


def _djangos(rest: str) -> str:
    """The path that Django has for one below ``covet``: of a room that moved, that of the room that it was."""
    for theirs, ours in sorted(MODULES.items(), reverse=True):
        room = ours.removeprefix("covet").removeprefix(".")
        if room and rest.startswith(f"{room}.") and f"{theirs}.{rest[len(room) + 1 :]}" in {*NAMES, *_OTHER_WORDS}:
            return f"{theirs}.{rest[len(room) + 1 :]}"
    for place in ("django.conf", "django.core", "django.contrib"):
        path = f"{place}.{rest}"
        if _words(path):
            return path
    return f"django.{rest}"


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
    module, _, name = path.rpartition(".")
    awaited = find(f"{module}.{name[1:]}") if name[:1] == "a" and module.startswith("django.") else None
    if awaited is not None and awaited.name:
        return f"Nothing has a twin with an 'a' here: from {awaited.module} import {awaited.name}, and await it."
    start = _words(path)
    return f"Instead of {start} there is: {_OTHER_WORDS[start]}." if start else ""


def _words(path: str) -> str:
    """The longest beginning of a path of which words are known."""
    parts = path.split(".")
    starts = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((start for start in starts if start in _OTHER_WORDS), "")


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
    """The dotted names that the failed statement asks for: that of the project's own code, then one of an installed package."""
    places = [
        (frame.filename, frame.lineno)
        for frame in reversed(traceback.extract_tb(error.__traceback__))
        if not frame.filename.startswith((_ROOT, "<")) and "importlib" not in frame.filename
    ]
    for installed in (False, True):
        found = next((one for one in places if (_INSTALLED in one[0]) is installed and one[1] is not None), None)
        statement = _statement(found[0], found[1] or 0) if found else None
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.level == 0 and statement.module:
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)


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
