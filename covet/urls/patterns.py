"""What ``path()``, ``re_path()`` and ``include()`` build: plain values, and how a path's text is read.

Nothing here is compiled; ``covet.urls.tree`` does that once, when all apps are known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from msgspec import Struct, field

from covet.exceptions import ImproperlyConfigured
from covet.loading import import_module
from covet.text import suggest
from covet.urls.converters import Converter, converter_names, get_converter
from covet.urls.mount import REST, Mount, is_asgi_app

__all__ = [
    "Autodiscover",
    "HostPatterns",
    "Include",
    "LocalePatterns",
    "Piece",
    "Route",
    "UrlPattern",
    "autodiscover",
    "host",
    "include",
    "path",
    "re_path",
]

View: TypeAlias = Any

_PARAMETER = re.compile(r"<([^<>]*)>")


class Piece(Struct, frozen=True):
    """A part of a path: a literal text, or a parameter with its converter."""

    text: str = ""
    name: str = ""
    converter: Converter | None = None


class Route(Struct, frozen=True, eq=False):
    """One address and its view.

    Attributes:
        pattern: The path as written, or the regular expression.
        view: A callable ``(request, **kwargs)``, or an object with ``covet_endpoint``.
        name: For ``reverse()``.
        kwargs: Further arguments for the view.
        methods: The methods it answers to; ``None`` is any.
        is_regex: Whether the pattern is a regular expression.
    """

    pattern: str
    view: View
    name: str | None = None
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    methods: frozenset[str] | None = None
    is_regex: bool = False


class Include(Struct, frozen=True, eq=False):
    """A prefix and the patterns below it; ``load`` gives them, so that naming a module imports nothing yet."""

    prefix: str
    load: Callable[[], Sequence[Any]]
    app_name: str | None = None
    namespace: str | None = None
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    is_regex: bool = False


class HostPatterns(Struct, frozen=True, eq=False):
    """Patterns that one host answers to; ``host()`` builds it.

    Attributes:
        text: The host as written.
        pieces: Its literal pieces and parameters; of a wildcard, none.
        regex: What the name of a host must look like, the port left out.
        load: Gives the patterns.
        app_name: Of the include.
        namespace: Of the include.
    """

    text: str
    pieces: tuple[Piece, ...]
    regex: re.Pattern[str]
    load: Callable[[], Sequence[Any]]
    app_name: str | None
    namespace: str | None

    def match(self, name: str) -> dict[str, Any] | None:
        """Return the parameters that a host's name has, or ``None`` when it does not fit."""
        found = self.regex.fullmatch(name)
        if found is None:
            return None
        try:
            return {
                piece.name: piece.converter.to_python(found[piece.name])
                for piece in self.pieces
                if piece.converter is not None
            }
        except ValueError:
            return None


def host(pattern: str, view: Any) -> HostPatterns:
    """Give a host patterns of its own: ``host("api.example.com", include("api.urls"))``.

    It stands in ROOT_URLCONF's ``urlpatterns``. Patterns that stand in no ``host()`` belong to every host; all are tried in
    the order in which they are written.

    Args:
        pattern: A name such as ``"api.example.com"``; with parameters, ``"<slug:tenant>.example.com"``, which become
            arguments of the views; or ``".example.com"``, the name itself and all below. A port, as in
            ``"api.localhost:8000"``, is for ``reverse()`` alone.
        view: What ``include()`` returned, or a list of patterns.

    Raises:
        ImproperlyConfigured: The pattern is no host's name, or the patterns are none.
    """
    included = view if isinstance(view, Included) else include(view)
    name = re.sub(r":[0-9]+$", "", pattern)
    if pattern.startswith("."):
        pieces: tuple[Piece, ...] = ()
        regex = rf"(?:.+\.)?{re.escape(name[1:].lower())}"
        literal = name[1:]
    else:
        pieces = parse_path(pattern)
        parts = []
        for piece in parse_path(name):
            if piece.converter is None:
                parts.append(re.escape(piece.text.lower()))
            else:
                # A parameter is one label: "[^/]+" of a path would take the dots too.
                label = "[^.]+" if piece.converter.regex == "[^/]+" else piece.converter.regex
                parts.append(f"(?P<{piece.name}>{label})")
        regex = "".join(parts)
        literal = _PARAMETER.sub("", name)
    if not name.strip(".") or re.search(r"[^a-zA-Z0-9._-]", literal):
        raise ImproperlyConfigured(
            f"host({pattern!r}): write a name without scheme and path, such as 'api.example.com' or '<slug:tenant>.example.com'."
        )
    return HostPatterns(pattern, pieces, re.compile(regex), included.load, included.app_name, included.namespace)


