"""Problem documents (RFC 9457): the one shape in which every error reaches a machine.

Rooms above say how their own errors look with ``register_problem``; an exception that has a ``to_problem`` method says
it itself. Whatever nobody knows is a 500 that tells nothing unless ``debug`` is set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from msgspec import Struct, field

from covet import json
from covet.conf import settings
from covet.exceptions import NON_FIELD_ERRORS, PermissionDenied, SuspiciousOperation, ValidationError
from covet.i18n.texts import gettext

__all__ = [
    "KINDS",
    "PROBLEM_JSON",
    "PROBLEM_MARK",
    "Problem",
    "ProblemError",
    "json_pointer",
    "phrase",
    "problem_for",
    "register_problem",
]

PROBLEM_JSON = "application/problem+json"

PROBLEM_MARK = "x-covet-problem"
"""Stands in a JSON schema where OpenAPI refers to the schema of problem documents."""

KINDS: dict[str, tuple[int, str]] = {
    "invalid-values": (
        422,
        "Values of the request are wrong; errors has each with its place, a hundred at most: more_errors is true where there are more.",
    ),
    "unknown-key": (422, "A key names a row that is not there; errors has each with its place."),
    "unknown-version": (404, "There is no such version of the API."),
    "unique": (409, "A value that must be unique is taken already."),
    "protected": (409, "Other rows still point at the one that should go."),
    "version-conflict": (409, "The row was changed since the client read it. Read it again, and repeat the change."),
    "conflict": (409, "The change does not fit with what is there."),
    "idempotency-key": (400, "The Idempotency-Key is none: it has 1 to 255 printable characters."),
    "idempotency-mismatch": (422, "The Idempotency-Key was used for another request. A new request takes a new key."),
    "idempotency-in-progress": (
        409,
        "The first request of this Idempotency-Key still runs. Come back after Retry-After.",
    ),
}
"""The kinds of problems that the framework itself has a type for: the fragment, its status and what it means."""

# The names of RFC 9110, where older Pythons still have those of RFC 7231.
_PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}


def phrase(status: int) -> str:
    """Return the reason phrase of a status code, or ``"Error"`` for one that has none."""
    if status in _PHRASES:
        return _PHRASES[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def json_pointer(*parts: str | int) -> str:
    """Return the JSON pointer (RFC 6901) to a place: ``json_pointer("tags", 0)`` is ``"/tags/0"``."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


class ProblemError(Struct):
    """One wrong value of a request: what is wrong, and where it stands.

    Args:
        detail: What is wrong, for people.
        pointer: JSON pointer into the body.
        parameter: Name of the path or query parameter or cookie.
        header: Name of the header.
        code: The machine's name of the error.
    """

    detail: str
    pointer: str | None = None
    parameter: str | None = None
    header: str | None = None
    code: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the members that are set, in the order of the document."""
        members: dict[str, Any] = {"detail": gettext(str(self.detail))}
        for name in ("pointer", "parameter", "header", "code"):
            value = getattr(self, name)
            if value is not None:
                members[name] = value
        return members


class Problem(Struct):
    """A problem document; ``to_bytes`` gives its JSON. Texts that a catalogue of the current language has are translated.

    Args:
        status: The HTTP status.
        title: What kind of problem it is; the status's phrase when empty.
        detail: What went wrong this time.
        type: A URI that names the kind; one that is just a fragment, such as ``#unique``, is of ``PROBLEM_TYPE_BASE``, and
            ``about:blank`` (the status says it all) where that is not set.
        errors: The single wrong values.
        instance: A URI or path that names this occurrence.
        extra: Further members, such as ``request_id``.
        headers: Headers that the answer must carry, such as ``Allow``.
    """

    status: int
    title: str = ""
    detail: str = ""
    type: str = "about:blank"
    errors: Sequence[ProblemError] = ()
    instance: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the document as plain values."""
        document: dict[str, Any] = {
            "type": _address(self.type),
            "title": gettext(str(self.title) or phrase(self.status)),
            "status": self.status,
        }
        if self.detail:
            document["detail"] = gettext(str(self.detail))
        if self.instance:
            document["instance"] = self.instance
        if self.errors:
            document["errors"] = [error.as_dict() for error in self.errors]
        for name, value in self.extra.items():
            document.setdefault(name, value)
        return document

    def to_bytes(self) -> bytes:
        """Return the document as JSON."""
        return json.dumps(self.as_dict())


def _address(kind: str) -> str:
    """Return the URI of a kind of problem."""
    if not kind.startswith("#"):
        return kind
    base = settings.PROBLEM_TYPE_BASE
    return f"{base}{kind}" if base else "about:blank"


ProblemMaker = Callable[[Any], Problem]

_makers: dict[type[BaseException], ProblemMaker] = {}


def register_problem(exception: type[BaseException], make: ProblemMaker) -> None:
    """Say how an exception (and its subclasses) looks as a problem.

    Args:
        exception: The class; the nearest class of an instance's MRO wins.
        make: Gets the exception, returns the problem.
    """
    _makers[exception] = make


def problem_for(exception: BaseException, debug: bool = False) -> Problem:
    """Return the problem that tells of an exception.

    Args:
        exception: What was raised.
        debug: Name an unknown exception and its text; without it a 500 says nothing about the inside.
    """
    make = getattr(exception, "to_problem", None)
    if make is not None:
        problem: Problem = make()
        return problem
    for kind in type(exception).__mro__:
        if kind in _makers:
            return _makers[kind](exception)
    detail = "The server could not answer this request."
    if debug:
        detail = " ".join([f"{type(exception).__name__}: {exception}", *getattr(exception, "__notes__", ())])
    return Problem(500, detail=detail)


def _of_validation(exception: ValidationError) -> Problem:
    errors: list[ProblemError] = []
    if exception.error_dict is not None:
        for name, singles in exception.error_dict.items():
            where = "" if name == NON_FIELD_ERRORS else json_pointer(name)
            errors.extend(ProblemError(single.text, pointer=where, code=single.code) for single in singles)
    else:
        errors.extend(ProblemError(single.text, pointer="", code=single.code) for single in exception.error_list)
    return Problem(422, detail="Some values are not valid.", errors=errors, type="#invalid-values")


def _of_refusal(exception: PermissionDenied) -> Problem:
    extra = {"code": exception.code} if exception.code else {}
    return Problem(403, detail=str(exception) or "You may not do this.", extra=extra)


register_problem(ValidationError, _of_validation)
register_problem(PermissionDenied, _of_refusal)
register_problem(SuspiciousOperation, lambda error: Problem(400, detail="The request is not acceptable."))
