"""Links of the document: from the answer that shows a row of a viewset to what can be done with that row next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from covet.rest.annotations import page_kind
from covet.rest.endpoint import Compiled
from covet.rest.fieldchoice import item_schema, wires_of
from covet.rest.render import UNSET
from covet.rest.resources import ViewSet

__all__ = ["Links"]

_DETAILS: Final = ("read", "update", "patch", "delete")


class Links:
    """Finds the links of operations: ``create`` to the other methods of the row by its key, these to one another.

    Args:
        endpoints: The endpoints of the document, with the ids of their operations.
    """

    def __init__(self, endpoints: Iterable[tuple[Compiled, str]]) -> None:
        # The same router may be mounted twice: a row is at the addresses below the one where it was made.
        self._known: dict[tuple[str, str], dict[str, str]] = {}
        for compiled, operation_id in endpoints:
            name = _method(compiled)
            if name in _DETAILS:
                # Of two at one address the first answers, and the document has no other.
                self._known.setdefault(_place(compiled, compiled.path), {}).setdefault(name, operation_id)

    def of(self, compiled: Compiled) -> Mapping[str, Any]:
        """Return the links of an endpoint's answer by name; none where it is no method of a viewset that shows a row."""
        name = _method(compiled)
        argument = _argument(compiled) if name else ""
        if name == "create":
            key = _key_wire(compiled)
            if key is None:
                return {}
            base, slash = compiled.path.rstrip("/"), "/" if compiled.path.endswith("/") else ""
            found = self._known.get(_place(compiled, f"{base}/{{{argument}}}{slash}"), {})
            source = f"$response.body#/{key}"
        elif name in _DETAILS and name != "delete":
            found = self._known[_place(compiled, compiled.path)]
            source = f"$request.path.{argument}"
        else:
            return {}
        return {
            other: {"operationId": operation_id, "parameters": {argument: source}}
            for other, operation_id in found.items()
            if other != name
        }


def _method(compiled: Compiled) -> str:
    """Return which usual method of a viewset an endpoint is; an empty text for anything else."""
    handler = compiled.endpoint.handler
    viewset = getattr(handler, "__self__", None)
    if not isinstance(viewset, ViewSet) or hasattr(handler, "__covet_action__"):
        return ""
    name: str = handler.__name__
    return name if name == "create" or viewset.lookup_argument() in compiled.converters else ""


def _argument(compiled: Compiled) -> str:
    """Return what the argument of the path is called by which a viewset finds a row."""
    viewset: Any = compiled.endpoint.handler.__self__  # type: ignore[attr-defined]  # a method of a viewset
    argument: str = viewset.lookup_argument()
    return argument


def _place(compiled: Compiled, path: str) -> tuple[str, str]:
    return compiled.version.name if compiled.version else "", path


def _key_wire(compiled: Compiled) -> str | None:
    """Return the member of the answer that names the row in its address; None where it does not show it."""
    shown = compiled.plan.schema
    schema = None if shown is None or shown is UNSET or page_kind(shown) is not None else item_schema(shown)
    viewset: Any = compiled.endpoint.handler.__self__  # type: ignore[attr-defined]  # asked before
    if schema is None or viewset.model is None:
        return None
    field = viewset.key_field()
    names = {viewset.lookup_field, field.name, field.attname}
    return next((wire for wire, name in wires_of(schema).items() if name in names), None)
