"""Deprecation: since when something is old, until when it is there, and where to read what to do (RFC 9745, RFC 8594)."""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

from covet.loading import late_module

if TYPE_CHECKING:
    from covet.http import conditional as etags
    from covet.http.request import Request
    from covet.http.response import Response
else:
    etags = late_module(__name__, "covet.http.conditional", "etags")

__all__ = ["Deprecation"]

Run: TypeAlias = "Callable[[Request, dict[str, Any]], Awaitable[Response]]"


class Deprecation(Struct, frozen=True):
    """What is said of an endpoint, or of a version, that clients should leave.

    Args:
        since: From when on it is deprecated; may lie ahead.
        sunset: When it goes.
        link: Where people read what to use in its place.
    """

    since: datetime.date | datetime.datetime
    sunset: datetime.date | datetime.datetime | None = None
    link: str = ""

    def headers(self) -> dict[str, str]:
        """Return the headers that tell of it."""
        told = {"Deprecation": f"@{int(_moment(self.since).timestamp())}"}
        if self.sunset is not None:
            told["Sunset"] = etags.http_date(_moment(self.sunset))
        if self.link:
            told["Link"] = f'<{self.link}>; rel="deprecation"; type="text/html"'
            if self.sunset is not None:
                told["Link"] += f', <{self.link}>; rel="sunset"; type="text/html"'
        return told

    def described(self) -> dict[str, str]:
        """Return what OpenAPI says of these headers, by name."""
        texts = {
            "Deprecation": "Since when this is deprecated (RFC 9745).",
            "Sunset": "When it goes (RFC 8594).",
            "Link": "Where to read what to use in its place.",
        }
        return {name: texts[name] for name in self.headers()}

    def around(self, run: Run) -> Run:
        """Return ``run`` with the headers on its answers, those that tell of errors too."""
        told = self.headers()
        link = told.pop("Link", None)

        async def dated(request: Request, params: dict[str, Any]) -> Response:
            response = await run(request, params)
            for name, value in told.items():
                response.headers[name] = value
            if link is not None:
                known = response.headers.get("link")
                response.headers["Link"] = f"{known}, {link}" if known else link
            return response

        return dated


def _moment(value: datetime.date | datetime.datetime) -> datetime.datetime:
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day)
    return value.replace(tzinfo=datetime.UTC) if value.tzinfo is None else value
