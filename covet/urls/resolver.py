"""Path and method to route: what the handler asks for each request.

A route must fit the path *and* the method. When the path is known and the method is not, the answer is 405 with the
methods that are; ``HEAD`` goes where ``GET`` goes, ``OPTIONS`` is answered here unless a route takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from typing import Any

from covet.http.errors import MethodNotAllowed, NotFound
from covet.http.hosts import split_host
from covet.http.request import Request
from covet.http.response import Response
from covet.urls.endpoint import Answer, Endpoint, Write, answering, compile_endpoint, view_name
from covet.urls.flatten import FlatRoute, flatten
from covet.urls.mount import Mount
from covet.urls.names import NameTable
from covet.urls.patterns import Route
from covet.urls.tree import Leaf, Node, build_tree

__all__ = ["CompiledRoute", "Match", "Resolver"]


class CompiledRoute:
    """A route ready to run.

    Attributes:
        endpoint: ``async (request, params) -> response``.
        answer: The same with ``on_error`` besides, which answers what it raises.
        write: The same with ``as_bytes`` besides: an answer that is JSON and nothing more comes as its body, for servers that make
            no object of it. ``None`` where no answer is of that kind.
        view: The view as it was given to ``path()``.
        methods: The methods it answers to, HEAD and OPTIONS included; ``None`` is any.
        pattern: The whole path as written.
        name: The name with its namespaces.
        names: The parameters, in the order of the path.
        kwargs: Further arguments.
        namespaces: The namespaces it lies in.
        app_names: Their app names.
        host: The host that it belongs to, as written; ``None`` is any.
        host_names: The parameters of the host's name.
    """

    __slots__ = (
        "answer",
        "app_names",
        "endpoint",
        "host",
        "host_names",
        "kwargs",
        "methods",
        "name",
        "names",
        "namespaces",
        "pattern",
        "view",
        "write",
    )

    def __init__(self, flat: FlatRoute) -> None:
        self.view = flat.route.view
        # A view that is compiled for its path (a REST endpoint: which arguments come from it?) does that itself.
        compile_for = getattr(flat.route.view, "covet_compile", None)
        self.endpoint: Endpoint = compile_endpoint(flat.route.view) if compile_for is None else compile_for(flat)
        self.answer: Answer = answering(self.endpoint, self.view)
        own: Any = self.endpoint
        self.write: Write | None = own if getattr(own, "takes_as_bytes", False) else None
        self.methods = flat.route.methods
        self.pattern = flat.text
        self.name = flat.full_name
        self.names = tuple(piece.name for piece in flat.pieces if piece.converter is not None)
        self.kwargs: Mapping[str, Any] = flat.kwargs
        self.namespaces = flat.namespaces
        self.app_names = flat.app_names
        self.host = flat.host.text if flat.host is not None else None
        self.host_names = frozenset(
            piece.name for piece in (flat.host.pieces if flat.host is not None else ()) if piece.converter is not None
        )

    @property
    def view_name(self) -> str:
        """The dotted name of the view."""
        return view_name(self.view)

    def __repr__(self) -> str:
        return f"<CompiledRoute {self.pattern!r} → {self.view_name}>"


Match = tuple[CompiledRoute, dict[str, Any]]


# Those of whose plain addresses there is a table each; HEAD, OPTIONS and what projects invent are looked up like the rest.
_USUAL = ("GET", "POST", "PUT", "PATCH", "DELETE")


class _Methods:
    """The routes of one leaf by method, worked out once."""

    __slots__ = ("allowed", "by_method", "index", "other")

    def __init__(self, leaf: Leaf, compiled: Mapping[int, CompiledRoute]) -> None:
        self.index = leaf.index
        self.by_method: dict[str, CompiledRoute] = {}
        self.other: CompiledRoute | None = None
        self.allowed: set[str] = set()
        for flat in leaf.routes:
            route = compiled[flat.index]
            if route.methods is None:
                self.other = self.other or route
                break
            for method in route.methods:
                self.by_method.setdefault(method, route)
                self.allowed.add(method)
        if "GET" in self.by_method:
            self.by_method.setdefault("HEAD", self.by_method["GET"])
            self.allowed.add("HEAD")
        self.allowed.add("OPTIONS")


class Resolver:
    """All routes of a project, compiled.

    Args:
        patterns: What the root ``urlpatterns`` holds.
        discover: Gives the patterns that ``autodiscover()`` stands for.

    Attributes:
        mounts: The ASGI applications that are mounted.
        plain: The routes whose address has no parameters, by method and address: what ``resolve`` looks at first.
        hosts: The hosts that have patterns of their own.
        languages: The languages of ``i18n_patterns()``, by the prefix of their addresses; ``""`` where one has none.
    """

    def __init__(self, patterns: Iterable[Any] = (), discover: Callable[[], Sequence[Any]] = list) -> None:
        self.flat = flatten(patterns, discover)
        self.routes = [CompiledRoute(flat) for flat in self.flat]
        self.hosts = list(dict.fromkeys(flat.host for flat in self.flat if flat.host is not None))
        self.names = NameTable.build(self.flat)
        self.languages = {
            flat.pieces[0].text.partition("/")[0] if flat.text.startswith(f"{flat.language}/") else "": flat.language
            for flat in self.flat
            if flat.language is not None
        }
        self.mounts = list(dict.fromkeys(route.view for route in self.routes if isinstance(route.view, Mount)))
        self._by_hosts: dict[frozenset[int], Resolver] = {}
        self._compile([flat for flat in self.flat if flat.host is None])

    def _compile(self, flat: list[FlatRoute]) -> None:
        """Build the tree of these of the routes."""
        compiled = dict(enumerate(self.routes))
        self._root, literals = build_tree(flat)
        self._methods: dict[int, _Methods] = {}
        for leaf in _leaves(self._root):
            self._methods[id(leaf)] = _Methods(leaf, compiled)
        # The tree keeps the leaves alive, so their ids stay theirs.
        self._direct: dict[str, _Methods] = {"/" + text: self._methods[id(leaf)] for text, leaf in literals.items()}
        self.plain: dict[str, dict[str, CompiledRoute]] = {method: {} for method in _USUAL}
        for text, methods in self._direct.items():
            for method, routes in self.plain.items():
                route = methods.by_method.get(method) or methods.other
                if route is not None and not route.kwargs:
                    routes[text] = route

    def at(self, host: str) -> tuple[Resolver, dict[str, Any]]:
        """Return what answers for a host, and the parameters of its name.

        Args:
            host: As ``request.get_host()`` gives it.
        """
        name = split_host(host)[0]
        found: dict[int, dict[str, Any]] = {}
        for place, pattern in enumerate(self.hosts):
            params = pattern.match(name)
            if params is not None:
                found[place] = params
        if not found:
            return self, {}
        key = frozenset(found)
        below = self._by_hosts.get(key)
        if below is None:
            # As many as there are sets of patterns that one name fits, whatever names are asked for.
            hosts = {self.hosts[place] for place in key}
            below = self._by_hosts[key] = copy(self)
            below._compile([flat for flat in self.flat if flat.host is None or flat.host in hosts])
        return below, {name: value for params in found.values() for name, value in params.items()}

    def resolve(self, method: str, path: str) -> Match:
        """Return the route and the arguments of its view.

        Args:
            method: Upper case.
            path: Decoded, with its leading slash.

        Raises:
            NotFound: No route has this path.
            MethodNotAllowed: Some route has it, but not with this method.
        """
        # Plain addresses without parameters are most requests of most sites.
        plain = self.plain.get(method)
        if plain is not None:
            route = plain.get(path)
            if route is not None:
                return route, {}
        methods = self._direct.get(path)
        if methods is not None:
            route = methods.by_method.get(method) or methods.other
            if route is not None:
                return route, dict(route.kwargs)
        segments = path[1:].split("/") if path[:1] == "/" else path.split("/")
        found = self._root.walk(segments)
        if found is None:
            raise NotFound("There is nothing at this address.")
        leaf, values = found
        methods = self._methods[id(leaf)]
        route = methods.by_method.get(method) or methods.other
        if route is not None:
            params = values if isinstance(values, dict) else dict(zip(route.names, values, strict=True))
            if route.kwargs:
                params.update(route.kwargs)
            return route, params
        return self._other_method(method, segments, methods)

    def _other_method(self, method: str, segments: list[str], first: _Methods) -> Match:
        """Return a later route that has this path with the method, or say which methods there are."""
        allowed = set(first.allowed)
        patch = first.by_method.get("PATCH")
        for leaf, values in self._root.find_all(segments, 0):
            methods = self._methods[id(leaf)]
            route = methods.by_method.get(method) or methods.other
            if route is not None:
                params = values if isinstance(values, dict) else dict(zip(route.names, values, strict=True))
                return route, {**params, **route.kwargs}
            allowed |= methods.allowed
            patch = patch or methods.by_method.get("PATCH")
        kinds: str = getattr(patch and patch.endpoint, "accept_patch", "")
        headers = {"Accept-Patch": kinds} if kinds else {}
        if method == "OPTIONS":
            return _options(allowed, headers), {}
        raise MethodNotAllowed(allowed, headers=headers)

    def has_path(self, path: str) -> bool:
        """Return whether some route has this path, whatever the method."""
        return path in self._direct or self._root.walk(path.removeprefix("/").split("/")) is not None


def _leaves(root: Node) -> Iterable[Leaf]:
    pending = [root]
    while pending:
        node = pending.pop()
        if node.leaf is not None:
            yield node.leaf
        for tail in node.tails:
            yield tail.leaf
        pending.extend(node.literals.values())
        pending.extend(child for _, child in node.dynamic)
        pending.extend(child for _, _, child in node.mixed)


def _options(allowed: set[str], headers: Mapping[str, str]) -> CompiledRoute:
    """Return the route that answers OPTIONS for an address that has no view for it."""
    told = {"Allow": ", ".join(sorted(allowed)), **headers}

    async def options(request: Request) -> Response:
        return Response(b"", 204, told)

    return CompiledRoute(FlatRoute(0, Route("", options), "", (), None, {}, (), ()))
