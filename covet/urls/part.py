"""UrlsPart: ROOT_URLCONF and every app's ``urls.py`` become one resolver."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from covet import checks
from covet.apps.part import AppPart
from covet.concurrency import signature
from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.loading import import_module
from covet.urls.error_views import ErrorViews, check_error_views, find_error_views
from covet.urls.flatten import FlatRoute
from covet.urls.mount import Lifespan
from covet.urls.patterns import Autodiscover, Include, Included, Route, include, path
from covet.urls.resolver import Resolver

if TYPE_CHECKING:
    from covet.apps.config import AppConfig
    from covet.apps.registry import Apps

__all__ = ["UrlsPart"]


class UrlsPart(AppPart):
    """Collects ``urlpatterns`` and compiles ROOT_URLCONF, when all apps are known.

    Attributes:
        resolver: The routes of the project.
        error_views: ``handler404`` and the like of the root module, by status.
    """

    module: ClassVar[str | None] = "urls"
    # The apps' urls import views, which import models.
    after: ClassVar[tuple[type[AppPart] | str, ...]] = ("covet.db.models.part.ModelsPart",)
    # The last four are what REST endpoints are compiled from; see ``covet.rest.endpoint.READS``.
    tags: ClassVar[tuple[str, ...]] = ("urls",)
    reads: ClassVar[frozenset[str]] = frozenset(
        {
            "ROOT_URLCONF",
            "URLCONFS",
            "DATABASES",
            "DEFAULT_PERMISSIONS",
            "DEFAULT_THROTTLES",
            "EXCEPTION_HANDLERS",
            "LANGUAGES",
            "LANGUAGE_CODE",
            "PAGE_LINK_HEADER",
            "PAGE_SIZE",
            "MAX_PAGE_SIZE",
            "REFUSE_UNKNOWN_PARAMETERS",
            "REST_FORMATS",
            "USE_I18N",
            "VERSIONING",
        }
    )

    def __init__(self) -> None:
        self.resolver = Resolver()
        self.error_views: ErrorViews = {}
        self.urlconfs: dict[str, tuple[Resolver, ErrorViews]] = {}
        self._collected: list[tuple[str, ModuleType]] = []
        self._lifespans: list[Lifespan] = []

    def collect(self, app: AppConfig, module: ModuleType | None) -> None:
        """Keep an app's ``urls`` for ``autodiscover()``."""
        if module is not None:
            self._collected.append((app.name, module))

    def ready(self, apps: Apps) -> None:
        """Compile the routes."""
        root = settings.ROOT_URLCONF
        self.urlconfs = {}
        for name in settings.URLCONFS:
            self.urlconf(name)
        if not root:
            self.resolver = Resolver()
            return
        module: Any = root
        if isinstance(root, str):
            module, patterns = _load(root, "ROOT_URLCONF")
        else:
            # Tests and single-file programs hand over the list itself.
            patterns = getattr(root, "urlpatterns", root)
        self.resolver = Resolver(patterns, lambda: self._discover(root))
        self.error_views = find_error_views(module)
        if self.urlconfs and isinstance(root, str):
            self.urlconfs[root] = self.resolver, self.error_views

    def urlconf(self, name: str) -> Resolver:
        """Return the routes of another URL module, compiled when it is first asked for.

        Raises:
            ImproperlyConfigured: There is no such module, or it has no routes.
        """
        if name == settings.ROOT_URLCONF:
            return self.resolver
        found = self.urlconfs.get(name)
        if found is None:
            module, patterns = _load(name, "URLCONFS" if name in settings.URLCONFS else "urlconf")
            found = self.urlconfs[name] = (Resolver(patterns, lambda: self._discover(name)), find_error_views(module))
        return found[0]

    @property
    def resolvers(self) -> list[Resolver]:
        """The routes of all modules that may answer a request, those of ROOT_URLCONF first."""
        return list(dict.fromkeys([self.resolver, *(other for other, _ in self.urlconfs.values())]))

    async def startup(self) -> None:
        """Start the applications that are mounted.

        Raises:
            ImproperlyConfigured: One of them cannot start.
        """
        mounts = [mount for resolver in self.resolvers for mount in resolver.mounts]
        for app in dict.fromkeys(mount.app for mount in mounts):
            lifespan = Lifespan(app)
            failure = await lifespan.startup()
            self._lifespans.append(lifespan)
            if failure is not None:
                raise ImproperlyConfigured(f"The mounted application {app!r} cannot start: {failure}")
            for mount in mounts:
                if mount.app == app:  # a method of an object is another object each time it is named
                    mount.state = lifespan.state

    async def shutdown(self) -> None:
        """Stop them, the last first."""
        while self._lifespans:
            await self._lifespans.pop().shutdown(settings.SHUTDOWN_GRACE_S)

    def _discover(self, root: Any) -> Sequence[Any]:
        """Return the patterns of every app; the project package itself, whose ``urls`` is the root, is left out."""
        found: list[Any] = []
        for name, module in self._collected:
            if module.__name__ == root:
                continue
            patterns = getattr(module, "urlpatterns", None)
            if patterns is None:
                raise ImproperlyConfigured(
                    f"{module.__name__} of the app {name!r} has no urlpatterns. Add: urlpatterns = [path(…)], or remove the module."
                )
            _require_patterns(patterns, f"{module.__name__}.urlpatterns")
            if getattr(module, "app_name", None):
                # As include() does it: the app's name is the namespace of its routes.
                found.append(path("", include(module)))
            else:
                found.extend(patterns)
        return found

    def check(self, apps: Apps) -> Iterable[checks.CheckMessage]:
        """Report routes that can never be reached, names that two routes share, and views that do not take what their path gives."""
        others = [views for resolver, views in self.urlconfs.values() if resolver is not self.resolver]
        for views in (self.error_views, *others):
            yield from check_error_views(views)
        for resolver in self.resolvers:
            yield from _check_routes(resolver)


