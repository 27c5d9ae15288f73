"""Errors that are answers: raise one anywhere below a view and the client gets its status.

``HTTPException`` takes any status; the subclasses name the usual ones. A machine gets a problem document, a browser a
page (``covet.handlers.errors``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from covet.exceptions import CovetError, SuspiciousOperation
from covet.http.status import STATUSES, no_status
from covet.problems import Problem, ProblemError, phrase

__all__ = [
    "BadRequest",
    "ClientDisconnected",
    "Conflict",
    "DisallowedHost",
    "Forbidden",
    "HTTPException",
    "Http404",
    "MethodNotAllowed",
    "NotAcceptable",
    "NotFound",
    "PayloadTooLarge",
    "PreconditionFailed",
    "RequestTimeout",
    "ServiceUnavailable",
    "TooManyRequests",
    "Unauthorized",
    "UnprocessableContent",
    "UnsupportedMediaType",
    "duplicate_key_refused",
]


class HTTPException(CovetError):
    """An error with an HTTP status.

    A class of your own may say both once: ``class Busy(HTTPException): status_code, default_detail = 503, "Come back later."``

    Args:
        status: The status of the answer, 400 to 599.
        detail: What went wrong, for the client to read; a mapping becomes further members of the problem document.
        status_code: The status, under the name that FastAPI gives it.
        title: The kind of problem; the status's phrase when left out.
        headers: Headers of the answer.
        type: A URI that names the kind of problem.
        errors: The single wrong values.
        extra: Further members of the problem document.

    Raises:
        ValueError: The status is none.
    """

    default_detail: ClassVar[str] = ""

    def __init__(
        self,
        status: int | None = None,
        detail: str | Mapping[str, Any] = "",
        *,
        status_code: int | None = None,
        title: str | None = None,
        headers: Mapping[str, str] | None = None,
        type: str | None = None,
        errors: Sequence[ProblemError] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        own: Any = self.__class__.status_code  # a number where a subclass says it
        if status is None:
            status = own if status_code is None and isinstance(own, int) else status_code
        if status not in STATUSES:
            raise no_status(status)
        if isinstance(own, int):
            self.__dict__["status_code"] = status  # in front of the class's
        if isinstance(detail, Mapping):
            extra, detail = {**detail, **(extra or {})}, str(detail.get("detail", ""))
        detail = detail or self.default_detail
        super().__init__(detail or title or phrase(status))
        self.status = status
        self.detail = detail
        self.title = title or phrase(status)
        self.headers: dict[str, str] = dict(headers or {})
        self.type = type or "about:blank"
        self.errors: list[ProblemError] = list(errors or ())
        self.extra: dict[str, Any] = dict(extra or {})

    @property
    def status_code(self) -> int:
        """The status, under the name that FastAPI and REST framework give it."""
        return self.status

    def to_problem(self) -> Problem:
        """Return the problem document of this error."""
        return Problem(
            self.status,
            title=self.title,
            detail=self.detail,
            type=self.type,
            errors=self.errors,
            extra=self.extra,
            headers=self.headers,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.status}, {self.detail!r})"


class _StatusException(HTTPException):
    """An ``HTTPException`` whose class fixes the status."""

    fixed_status: ClassVar[int]

    def __init__(self, detail: str | Mapping[str, Any] = "", **options: Any) -> None:
        super().__init__(self.fixed_status, detail, **options)


class BadRequest(_StatusException):
    """400: the request cannot be understood."""

    fixed_status = 400


def duplicate_key_refused(key: str) -> BadRequest:
    """Return the error for a JSON body with an object that has a key twice: programs differ in which of the two counts."""
    return BadRequest(f"The body is no JSON that can be relied on: an object has the key {key[:80]!r} twice.")


class Unauthorized(_StatusException):
    """401: nobody is logged in, or the credentials are not good."""

    fixed_status = 401

    def __init__(self, detail: str = "", **options: Any) -> None:
        super().__init__(detail, **options)
        # RFC 9110, 11.6.1: a 401 names at least one way to log in.
        self.headers.setdefault("WWW-Authenticate", "Bearer")


class Forbidden(_StatusException):
    """403: this user may not."""

    fixed_status = 403


class NotFound(_StatusException):
    """404: nothing is there."""

    fixed_status = 404


Http404 = NotFound


class MethodNotAllowed(_StatusException):
    """405: the address exists, but not with this method.

    Args:
        allowed: The methods that it has; sent as ``Allow``.
        detail: What went wrong.
    """

    fixed_status = 405

    def __init__(self, allowed: Iterable[str], detail: str = "", **options: Any) -> None:
        self.allowed = sorted(set(allowed))
        listed = ", ".join(self.allowed)
        super().__init__(detail or f"This address answers to {listed} only.", **options)
        self.headers["Allow"] = listed


class NotAcceptable(_StatusException):
    """406: no form that the client accepts."""

    fixed_status = 406


class RequestTimeout(_StatusException):
    """408: the client sent its request too slowly."""

    fixed_status = 408

    def __init__(self, detail: str = "", **options: Any) -> None:
        super().__init__(detail or "The request did not arrive in time.", **options)
        self.headers.setdefault("Connection", "close")


class Conflict(_StatusException):
    """409: it does not fit with what is there, such as a value that must be unique."""

    fixed_status = 409


class PreconditionFailed(_StatusException):
    """412: ``If-Match`` or ``If-Unmodified-Since`` does not hold."""

    fixed_status = 412


class PayloadTooLarge(_StatusException):
    """413: the body is larger than the server takes.

    The connection stays open: to close it while the client still sends would reset it, and the client would lose this
    answer. The server drops what still comes, for as long as it keeps an idle connection.
    """

    fixed_status = 413


class UnsupportedMediaType(_StatusException):
    """415: the body's content type is not one that is read here."""

    fixed_status = 415


class UnprocessableContent(_StatusException):
    """422: understood, but some values are wrong."""

    fixed_status = 422


class TooManyRequests(_StatusException):
    """429: too often.

    Args:
        detail: What went wrong.
        retry_after_s: When to come back; sent as ``Retry-After``.
    """

    fixed_status = 429

    def __init__(self, detail: str = "", *, retry_after_s: int | None = None, **options: Any) -> None:
        super().__init__(detail, **options)
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(retry_after_s)


class ServiceUnavailable(_StatusException):
    """503: not now."""

    fixed_status = 503


class DisallowedHost(SuspiciousOperation):
    """The ``Host`` header names a host that ``ALLOWED_HOSTS`` does not list."""

    def __init__(self, host: str) -> None:
        super().__init__(f"Host {host!r} is not in ALLOWED_HOSTS. Add it there if this site answers to that name.")
        self.host = host

    def to_problem(self) -> Problem:
        """Return a 400 that does not repeat the client's text."""
        return Problem(400, detail="This server does not answer to that host name.")


class ClientDisconnected(CovetError):
    """The client went away while its request was being read or answered; there is nobody to answer."""
