"""Requests, responses and the errors that are answers."""

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
from covet.http.forms import FormData, UploadedFile
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