def _check_routes(resolver: Resolver) -> Iterable[checks.CheckMessage]:
    by_shape: dict[Any, FlatRoute] = {}
    by_name: dict[str, FlatRoute] = {}
    for flat in resolver.flat:
        shape = (flat.host, flat.regex, tuple((piece.text, id(piece.converter)) for piece in flat.pieces))
        earlier = by_shape.setdefault(shape, flat)
        if earlier is not flat and (
            earlier.route.methods is None or (flat.route.methods and flat.route.methods <= earlier.route.methods)
        ):
            yield checks.Error(
                f"The route {flat.text!r} can never be reached: {earlier.text!r} takes the same paths before it.",
                hint="Remove one of them, change its path, or give each the methods it answers to.",
                obj=flat.text,
                id="urls.E001",
            )
        if flat.text.startswith("/") and not flat.route.is_regex:
            yield checks.Warning(
                f"The route {flat.text!r} starts with a slash, so that its address has two.",
                hint="Take the first slash away.",
                obj=flat.text,
                id="urls.W001",
            )
        if not flat.route.is_regex and ("(?P<" in flat.text or flat.text[:1] == "^" or flat.text[-1:] == "$"):
            yield checks.Warning(
                f"The route {flat.text!r} looks like a regular expression, and path() takes it word for word.",
                hint="Write <int:pk> and its like, or use re_path().",
                obj=flat.text,
                id="urls.W003",
            )
        yield from _check_arguments(flat)
        name = flat.full_name
        if name is None:
            continue
        other = by_name.setdefault(name, flat)
        params = {piece.name for piece in flat.pieces if piece.converter is not None}
        if other.language != flat.language:
            continue
        if other is not flat and params == {p.name for p in other.pieces if p.converter is not None}:
            if other.text == flat.text:
                continue
            yield checks.Warning(
                f"Two routes are named {name!r}: {other.text!r} and {flat.text!r}; reverse() gives the second.",
                hint="Name one of them anew, or set app_name in the module that holds it.",
                obj=flat.text,
                id="urls.W002",
            )


def _check_arguments(flat: FlatRoute) -> Iterable[checks.CheckMessage]:
    """Report a function that would fail at each request, because it takes something else than its path gives."""
    view = flat.route.view
    if flat.regex is not None or flat.host is not None or not inspect.isfunction(view):
        return
    given = {piece.name: None for piece in flat.pieces if piece.converter is not None} | dict.fromkeys(flat.kwargs)
    # Not those of a function that it wraps: a decorator may give it other arguments than it gets.
    takes = signature(view, follow_wrapped=False)
    try:
        takes.bind(None, **given)
    except TypeError as error:
        shown = ", ".join(["request", *given])
        yield checks.Warning(
            f"{view.__module__}.{view.__qualname__} is called with ({shown}): {error}.",
            hint="Give the view these arguments, or change the path.",
            obj=flat.text,
            id="urls.W004",
        )


def _load(name: str, wanted_by: str) -> tuple[ModuleType, Any]:
    """Return a URL module and its patterns."""
    module = import_module(name, wanted_by=wanted_by)
    patterns = getattr(module, "urlpatterns", None)
    if patterns is None:
        raise ImproperlyConfigured(
            f"{wanted_by} names {name!r}, which has no urlpatterns. Add to it: urlpatterns = [*autodiscover()]"
        )
    _require_patterns(patterns, f"{name}.urlpatterns")
    return module, patterns


def _require_patterns(patterns: Any, what: str) -> None:
    if not isinstance(patterns, (list, tuple)):
        hint = ""
        if hasattr(patterns, "urlpatterns") or isinstance(patterns, Included):  # a router, or what include() gives
            hint = ' Write [path("", include(…))].'
        elif isinstance(patterns, (Route, Include, Autodiscover)):
            hint = " Put brackets round it."
        raise ImproperlyConfigured(f"{what} is a list of path(…), not {patterns!r}.{hint}")
