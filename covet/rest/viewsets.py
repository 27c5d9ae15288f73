"""ModelViewSet: list, create, read, update, patch and delete for a model; and ``@action`` for what is more.

A viewset has no state: one instance serves all requests, and what belongs to a request is an argument.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from operator import attrgetter
from types import CoroutineType
from typing import Annotated, Any, ClassVar, Literal

from msgspec.structs import replace
from pydantic import Field

from covet import access, json
from covet.concurrency import maybe_await, signature
from covet.db import transaction
from covet.db.models.base import Model
from covet.db.models.conflicts import VersionConflict
from covet.db.models.query.queryset import QuerySet
from covet.db.routers import router
from covet.exceptions import ImproperlyConfigured
from covet.http.errors import Conflict, PreconditionFailed
from covet.http.request import Request
from covet.rest import bulk, write
from covet.rest.actions import BULK, STANDARD, Standard
from covet.rest.annotations import page_kind
from covet.rest.bulk_each import MULTI_STATUS, ItemResult, create_each, delete_each, each_item, update_each
from covet.rest.conditional import PreconditionRequired, is_guarded, require
from covet.rest.default_schemas import default_input, default_output, patch_schema
from covet.rest.endpoint import Compiled, Endpoint
from covet.rest.filters import FilterBy, Filters, FilterSet
from covet.rest.foreign import check_pagination
from covet.rest.formats.base import Formats
from covet.rest.pagination import Page
from covet.rest.params import Query
from covet.rest.related import resolve_related
from covet.rest.render import UNSET, Plan, plan_response
from covet.rest.resources import ViewSet, is_open
from covet.rest.signature import hints_of
from covet.schema import Schema
from covet.schema.field_types import python_type
from covet.shortcuts import get_object_or_404

__all__ = ["ModelViewSet", "ReadOnlyModelViewSet"]


class ReadOnlyModelViewSet(ViewSet):
    """Lists a model's rows and reads one.

    Write ``class ArticleViewSet(ReadOnlyModelViewSet, model=Article)``. Attributes say the rest:

    Attributes:
        queryset: The rows that it is about; all when it is not given.
        schema: What answers show; made of all fields (a password left out) when it is not given.
        schemas: What the answers of single methods and actions show, by name: ``{"list": ArticleShort}``.
        last_modified: The field that holds when a row was last changed, for ``Last-Modified``; found (``auto_now``) when it is
            not given, False for none.
        filters: What ``?name=`` and the like may ask for; see ``FilterSet``.
        search: What ``?search=`` looks in.
        ordering: What ``?ordering=-name`` may name.
        paginated: Whether the list is cut into pages.
        pagination: How: ``Page``, ``OffsetPage`` or ``CursorPage``.
        page_size: How many items a page has where the client does not ask; None for what ``pagination`` says, or ``PAGE_SIZE``.
        max_page_size: How many a client may ask for; None for the same, or ``MAX_PAGE_SIZE``.
    """

    queryset: ClassVar[QuerySet[Any, Any] | None] = None
    schema: ClassVar[type[Schema] | None] = None
    schemas: ClassVar[Mapping[str, Any]] = {}
    conditional: ClassVar[bool] = True
    select_fields: ClassVar[bool] = True
    last_modified: ClassVar[str | Literal[False] | None] = None
    filters: ClassVar[Sequence[str | FilterBy]] = ()
    search: ClassVar[Sequence[str]] = ()
    ordering: ClassVar[Sequence[str]] = ()
    paginated: ClassVar[bool] = True
    pagination: ClassVar[Any] = Page
    page_size: ClassVar[int | None] = None
    max_page_size: ClassVar[int | None] = None
    filter_set: ClassVar[FilterSet]
    _needs_model: ClassVar[bool] = True

    def __init_subclass__(cls, *, model: type[Model] | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if model is None and isinstance(vars(cls).get("queryset"), QuerySet):
            model = vars(cls)["queryset"].model
        if model is None and cls.model is None and "get_queryset" in vars(cls):
            model = getattr(vars(cls).get("schema"), "__covet_model__", None)
        if model is not None:
            cls.model = model
        if cls.model is None:
            return
        if "queryset" in vars(cls) and cls.queryset is not None and not issubclass(cls.model, cls.queryset.model):
            raise ImproperlyConfigured(
                f"{cls.__name__}.queryset is of {cls.queryset.model.__name__}, not of {cls.model.__name__}."
            )
        if cls.schema is None or (model is not None and "schema" not in vars(cls)):
            cls.schema = default_output(cls.model)
        check_pagination(cls.__name__, cls.pagination)
        cls.filter_set = FilterSet(cls.model, filters=cls.filters, search=cls.search, ordering=cls.ordering)

    # Or of any type, since what overrides it may be async.
    def get_queryset(self, request: Request) -> QuerySet[Any, Any] | Any:
        """Return the rows that this viewset is about: ``queryset``, or all; override it to narrow them by the request.

        What overrides it may be async, as for ``await request.user``.
        """
        return self.model.objects.all() if self.queryset is None else self.queryset.all()

    async def rows_for(self, request: Request) -> QuerySet[Any, Any]:
        """Return what ``get_queryset`` gives, be it sync or async."""
        found = self.get_queryset(request)
        # A queryset could be awaited as well, and would be its rows then.
        queryset: QuerySet[Any, Any] = await found if isinstance(found, CoroutineType) else found
        return queryset

    async def get_object(self, request: Request, pk: Any) -> Any:
        """Return one row of ``get_queryset``, once the object permissions have been asked.

        Raises:
            NotFound: There is none.
            PermissionDenied: It is not for this user.
        """
        instance = await get_object_or_404(await self.rows_for(request), **{self.lookup_field: pk})
        held, target = self.held(request)
        await access.check_object(held, request, target, instance)
        return instance

    def held(self, request: Request) -> tuple[Sequence[access.Permission], access.Target]:
        """Return the permissions that hold for a request, and what they are asked about."""
        compiled = getattr(getattr(request.route, "endpoint", None), "compiled", None)
        if isinstance(compiled, Compiled):
            return compiled.permissions, compiled.target
        # Called without a route, as by a test: what the class says holds.
        is_write = request.method not in ("GET", "HEAD", "OPTIONS")
        return access.effective(self.permissions, self.model), access.Target(is_write, self.model)

    async def list(self, request: Request, filters: Filters) -> QuerySet[Any, Any]:
        """List the rows, narrowed and ordered by the query."""
        return filters.apply(await self.rows_for(request))

    async def read(self, request: Request, pk: Any) -> Any:
        """Read one row."""
        return await self.get_object(request, pk)

    def _response(self, name: str, handler: Callable[..., Any]) -> Any:
        if name.endswith("delete"):
            return None
        schema: Any = self.schemas.get(name, self.schema)
        if name == "list":
            return self.pagination[schema] if self.paginated else _list_of(schema)
        return _list_of(schema) if name.startswith("bulk_") else schema

    def _sizes(self, response: Any) -> dict[str, Any]:
        if page_kind(response) is None:
            return {}
        return {"page_size": self.page_size, "max_page_size": self.max_page_size}

    def _stamp(self) -> Callable[[Any], Any] | None:
        name = self.last_modified
        if name is None:
            fields = [field.name for field in self.model._meta.concrete_fields if getattr(field, "auto_now", False)]
            name = fields[0] if fields else False
        return attrgetter(name) if name else None

    def _shown(self, handler: Callable[..., Any]) -> Any:
        """Return how an action's answer is shown, by its return annotation."""
        returns = hints_of(handler).get("return")
        origin = getattr(returns, "__origin__", returns)
        if isinstance(origin, type) and issubclass(origin, QuerySet):
            schema: Any = self.schemas.get(handler.__name__, self.schema)
            return self.pagination[schema]
        if isinstance(origin, type) and issubclass(origin, Model) and issubclass(self.model, origin):
            return self.schemas.get(handler.__name__, self.schema)
        return UNSET

    def _annotations(self, handler: Callable[..., Any], name: str, *, is_detail: bool) -> dict[str, Any]:
        """Fill in what the class's methods leave open: the key's type, the filters, the body."""
        filled = super()._annotations(handler, name, is_detail=is_detail)
        if "filters" in signature(handler).parameters:
            filled["filters"] = Annotated[Filters, self.filter_set]
        return filled


