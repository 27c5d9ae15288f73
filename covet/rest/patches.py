"""JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7396): types of bodies, and what they make of a document.

Documents are plain values, as JSON has them. Nothing of a document that was given is changed; a patch that fails has changed
nothing at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, RootModel
from pydantic import ValidationError as PydanticError

from covet import json
from covet.http.errors import BadRequest, Conflict
from covet.problems import ProblemError, json_pointer
from covet.rest.bodies import JSON_PATCH, MERGE_PATCH
from covet.rest.errors import body_errors, invalid

__all__ = ["JsonPatch", "MergePatch", "apply_steps", "equal", "merged", "misplaced", "read_typed"]

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

MAX_STEPS: Final = 1000
"""How many operations a patch may have."""
MAX_COPIED: Final = 1_000_000
"""How much ``copy`` may add to a document: values, and characters of texts. Copies of copies grow without end."""
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,17}")

Pointer = Annotated[
    str,
    Field(
        pattern=r"^(/([^/~]|~[01])*)*$",
        description="A JSON Pointer (RFC 6901).",
        json_schema_extra={"format": "json-pointer"},
    ),
]


class _Step(BaseModel):
    # RFC 6902, 4: members that an operation does not know are left aside.
    model_config = ConfigDict(extra="ignore")

    path: Pointer


class AddOperation(_Step):
    """Puts a value at a place: a new member, or an item before the one that is there; ``-`` is behind the last."""

    op: Literal["add"]
    value: Any


class RemoveOperation(_Step):
    """Takes away what is at a place."""

    op: Literal["remove"]


class ReplaceOperation(_Step):
    """Puts a value in the place of the one that is there."""

    op: Literal["replace"]
    value: Any


class MoveOperation(_Step):
    """Takes what is at one place to another."""

    op: Literal["move"]
    source: Pointer = Field(alias="from")


class CopyOperation(_Step):
    """Puts what is at one place at another one, too."""

    op: Literal["copy"]
    source: Pointer = Field(alias="from")


class TestOperation(_Step):
    """Holds if there is such a value at a place; if not, nothing of the patch is done."""

    __test__: ClassVar[bool] = False  # no test of pytest's
    op: Literal["test"]
    value: Any


Operation = Annotated[
    AddOperation | RemoveOperation | ReplaceOperation | MoveOperation | CopyOperation | TestOperation,
    Field(discriminator="op"),
]


class JsonPatch(RootModel[Annotated[list[Operation], Field(max_length=MAX_STEPS)]]):
    """A body of ``application/json-patch+json``: operations, done in their order, all or none.

    ```python
    from covet.rest import JsonPatch

    patch = JsonPatch.model_validate([{"op": "add", "path": "/tags/-", "value": "new"}])
    assert patch.apply({"tags": ["old"]}) == {"tags": ["old", "new"]}
    ```
    """

    media_types: ClassVar[tuple[str, ...]] = (JSON_PATCH,)

    def apply(self, document: T) -> T:
        """Return what the patch makes of a document.

        Args:
            document: Plain values, which stay as they are; or a schema, of which another one is made.

        Raises:
            Conflict: A place is not there, or a test does not hold; its pointer leads to the operation.
            UnprocessableContent: The result is none that the schema takes.
        """
        made: T = _through(document, lambda value: apply_steps(value, self.root))
        return made


class MergePatch(RootModel[Any]):
    """A body of ``application/merge-patch+json``: members to set, null for those to take away.

    ```python
    from covet.rest import MergePatch

    patch = MergePatch({"title": "new", "author": {"email": None}})
    assert patch.apply({"title": "old", "author": {"name": "Ann", "email": "a@b.c"}}) == {"title": "new", "author": {"name": "Ann"}}
    ```
    """

    media_types: ClassVar[tuple[str, ...]] = (MERGE_PATCH,)

    def apply(self, document: T) -> T:
        """Return what the patch makes of a document.

        Args:
            document: Plain values, which stay as they are; or a schema, of which another one is made.

        Raises:
            UnprocessableContent: The result is none that the schema takes.
        """
        made: T = _through(document, lambda value: merged(value, self.root))
        return made


def _through(document: Any, change: Any) -> Any:
    is_typed = isinstance(document, BaseModel)
    try:
        made = change(json.loads(document.model_dump_json(by_alias=True)) if is_typed else document)
        return read_typed(type(document), json.dumps(made)) if is_typed else made
    except RecursionError as error:
        raise BadRequest("The patch nests too deeply.") from error


def read_typed(kind: type[M], raw: bytes) -> M:
    """Return JSON as a schema.

    Raises:
        UnprocessableContent: It does not fit.
        BadRequest: It is no JSON.
    """
    try:
        return kind.model_validate_json(raw)
    except PydanticError as error:
        errors: list[ProblemError] = []
        body_errors(errors, error, kind, raw)
        raise invalid(errors) from error


def merged(document: Any, patch: Any) -> Any:
    """Return a document with a merge patch in it (RFC 7396, 2)."""
    if not isinstance(patch, dict):
        return patch
    made = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = merged(made.get(name), value)
    return made


def apply_steps(document: Any, steps: Sequence[Any]) -> Any:
    """Return a document with a patch's operations done.

    Args:
        document: Plain values; they stay as they are.
        steps: The operations.

    Raises:
        Conflict: One cannot be done.
        BadRequest: A value nests too deeply, or copies grow without end.
    """
    # A list holds the document, so that the document itself is at a place like any other.
    root = [_copied(document)]
    left = MAX_COPIED
    for number, step in enumerate(steps):
        try:
            if step.op == "copy":
                value = _at(root, step.source)
                left -= _weight(value, left)
                _add(root, step.path, _copied(value))
            else:
                _DONE[step.op](root, step)
        except _Misplaced as error:
            pointer = json_pointer(number, error.member)
            wrong = ProblemError(str(error), pointer=pointer, code=error.code)
            raise misplaced([wrong]) from error
    return root[0]


def misplaced(errors: Sequence[ProblemError]) -> Conflict:
    """Return the error for a patch that the document has no place for (RFC 5789, 2.2): 409."""
    return Conflict("The patch does not fit with what is there.", errors=errors, type="#conflict")


class _Misplaced(Exception):
    def __init__(self, text: str, member: str = "path", code: str = "no_such_place") -> None:
        super().__init__(text)
        self.member = member
        self.code = code


def _tokens(pointer: str) -> list[str]:
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def _place(root: list[Any], pointer: str, member: str = "path") -> tuple[Any, Any]:
    """Return what holds the place that a pointer leads to, and the last step to it."""
    holder: Any = root
    step: Any = 0
    for token in _tokens(pointer):
        holder, step = _held(holder, step, pointer, member), token
    return holder, step


def _held(holder: Any, step: Any, pointer: str, member: str = "path") -> Any:
    """Return what is one step below a holder."""
    if isinstance(holder, dict) and step in holder:
        return holder[step]
    if isinstance(holder, list):
        index = _index(step)
        if index is not None and index < len(holder):
            return holder[index]
    raise _Misplaced(f"There is nothing at {pointer!r}.", member)


def _index(token: Any) -> int | None:
    if isinstance(token, int):
        return token
    return int(token) if _INDEX.fullmatch(token) else None


def _at(root: list[Any], pointer: str) -> Any:
    return _held(*_place(root, pointer, "from"), pointer, "from")


def _add(root: list[Any], pointer: str, value: Any) -> None:
    if not pointer:
        root[0] = value
        return
    holder, step = _place(root, pointer)
    if isinstance(holder, dict):
        holder[step] = value
        return
    if isinstance(holder, list):
        index = len(holder) if step == "-" else _index(step)
        if index is not None and index <= len(holder):
            holder.insert(index, value)
            return
    raise _Misplaced(f"Nothing can be added at {pointer!r}.")


def _take(root: list[Any], pointer: str, member: str = "path") -> Any:
    holder, step = _place(root, pointer, member)
    value = _held(holder, step, pointer, member)
    if holder is root:
        root[0] = None
    elif isinstance(holder, dict):
        del holder[step]
    else:
        del holder[int(step)]
    return value


def _do_add(root: list[Any], step: Any) -> None:
    _add(root, step.path, _copied(step.value))


def _do_remove(root: list[Any], step: Any) -> None:
    _take(root, step.path)


def _do_replace(root: list[Any], step: Any) -> None:
    holder, last = _place(root, step.path)
    _held(holder, last, step.path)
    holder[last if isinstance(holder, dict) else int(last)] = _copied(step.value)


def _do_move(root: list[Any], step: Any) -> None:
    if step.path == step.source:
        _at(root, step.source)
        return
    if step.path.startswith(f"{step.source}/"):
        raise _Misplaced("Nothing can be moved into itself.", "path", "into_itself")
    _add(root, step.path, _take(root, step.source, "from"))


def _do_test(root: list[Any], step: Any) -> None:
    found = _held(*_place(root, step.path), step.path)
    if not equal(found, step.value):
        raise _Misplaced(f"Another value is at {step.path!r}.", "value", "test_failed")


_DONE: Final = {"add": _do_add, "remove": _do_remove, "replace": _do_replace, "move": _do_move, "test": _do_test}


def equal(one: Any, other: Any) -> bool:
    """Return whether two values are the same in JSON (RFC 6902, 4.6): 1 is 1.0, and neither is true."""
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(equal(value, other[name]) for name, value in one.items())
        )
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def _copied(value: Any) -> Any:
    """Return a copy, so that no operation changes what another one, or whoever called, holds as well."""
    if isinstance(value, dict):
        return {name: _copied(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_copied(inner) for inner in value]
    return value


def _weight(value: Any, most: int) -> int:
    """Return how much a value is.

    Raises:
        BadRequest: More than may still be copied.
    """
    total, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        total += 1
        if isinstance(one, str):
            total += len(one)
        elif isinstance(one, dict):
            total += sum(map(len, one))
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
        if total > most:
            raise BadRequest("The patch copies more than is taken.")
    return total
