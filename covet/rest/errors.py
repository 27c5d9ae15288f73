"""What goes wrong in an endpoint, as a problem document with a pointer to each wrong value.

Errors of the client end here, so that an API answers a browser with a problem document too. Anything else is a fault of
the server and goes on to ``covet.handlers.errors``, which logs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

from pydantic import BaseModel
from pydantic import ValidationError as PydanticError

from covet import json
from covet.conf import settings
from covet.db import connections
from covet.db.errors import (
    CheckViolation,
    DataError,
    ExclusionViolation,
    ForeignKeyViolation,
    IntegrityError,
    NotNullViolation,
    UniqueViolation,
)
from covet.db.models.conflicts import VersionConflict
from covet.db.models.relations.rules import ProtectedError, RestrictedError
from covet.exceptions import CovetError, ValidationError
from covet.http.errors import BadRequest, HTTPException, UnprocessableContent
from covet.http.response import ProblemResponse
from covet.i18n.texts import gettext
from covet.loading import late_module
from covet.problems import Problem, ProblemError, json_pointer, problem_for
from covet.schema.relations import schemas_in
from covet.schema.structs import StructError

if TYPE_CHECKING:
    from covet.db import transaction
    from covet.db.models.base import Model
    from covet.http.request import Request
    from covet.schema import messages, rules
else:
    transaction = late_module(__name__, "covet.db.transaction")
    messages = late_module(__name__, "covet.schema.messages")
    rules = late_module(__name__, "covet.schema.rules")

__all__ = [
    "MOST_ERRORS",
    "answer",
    "body_errors",
    "broken_rule",
    "invalid",
    "mismatch",
    "parameter_errors",
    "problem_of",
    "reject",
    "roll_back",
]

MOST_ERRORS: Final = 100
"""How many wrong values an answer tells of. Whoever collects them may stop at one more: looking for what a name was meant to be
takes a while, and a body has room for a hundred thousand wrong names."""

# What pydantic writes before the words of an exception.
_RAISED: Final = {"value_error": "Value error, ", "assertion_error": "Assertion failed, "}
_DETAIL: Final = "Some values are not valid."


def invalid(errors: Sequence[ProblemError]) -> UnprocessableContent:
    """Return the error that tells of wrong values: 422; ``more_errors`` where there are more than it tells of."""
    extra = {"more_errors": True} if len(errors) > MOST_ERRORS else None
    return UnprocessableContent(_DETAIL, errors=errors[:MOST_ERRORS], type="#invalid-values", extra=extra)


def parameter_errors(
    errors: list[ProblemError],
    error: PydanticError | StructError,
    source: str,
    wire: str,
    names: dict[str, str] | None = None,
) -> None:
    """Add what is wrong with a parameter.

    Args:
        errors: Where to add.
        error: Pydantic's, or that of a struct.
        source: Where the parameter comes from.
        wire: Its name on the wire.
        names: Names on the wire by field, when a whole schema was read.
    """
    if isinstance(error, StructError):
        found = [(one.place, messages.struct_text(one.detail), one.code) for one in error.failures]
    else:
        found = [(one["loc"], _said(one), one["type"]) for one in messages.error_list(error)]
    for place, text, code in found:
        name = wire
        if names is not None and place:
            name = names.get(str(place[0]), str(place[0]))
        errors.append(missing(source, name) if code == "missing" else _placed(source, name, text, code))


def missing(source: str, wire: str) -> ProblemError:
    """Return the error of a parameter that was not sent."""
    return _placed(source, wire, "This value is required.", "missing")


def _placed(source: str, name: str, detail: str, code: str) -> ProblemError:
    if source == "header":
        return ProblemError(detail, header=name, code=code)
    if source in ("form", "file"):
        return ProblemError(detail, pointer=json_pointer(name), code=code)
    return ProblemError(detail, parameter=name, code=code)


def body_errors(errors: list[ProblemError], error: PydanticError, schema: Any, raw: bytes) -> None:
    """Add what is wrong with a JSON body, each with its pointer; an unknown field names the likely one.

    Raises:
        BadRequest: The body is no JSON at all.
    """
    found = messages.error_list(error)
    if found and found[0]["type"] == "json_invalid":
        raise BadRequest(f"The body is not valid JSON: {found[0]['msg'].removeprefix('Invalid JSON: ')}") from error
    try:
        sent = json.loads(raw)
    except ValueError:  # pydantic's reader takes NaN, which is no JSON
        raise BadRequest("The body is not valid JSON.") from error
    for one in found[: MOST_ERRORS + 1]:
        place = _real_place(one["loc"], sent)
        detail, code = _said(one), one["type"]
        if code == "extra_forbidden":
            detail = _unknown(place, schema)
        elif code == "missing":
            detail = "This value is required."
        errors.append(ProblemError(detail, pointer=json_pointer(*place), code=code))


def _said(one: Mapping[str, Any]) -> str:
    """Return the text of an error; of one that a validator of the schema raised, what it says itself."""
    text: str = one["msg"]
    return text.removeprefix(_RAISED[one["type"]]) if one["type"] in _RAISED else text


def _real_place(place: Iterable[str | int], sent: Any) -> list[str | int]:
    """Follow a place through what was sent: pydantic puts the names of union members and validators into it as well."""
    real: list[str | int] = []
    parts = list(place)
    for index, part in enumerate(parts):
        if isinstance(sent, dict) and isinstance(part, str):
            if part in sent:
                sent = sent[part]
            elif index < len(parts) - 1:
                continue
            real.append(part)
        elif isinstance(sent, list) and isinstance(part, int):
            sent = sent[part] if part < len(sent) else None
            real.append(part)
    return real


def _unknown(place: Sequence[str | int], schema: Any) -> str:
    models: list[type[BaseModel]] = _models(schema)
    *above, name = place or [""]
    for part in above:
        if isinstance(part, str):
            models = [
                inner
                for model in models
                if part in model.model_fields
                for inner in _models(model.model_fields[part].annotation)
            ]
    if any(name in _keys(model) for model in models):
        return messages.unknown_key(str(name))
    names = [
        info.alias or field
        for model in models
        for field, info in model.model_fields.items()
        if field not in getattr(model, "__covet_read_only__", ())
    ]
    return messages.unknown_field(str(name), names)


def _keys(schema: type[BaseModel]) -> Sequence[str]:
    """Return what the key of a schema's rows is called."""
    model: type[Model] | None = getattr(schema, "__covet_model__", None)
    return () if model is None else ("pk", *(field.name for field in model._meta.pk_fields))


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return list(schemas_in(annotation))


