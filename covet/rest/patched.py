"""PATCH of a viewset by JSON Patch or Merge Patch: the patch is done to what a GET shows, and what it changed is the body.

So a patch goes the way of any other body: the same schema reads it, and the same guards hold for keys and fields that nobody
may change. Whatever is written meanwhile makes it a conflict, as the patch was made for another state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from covet import json
from covet.accel import duplicate_key
from covet.http.errors import BadRequest, duplicate_key_refused
from covet.problems import ProblemError, json_pointer
from covet.rest.bodies import JSON_PATCH, check_numbers
from covet.rest.patches import JsonPatch, apply_steps, equal, merged, misplaced, read_typed
from covet.schema.field_types import is_written
from covet.text import suggest

if TYPE_CHECKING:
    from covet.http.request import Request
    from covet.rest.viewsets import ModelViewSet

__all__ = ["body_of_patch"]


async def body_of_patch(viewset: ModelViewSet, request: Request, params: dict[str, Any], raw: bytes) -> bytes:
    """Return the body that a PATCH with these changes would have.

    Args:
        viewset: The viewset.
        request: The request, whose content type says which kind of patch it is.
        params: What the path gives.
        raw: The patch.

    Raises:
        BadRequest: It is no JSON, or too much.
        Conflict: It does not fit the row, or changes what nobody may.
        UnprocessableContent: It is no such patch.
    """
    check_numbers(raw)
    if (twice := duplicate_key(raw)) is not None:
        raise duplicate_key_refused(twice)
    try:
        if request.content_type == JSON_PATCH:
            patch = read_typed(JsonPatch, raw)
            before = await _shown(viewset, request, params)
            return json.dumps(_changes(viewset, before, apply_steps(before, patch.root)))
        merge = json.loads(raw)
        if not isinstance(merge, dict) or not any(isinstance(value, dict) for value in merge.values()):
            return raw  # nothing in it is merged with anything
        before = await _shown(viewset, request, params)
        after = merged(before, merge)
        return json.dumps({name: after.get(name) for name in merge})
    except RecursionError as error:
        raise BadRequest("The patch nests too deeply.") from error


async def _shown(viewset: ModelViewSet, request: Request, params: dict[str, Any]) -> Any:
    """Return what a GET of the row shows; the write will see that it is still so."""
    instance = await viewset.get_object(request, params[viewset.lookup_argument()])
    body = await viewset.shown_whole(request, instance)
    request.state.patched_from = body
    return json.loads(body)


def _changes(viewset: ModelViewSet, before: dict[str, Any], after: Any) -> dict[str, Any]:
    """Return the members that are others than before; null for those that are gone.

    Raises:
        Conflict: The row has no such shape. Whether the values fit is for the schema to say.
    """
    if not isinstance(after, dict):
        raise misplaced([ProblemError("The patch leaves no object.", pointer="", code="no_object")])
    body = {name: value for name, value in after.items() if name not in before or not equal(before[name], value)}
    body.update({name: None for name in before if name not in after})
    taken = _members(viewset.patch_input)
    if taken is not None:
        errors = [wrong for name in body if (wrong := _wrong(name, taken, before, after)) is not None]
        if errors:
            raise misplaced(errors)
    return body


def _wrong(name: str, taken: dict[str, bool], before: Any, after: Any) -> ProblemError | None:
    """Return what is wrong with a change of a member, whatever its new value is."""
    pointer = json_pointer(name)
    if name not in taken:
        if name in before:
            return ProblemError("This is read only.", pointer=pointer, code="read_only")
        near = suggest(name, taken)
        hint = f"Did you mean {near!r}?" if near else f"It has: {', '.join(taken)}."
        return ProblemError(f"There is no member {name!r}. {hint}", pointer=pointer, code="unknown_member")
    if name not in after and not taken[name]:
        return ProblemError("This cannot be taken away.", pointer=pointer, code="required")
    return None


def _members(schema: Any) -> dict[str, bool] | None:
    """Return what a body may change, by its name in JSON, and whether it may be null; None where only the schema knows."""
    if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
        return None
    origins = getattr(schema, "__covet_fields__", {})
    read_only = getattr(schema, "__covet_read_only__", ())
    taken: dict[str, bool] = {}
    for name, info in schema.model_fields.items():
        field = origins.get(name)
        if name in read_only or (field is not None and not is_written(field)):
            continue  # a body may bring it, and it is left aside
        is_anything = info.annotation is Any and not info.metadata
        taken[info.alias or name] = is_anything or type(None) in get_args(info.annotation)
    return taken
