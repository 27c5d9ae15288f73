"""What a handler returns, as the bytes of its answer: chosen per endpoint at start-up, by the answer's schema.

Models and querysets take the shortest way their schema allows: rows to bytes, attributes to bytes, or pydantic.
"""

from __future__ import annotations

import contextlib
import datetime
import inspect
import logging
import types
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias, Union, get_args, get_origin

import msgspec
from msgspec import Struct
from pydantic import BaseModel, TypeAdapter
from pydantic import ValidationError as PydanticError
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from covet import json
from covet.db.models.base import Model
from covet.db.models.manager import BaseManager
from covet.db.models.query.queryset import QuerySet
from covet.exceptions import ImproperlyConfigured
from covet.http.request import Request
from covet.http.response import Response
from covet.loading import late_module
from covet.problems import Problem
from covet.rest.annotations import page_item, page_kind
from covet.rest.structs import StructList, struct_writer
from covet.schema import OUTPUT, Needs, Projection, Schema, Writer, needs, projection
from covet.schema.structs import is_struct

if TYPE_CHECKING:
    from covet.db.models.query import prefetch
    from covet.rest import errors as failures
    from covet.rest import paged, unmeant
    from covet.rest import rows as row_texts
    from covet.rest.pagination import AnyRequest
    from covet.schema import loading
else:
    prefetch = late_module(__name__, "covet.db.models.query.prefetch")
    loading = late_module(__name__, "covet.schema.loading")
    failures = late_module(__name__, "covet.rest.errors", "failures")
    paged = late_module(__name__, "covet.rest.paged")
    unmeant = late_module(__name__, "covet.rest.unmeant")
    row_texts = late_module(__name__, "covet.rest.rows", "row_texts")

__all__ = ["UNSET", "Plan", "Render", "plan_response"]

log = logging.getLogger("covet.rest")

Render: TypeAlias = "Callable[[Any], bytes] | Callable[[Request, Any, AnyRequest | None], Awaitable[bytes]]"


class _Unset:
    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = _Unset()
"""No ``response=`` was given: the return annotation is the schema."""

# What msgspec and pydantic write alike, and what no schema says more about.
_ALL: Final[Mapping[str, bool]] = {}
_PLAIN: Final = (str, int, float, bool, type(None), datetime.date, datetime.time)


class Plan(Struct, frozen=True):
    """How an endpoint's answers are written.

    Attributes:
        schema: The annotation of the answer, for OpenAPI; ``UNSET`` where nothing is known, None for no body.
        render: What writes it; a plain function of the value, or a coroutine function (see ``is_async``).
        is_async: Whether ``render`` may read from the database.
        page: How the answer is cut: ``Page``, ``OffsetPage``, ``CursorPage``, or not.
        model: The model that the answer shows.
        projection: How rows go to JSON directly, where the schema allows it.
    """

    schema: Any
    render: Any
    is_async: bool = False
    page: Any = None
    model: type[Model] | None = None
    projection: Projection | None = None

    @property
    def is_untyped(self) -> bool:
        """Whether a value is written by what it is, with no schema to hold it to: by ``encode_any`` and ``write_odd``."""
        return self.render is _write_any

    @property
    def usual(self) -> Any:
        """The class that most values have."""
        kind = get_origin(self.schema) or self.schema
        return kind if isinstance(kind, type) else dict

    @property
    def short(self) -> Callable[[Any], bytes | None] | None:
        """What writes values of the usual class that need neither reading nor checking, and has None for others, if any."""
        return getattr(getattr(self.render, "__self__", None), "short", None)

    @property
    def lines(self) -> list[str]:
        """The Python that makes ``written`` of ``result``; ``Binding.answering`` has the names in it."""
        if self.is_untyped:  # as ``render`` does it, by a call less
            return [
                "try:",
                "    written = ENCODE(result)",
                "except UNWRITTEN as error:",
                "    written = WRITE_ODD(result, error)",
            ]
        written = f"written = {'await RENDER(request, result, None)' if self.is_async else 'RENDER(result)'}"
        if self.short is None:
            return [written]
        # Most handlers give what they say they give: then nothing is to be read, and no coroutine is made for it.
        return ["written = SHORT(result) if type(result) is USUAL else None", "if written is None:", f"    {written}"]


