"""RestPart: the project's endpoints, found in its routes; the document of them, and the checks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from covet import json
from covet.apps.part import AppPart
from covet.checks.messages import CheckMessage, Error, Warning
from covet.rest.endpoint import READS, Compiled
from covet.rest.openapi.document import build_document, compiled_endpoints, operation_ids
from covet.rest.signature import describe
from covet.urls.part import UrlsPart

if TYPE_CHECKING:
    from covet.apps.registry import Apps
    from covet.urls.resolver import CompiledRoute

__all__ = ["RestPart"]


class RestPart(AppPart):
    """Knows every endpoint, once the routes are compiled.

    Attributes:
        endpoints: The routes that are endpoints, with their plans.
    """

    after: ClassVar[tuple[type[AppPart] | str, ...]] = (UrlsPart,)
    reads: ClassVar[frozenset[str]] = READS | {
        "ROOT_URLCONF",
        "OPENAPI_TITLE",
        "OPENAPI_VERSION",
        "SESSION_COOKIE_NAME",
    }
    tags: ClassVar[tuple[str, ...]] = ("rest",)

    def __init__(self) -> None:
        self.endpoints: list[tuple[CompiledRoute, Compiled]] = []
        self._routes: list[CompiledRoute] = []
        self._document: dict[str, Any] | None = None
        self._bytes: bytes | None = None

    def ready(self, apps: Apps) -> None:
        """Find the endpoints; the routes have compiled them."""
        self._routes = apps.part(UrlsPart).resolver.routes
        self.endpoints = compiled_endpoints(self._routes)

    def document(self) -> dict[str, Any]:
        """Return the OpenAPI document; built when it is first asked for."""
        if self._document is None:
            self._document = build_document(self._routes)
        return self._document

    def document_bytes(self) -> bytes:
        """Return the document as JSON."""
        if self._bytes is None:
            self._bytes = json.dumps(self.document())
        return self._bytes

    def check(self, apps: Apps) -> Iterable[CheckMessage]:
        """Report operation ids that two endpoints ask for."""
        asked: dict[str, Compiled] = {}
        shown = [(route, one) for route, one in self.endpoints if one.endpoint.include_in_schema]
        for (_, compiled), given in zip(shown, operation_ids(shown), strict=True):
            endpoint = compiled.endpoint
            wanted = (endpoint.operation_id or endpoint.name or "").replace("-", "_")
            first = asked.setdefault(wanted, compiled)
            if first is compiled:
                continue
            message = (
                f"Two endpoints have the operation id {wanted!r}: {describe(first.endpoint.handler)} and "
                f"{describe(endpoint.handler)}; clients that are generated see the second as {given!r}."
            )
            kind = Error if endpoint.operation_id else Warning
            yield kind(
                message,
                hint="Name one of the functions anew, or give it operation_id=….",
                obj=compiled.path,
                id="rest.E001" if endpoint.operation_id else "rest.W001",
            )

    def check_deploy(self, apps: Apps) -> Iterable[CheckMessage]:
        """List the writes that anyone may do."""
        for _, compiled in self.endpoints:
            if compiled.endpoint.is_write and compiled.is_open:
                yield Warning(
                    f"Anyone may {compiled.endpoint.method} {compiled.path} ({describe(compiled.endpoint.handler)}).",
                    hint="If that is not meant, take its permissions away, so that DEFAULT_PERMISSIONS hold, or name stricter ones.",
                    obj=compiled.path,
                    id="rest.W002",
                )
