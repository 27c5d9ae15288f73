"""How the code of an endpoint reads a body: what is no form it knows is refused, structs are decoded from bytes."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

import msgspec
from pydantic import BaseModel, ConfigDict, create_model

from covet import json
from covet.exceptions import ImproperlyConfigured
from covet.http.errors import BadRequest, UnsupportedMediaType
from covet.http.files import UploadedFile
from covet.http.request import Request
from covet.loading import late_module
from covet.problems import ProblemError, json_pointer
from covet.rest.annotations import unwrap
from covet.rest.signature import Parameter, Signature, describe
from covet.schema.structs import Failure, StructError, StructReader, is_struct

if TYPE_CHECKING:
    from covet.rest import errors as failures
    from covet.schema import messages, meta_rules
else:
    failures = late_module(__name__, "covet.rest.errors", "failures")
    meta_rules = late_module(__name__, "covet.schema.meta_rules")
    messages = late_module(__name__, "covet.schema.messages")

__all__ = [
    "BODY_ERRORS",
    "JSON_PATCH",
    "MERGE_PATCH",
    "PATCH_KINDS",
    "body_schema",
    "check_form",
    "check_json",
    "check_kind",
    "check_numbers",
    "empty_is_none",
    "files_of",
    "is_json",
    "only_fields",
    "read_loose",
    "struct_errors",
]

BODY_ERRORS: Final = (msgspec.DecodeError, StructError, RecursionError, UnicodeDecodeError)
"""What decoding a struct may raise."""

JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
PATCH_KINDS: Final = frozenset({JSON_PATCH, MERGE_PATCH})
"""What is done to the state of a row, and is not the state itself."""

# No text of these types is empty; ``int`` stands for ``bool`` too, and ``date`` for ``datetime``.
_NEVER_EMPTY: Final = (int, float, decimal.Decimal, dt.date, dt.time, dt.timedelta, uuid.UUID)
_FORMS: Final = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_JSON: Final = b"application/json"


def body_schema(signature: Signature) -> tuple[Any, bool]:
    """Return the type of the body, and whether its members are the arguments; (None, False) without one.

    Raises:
        ImproperlyConfigured: Several arguments share the body, and only some of them are structs.
    """
    bodies = signature.bodies
    if not bodies:
        return None, False
    if len(bodies) == 1 and not getattr(bodies[0].marker, "embed", False):
        only = bodies[0]
        return (_for_msgspec(only, signature) if is_struct(only.annotation) else only.annotation), False
    name = getattr(signature.call.function, "__name__", "handler").title().replace("_", "") + "Body"
    structs = [one for one in bodies if is_struct(one.annotation)]
    if structs:
        if any(_holds_model(one.annotation) for one in bodies):
            raise ImproperlyConfigured(
                f"{describe(signature.call.function)} takes structs and other schemas from one body. "
                "Make all of them structs, or none."
            )
        members = [
            (one.wire, kind) if one.is_required else (one.wire, kind, one.default)
            for one in sorted(bodies, key=lambda one: not one.is_required)
            for kind in (_for_msgspec(one, signature),)
        ]
        made = msgspec.defstruct(name, members, forbid_unknown_fields=True)
        return made, True
    fields: dict[str, Any] = {one.wire: (one.annotation, ... if one.is_required else one.default) for one in bodies}
    return create_model(name, __config__=ConfigDict(extra="forbid"), **fields), True


def _for_msgspec(parameter: Parameter, signature: Signature) -> Any:
    """Return the type of a body that msgspec reads, with its rules in the words of that.

    Raises:
        ImproperlyConfigured: msgspec has no such rule.
    """
    if isinstance(parameter.annotation, type) and not get_args(parameter.annotation):
        return parameter.annotation
    try:
        return meta_rules.in_meta(parameter.annotation)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{describe(signature.call.function)}: the rule {error.args[0]!r} of '{parameter.name}' is not for a body of structs, "
            "which msgspec reads. Check it in the handler, or in the struct's __post_init__."
        ) from error


def _holds_model(annotation: Any) -> bool:
    if isinstance(annotation, type) and not get_args(annotation):
        return issubclass(annotation, BaseModel)
    return any(_holds_model(argument) for argument in get_args(annotation))


def is_json(kind: str, *, is_list: bool = False) -> bool:
    """Return whether a media type says that the body is the values themselves; a JSON Patch is steps that change them.

    Args:
        kind: The media type.
        is_list: Whether a list is read. A Merge Patch that is one takes the place of all there is (RFC 7396, 2), and changes no
            single items.
    """
    if kind == "application/json":
        return True
    return kind.endswith("+json") and kind != JSON_PATCH and not (is_list and kind == MERGE_PATCH)


def check_json(request: Request, *, is_list: bool = False) -> None:
    """Refuse a body that says it is something else; one that says nothing is read as JSON.

    Args:
        request: The request.
        is_list: Whether a list is read.

    Raises:
        UnsupportedMediaType: The body is no JSON.
    """
    for name, value in request.raw_headers:
        if name == b"content-type":
            if value == _JSON:
                return
            kind = request.content_type
            if kind and not is_json(kind, is_list=is_list):
                raise UnsupportedMediaType(f"This endpoint reads application/json, not {kind}.")
            return


def check_kind(kinds: Collection[str], request: Request) -> None:
    """Refuse a body that is not of one of these kinds, or does not say of which it is.

    Raises:
        UnsupportedMediaType: It is another one.
    """
    if request.content_type not in kinds:
        said = request.content_type or "a body without a Content-Type"
        raise UnsupportedMediaType(f"This endpoint reads {' and '.join(kinds)}, not {said}.")


def check_numbers(raw: bytes) -> None:
    """Refuse ``NaN`` and ``Infinity``, which pydantic reads as numbers and JSON does not have; inside a text they are words.

    Raises:
        BadRequest: The body is no JSON.
    """
    try:
        json.loads(raw)
    except RecursionError as error:
        raise BadRequest("The body nests too deeply.") from error
    except msgspec.ValidationError:
        return  # JSON all the same, with a number that pydantic judges by the type of its field
    except json.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}") from error


def check_form(request: Request) -> None:
    """Refuse a body that is no form.

    Raises:
        UnsupportedMediaType: The body is no form.
    """
    kind = request.content_type
    if kind and kind not in _FORMS:
        raise UnsupportedMediaType(f"This endpoint reads a form, not {kind}.")


def empty_is_none(parameter: Parameter) -> bool:
    """Return whether an empty field of a form says nothing: browsers send each input, and to a number it cannot be a value."""
    if parameter.marker.source != "form" or parameter.is_required or parameter.is_list:
        return False
    bare = unwrap(parameter.annotation)
    if get_origin(bare) is Literal:
        return "" not in get_args(bare)
    if not isinstance(bare, type):
        return False
    if issubclass(bare, enum.Enum):
        return all(member.value != "" for member in bare)
    return issubclass(bare, _NEVER_EMPTY)


def files_of(errors: list[ProblemError] | None, form: Any, name: str, many: bool) -> Any:
    """Return the uploaded files of a name; None without one. A text in the place of one is told to errors, where there are any."""
    values = form.getlist(name)
    found = [value for value in values if isinstance(value, UploadedFile)]
    if errors is not None and any(value for value in values if isinstance(value, str)):
        text = "This is a text and no file. Send it with a file name."
        errors.append(ProblemError(text, pointer=json_pointer(name), code="file_type"))
    if many:
        return found or None
    return found[-1] if found else None


def only_fields(errors: list[ProblemError], form: Any, known: Collection[str]) -> None:
    """Add an error for each field of a form that is not known; the token against forgery is no field."""
    unknown = [name for name in dict.fromkeys(form) if name not in known and name != "csrfmiddlewaretoken"]
    for name in unknown[: failures.MOST_ERRORS + 1]:
        text = messages.unknown_field(name, sorted(known))
        errors.append(ProblemError(text, pointer=json_pointer(name), code="extra_forbidden"))


def read_loose(reader: StructReader, raw: bytes) -> Any:
    """Return a struct of JSON that was made of texts: ``"1"`` may be meant as a number.

    Raises:
        StructError: The values do not fit.
    """
    return reader.convert(json.loads(raw), strict=False)


def struct_errors(errors: list[ProblemError], error: BaseException, reader: StructReader, raw: bytes) -> None:
    """Add all that is wrong with a body that is no such struct, each with its pointer.

    Raises:
        BadRequest: The body is no JSON at all.
    """
    if isinstance(error, StructError):
        found: list[Failure] = error.failures
    elif isinstance(error, msgspec.ValidationError):
        try:
            found = reader.failures_of(raw)
        except RecursionError:
            raise BadRequest("The body nests too deeply.") from error
        except msgspec.ValidationError:
            # A number that no float holds: neither reading comes to its end.
            found = []
    elif isinstance(error, RecursionError):
        raise BadRequest("The body nests too deeply.") from error
    else:
        raise BadRequest(f"The body is not valid JSON: {error}") from error
    if not found:
        found = [Failure((), str(error), "invalid")]
    errors.extend(
        ProblemError(messages.struct_text(one.detail), pointer=json_pointer(*one.place), code=one.code) for one in found
    )