def plan_response(response: Any, returns: Any, where: str, omit: Mapping[str, bool] = _ALL) -> Plan:
    """Choose how answers are written.

    Args:
        response: What ``response=`` says, or ``UNSET``.
        returns: The handler's return annotation.
        where: The handler's name, for messages.
        omit: What pydantic leaves out: ``{"exclude_unset": True}``.

    Raises:
        ImproperlyConfigured: The handler returns models and no schema says how they are shown, or nothing can be left out.
    """
    annotation = response
    if response is UNSET:
        if returns is inspect.Signature.empty:
            return Plan(UNSET, _write_any)
        bare = _bare(returns)
        if _is_rows(bare):
            raise ImproperlyConfigured(
                f"{where} returns {getattr(bare, '__name__', bare)}: say which fields the answer shows, by "
                "response=ArticleOut (one), response=list[ArticleOut] or response=Page[ArticleOut]."
            )
        annotation = returns
    if annotation is Problem:
        raise ImproperlyConfigured(
            f"{where} answers with a Problem, which is a body and no answer: write -> ProblemResponse, and return "
            "ProblemResponse(problem); or raise an error such as Conflict(…)."
        )
    if isinstance(annotation, dict):
        # By status: the first of the 2xx is what the handler returns; the others are for the documentation.
        annotation = next((schema for status, schema in annotation.items() if 200 <= int(status) < 300), None)
    if annotation is None or annotation is type(None):
        own = any(map(_is_response, get_args(returns) or (returns,)))
        return Plan(UNSET, _write_any) if own else Plan(None, _write_nothing)
    try:
        return _plan(annotation, omit)
    except PydanticUserError as error:
        kind = getattr(annotation, "__name__", annotation)
        said = "returns" if response is UNSET else "has response="
        raise ImproperlyConfigured(
            f"{where} {said} {kind}, which cannot be written as JSON: {error.message.splitlines()[0]} Say by response= "
            "which schema the answer has, or return a Response."
        ) from error


def _plan(annotation: Any, omit: Mapping[str, bool]) -> Plan:
    bare = _bare(annotation)
    if get_origin(bare) in (Union, types.UnionType):
        # A Response among the alternatives goes as it is; the schema is what remains.
        rest = [one for one in get_args(bare) if not _is_response(one)]
        if len(rest) < len(get_args(bare)):
            annotation = Union[tuple(rest)] if rest else Response  # noqa: UP007  of a tuple
            bare = _bare(annotation)
    if _is_response(bare):
        return Plan(UNSET, _write_any)
    item = page_item(bare)
    if item is not None:
        many: Any = StructList(_bare(item)) if is_struct(item) else _Many(item, omit)
        return Plan(
            bare,
            paged.paged(many, bare),
            is_async=True,
            page=page_kind(bare),
            model=many.model,
            projection=many.projection,
        )
    if is_struct(annotation):
        if omit:
            raise ImproperlyConfigured(f"{bare} is a struct, which says itself what is left out: omit_defaults=True.")
        return _plan_structs(annotation, bare)
    if isinstance(bare, type) and issubclass(bare, BaseModel):
        one = _One(bare, omit)
        return Plan(annotation, one.write, is_async=True, model=one.model, projection=one.projection)
    inner = _single(bare)
    if isinstance(inner, type) and issubclass(inner, BaseModel):  # ArticleOut | None
        one = _One(inner, omit, or_none=True)
        return Plan(annotation, one.write, is_async=True, model=one.model, projection=one.projection)
    if get_origin(bare) in (list, Iterable, set, frozenset):
        item = _bare(get_args(bare)[0])
        if isinstance(item, type) and issubclass(item, BaseModel):
            many = _Many(item, omit)
            return Plan(annotation, many.write, is_async=True, model=many.model, projection=many.projection)
    if _is_plain(bare):
        return Plan(annotation, _write_any)
    return Plan(annotation, _typed(annotation, omit))


def _plan_structs(annotation: Any, bare: Any) -> Plan:
    if get_origin(bare) is list:
        return Plan(annotation, StructList(get_args(bare)[0]).write, is_async=True)
    return Plan(annotation, struct_writer(annotation))