class ModelViewSet(ReadOnlyModelViewSet):
    """Lists, creates, reads, changes and deletes a model's rows.

    The hooks ``before_create``, ``after_create``, ``before_update`` and so on may be sync or async; they run in one
    transaction with the write, so that one that raises undoes it.

    Attributes:
        input: What a POST or PUT takes. When it is not given it is made of the editable fields (a password left out): those
            that ``schema`` shows, if that is given, and those that a new row cannot do without.
        patch_input: What a PATCH takes; ``input`` with everything optional when it is not given.
        inputs: What single methods and actions take, by name: ``{"create": SignUp}``.
        bulk: Whether ``authors/bulk/`` creates (POST), changes (PUT, PATCH) and deletes (DELETE) many rows at once: all or
            none with True; with ``"each"`` what fits is written, and the answer (207) says of each item how it went.
        require_match: Whether a change must say by ``If-Match`` which state of the row it is meant for; else 428.
    """

    input: ClassVar[type[Any] | None] = None
    patch_input: ClassVar[type[Any] | None] = None
    inputs: ClassVar[Mapping[str, Any]] = {}
    _made_input: ClassVar[bool] = True
    bulk: ClassVar[bool | Literal["each"]] = False
    idempotent: ClassVar[bool] = True
    require_match: ClassVar[bool] = False

    def __init_subclass__(cls, *, model: type[Model] | None = None, **kwargs: Any) -> None:
        said = vars(cls).get("schema")
        super().__init_subclass__(model=model, **kwargs)
        if cls.model is None:
            return
        if "input" in vars(cls) and cls.input is not None:
            cls._made_input = False
        elif model is not None or (cls._made_input and (cls.input is None or said is not None)):
            cls._made_input, cls.input = True, default_input(cls.model, said)
        if "patch_input" not in vars(cls):
            cls.patch_input = patch_schema(cls.input, cls.model)

    @classmethod
    def _standard(cls) -> dict[str, Standard]:
        if cls.bulk == "each":
            return {**{name: replace(one, status=MULTI_STATUS) for name, one in BULK.items()}, **STANDARD}
        return {**BULK, **STANDARD} if cls.bulk else STANDARD

    def _standard_endpoint(
        self, name: str, standard: Standard, handler: Callable[..., Any], route: str, basename: str
    ) -> Endpoint:
        made = super()._standard_endpoint(name, standard, handler, route, basename)
        if name == "patch":
            made.patches = self._patched
        if standard.status == MULTI_STATUS:
            made.select_fields, made.expandable = False, {}  # what is shown of an item lies one level deeper
        return made

    def _response(self, name: str, handler: Callable[..., Any]) -> Any:
        if name in BULK and self.bulk == "each":
            shown: Any = None if name == "bulk_delete" else self.schemas.get(name, self.schema)
            return _list_of(ItemResult if shown is None else ItemResult[shown])
        return super()._response(name, handler)

    def shown_by(self, request: Request) -> Any:
        """Return the schema of a row in the answer to a request for many."""
        compiled = getattr(getattr(request.route, "endpoint", None), "compiled", None)
        name = getattr(compiled.endpoint.handler, "__name__", "") if isinstance(compiled, Compiled) else ""
        return self.schemas.get(name, self.schema)

    async def create(self, request: Request, data: Any) -> Any:
        """Create a row."""
        return await self.write_new(request, data)

    async def update(self, request: Request, pk: Any, data: Any) -> Any:
        """Change a row as a whole."""
        async with self._meant(request, pk) as instance:
            return await self.write_changes(request, instance, data, partial=False)

    async def patch(self, request: Request, pk: Any, data: Any) -> Any:
        """Change what is sent of a row."""
        async with self._meant(request, pk) as instance:
            return await self.write_changes(request, instance, data, partial=True)

    async def delete(self, request: Request, pk: Any) -> None:
        """Delete a row."""
        async with self._meant(request, pk) as instance:
            await self.write_end(request, instance)

    async def bulk_create(self, request: Request, data: list[Any]) -> Any:
        """Create rows, all or none."""
        if self.bulk == "each":
            return await create_each(self, request, data)
        kind = type(self)
        names = ("perform_create", "before_create", "after_create")
        at_once = all(getattr(kind, name) is getattr(ModelViewSet, name) for name in names)
        return await bulk.create_all(self, request, data, at_once=at_once)

    async def bulk_update(self, request: Request, data: list[Any]) -> Any:
        """Change rows as a whole, each by its key; all or none."""
        if self.bulk == "each":
            return await update_each(self, request, data, partial=False)
        return await bulk.update_all(self, request, data, partial=False)

    async def bulk_patch(self, request: Request, data: list[Any]) -> Any:
        """Change what is sent of rows, each by its key; all or none."""
        if self.bulk == "each":
            return await update_each(self, request, data, partial=True)
        return await bulk.update_all(self, request, data, partial=True)

    async def bulk_delete(self, request: Request, ids: list[Any]) -> Any:
        """Delete rows by their keys, ``?ids=1,2``; all or none."""
        if self.bulk == "each":
            return await delete_each(self, request, ids)
        await bulk.delete_all(self, request, ids)

    async def perform_create(self, request: Request, data: Any) -> Any:
        """Write a new row; override it to add values: ``write.create(Article, data, author=user)``."""
        return await write.create(self.model, data)

    async def perform_update(self, request: Request, instance: Any, data: Any, *, partial: bool) -> Any:
        """Write the changes of a row."""
        return await write.update(instance, data, partial=partial)

    async def perform_delete(self, request: Request, instance: Any) -> None:
        """Delete a row."""
        await maybe_await(instance.delete())

    def before_create(self, request: Request, data: Any) -> Any:
        """Called before a row is written; raise to refuse."""

    def after_create(self, request: Request, instance: Any) -> Any:
        """Called once a new row is written."""

    def before_update(self, request: Request, instance: Any, data: Any) -> Any:
        """Called before changes are written; the instance is still as it was."""

    def after_update(self, request: Request, instance: Any) -> Any:
        """Called once changes are written."""

    def before_delete(self, request: Request, instance: Any) -> Any:
        """Called before a row is deleted; raise to keep it."""

    def after_delete(self, request: Request, instance: Any) -> Any:
        """Called once a row is deleted."""

    async def write_new(self, request: Request, data: Any) -> Any:
        """Write a new row, hooks included."""
        await resolve_related(self.model, [data])
        if not self._has_hooks("create"):
            return await self.perform_create(request, data)
        async with transaction.atomic(using=router.db_for_write(self.model)):
            await maybe_await(self.before_create(request, data))
            instance = await self.perform_create(request, data)
            await maybe_await(self.after_create(request, instance))
        return instance

    async def write_changes(self, request: Request, instance: Any, data: Any, *, partial: bool) -> Any:
        """Write the changes of a row, hooks included."""
        await resolve_related(self.model, [data])
        if not self._has_hooks("update"):
            return await self.perform_update(request, instance, data, partial=partial)
        async with transaction.atomic(using=router.db_for_write(self.model, instance=instance)):
            await maybe_await(self.before_update(request, instance, data))
            changed = await self.perform_update(request, instance, data, partial=partial)
            await maybe_await(self.after_update(request, changed))
        return changed

    async def write_end(self, request: Request, instance: Any) -> None:
        """Delete a row, hooks included."""
        if not self._has_hooks("delete"):
            await self.perform_delete(request, instance)
            return
        async with transaction.atomic(using=router.db_for_write(self.model, instance=instance)):
            await maybe_await(self.before_delete(request, instance))
            await self.perform_delete(request, instance)
            await maybe_await(self.after_delete(request, instance))

    def _has_hooks(self, name: str) -> bool:
        kind = type(self)
        hooks = (f"before_{name}", f"after_{name}")
        return any(getattr(kind, hook) is not getattr(ModelViewSet, hook) for hook in hooks)

    @asynccontextmanager
    async def _meant(self, request: Request, pk: Any) -> AsyncIterator[Any]:
        """Give the row that a change is about, if it still is what the request is meant for.

        With a condition in the request, or a patch for a body, the row is locked until the change is written, so that nothing
        comes between.
        """
        has_condition, patched_from = is_guarded(request), vars(request.state).get("patched_from")
        if self.require_match and not has_condition:
            raise PreconditionRequired
        if not has_condition and patched_from is None:
            yield await self.get_object(request, pk)
            return
        async with transaction.atomic(using=router.db_for_write(self.model)):
            rows = self.model._meta.base_manager.filter(**{self.lookup_field: pk})
            await rows.select_for_update().values_list("pk", flat=True)
            instance = await self.get_object(request, pk)
            if has_condition:
                stamp = self._stamp()
                bodies = await self._shown_now(request, instance)
                require(request, bodies, None if stamp is None else stamp(instance))
            if patched_from is not None and patched_from != await self.shown_whole(request, instance):
                raise Conflict(
                    "This was changed while the patch was done to it; send the patch again.", type="#conflict"
                )
            try:
                yield instance
            except VersionConflict as error:
                if not has_condition:
                    raise
                raise PreconditionFailed("This was changed since it was read; read it again.") from error

    @cached_property
    def _read_plan(self) -> Plan:
        return plan_response(self._response("read", self.read), None, type(self).__name__)

    async def shown_whole(self, request: Request, instance: Any) -> bytes:
        """Return what a GET of a row answers, as JSON."""
        body: bytes = await self._read_plan.render(request, instance, None)
        return body

    async def _patched(self, request: Request, params: dict[str, Any], raw: bytes) -> bytes:
        """Return the body that a JSON Patch or Merge Patch comes to."""
        from covet.rest.patched import body_of_patch  # few clients send one

        return await body_of_patch(self, request, params, raw)

    async def _shown_now(self, request: Request, instance: Any) -> list[bytes]:
        """Return what a GET of the row answers, in each form that it may have."""
        plans = [self._read_plan]
        compiled = getattr(getattr(request.route, "endpoint", None), "compiled", None)
        formats: Formats = ()
        if isinstance(compiled, Compiled):
            formats = compiled.formats
            if compiled.choice is not None:  # the same address was read, with these fields and rows
                plans.append(compiled.choice.plan(request))
        bodies: list[bytes] = [await plan.render(request, instance, None) for plan in plans]
        others = [one for one in formats if not one.page and one.name != "json"]
        return [*bodies, *(one.write(json.loads(body)) for one in others for body in bodies)]

    def _annotations(self, handler: Callable[..., Any], name: str, *, is_detail: bool) -> dict[str, Any]:
        filled = super()._annotations(handler, name, is_detail=is_detail)
        parameters = signature(handler).parameters
        if name in BULK:
            return {**filled, **self._bulk_annotations(name)}
        if "data" in parameters and is_open(parameters["data"]):
            if name in self.inputs:
                filled["data"] = self.inputs[name]
            elif name in STANDARD:
                filled["data"] = self.patch_input if name == "patch" else self.input
        return filled

    def _bulk_annotations(self, name: str) -> dict[str, Any]:
        if name == "bulk_delete":
            key: Any = python_type(self.model._meta.pk)
            return {"ids": Annotated[_list_of(key), Query(by_comma=True, min_length=1, description="The keys.")]}
        schema: Any = self.patch_input if name == "bulk_patch" else self.input
        if name in self.inputs:
            schema = self.inputs[name]
        elif name != "bulk_create":
            schema = bulk.item_schema(schema, self.model, "Item")
        if self.bulk == "each":
            schema = each_item(schema)
        return {"data": Annotated[_list_of(schema), Field(min_length=1)]}


def _list_of(schema: Any) -> Any:
    return list[schema]
