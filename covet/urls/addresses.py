"""``reverse()``, ``reverse_lazy()`` and ``resolve()``: the project's routes, asked by name and by path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from msgspec import Struct, field

from covet.apps import apps
from covet.http.errors import NotFound
from covet.urls.names import NoReverseMatch
from covet.urls.part import UrlsPart
from covet.urls.resolver import CompiledRoute

if TYPE_CHECKING:
    from covet.urls.resolver import Resolver

__all__ = [
    "LazyPath",
    "NoReverseMatch",
    "ResolverMatch",
    "get_urlconf",
    "resolve",
    "reverse",
    "reverse_lazy",
    "set_urlconf",
]


# Where another application has mounted this one: set for a request whose scope has a root_path.
script_prefix: ContextVar[str] = ContextVar("covet_script_prefix", default="")


class KeptVersion(Struct, frozen=True):
    """The version of an API that a request is answered in: addresses made meanwhile stay in it.

    Attributes:
        app_name: The namespace of the API's names.
        namespace: The instance of it that is this version.
        query: What names the version in an address.
    """

    app_name: str
    namespace: str = ""
    query: Mapping[str, str] = field(default_factory=dict)


# The URL module of the moment, where it is not the project's: each task has its own.
current_urlconf: ContextVar[str | None] = ContextVar("covet_urlconf", default=None)
kept_version: ContextVar[KeptVersion | None] = ContextVar("covet_kept_version", default=None)


def get_urlconf() -> str | None:
    """Return the name of the URL module that ``reverse()`` and ``resolve()`` ask now; ``None`` for ROOT_URLCONF."""
    return current_urlconf.get()


def set_urlconf(urlconf: str | None) -> None:
    """Let ``reverse()`` and ``resolve()`` ask another URL module, in this task and those that it starts.

    Args:
        urlconf: The dotted name of a module with ``urlpatterns``; ``None`` for ROOT_URLCONF again.
    """
    current_urlconf.set(urlconf)


def _resolver(urlconf: str | None = None) -> Resolver:
    part = apps.current().part(UrlsPart)
    name = urlconf or current_urlconf.get()
    return part.resolver if name is None else part.urlconf(name)


def reverse(
    name: Any,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    urlconf: str | None = None,
    current_app: str | None = None,
    query: Mapping[str, Any] | None = None,
    fragment: str | None = None,
) -> str:
    """Return the path of a route, below the ``root_path`` of the request in which it is asked for.

    A route inside ``host()`` has its host in front: ``//api.example.com/items/``, which a browser takes with the scheme of
    the page, as does ``request.build_absolute_uri()``.

    Args:
        name: Its name, ``"blog:article"`` inside a namespace, or the view itself.
        args: Values of the parameters in order.
        kwargs: Or by name; not both.
        urlconf: The dotted name of the URL module to ask; else that of the request, and ROOT_URLCONF.
        current_app: The namespace to prefer where an app is mounted more than once.
        query: Becomes the query string; a list gives a name several values.
        fragment: What follows ``#``.

    Raises:
        NoReverseMatch: There is no such route, or it does not take these arguments.
    """
    if args and kwargs:
        raise ValueError("reverse() takes args or kwargs, not both.")
    kept = kept_version.get()
    if kept is not None and isinstance(name, str) and kept.app_name in name.split(":")[:-1]:
        current_app = current_app or kept.namespace or None
        query = {**kept.query, **(query or {})}
    path = _resolver(urlconf).names.reverse(name, args or (), kwargs or {}, current_app)
    prefix = script_prefix.get()
    if prefix:
        # What another host answers to is not below where this one is mounted.
        path = path if path.startswith("//") else prefix + path
    if query:
        path += "?" + urlencode(query, doseq=True)
    if fragment:
        path += "#" + quote(fragment, safe="/?:@!$&'()*+,;=~")
    return path


class LazyPath:
    """A path worked out when it is used; for class bodies and settings, where the routes are not known yet."""

    __slots__ = ("_args", "_options")

    def __init__(self, *args: Any, **options: Any) -> None:
        self._args = args
        self._options = options

    def __str__(self) -> str:
        return reverse(*self._args, **self._options)

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other) if isinstance(other, (str, LazyPath)) else NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return f"reverse_lazy{self._args!r}"


def reverse_lazy(
    name: Any, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
) -> LazyPath:
    """Return what ``reverse()`` would, as a value that asks when it is turned into a text."""
    return LazyPath(name, args, kwargs, **options)


class ResolverMatch(tuple[CompiledRoute, dict[str, Any]]):
    """What ``resolve()`` found: the route and the arguments of its view, as a pair and by Django's names."""

    __slots__ = ()

    @property
    def func(self) -> Any:
        """The view."""
        return self[0].view

    @property
    def args(self) -> tuple[()]:
        """Nothing: every parameter has a name."""
        return ()

    @property
    def kwargs(self) -> dict[str, Any]:
        """The arguments of the view."""
        return self[1]

    @property
    def view_name(self) -> str:
        """The name with its namespaces, as ``reverse()`` takes it; empty without one."""
        return self[0].name or ""

    @property
    def url_name(self) -> str | None:
        """The name without its namespaces."""
        return self.view_name.rpartition(":")[2] or None

    @property
    def namespaces(self) -> list[str]:
        """The namespaces that the route lies in."""
        return list(self[0].namespaces)

    @property
    def namespace(self) -> str:
        """The namespaces in one text."""
        return ":".join(self[0].namespaces)

    @property
    def app_names(self) -> list[str]:
        """The app names of the namespaces."""
        return list(self[0].app_names)

    @property
    def app_name(self) -> str:
        """The app names in one text."""
        return ":".join(self[0].app_names)

    @property
    def route(self) -> str:
        """The whole path as written."""
        return self[0].pattern


def resolve(path: str, method: str = "GET", *, urlconf: str | None = None) -> ResolverMatch:
    """Return the route of a path and the arguments of its view: ``resolve("/articles/3/").kwargs``.

    Args:
        path: From the root of this application on, with its leading slash.
        method: A route may answer to some methods alone.
        urlconf: The dotted name of the URL module to ask; else that of the request, and ROOT_URLCONF.

    Raises:
        NotFound: No route has this path.
        MethodNotAllowed: A route has it, for other methods.
    """
    if not path.startswith("/"):
        raise NotFound("A path starts with a slash.")
    return ResolverMatch(_resolver(urlconf).resolve(method, path))


def url_for_template(name: str, *args: Any, query: Mapping[str, Any] | None = None, **kwargs: Any) -> str:
    """Return what ``url('name', …)`` gives in a template."""
    return reverse(name, args or None, kwargs or None, query=query)
