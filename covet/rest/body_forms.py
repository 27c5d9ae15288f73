"""The lines of an endpoint's code that make JSON of a body, whatever its form, or refuse a form that nobody reads here."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_origin

from covet.loading import late_module
from covet.rest.annotations import split
from covet.rest.bodies import PATCH_KINDS, check_json, check_kind
from covet.rest.formats.base import JSON, Formats

if TYPE_CHECKING:
    from covet.rest.formats import negotiate
else:
    negotiate = late_module(__name__, "covet.rest.formats.negotiate")

__all__ = ["form_lines"]


def form_lines(
    body: Any, formats: Formats, patches: Callable[..., Any] | None
) -> tuple[list[str], dict[str, Any], bool]:
    """Return the lines, what the names in them are, and whether ``loose`` may be true: the body has texts only.

    Args:
        body: The type of the body; one with ``media_types`` is read of these alone.
        formats: The forms that the endpoint reads.
        patches: Makes the body of a patch, where the endpoint takes such.
    """
    kinds = getattr(body, "media_types", None)
    if kinds is not None:
        return ["check_kind(request)"], {"check_kind": functools.partial(check_kind, kinds)}, False
    names: dict[str, Any]
    is_list = get_origin(split(body)[0]) is list
    if any(one.read is not None and one is not JSON for one in formats):
        line, names = "raw, loose = read_body(request, raw)", {}
        names["read_body"] = functools.partial(negotiate.read_body, formats, is_list)
    else:
        check = functools.partial(check_json, is_list=True) if is_list else check_json
        line, names = "check_json(request)", {"check_json": check}
    loose = any(one.is_loose for one in formats)
    if patches is None:
        return [line], names, loose
    lines = [
        "loose = False",
        "if request.content_type in PATCHES:",
        "    raw = await patched(request, params, raw)",
        "else:",
        f"    {line}",
    ]
    return lines, {**names, "PATCHES": PATCH_KINDS, "patched": patches}, loose
