"""Content negotiation: which form an answer gets, and a body of any form as the JSON that schemas read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from covet import json
from covet.http.errors import BadRequest, HTTPException, NotAcceptable, UnsupportedMediaType
from covet.http.request import Request
from covet.http.response import ProblemResponse, Response
from covet.loading import late_module
from covet.problems import PROBLEM_JSON, ProblemError
from covet.rest.bodies import is_json
from covet.rest.formats.base import JSON, Format, FormatError, Formats
from covet.rest.formats.choice import takes_variant
from covet.text import suggest

if TYPE_CHECKING:
    from covet.http import negotiation
    from covet.rest import errors as failures
    from covet.rest.endpoint import Compiled
else:
    failures = late_module(__name__, "covet.rest.errors", "failures")
    negotiation = late_module(__name__, "covet.http.negotiation")

__all__ = ["FORMAT_PARAMETER", "Negotiation", "read_body"]

FORMAT_PARAMETER: Final = "format"


class Negotiation:
    """Chooses the form of the answers of one endpoint that has several.

    Args:
        compiled: The endpoint; a page for people tells of it.
        formats: The forms, the server's favourite first.
    """

    def __init__(self, compiled: Compiled, formats: Formats) -> None:
        self._compiled = compiled
        self._formats = formats
        self._by_name = {one.name: one for one in formats}
        first = {one.media_types[0]: one for one in formats}
        # Other names of a form come last: a range such as text/* is for what is called so in the first place.
        self._by_type = {**first, **{kind: one for one in formats for kind in one.media_types[1:] if kind not in first}}

    def choose(self, request: Request) -> tuple[Format, str]:
        """Return the form that a request asks for, and the name of it: by ``?format=``, else by ``Accept``.

        Raises:
            NotAcceptable: There is none that it takes.
            UnprocessableContent: ``?format=`` names none.
        """
        raw = request.raw_query
        if raw and b"format=" in raw:
            name = request.query.get(FORMAT_PARAMETER)
            if name is not None:
                found = self._by_name.get(name)
                if found is None:
                    raise failures.invalid([self._unknown(name)])
                return found, found.media_types[0]
        header = request.headers.combined("accept", "")
        kind = negotiation.best_match(header, self._by_type)
        if kind is None:
            if takes_variant(header) and "json" in self._by_name:
                return JSON, JSON.media_types[0]
            raise NotAcceptable(f"This endpoint gives {', '.join(one.media_types[0] for one in self._formats)}.")
        return self._by_type[kind], kind

    def _unknown(self, name: str) -> ProblemError:
        near = suggest(name, self._by_name)
        hint = f"Did you mean {near!r}?" if near else f"It gives: {', '.join(self._by_name)}."
        return ProblemError(f"There is no format {name!r} here. {hint}", parameter=FORMAT_PARAMETER, code="format")

    def around(
        self, run: Callable[[Request, dict[str, Any]], Awaitable[Response]]
    ) -> Callable[[Request, dict[str, Any]], Awaitable[Response]]:
        """Return ``run`` with its answers in the chosen form."""

        async def negotiated(request: Request, params: dict[str, Any]) -> Response:
            try:
                chosen, kind = self.choose(request)
            except HTTPException as error:
                return await failures.answer(error, request=request)
            response = await run(request, params)
            if chosen.page and not response.is_streaming:
                from covet.rest.formats.page import browse

                response = browse(self._compiled, self._formats, request, response)
            elif chosen is not JSON and _is_json(response):
                _rewrite(response, chosen, kind)
            response.headers.add_vary("Accept")
            return response

        return negotiated


def _is_json(response: Response) -> bool:
    """Whether an answer is a value in JSON; problem documents stay what every client knows."""
    if response.is_streaming or isinstance(response, ProblemResponse):
        return False
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.endswith("+json") and kind != PROBLEM_JSON)


def _rewrite(response: Response, chosen: Format, kind: str) -> None:
    """Write an answer anew, and call it what the client did: who takes text/xml alone is not given application/xml."""
    response.body = chosen.write(json.loads(response.body))
    response.headers["Content-Type"] = f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def read_body(formats: Formats, is_list: bool, request: Request, raw: bytes) -> tuple[bytes, bool]:
    """Return a body as JSON, and whether it came from a form that knows texts only.

    Args:
        formats: The forms that the endpoint reads.
        is_list: Whether its schema is a list; a table for any other schema has one row.
        request: The request.
        raw: Its body.

    Raises:
        UnsupportedMediaType: The body is of another kind.
        BadRequest: It is not what it says it is.
    """
    kind = request.content_type
    if not kind or is_json(kind, is_list=is_list):
        return raw, False
    for one in formats:
        if one.read is None or kind not in one.media_types:
            continue
        try:
            value = one.read(raw)
            if one.name == "csv" and not is_list:
                if len(value) != 1:
                    raise FormatError(f"This endpoint takes one row, not {len(value)}.")
                value = value[0]
            if one.name == "xml" and value == "":  # an element with nothing in it
                value = [] if is_list else {}
            return json.dumps(value), one.is_loose
        except FormatError as error:
            raise BadRequest(str(error)) from error
        except (TypeError, ValueError, RecursionError) as error:  # such as a surrogate in a text
            raise BadRequest("The body holds values that cannot be read here.") from error
    read = ", ".join(one.media_types[0] for one in formats if one.read is not None)
    raise UnsupportedMediaType(f"This endpoint reads {read}, not {kind}.")
