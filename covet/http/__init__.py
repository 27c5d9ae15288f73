"""Requests, responses and the errors that are answers."""

from typing import TYPE_CHECKING

from covet.loading import late_names

if TYPE_CHECKING:
    from covet.http.background import BackgroundTask, BackgroundTasks
    from covet.http.errors import (
        BadRequest,
        ClientDisconnected,
        Conflict,
        Forbidden,
        Http404,
        HTTPException,
        MethodNotAllowed,
        NotAcceptable,
        NotFound,
        PayloadTooLarge,
        PreconditionFailed,
        RequestTimeout,
        ServiceUnavailable,
        TooManyRequests,
        Unauthorized,
        UnprocessableContent,
        UnsupportedMediaType,
    )
    from covet.http.files import UploadedFile
    from covet.http.forms import FormData
    from covet.http.headers import Headers, MutableHeaders
    from covet.http.query import MultiDict, QueryParams
    from covet.http.request import Request
    from covet.http.response import HTMLResponse, JSONResponse, ProblemResponse, RedirectResponse, Response
    from covet.http.streaming import EventStream, FileResponse, ServerEvent, StreamingResponse

__all__ = [
    "BackgroundTask",
    "BackgroundTasks",
    "BadRequest",
    "ClientDisconnected",
    "Conflict",
    "EventStream",
    "FileResponse",
    "Forbidden",
    "FormData",
    "HTMLResponse",
    "HTTPException",
    "Headers",
    "Http404",
    "JSONResponse",
    "MethodNotAllowed",
    "MultiDict",
    "MutableHeaders",
    "NotAcceptable",
    "NotFound",
    "PayloadTooLarge",
    "PreconditionFailed",
    "ProblemResponse",
    "QueryParams",
    "RedirectResponse",
    "Request",
    "RequestTimeout",
    "Response",
    "ServerEvent",
    "ServiceUnavailable",
    "StreamingResponse",
    "TooManyRequests",
    "Unauthorized",
    "UnprocessableContent",
    "UnsupportedMediaType",
    "UploadedFile",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "covet.http.background": ("BackgroundTask", "BackgroundTasks"),
            "covet.http.errors": (
                "BadRequest",
                "ClientDisconnected",
                "Conflict",
                "Forbidden",
                "Http404",
                "HTTPException",
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
            ),
            "covet.http.files": ("UploadedFile",),
            "covet.http.forms": ("FormData",),
            "covet.http.headers": ("Headers", "MutableHeaders"),
            "covet.http.query": ("MultiDict", "QueryParams"),
            "covet.http.request": ("Request",),
            "covet.http.response": ("HTMLResponse", "JSONResponse", "ProblemResponse", "RedirectResponse", "Response"),
            "covet.http.streaming": ("EventStream", "FileResponse", "ServerEvent", "StreamingResponse"),
        },
    )
