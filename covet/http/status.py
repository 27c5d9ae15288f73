"""Status codes by name, such as ``status.HTTP_201_CREATED``."""

from __future__ import annotations

from typing import Final

HTTP_200_OK: Final = 200
HTTP_201_CREATED: Final = 201
HTTP_202_ACCEPTED: Final = 202
HTTP_204_NO_CONTENT: Final = 204
HTTP_206_PARTIAL_CONTENT: Final = 206
HTTP_301_MOVED_PERMANENTLY: Final = 301
HTTP_302_FOUND: Final = 302
HTTP_303_SEE_OTHER: Final = 303
HTTP_304_NOT_MODIFIED: Final = 304
HTTP_307_TEMPORARY_REDIRECT: Final = 307
HTTP_308_PERMANENT_REDIRECT: Final = 308
HTTP_400_BAD_REQUEST: Final = 400
HTTP_401_UNAUTHORIZED: Final = 401
HTTP_403_FORBIDDEN: Final = 403
HTTP_404_NOT_FOUND: Final = 404
HTTP_405_METHOD_NOT_ALLOWED: Final = 405
HTTP_406_NOT_ACCEPTABLE: Final = 406
HTTP_408_REQUEST_TIMEOUT: Final = 408
HTTP_409_CONFLICT: Final = 409
HTTP_410_GONE: Final = 410
HTTP_412_PRECONDITION_FAILED: Final = 412
HTTP_413_CONTENT_TOO_LARGE: Final = 413
HTTP_415_UNSUPPORTED_MEDIA_TYPE: Final = 415
HTTP_416_RANGE_NOT_SATISFIABLE: Final = 416
HTTP_422_UNPROCESSABLE_CONTENT: Final = 422
HTTP_429_TOO_MANY_REQUESTS: Final = 429
HTTP_431_REQUEST_HEADER_FIELDS_TOO_LARGE: Final = 431
HTTP_500_INTERNAL_SERVER_ERROR: Final = 500
HTTP_503_SERVICE_UNAVAILABLE: Final = 503

# Answers that carry no content (RFC 9110, 6.4.1).
BODILESS: Final = frozenset({204, 205, 304, *range(100, 200)})

# What has a first digit that says its class (RFC 9110, 15). Answers ask the set themselves, which costs no call.
STATUSES: Final = frozenset(range(100, 600))


def no_status(status: object) -> ValueError:
    """Return the error for what is no status of an answer."""
    return ValueError(f"The status of an answer is a whole number from 100 to 599, not {status!r}.")