def reject(status: int, detail: str, errors: Sequence[ProblemError] = ()) -> HTTPException:
    """Return an error of any status."""
    return HTTPException(status, detail, errors=errors)


async def answer(
    error: BaseException,
    data: Sequence[Any] = (),
    model: type[Model] | None = None,
    request: Request | None = None,
) -> ProblemResponse:
    """Return the answer to an expected error; what the request wrote is undone where it runs in one transaction.

    Args:
        error: One of ``endpoint.EXPECTED``.
        data: What the body was read into; a broken rule of the database is pointed at in it.
        model: The model that the endpoint is about.
        request: The request, whose id the answer tells.
    """
    # Before the rollback is asked for: after it nothing can be looked up any more.
    problem = await problem_of(error, data, model)
    roll_back()
    return _told(problem, request)


async def problem_of(error: BaseException, data: Sequence[Any] = (), model: type[Model] | None = None) -> Problem:
    """Return what is told of an expected error; the arguments are those of ``answer``."""
    if isinstance(error, IntegrityError):
        return await _broken_rule(error, data, model)
    if isinstance(error, DataError):
        return Problem(422, detail="A value is longer or larger than the database can hold.", type="#invalid-values")
    if isinstance(error, VersionConflict):
        return Problem(
            409, detail="Someone else has changed this since it was read; read it again.", type="#version-conflict"
        )
    problem = problem_for(error)
    if isinstance(error, ValidationError):
        for one in problem.errors:
            # What full_clean() names is a field of the model; the body may hold it deeper, or spell it in another way.
            name = (one.pointer or "")[1:]
            found = rules.place_of(name, data) if name else None
            one.pointer = one.pointer if found is None else json_pointer(*found)
    return problem


async def broken_rule(
    error: IntegrityError,
    data: Sequence[Any] = (),
    model: type[Model] | None = None,
    request: Request | None = None,
) -> ProblemResponse:
    """Return the answer to a rule of the database that was broken; the arguments are those of ``answer``."""
    return _told(await _broken_rule(error, data, model), request)


def _told(problem: Problem, request: Request | None) -> ProblemResponse:
    if request is not None and request.request_id is not None:
        problem.extra = {**problem.extra, "request_id": request.request_id}
    return ProblemResponse(problem)


def roll_back() -> None:
    """Undo what the request wrote, where it runs in one transaction: the error ends here and never reaches that."""
    for alias, config in settings.DATABASES.items():
        # A view may do without the transaction of its request.
        if config.atomic_requests and connections[alias].in_atomic_block:
            transaction.set_rollback(True, using=alias)