class Autodiscover:
    """Stands for the ``urlpatterns`` of every installed app; filled in when all apps are known."""

    def __iter__(self) -> Iterator[Autodiscover]:
        # So that both ``urlpatterns = [*autodiscover()]`` and ``[autodiscover(), …]`` put it into the list.
        yield self

    def __repr__(self) -> str:
        return "autodiscover()"


class LocalePatterns:
    """Patterns that stand once for each language of the site; ``i18n_patterns()`` builds it.

    Attributes:
        patterns: What lies below the prefix.
        prefix_default_language: Whether the addresses of ``LANGUAGE_CODE`` begin with it too.
    """

    def __init__(self, patterns: Iterable[Any], prefix_default_language: bool) -> None:
        self.patterns = list(patterns)
        self.prefix_default_language = prefix_default_language

    def prefixes(self) -> Iterator[tuple[str, str]]:
        """Yield each language of the site, in lower case, with the prefix of its addresses."""
        from covet.conf import settings

        default = settings.LANGUAGE_CODE.lower()
        codes = dict.fromkeys([default, *(code.lower() for code, _ in settings.LANGUAGES)])
        for code in codes if settings.USE_I18N else [default]:
            yield code, "" if code == default and not self.prefix_default_language else f"{code}/"

    def __iter__(self) -> Iterator[LocalePatterns]:
        # So that ``urlpatterns += i18n_patterns(…)`` and ``[*i18n_patterns(…)]`` put it into the list.
        yield self

    def __radd__(self, others: list[Any]) -> list[Any]:
        return [*others, self]

    def __repr__(self) -> str:
        return f"i18n_patterns({', '.join(map(repr, self.patterns))})"


UrlPattern: TypeAlias = "Route | Include | Autodiscover | HostPatterns | LocalePatterns"


def autodiscover() -> Autodiscover:
    """Return a value that mounts every installed app's ``urlpatterns`` where it stands, in INSTALLED_APPS order."""
    return Autodiscover()


class Included(Struct, frozen=True):
    """What ``include()`` returns and ``path()`` takes as its view."""

    load: Callable[[], Sequence[Any]]
    app_name: str | None
    namespace: str | None


def include(source: Any, namespace: str | None = None) -> Included:
    """Mount other patterns below a path.

    Args:
        source: A dotted name of a module, a list of patterns, a pair of a list and an app name, or anything with
            ``urlpatterns``, such as a REST router.
        namespace: The name of this instance, where an app is mounted more than once.

    Raises:
        ImproperlyConfigured: A namespace without an app name.
    """
    app_name: str | None = None
    patterns = source
    if isinstance(source, tuple):
        if len(source) != 2 or not isinstance(source[1], str):
            raise ImproperlyConfigured(
                "include() takes a pair of a list of patterns and an app name: (patterns, 'blog')."
            )
        patterns, app_name = source
    if isinstance(patterns, str):
        module_name = patterns
        module = import_module(module_name, wanted_by=f"include({module_name!r})")
        app_name = app_name or getattr(module, "app_name", None)
        if not hasattr(module, "urlpatterns"):
            raise ImproperlyConfigured(f"The module {module_name!r} has no urlpatterns. Add: urlpatterns = [path(…)]")
        load: Callable[[], Sequence[Any]] = lambda: module.urlpatterns  # noqa: E731
    elif hasattr(type(patterns), "urlpatterns") or hasattr(patterns, "urlpatterns"):  # a router makes them when asked
        app_name = app_name or getattr(patterns, "app_name", None)
        load = lambda: patterns.urlpatterns  # noqa: E731  # a router may still grow
    elif isinstance(patterns, Iterable):
        listed = list(patterns)
        load = lambda: listed  # noqa: E731
    else:
        raise ImproperlyConfigured(
            f"include() takes a module's name, a list of patterns or something with urlpatterns, not {patterns!r}."
        )
    if namespace and not app_name:
        raise ImproperlyConfigured(
            f"include(…, namespace={namespace!r}) needs an app name: set app_name in the module, or include((patterns, 'name'))."
        )
    return Included(load, app_name, namespace or app_name)


def path(
    route: str,
    view: View,
    kwargs: Mapping[str, Any] | None = None,
    name: str | None = None,
    methods: Iterable[str] | None = None,
) -> Route | Include:
    """Map a path to a view, or mount patterns below it.

    Args:
        route: Such as ``"articles/<int:pk>/"``; no slash at its start.
        view: A callable ``(request, **kwargs)``, sync or async, what ``include()`` returned, or an ASGI application (a
            callable of ``scope, receive, send``), which then serves all that lies below.
        kwargs: Further arguments for the view.
        name: For ``reverse()``.
        methods: The methods it answers to; any when left out. Routes of one path and different methods stand together.

    Raises:
        ImproperlyConfigured: The path cannot be read, or the view is not callable.
    """
    return _build(route, view, kwargs, name, methods, is_regex=False)


