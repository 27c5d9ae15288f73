"""Where the names of Django live in Covet, read from Covet's own files: nothing is imported for it."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["Target", "find", "names_of"]

_ROOT: Final = Path(__file__).resolve().parents[2]

MODULES: Final = {
    "django": "covet",
    "django.conf.urls.i18n": "covet.views.i18n",
    "django.contrib.auth": "covet.auth",
    "django.contrib.auth.password_validation": "covet.auth.validators",
    "django.contrib.contenttypes": "covet.contenttypes",
    "django.contrib.postgres": "covet.postgres",
    "django.contrib.sessions": "covet.sessions",
    "django.contrib.staticfiles": "covet.staticfiles",
    "django.core.checks": "covet.checks",
    "django.core.exceptions": "covet.exceptions",
    "django.core.files": "covet.files",
    "django.core.files.base": "covet.files",
    "django.core.files.storage": "covet.files",
    "django.core.management": "covet.management",
    "django.core.management.base": "covet.exceptions",
    "django.core.paginator": "covet.paginator",
    "django.core.signals": "covet.signals",
    "django.core.signing": "covet.signing",
    "django.core.validators": "covet.validators",
    "django.db.utils": "covet.db",
    "django.http": "covet.http",
    "django.template": "covet.templates",
    "django.utils.deconstruct": "covet.validators",
    "django.utils.module_loading": "covet.loading",
    "django.utils.text": "covet.text",
    "django.utils.timezone": "covet.timezone",
    "django.utils.translation": "covet.i18n",
}
"""Modules that moved; what lies below them follows. All others keep their path below ``covet``."""

NAMES: Final = {
    "django.conf.urls.include": "covet.urls.include",
    "django.contrib.postgres.fields.JSONField": "covet.db.models.JSONField",
    "django.core.management.CommandError": "covet.exceptions.CommandError",
    "django.db.DEFAULT_DB_ALIAS": "covet.db.connections.DEFAULT_ALIAS",
    "django.db.utils.DEFAULT_DB_ALIAS": "covet.db.connections.DEFAULT_ALIAS",
    "django.dispatch.dispatcher.Signal": "covet.dispatch.Signal",
    "django.dispatch.dispatcher.receiver": "covet.dispatch.receiver",
    "django.core.exceptions.FieldDoesNotExist": "covet.exceptions.FieldDoesNotExist",
    "django.core.management.base.CommandError": "covet.exceptions.CommandError",
    "django.db.models.fields.related.ForeignKey": "covet.db.models.ForeignKey",
    "django.http.HttpRequest": "covet.http.Request",
    "django.http.HttpResponse": "covet.http.Response",
    "django.http.HttpResponseRedirect": "covet.http.RedirectResponse",
    "django.http.JsonResponse": "covet.http.JSONResponse",
    "django.http.StreamingHttpResponse": "covet.http.StreamingResponse",
    "django.utils.encoding.force_str": "builtins.str",
    "django.utils.encoding.force_text": "builtins.str",
    "django.utils.encoding.smart_str": "builtins.str",
    "django.utils.functional.cached_property": "functools.cached_property",
    "django.utils.functional.wraps": "functools.wraps",
    "django.utils.html.escape": "html.escape",
    "django.utils.timezone.datetime": "datetime.datetime",
    "django.utils.timezone.timedelta": "datetime.timedelta",
    "django.template.loader.render_to_string": "covet.templates.render_to_string",
    "django.contrib.staticfiles.storage.ManifestStaticFilesStorage": "covet.staticfiles.storage.ManifestStaticFilesStorage",
    "django.contrib.staticfiles.storage.StaticFilesStorage": "covet.staticfiles.storage.StaticFilesStorage",
    "django.templatetags.static.static": "covet.staticfiles.links.static",
    "django.utils.decorators.method_decorator": "covet.views.decorators.method_decorator",
    "django.utils.html.mark_safe": "markupsafe.Markup",
    "django.utils.safestring.mark_safe": "markupsafe.Markup",
    "django.views.decorators.cache.cache_control": "covet.views.decorators.cache_control",
    "django.views.decorators.cache.never_cache": "covet.views.decorators.never_cache",
    "django.views.decorators.clickjacking.xframe_options_exempt": "covet.views.decorators.xframe_options_exempt",
    "django.views.decorators.csrf.csrf_exempt": "covet.views.decorators.csrf_exempt",
    "django.views.decorators.http.require_GET": "covet.views.decorators.require_GET",
    "django.views.decorators.http.require_POST": "covet.views.decorators.require_POST",
    "django.views.decorators.http.require_http_methods": "covet.views.decorators.require_http_methods",
    "django.views.decorators.http.require_safe": "covet.views.decorators.require_safe",
    "django.views.decorators.vary.vary_on_cookie": "covet.views.decorators.vary_on_cookie",
    "django.views.decorators.vary.vary_on_headers": "covet.views.decorators.vary_on_headers",
    "django.views.generic.RedirectView": "covet.views.RedirectView",
    "django.views.generic.TemplateView": "covet.views.TemplateView",
    "django.views.generic.View": "covet.views.View",
    "django.views.generic.base.RedirectView": "covet.views.RedirectView",
    "django.views.generic.base.TemplateView": "covet.views.TemplateView",
    "django.views.generic.base.View": "covet.views.View",
    "django.conf.urls.i18n.i18n_patterns": "covet.urls.i18n_patterns",
    "django.core.files.uploadhandler.FileUploadHandler": "covet.http.uploads.UploadHandler",
    "django.core.files.uploadhandler.SkipFile": "covet.http.uploads.SkipFile",
    "django.core.files.uploadhandler.StopUpload": "covet.http.uploads.StopUpload",
    "django.template.response.ContentNotRenderedError": "covet.templates.ContentNotRenderedError",
    "django.template.response.TemplateResponse": "covet.templates.TemplateResponse",
    "django.test.client.RequestFactory": "covet.test.RequestFactory",
    "django.utils.decorators.decorator_from_middleware": "covet.views.decorators.decorator_from_middleware",
    "django.utils.http.url_has_allowed_host_and_scheme": "covet.http.hosts.url_has_allowed_host_and_scheme",
    "django.utils.log.CallbackFilter": "covet.log.CallbackFilter",
    "django.utils.log.RequireDebugFalse": "covet.log.RequireDebugFalse",
    "django.utils.log.RequireDebugTrue": "covet.log.RequireDebugTrue",
    "django.views.decorators.common.no_append_slash": "covet.views.decorators.no_append_slash",
    "django.views.decorators.csp.csp_override": "covet.views.decorators.csp_override",
    "django.views.decorators.csp.csp_report_only_override": "covet.views.decorators.csp_report_only_override",
    "django.views.decorators.csrf.csrf_protect": "covet.views.decorators.csrf_protect",
    "django.views.decorators.csrf.ensure_csrf_cookie": "covet.views.decorators.ensure_csrf_cookie",
    "django.views.decorators.csrf.requires_csrf_token": "covet.views.decorators.requires_csrf_token",
    "django.views.debug.ExceptionReporter": "covet.views.debug.ExceptionReporter",
    "django.views.debug.SafeExceptionReporterFilter": "covet.views.debug.SafeExceptionReporterFilter",
    "django.views.decorators.debug.sensitive_post_parameters": "covet.views.decorators.sensitive_post_parameters",
    "django.views.decorators.debug.sensitive_variables": "covet.views.decorators.sensitive_variables",
    "django.views.decorators.gzip.gzip_page": "covet.views.decorators.gzip_page",
    "django.views.decorators.http.conditional_page": "covet.views.decorators.conditional_page",
    "django.views.generic.ArchiveIndexView": "covet.views.dates.ArchiveIndexView",
    "django.views.generic.DateDetailView": "covet.views.dates.DateDetailView",
    "django.views.generic.DayArchiveView": "covet.views.dates.DayArchiveView",
    "django.views.generic.MonthArchiveView": "covet.views.dates.MonthArchiveView",
    "django.views.generic.TodayArchiveView": "covet.views.dates.TodayArchiveView",
    "django.views.generic.WeekArchiveView": "covet.views.dates.WeekArchiveView",
    "django.views.generic.YearArchiveView": "covet.views.dates.YearArchiveView",
    "django.views.generic.dates.ArchiveIndexView": "covet.views.dates.ArchiveIndexView",
    "django.views.generic.dates.DateDetailView": "covet.views.dates.DateDetailView",
    "django.views.generic.dates.DayArchiveView": "covet.views.dates.DayArchiveView",
    "django.views.generic.dates.MonthArchiveView": "covet.views.dates.MonthArchiveView",
    "django.views.generic.dates.TodayArchiveView": "covet.views.dates.TodayArchiveView",
    "django.views.generic.dates.WeekArchiveView": "covet.views.dates.WeekArchiveView",
    "django.views.generic.dates.YearArchiveView": "covet.views.dates.YearArchiveView",
    "django.core.asgi.get_asgi_application": "covet.asgi.get_asgi_application",
    "django.core.exceptions.BadRequest": "covet.http.BadRequest",
    "django.core.exceptions.DisallowedHost": "covet.http.errors.DisallowedHost",
    "django.core.exceptions.MiddlewareNotUsed": "covet.middleware.MiddlewareNotUsed",
    "django.core.files.uploadedfile.UploadedFile": "covet.http.UploadedFile",
    "django.http.HttpHeaders": "covet.http.Headers",
    "django.middleware.csrf.CsrfViewMiddleware": "covet.middleware.csrf.CsrfMiddleware",
    "django.middleware.gzip.GZipMiddleware": "covet.middleware.compression.CompressionMiddleware",
    "django.middleware.http.ConditionalGetMiddleware": "covet.middleware.conditional.ConditionalGetMiddleware",
    "django.template.TemplateSyntaxError": "jinja2.TemplateSyntaxError",
    "django.test.AsyncRequestFactory": "covet.test.RequestFactory",
    "django.test.signals.setting_changed": "covet.signals.setting_changed",
    "django.test.utils.CaptureQueriesContext": "covet.test.CaptureQueriesContext",
    "django.test.utils.override_settings": "covet.test.override_settings",
    "django.test.utils.register_lookup": "covet.test.register_lookup",
    "django.urls.Resolver404": "covet.http.Http404",
    "django.utils.crypto.constant_time_compare": "covet.security.constant_time_compare",
    "django.utils.crypto.get_random_string": "covet.security.get_random_string",
    "django.utils.datastructures.MultiValueDict": "covet.http.query.MultiDict",
    "django.utils.html.conditional_escape": "markupsafe.escape",
    "django.utils.html.json_script": "covet.templates.filters.json_script",
    "django.utils.safestring.SafeString": "markupsafe.Markup",
    "django.utils.timesince.timesince": "covet.templates.filters.timesince",
    "django.utils.timesince.timeuntil": "covet.templates.filters.timeuntil",
    "django.views.decorators.http.condition": "covet.views.decorators.condition",
    "django.views.decorators.http.etag": "covet.views.decorators.etag",
    "django.views.decorators.http.last_modified": "covet.views.decorators.last_modified",
    "django.views.generic.detail.DetailView": "covet.views.DetailView",
    "django.views.generic.list.ListView": "covet.views.ListView",
    "django.contrib.staticfiles.templatetags.staticfiles.static": "covet.staticfiles.links.static",
    "django.core.urlresolvers.reverse": "covet.urls.reverse",
    "django.core.urlresolvers.reverse_lazy": "covet.urls.reverse_lazy",
    "django.contrib.contenttypes.generic.GenericForeignKey": "covet.contenttypes.GenericForeignKey",
    "django.contrib.contenttypes.generic.GenericRelation": "covet.contenttypes.GenericRelation",
    "django.contrib.contenttypes.prefetch.GenericPrefetch": "covet.contenttypes.GenericPrefetch",
    "django.contrib.postgres.fields.jsonb.JSONField": "covet.db.models.JSONField",
    "django.contrib.postgres.fields.jsonb.KeyTextTransform": "covet.db.models.KeyTextTransform",
    "django.contrib.postgres.fields.jsonb.KeyTransform": "covet.db.models.KeyTransform",
    "django.contrib.postgres.fields.ranges.RangeBoundary": "covet.postgres.fields.RangeBoundary",
    "django.contrib.postgres.fields.ranges.RangeOperators": "covet.postgres.fields.RangeOperators",
    "django.db.models.ObjectDoesNotExist": "covet.exceptions.ObjectDoesNotExist",
    "django.db.models.expressions.BaseExpression": "covet.db.models.Expression",
    "django.db.models.fields.FieldDoesNotExist": "covet.exceptions.FieldDoesNotExist",
    "django.utils.http.is_safe_url": "covet.http.hosts.url_has_allowed_host_and_scheme",
    "django.utils.translation.ugettext": "covet.i18n.gettext",
    "django.utils.translation.ugettext_lazy": "covet.i18n.gettext_lazy",
    "django.utils.translation.ugettext_noop": "covet.i18n.gettext_noop",
    "django.utils.translation.ungettext": "covet.i18n.ngettext",
    "django.utils.translation.ungettext_lazy": "covet.i18n.ngettext_lazy",
}
"""Single names that are called otherwise."""


class Target(NamedTuple):
    """Where something is: a module, and a name in it or an empty text for the module itself."""

    module: str
    name: str

    @property
    def path(self) -> str:
        """The dotted path."""
        return f"{self.module}.{self.name}" if self.name else self.module


@lru_cache(maxsize=4096)
def find(path: str) -> Target | None:
    """Return where ``path`` of Django, a module or a name in one, is in Covet; ``None`` when it is nowhere."""
    if path in NAMES:
        module, _, name = NAMES[path].rpartition(".")
        return Target(module, name)
    # A module that moved, or the same place below covet; then the front door of the models.
    found = _at(_moved(path))
    if found is None and path.startswith("django.db.models."):
        found = _at(f"covet.db.models.{path.rpartition('.')[2]}")
    return found


def _moved(path: str) -> str:
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        start = ".".join(parts[:length])
        if start in MODULES:
            return ".".join([MODULES[start], *parts[length:]])
    return path


def _at(path: str) -> Target | None:
    """Return the module or name at a path of Covet, if there is one."""
    if _file(path) is not None:
        return Target(path, "")
    module, _, name = path.rpartition(".")
    names = names_of(module) if module else None
    return Target(module, name) if names and name in names else None


def _file(module: str) -> Path | None:
    base = _ROOT.joinpath(*module.split("."))
    for candidate in (base / "__init__.py", base.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


@lru_cache(maxsize=512)
def names_of(module: str) -> frozenset[str] | None:
    """Return the public names of a module of Covet, its submodules among them; ``None`` when there is no such module."""
    file = _file(module)
    if file is None:
        return None
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if node.col_offset == 0:
                found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)) and node.col_offset == 0:
            found.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.col_offset == 0:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found.update(target.id for target in targets if isinstance(target, ast.Name))
            if (
                "__all__" in {target.id for target in targets if isinstance(target, ast.Name)}
                and node.value is not None
            ):
                found.update(
                    item.value
                    for item in ast.walk(node.value)
                    if isinstance(item, ast.Constant) and isinstance(item.value, str)
                )
    if file.name == "__init__.py":
        found.update(
            item.stem for item in file.parent.iterdir() if item.suffix == ".py" or (item / "__init__.py").is_file()
        )
    return frozenset(name for name in found if not name.startswith("_"))
