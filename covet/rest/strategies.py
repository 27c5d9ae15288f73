"""The ways in which a request names the version of an API that it is meant for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

from covet.http.errors import HTTPException
from covet.http.hosts import split_host

if TYPE_CHECKING:
    from covet.http.request import Request

__all__ = ["STRATEGIES", "Reading"]

_VENDOR: Final = re.compile(r"[.-]v([^.+-]+(?:\.\d+)*)\+\w+$")


class Reading:
    """Reads the version of a request; each strategy is a subclass.

    Args:
        names: The versions.
        default: The version of a request that names none.
        parameter: The query parameter.
        header: The header.
        hosts: The version by host.
        prefix: What stands before the version in paths and hosts.

    Attributes:
        in_path: Whether each version has addresses of its own.
        in_query: Whether an address names its version in the query string.
        vary: The header that answers depend on.
        unknown_status: The status of the answer to a version that there is not.
    """

    in_path: ClassVar[bool] = False
    in_query: ClassVar[bool] = False
    unknown_status: ClassVar[int] = 400

    def __init__(
        self,
        names: tuple[str, ...],
        *,
        default: str | None = None,
        parameter: str = "version",
        header: str = "Api-Version",
        hosts: Mapping[str, str] | None = None,
        prefix: str = "v",
    ) -> None:
        self.names = names
        self.default = default
        self.parameter = parameter
        self.header = header
        self.hosts = dict(hosts or {})
        self.prefix = prefix
        self.vary = ""

    def named(self, request: Request) -> str | None:
        """Return what a request names, known or not; None when it names nothing."""
        return None

    def version_of(self, request: Request) -> str:
        """Return the version of a request.

        Raises:
            HTTPException: It names one that there is not, or none where there is no default.
        """
        name = self.named(request)
        if name is None:
            if self.default is None:
                raise self._error(f"Name a version of this API {self.place()}; there are: {', '.join(self.names)}.")
            return self.default
        if name not in self.names:
            raise self.unknown(name)
        return name

    def unknown(self, name: str) -> HTTPException:
        """Return the error that tells of a version that there is not."""
        return self._error(f"There is no version {name!r} of this API; there are: {', '.join(self.names)}.")

    def _error(self, detail: str) -> HTTPException:
        return HTTPException(self.unknown_status, detail, type="#unknown-version", extra={"versions": list(self.names)})

    def place(self) -> str:
        """Return where a request names it, for messages."""
        return "in the path"

    def described(self, name: str) -> Iterator[dict[str, Any]]:
        """Give the parameters of OpenAPI that name a version."""
        yield from ()

    def unknown_path(self) -> str:
        """Return the expression of the paths of versions that there are not."""
        known = "|".join(map(re.escape, self.names))
        return f"^{re.escape(self.prefix)}(?!(?:{known})/)(?P<version>[^/]+)/.*$"

    def _parameter(self, where: str, label: str, name: str) -> dict[str, Any]:
        described: dict[str, Any] = {
            "name": label,
            "in": where,
            "description": "The version of the API.",
            "schema": {"type": "string", "enum": [name]},
        }
        if self.default != name:
            described["required"] = True
        return described


class PathReading(Reading):
    """``/v2/articles/``: the address says it."""

    in_path = True
    unknown_status = 404

    def namespace(self, name: str) -> str:
        """Return the namespace of a version's names for ``reverse()``."""
        return f"{self.prefix or 'v'}{name}"


class NamespaceReading(PathReading):
    """The namespace that an address is mounted under, wherever that is; it is the version's name, ``v2`` itself."""

    def __init__(self, names: tuple[str, ...], **options: Any) -> None:
        super().__init__(names, **{**options, "prefix": ""})

    def namespace(self, name: str) -> str:
        """Return the version's own name."""
        return name


class QueryReading(Reading):
    """``/articles/?version=2``."""

    in_query = True

    def named(self, request: Request) -> str | None:
        """Return the parameter's value."""
        return request.query.get(self.parameter) if request.raw_query else None

    def place(self) -> str:
        """Return the parameter."""
        return f"by ?{self.parameter}="

    def described(self, name: str) -> Iterator[dict[str, Any]]:
        """Give the parameter."""
        yield self._parameter("query", self.parameter, name)


class HeaderReading(Reading):
    """``Api-Version: 2``."""

    def __init__(self, names: tuple[str, ...], **options: Any) -> None:
        super().__init__(names, **options)
        self.vary = self.header

    def named(self, request: Request) -> str | None:
        """Return the header's value."""
        value = request.headers.get(self.header)
        return None if value is None else value.strip()

    def place(self) -> str:
        """Return the header."""
        return f"by the header {self.header}"

    def described(self, name: str) -> Iterator[dict[str, Any]]:
        """Give the header."""
        yield self._parameter("header", self.header, name)


class MediaTypeReading(Reading):
    """``Accept: application/json; version=2``, or ``application/vnd.blog.v2+json``."""

    unknown_status = 406

    def __init__(self, names: tuple[str, ...], **options: Any) -> None:
        super().__init__(names, **options)
        self.vary = "Accept"

    def named(self, request: Request) -> str | None:
        """Return the version of the first media type that has one."""
        for part in request.headers.combined("accept", "")[:4096].split(","):
            kind, *options = part.split(";")
            for option in options:
                key, _, value = option.partition("=")
                if key.strip().lower() == self.parameter:
                    return value.strip().strip('"')
            found = _VENDOR.search(kind.strip())
            if found is not None:
                return found[1]
        return None

    def place(self) -> str:
        """Return the header."""
        return f"by Accept: application/json; {self.parameter}=…"


class HostReading(Reading):
    """``https://v2.example.com/articles/``, or whatever hosts there are."""

    unknown_status = 404

    def named(self, request: Request) -> str | None:
        """Return the version of the host; one whose first label is no version names none."""
        host = split_host(request.get_host())[0].lower()
        if self.hosts:
            return self.hosts.get(host)
        label = host.partition(".")[0]
        name = label.removeprefix(self.prefix)
        is_version = label.startswith(self.prefix) and (name in self.names or name[:1].isdigit())
        return name if is_version else None

    def place(self) -> str:
        """Return the host."""
        return "by the host"


STRATEGIES: Final[dict[str, type[Reading]]] = {
    "path": PathReading,
    "namespace": NamespaceReading,
    "query": QueryReading,
    "header": HeaderReading,
    "media-type": MediaTypeReading,
    "host": HostReading,
}