def re_path(
    route: str,
    view: View,
    kwargs: Mapping[str, Any] | None = None,
    name: str | None = None,
    methods: Iterable[str] | None = None,
) -> Route | Include:
    """Map a regular expression to a view; its named groups become the view's arguments, as texts.

    Prefer ``path()``: an expression is tried for each request that reaches its place.

    Raises:
        ImproperlyConfigured: The expression cannot be read, or has a group without a name.
    """
    return _build(route, view, kwargs, name, methods, is_regex=True)


def _build(
    route: str,
    view: View,
    kwargs: Mapping[str, Any] | None,
    name: str | None,
    methods: Iterable[str] | None,
    *,
    is_regex: bool,
) -> Route | Include:
    if not isinstance(route, str):
        route = str(route)
    if is_regex:
        check_regex(route)
    else:
        parse_path(route)
    if isinstance(view, Included):
        return Include(route, view.load, view.app_name, view.namespace, dict(kwargs or {}), is_regex)
    if is_asgi_app(view):
        if is_regex or methods is not None:
            raise ImproperlyConfigured(
                f"{route!r}: an ASGI application is mounted by path(…) and answers to the methods that it has."
            )
        mount = Mount(view)
        below = [Route("", mount, name), Route(f"<path:{REST}>", mount)]
        return Include(route, lambda: below, kwargs=dict(kwargs or {}))
    if isinstance(view, type) and hasattr(view, "as_view"):
        raise ImproperlyConfigured(
            f"path({route!r}): a class-based view is written as {view.__name__}.as_view(), with its parentheses."
        )
    if getattr(view, "__name__", "") == "as_view" and isinstance(getattr(view, "__self__", None), type):
        raise ImproperlyConfigured(
            f"path({route!r}): as_view is not called. Write {view.__self__.__name__}.as_view(), with its parentheses."
        )
    if isinstance(view, (list, tuple)):
        raise ImproperlyConfigured(
            f"path({route!r}): wrap a list of patterns in include(): path({route!r}, include([…]))."
        )
    if not callable(view) and not hasattr(view, "covet_endpoint"):
        raise ImproperlyConfigured(f"path({route!r}): the view must be callable or come from include(), not {view!r}.")
    upper = None if methods is None else frozenset(method.upper() for method in methods)
    return Route(route, view, name, dict(kwargs or {}), upper, is_regex)


def parse_path(route: str) -> tuple[Piece, ...]:
    """Return the pieces of a path.

    Raises:
        ImproperlyConfigured: A parameter is malformed, named twice, or has an unknown converter.
    """
    pieces: list[Piece] = []
    names: set[str] = set()
    end = 0
    for match in _PARAMETER.finditer(route):
        if match.start() > end:
            pieces.append(Piece(_literal(route, route[end : match.start()])))
        end = match.end()
        inside = match[1]
        type_name, colon, name = inside.partition(":")
        if not colon:
            type_name, name = "str", inside
        if not name.isidentifier():
            raise ImproperlyConfigured(
                f"The path {route!r} has a parameter {match[0]!r}: write <converter:name> without spaces, as in <int:pk>."
            )
        if name in names:
            raise ImproperlyConfigured(f"The path {route!r} uses the name {name!r} twice.")
        names.add(name)
        try:
            converter = get_converter(type_name)
        except KeyError:
            near = suggest(type_name, converter_names())
            hint = f" Did you mean {near!r}?" if near else f" There are: {', '.join(converter_names())}."
            raise ImproperlyConfigured(f"The path {route!r} names an unknown converter {type_name!r}.{hint}") from None
        pieces.append(Piece(name=name, converter=converter))
    if end < len(route):
        pieces.append(Piece(_literal(route, route[end:])))
    return tuple(pieces)


def _literal(route: str, text: str) -> str:
    # A parameter of other frameworks; few routes have a brace, and the pattern takes as long to compile as many routes.
    braces = re.search(r"\{([a-zA-Z_]\w*)(?::\w+)?\}", text) if "{" in text else None
    if braces is not None:
        raise ImproperlyConfigured(
            f"The path {route!r} has {braces[0]!r}, which stands for itself here: write <{braces[1]}> or <int:{braces[1]}>."
        )
    if "<" in text or ">" in text:
        raise ImproperlyConfigured(f"The path {route!r} has a bracket that is not closed: write <converter:name>.")
    return text


def check_regex(route: str) -> None:
    """Refuse a regular expression that does not compile, or mixes named and unnamed groups."""
    try:
        compiled = re.compile(route)
    except re.error as error:
        raise ImproperlyConfigured(f"re_path({route!r}) is no regular expression: {error}.") from error
    if compiled.groups > len(compiled.groupindex):
        raise ImproperlyConfigured(
            f"re_path({route!r}) has groups without names. Views take their arguments by name: write (?P<year>[0-9]+), or (?:…)."
        )
