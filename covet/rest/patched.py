"""PATCH of a viewset by JSON Patch or Merge Patch: the patch is done to what a GET shows, and what it changed is the body.

So a patch goes the way of any other body: the same schema reads it, and the same guards hold for keys and fields that nobody
may change. Whatever is written meanwhile makes it a conflict, as the patch was made for another state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from covet import json
from covet.accel import duplicate_key
from covet.http.errors import BadRequest, duplicate_key_refused
from covet.problems import ProblemError, json_pointer
from covet.rest.bodies import JSON_PATCH, check_numbers
from covet.rest.errors import invalid
from covet.rest.patches import JsonPatch, apply_steps, equal, merged, read_typed

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
        Conflict: It does not fit the row.
        UnprocessableContent: It is no such patch, or changes what nobody may.
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
    except RecursionError as error:
        raise BadRequest("The patch nests too deeply.") from error
    return json.dumps({name: after.get(name) for name in merge})


async def _shown(viewset: ModelViewSet, request: Request, params: dict[str, Any]) -> Any:
    """Return what a GET of the row shows; the write will see that it is still so."""
    instance = await viewset.get_object(request, params["pk"])
    body = await viewset.shown_whole(request, instance)
    request.state.patched_from = body
    return json.loads(body)


def _changes(viewset: ModelViewSet, before: dict[str, Any], after: Any) -> dict[str, Any]:
    """Return the members that are others than before; null for those that are gone."""
    if not isinstance(after, dict):
        raise invalid([ProblemError("The patch leaves no object.", pointer="", code="no_object")])
    body = {name: value for name, value in after.items() if name not in before or not equal(before[name], value)}
    body.update({name: None for name in before if name not in after})
    errors = [
        ProblemError("This is read only.", pointer=json_pointer(name), code="read_only")
        for name in body
        if name in before and _is_read_only(viewset.patch_input, name)
    ]
    if errors:
        raise invalid(errors)
    return body


def _is_read_only(schema: Any, wire: str) -> bool:
    """Whether a schema has no such member, or one that would be left aside."""
    if not (isinstance(schema, type) and issubclass(schema, BaseModel)):
        return False
    origins = getattr(schema, "__covet_fields__", {})
    for name, info in schema.model_fields.items():
        if wire in (name, info.alias):
            field = origins.get(name)
            return field is not None and not (field.editable or field.primary_key)
    return True