async def _broken_rule(error: IntegrityError, data: Sequence[Any], model: type[Model] | None) -> Problem:
    at = rules.located(error)
    place: rules.Place = ()
    if at is not None:
        place, data, model = at.place, (at.data,), at.model
    models = (*(found for one in data for found in rules.models_in(one)), model)
    names = rules.broken_fields(error, models)
    is_known = bool(names)
    if not names:  # a handler that wrote a model of which its schemas say nothing
        models = (*models, rules.written_model(error))
        names = rules.broken_fields(error, models)
    places = {name: found for name in names if (found := rules.place_of(name, data)) is not None}
    if is_known and not places:
        places = {name: (name,) for name in names}
    pointers = {name: json_pointer(*place, *found) for name, found in places.items()}
    # What the constraint itself says of a row that breaks it.
    rule = rules.broken_constraint(error, models, names)
    said = rule.get_violation_error_message() if rule is not None and rule.has_own_message else ""
    code = (rule.violation_error_code or "") if rule is not None else ""
    if isinstance(error, UniqueViolation):
        taken = "Something with these values exists already."
        text = said or _taken(names)
        errors = [ProblemError(text, pointer=pointer, code=code or "unique") for pointer in pointers.values()]
        if not errors and place:
            errors = [ProblemError(said or taken, json_pointer(*place), code=code or "unique")]
        return Problem(409, detail=said or taken, errors=errors, type="#unique")
    if isinstance(error, ForeignKeyViolation):
        return await _dangling(names, data, place)
    if isinstance(error, NotNullViolation):
        errors = [ProblemError("This value is required.", pointer=one, code="null") for one in pointers.values()]
        return Problem(422, detail=_DETAIL, errors=errors, type="#invalid-values")
    if isinstance(error, CheckViolation):
        text = said or "This value breaks a rule of the database."
        # Databases name the rule and no columns; what it compares says the rule itself.
        told = pointers or _compared(rule, data, place)
        errors = [ProblemError(text, pointer, code=code or "check") for pointer in told.values()]
        named = gettext("The values break the rule '%(name)s'.") % {"name": error.constraint}
        detail = said or (named if error.constraint else "The values break the rule.")
        return Problem(422, detail=detail, errors=errors, type="#invalid-values")
    if isinstance(error, (ProtectedError, RestrictedError)):
        return Problem(409, detail="Other rows still point at this one, so it stays.", type="#protected")
    # Rules that only one database has.
    detail = said or "This does not fit with what is there."
    errors = []
    if isinstance(error, ExclusionViolation):
        compared = getattr(rule, "compared_fields", ())
        errors = [ProblemError(detail, json_pointer(*place, name), code=code or "exclusion") for name in compared]
    return Problem(409, detail=detail, errors=errors, type="#conflict")


def _compared(rule: Any, data: Sequence[Any], place: rules.Place) -> dict[str, str]:
    """Return pointers to what a rule compares and the client sent, by field."""
    read = {name.partition("__")[0] for name in getattr(rule, "referenced_fields", ())}
    return {
        name: json_pointer(*place, *found)
        for name in sorted(read)
        if any(not isinstance(one, BaseModel) or {name, f"{name}_id"} & one.model_fields_set for one in data)
        and (found := rules.place_of(name, data)) is not None
    }


def _taken(names: Sequence[str]) -> str:
    """Say of which fields the values are taken, in the visitor's language."""
    if len(names) == 1:
        return gettext("This %(name)s is taken already.") % {"name": names[0]}
    listed = names[0] if names else ""
    for name in names[1:]:
        listed = gettext("%(first)s and %(last)s") % {"first": listed, "last": name}
    return gettext("This combination of %(names)s is taken already.") % {"names": listed}


async def _dangling(names: Sequence[str], data: Sequence[Any], place: rules.Place) -> Problem:
    keys = [key for schema in data for key in rules.keys_in(schema)]
    if not keys:
        return Problem(409, detail="Other rows still point at this one, so it stays.", type="#protected")
    errors = [
        ProblemError(one.detail, pointer=json_pointer(*place, *one.place), code="foreign_key")
        for one in await rules.dangling(names, keys)
    ]
    return Problem(422, detail="A key points at nothing.", errors=errors, type="#unknown-key")


class ResponseMismatch(CovetError):
    """What a handler returned does not fit the schema of its answer: a fault of the server, so a 500."""


def mismatch(schema: Any, error: PydanticError) -> ResponseMismatch:
    """Return the error for what a handler returned and its answer's schema does not take."""
    item = get_args(schema)[0] if get_origin(schema) is list else None
    name = getattr(schema, "__name__", str(schema)) if item is None else f"list[{getattr(item, '__name__', item)}]"
    wrong = "; ".join(
        f"{'.'.join(map(str, one['loc'])) or 'value'}: {one['msg'].removesuffix('.')}"
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    )
    return ResponseMismatch(f"The handler's value does not fit the answer's schema {name}: {wrong}.")