def _is_response(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Response)


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _single(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [argument for argument in get_args(annotation) if argument is not type(None)]
        return _bare(inner[0]) if len(inner) == 1 else None
    return None


def _is_rows(annotation: Any) -> bool:
    """Whether an annotation is a model, a queryset, or a list or optional of models."""
    origin = get_origin(annotation) or annotation
    if isinstance(origin, type) and issubclass(origin, (Model, QuerySet)):
        return True
    return any(_is_rows(_bare(argument)) for argument in get_args(annotation))


def _is_plain(annotation: Any) -> bool:
    if annotation is Any or annotation is object or annotation in (dict, list):
        return True
    origin = get_origin(annotation)
    if origin in (dict, list, Union, types.UnionType):
        return all(_is_plain(_bare(argument)) for argument in get_args(annotation))
    return isinstance(annotation, type) and annotation in _PLAIN


def _write_nothing(value: Any) -> bytes:
    return b""


def _encode_other(value: Any) -> Any:
    try:
        return json.encode_other(value)
    except TypeError:
        # Asked for this value alone: a generator beside it gives its items once.
        return to_jsonable_python(value, bytes_mode="base64", by_alias=True)


encode_any: Final = msgspec.json.Encoder(enc_hook=_encode_other).encode
"""Writes a value that no schema says more about: by msgspec, and what that does not know by pydantic."""
UNWRITTEN: Final = (TypeError, RecursionError, PydanticSerializationError)
"""What ``encode_any`` raises; the second for keys that are sequences, and for what holds itself."""


def write_odd(value: Any, refused: Exception) -> bytes:
    """Write what ``encode_any`` refused, if only for the keys of a mapping.

    Raises:
        ResponseMismatch: There is no way to write it.
    """
    unmeant.refuse(value)
    if not isinstance(value, Iterator):  # which is at its end by now
        if not isinstance(refused, PydanticSerializationError):  # which a value that nobody can write has raised
            unmeant.refuse_spent(value, refused)
        with contextlib.suppress(PydanticSerializationError):
            return to_json(value, bytes_mode="base64", by_alias=True)
    unmeant.refuse_inside(value)
    raise failures.ResponseMismatch(
        f"The handler returned {type(value).__name__}, which cannot be written as JSON: {refused}. Say by response=… "
        "which schema the answer has."
    ) from refused


def _write_any(value: Any) -> bytes:
    try:
        return encode_any(value)
    except UNWRITTEN as error:
        return write_odd(value, error)


def _typed(annotation: Any, omit: Mapping[str, Any]) -> Callable[[Any], bytes]:
    """Return what writes values of any other type, such as a dataclass: checked against it, then written by it."""
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    item = next(iter(get_args(annotation)), None)

    def write(value: Any) -> bytes:
        if isinstance(value, QuerySet) and not value.gives_instances:  # one that was read: it is a list by then
            unmeant.refuse_left_out(value, item, omit)
        try:
            checked = adapter.validate_python(value, from_attributes=True, context=OUTPUT)
        except PydanticError as error:
            unmeant.refuse(value)
            raise failures.mismatch(annotation, error) from error
        return adapter.dump_json(checked, by_alias=True, **omit)

    return write


_NO_ROWS: Final = (QuerySet, BaseManager, BaseException, Problem, type)


class _Omitting:
    """Writes values of a schema without what was not set, is a default, or is None; as ``Writer`` does all of them."""

    def __init__(self, schema: Any, omit: Mapping[str, Any]) -> None:
        self._one: TypeAdapter[Any] = TypeAdapter(schema)
        self._many: TypeAdapter[Any] = TypeAdapter(list[schema])
        self._omit = omit

    short_one: None = None
    short_many: None = None

    def one(self, value: BaseModel) -> bytes:
        """Return one value as JSON."""
        return self._one.dump_json(value, by_alias=True, **self._omit)

    def many(self, values: Sequence[BaseModel]) -> bytes:
        """Return a list of values as JSON."""
        return self._many.dump_json(list(values), by_alias=True, **self._omit)


class _Source:
    """How instances and rows of one schema are read; shared by single values, lists and pages."""

    def __init__(self, schema: type[BaseModel], omit: Mapping[str, bool]) -> None:
        self.schema = schema
        self.model: type[Model] | None = getattr(schema, "__covet_model__", None)
        self._is_whole = not omit
        self.projection = projection(schema) if self.model is not None and not omit else None
        # A schema that is no ModelSchema may still be shown any model's rows; found when it first is.
        self._others: dict[type[Model], tuple[Projection | None, Needs]] = {}
        self.writer: Writer | _Omitting = _Omitting(schema, omit) if omit else Writer(schema)

    @cached_property
    def _list(self) -> TypeAdapter[Any]:
        """Made when a handler first gives a list of something else than the schema: that is seldom, and takes a while."""
        return TypeAdapter(list[self.schema])  # type: ignore[name-defined]  # a type at run time

    def of(self, model: type[Model]) -> tuple[Projection | None, Needs]:
        """Return projection and relations for the rows of a model."""
        found = self._others.get(model)
        if found is None:
            shown = needs(self.schema, model) if issubclass(self.schema, Schema) else Needs()
            found = self._others[model] = (projection(self.schema, model) if self._is_whole else None, shown)
        return found

    def read(self, value: Any) -> BaseModel:
        """Return the value as the schema, checked; what the schema does not show is left out."""
        if type(value) is self.schema:
            return value
        # A schema whose fields all have defaults would find its own in them.
        if isinstance(value, _NO_ROWS):
            unmeant.refuse_as_one(value)
        try:
            return self.schema.model_validate(value, from_attributes=True, context=OUTPUT, extra="ignore")
        except PydanticError as error:
            unmeant.refuse(value)
            raise failures.mismatch(self.schema, error) from error

    def read_all(self, values: list[Any]) -> list[BaseModel]:
        """Return all values as the schema; see ``read``."""
        schema = self.schema
        if all([type(value) is schema for value in values]):
            return values
        try:
            read: list[BaseModel] = self._list.validate_python(
                values, from_attributes=True, context=OUTPUT, extra="ignore"
            )
        except PydanticError as error:
            raise failures.mismatch(list[schema], error) from error  # type: ignore[valid-type]
        return read


class _One:
    """Writes one value: an instance, the schema itself, or anything with its fields."""

    def __init__(self, schema: type[BaseModel], omit: Mapping[str, bool], *, or_none: bool = False) -> None:
        self._source = _Source(schema, omit)
        self._or_none = or_none
        self.short = self._source.writer.short_one
        self.model = self._source.model
        self.projection = self._source.projection

    async def write(self, request: Request, value: Any, page: AnyRequest | None) -> bytes:
        source = self._source
        if value is None and self._or_none:
            return b"null"
        if isinstance(value, Model):
            shown, needed = source.of(type(value))
            if shown is not None:
                return shown.encode_instance(value)
            if needed:
                await prefetch.prefetch_related_objects([value], *loading.lookups_of([value], needed))
        return source.writer.one(source.read(value))


class _Many:
    """Writes a list: a queryset, or any iterable of what ``_One`` writes."""

    def __init__(self, schema: Any, omit: Mapping[str, Any]) -> None:
        self._adapter: TypeAdapter[Any] | None = None
        self._schema = schema
        self._omit = omit
        self.is_partial = bool(omit)
        self._source: _Source | None = None
        if isinstance(schema, type) and issubclass(schema, BaseModel):
            self._source = _Source(schema, omit)
        else:
            self._adapter = TypeAdapter(list[schema])
        self.short = None if self._source is None else self._source.writer.short_many
        self.model = None if self._source is None else self._source.model
        self.projection = None if self._source is None else self._source.projection

    async def write(self, request: Request, value: Any, page: AnyRequest | None) -> bytes:
        return await self.items(value)

    def shown(self, model: type[Model]) -> Projection | None:
        """Return how rows of a model go to JSON directly, where the schema allows it."""
        return None if self._source is None else self._source.of(model)[0]

    def joined(self, rows: QuerySet[Any, Any], *, beside: Iterable[str] = ()) -> QuerySet[Any, Any]:
        """Return the rows with what the schema reads of single rows joined; for what is sliced next.

        Args:
            rows: Instances that no projection writes.
            beside: What else must be read of them.
        """
        return rows if self._source is None else loading.joined(rows, self._source.of(rows.model)[1], beside=beside)

    def check(self, rows: QuerySet[Any, Any]) -> None:
        """Refuse rows without something that the schema shows."""
        if not rows.gives_instances:
            unmeant.refuse_left_out(rows, self._schema, self._omit)

    async def page(self, value: Any) -> bytes:
        """Return a page that a handler made, members of its items left out."""
        whole = value.model_dump(mode="json", by_alias=True, exclude={"items"})
        return msgspec.json.encode({"items": msgspec.Raw(await self.items(value.items)), **whole})

    async def items(self, value: Any) -> bytes:
        """Return a JSON array."""
        if isinstance(value, BaseManager):
            value = value.all()
        source = self._source
        if isinstance(value, QuerySet):
            self.check(value)
        if source is None:
            assert self._adapter is not None
            items = await value if isinstance(value, QuerySet) else list(value)
            try:
                checked = self._adapter.validate_python(items)
            except PydanticError as error:
                raise failures.mismatch(list[self._schema], error) from error  # type: ignore[name-defined]  # a type at run time
            dumped: bytes = self._adapter.dump_json(checked, by_alias=True, **self._omit)
            return dumped
        if isinstance(value, QuerySet):
            if value.gives_instances and not value.is_evaluated:
                shown, needed = source.of(value.model)
                if shown is not None:
                    return await row_texts.encode_queryset(value, shown)
                if not value.query.is_sliced:  # a slice was joined before, or is filled in below
                    value = loading.joined(value, needed)
                value = loading.prefetched(value, needed)
            value = await value
        elif self.short is not None and type(value) is list and (written := self.short(value)) is not None:
            return written
        if not hasattr(value, "__iter__"):
            unmeant.refuse(value)
            raise failures.ResponseMismatch(
                f"The handler returned {type(value).__name__}, and the answer is a list. Return a list or a queryset, or write "
                "response= without list[…]."
            )
        items = list(value)
        if items and all(isinstance(item, Model) for item in items):
            kinds = {type(item) for item in items}
            if len(kinds) == 1:
                shown, needed = source.of(kinds.pop())
                if shown is not None:
                    return shown.encode_instances(items)
                if needed:
                    await prefetch.prefetch_related_objects(items, *loading.lookups_of(items, needed))
        return source.writer.many(source.read_all(items))
