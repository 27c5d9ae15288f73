"""ModelViewSet: list, create, read, update, patch and delete for a model; and ``@action`` for what is more.

A viewset has no state: one instance serves all requests, and what belongs to a request is an argument.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, TypeVar

from covet import access
from covet.concurrency import maybe_await
from covet.db.models.base import Model
from covet.db.models.query.queryset import QuerySet
from covet.exceptions import ImproperlyConfigured
from covet.http.request import Request
from covet.rest import write
from covet.rest.endpoint import Compiled, Endpoint
from covet.rest.filters import Filters, FilterSet
from covet.rest.pagination import Page
from covet.rest.render import UNSET
from covet.rest.signature import describe
from covet.schema import ModelSchema, Schema
from covet.schema.field_types import is_auto, python_type
from covet.shortcuts import get_object_or_404

if TYPE_CHECKING:
    from covet.access.permissions import Action

__all__ = ["ModelViewSet", "ReadOnlyModelViewSet", "ViewSet", "action"]

F = TypeVar("F", bound=Callable[..., Any])

_CONVERTERS: Final = {"int": "int", "UUID": "uuid"}
_LOOKUP: Final = "<{converter}:pk>"


@dataclass(frozen=True, slots=True)
class _Standard:
    """What routers know of a viewset's usual methods."""

    method: str
    is_detail: bool
    suffix: str
    action: Action
    status: int | None = None


_STANDARD: Final[dict[str, _Standard]] = {
    "list": _Standard("GET", False, "list", "view"),
    "create": _Standard("POST", False, "list", "add", 201),
    "read": _Standard("GET", True, "detail", "view"),
    "update": _Standard("PUT", True, "detail", "change"),
    "patch": _Standard("PATCH", True, "detail", "change"),
    "delete": _Standard("DELETE", True, "detail", "delete", 204),
}


@dataclass(frozen=True, slots=True)
class _Action:
    """What ``@action`` says of a method."""

    detail: bool
    methods: tuple[str, ...]
    options: Mapping[str, Any]
    url_path: str | None
    url_name: str | None


def action(
    *,
    detail: bool,
    methods: Sequence[str] = ("get",),
    url_path: str | None = None,
    url_name: str | None = None,
    **options: Any,
) -> Callable[[F], F]:
    """Serve a further method of a viewset: ``authors/<pk>/promote/``, or ``authors/recent/`` without ``detail``.

    Args:
        detail: Whether it is about one row; the method then takes ``pk``.
        methods: The HTTP methods.
        url_path: The last part of the path; the method's name when left out.
        url_name: For ``reverse("authors-promote")``; the method's name, with dashes, when left out.
        options: As for ``Router.route``: ``response``, ``status``, ``permissions``, ``summary``, … A method that returns
            its viewset's model or a queryset of it is shown by the viewset's schema without ``response``.
    """

    def mark(method: F) -> F:
        upper = tuple(name.upper() for name in methods)
        method.__covet_action__ = _Action(detail, upper, options, url_path, url_name)  # type: ignore[attr-defined]
        return method

    return mark


class ViewSet:
    """Endpoints of one resource in a class: the usual methods that it has, and its actions.

    Attributes:
        permissions: Who may; None for the model's policy or the router's.
        throttles: How often each endpoint may be asked; None for the router's or ``DEFAULT_THROTTLES``.
        tags: Groups in the documentation.
        model: The model it is about, if there is one.
    """

    permissions: ClassVar[Sequence[Any] | None] = None
    throttles: ClassVar[Sequence[Any] | None] = None
    tags: ClassVar[Sequence[str]] = ()
    model: ClassVar[Any] = None

    @classmethod
    def endpoints(cls, prefix: str, basename: str, *, slash: str = "/") -> list[Endpoint]:
        """Return the endpoints of this viewset below a prefix; what ``Router.register`` asks for."""
        viewset = cls()
        made = []
        base = f"{prefix}/" if prefix else ""
        lookup = _LOOKUP.format(converter=cls._converter())
        # Actions first: authors/recent/ must not be read as the key of an author.
        for name, marked in cls._actions():
            last = marked.url_path or name
            route = f"{base}{lookup}/{last}{slash}" if marked.detail else f"{base}{last}{slash}"
            for method in marked.methods:
                made.append(viewset._action_endpoint(name, marked, method, route, basename))
        for name, standard in _STANDARD.items():
            handler = getattr(viewset, name, None)
            if handler is None:
                continue
            route = f"{base}{lookup}{slash}" if standard.is_detail else base[: -1 if base and not slash else None]
            made.append(viewset._standard_endpoint(name, standard, handler, route, basename))
        return made

    @classmethod
    def _actions(cls) -> Iterable[tuple[str, _Action]]:
        for name, member in inspect.getmembers(cls, inspect.isfunction):
            marked = getattr(member, "__covet_action__", None)
            if marked is not None:
                yield name, marked

    @classmethod
    def _converter(cls) -> str:
        if cls.model is None:
            return "str"
        return _CONVERTERS.get(getattr(python_type(cls.model._meta.pk), "__name__", ""), "str")

    def _action_endpoint(self, name: str, marked: _Action, method: str, route: str, basename: str) -> Endpoint:
        handler = getattr(self, name)
        options = dict(marked.options)
        options.setdefault("response", self._shown(handler))
        options.setdefault("permissions", self.permissions)
        options.setdefault("throttles", self.throttles)
        suffix = name if len(marked.methods) == 1 else f"{method.lower()}_{name}"
        options.setdefault("operation_id", f"{basename.replace('-', '_')}_{suffix}")
        return Endpoint(
            handler,
            method,
            route,
            name=f"{basename}-{marked.url_name or name.replace('_', '-')}",
            model=self.model,
            annotations=self._annotations(handler, name),
            **{**options, "tags": tuple(options.get("tags", self.tags))},
        )

    def _standard_endpoint(
        self, name: str, standard: _Standard, handler: Callable[..., Any], route: str, basename: str
    ) -> Endpoint:
        return Endpoint(
            handler,
            standard.method,
            route,
            name=f"{basename}-{standard.suffix}",
            response=self._response(name, handler),
            status=standard.status,
            permissions=self.permissions,
            throttles=self.throttles,
            tags=tuple(self.tags),
            operation_id=f"{basename.replace('-', '_')}_{name}",
            model=self.model,
            action=standard.action,
            annotations=self._annotations(handler, name),
            summary=None,
        )

    def _response(self, name: str, handler: Callable[..., Any]) -> Any:
        return UNSET

    def _shown(self, handler: Callable[..., Any]) -> Any:
        return UNSET

    def _annotations(self, handler: Callable[..., Any], name: str) -> dict[str, Any]:
        return {}


class ReadOnlyModelViewSet(ViewSet):
    """Lists a model's rows and reads one.

    Write ``class ArticleViewSet(ReadOnlyModelViewSet, model=Article)``. Attributes say the rest:

    Attributes:
        schema: What answers show; made of all fields (a password left out) when it is not given.
        filters: What ``?name=`` and the like may ask for; see ``FilterSet``.
        search: What ``?search=`` looks in.
        ordering: What ``?ordering=-name`` may name.
        paginated: Whether the list is cut into pages.
        pagination: How: ``Page``, ``OffsetPage`` or ``CursorPage``.
    """

    schema: ClassVar[type[Schema] | None] = None
    filters: ClassVar[Sequence[str]] = ()
    search: ClassVar[Sequence[str]] = ()
    ordering: ClassVar[Sequence[str]] = ()
    paginated: ClassVar[bool] = True
    pagination: ClassVar[Any] = Page
    filter_set: ClassVar[FilterSet]

    def __init_subclass__(cls, *, model: type[Model] | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if model is not None:
            cls.model = model
        if cls.model is None:
            return
        if cls.schema is None or (model is not None and "schema" not in vars(cls)):
            cls.schema = default_output(cls.model)
        cls.filter_set = FilterSet(cls.model, filters=cls.filters, search=cls.search, ordering=cls.ordering)

    def get_queryset(self, request: Request) -> QuerySet[Any, Any]:
        """Return the rows that this viewset is about; override it to narrow them."""
        queryset: QuerySet[Any, Any] = self.model.objects.all()
        return queryset

    async def get_object(self, request: Request, pk: Any) -> Any:
        """Return one row of ``get_queryset``, once the object permissions have been asked.

        Raises:
            NotFound: There is none.
            PermissionDenied: It is not for this user.
        """
        instance = await get_object_or_404(self.get_queryset(request), pk=pk)
        held, target = self._held(request)
        await access.check_object(held, request, target, instance)
        return instance

    def _held(self, request: Request) -> tuple[Sequence[access.Permission], access.Target]:
        compiled = getattr(getattr(request.route, "endpoint", None), "compiled", None)
        if isinstance(compiled, Compiled):
            return compiled.permissions, compiled.target
        # Called without a route, as by a test: what the class says holds.
        is_write = request.method not in ("GET", "HEAD", "OPTIONS")
        return access.effective(self.permissions, self.model), access.Target(is_write, self.model)

    async def list(self, request: Request, filters: Filters) -> QuerySet[Any, Any]:
        """List the rows, narrowed and ordered by the query."""
        return filters.apply(self.get_queryset(request))

    async def read(self, request: Request, pk: Any) -> Any:
        """Read one row."""
        return await self.get_object(request, pk)

    def _response(self, name: str, handler: Callable[..., Any]) -> Any:
        if name == "delete":
            return None
        if name == "list":
            schema: Any = self.schema
            return self.pagination[schema] if self.paginated else _list_of(schema)
        return self.schema

    def _shown(self, handler: Callable[..., Any]) -> Any:
        """Return how an action's answer is shown, by its return annotation."""
        returns = inspect.signature(handler, eval_str=True).return_annotation
        origin = getattr(returns, "__origin__", returns)
        if isinstance(origin, type) and issubclass(origin, QuerySet):
            schema: Any = self.schema
            return self.pagination[schema]
        if isinstance(origin, type) and issubclass(origin, Model) and issubclass(self.model, origin):
            return self.schema
        return UNSET

    def _annotations(self, handler: Callable[..., Any], name: str) -> dict[str, Any]:
        """Fill in what the class's methods leave open: the key's type, the filters, the body."""
        parameters = inspect.signature(handler).parameters
        filled: dict[str, Any] = {}
        if "pk" in parameters and _is_open(parameters["pk"]):
            filled["pk"] = python_type(self.model._meta.pk)
        if "filters" in parameters:
            filled["filters"] = Annotated[Filters, self.filter_set]
        return filled


class ModelViewSet(ReadOnlyModelViewSet):
    """Lists, creates, reads, changes and deletes a model's rows.

    Attributes:
        input: What a POST or PUT takes; made of all editable fields (a password left out) when it is not given.
        patch_input: What a PATCH takes; ``input`` with everything optional when it is not given.
    """

    input: ClassVar[type[Schema] | None] = None
    patch_input: ClassVar[type[Schema] | None] = None

    def __init_subclass__(cls, *, model: type[Model] | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(model=model, **kwargs)
        if cls.model is None:
            return
        if cls.input is None or (model is not None and "input" not in vars(cls)):
            cls.input = default_input(cls.model)
        if "patch_input" not in vars(cls):
            cls.patch_input = _patch_of(cls.input, cls.model)

    async def create(self, request: Request, data: Any) -> Any:
        """Create a row."""
        return await self.perform_create(request, data)

    async def update(self, request: Request, pk: Any, data: Any) -> Any:
        """Change a row as a whole."""
        return await self.perform_update(request, await self.get_object(request, pk), data, partial=False)

    async def patch(self, request: Request, pk: Any, data: Any) -> Any:
        """Change what is sent of a row."""
        return await self.perform_update(request, await self.get_object(request, pk), data, partial=True)

    async def delete(self, request: Request, pk: Any) -> None:
        """Delete a row."""
        await self.perform_delete(request, await self.get_object(request, pk))

    async def perform_create(self, request: Request, data: Any) -> Any:
        """Write a new row; override it to add values: ``write.create(Article, data, author=user)``."""
        return await write.create(self.model, data)

    async def perform_update(self, request: Request, instance: Any, data: Any, *, partial: bool) -> Any:
        """Write the changes of a row."""
        return await write.update(instance, data, partial=partial)

    async def perform_delete(self, request: Request, instance: Any) -> None:
        """Delete a row."""
        await maybe_await(instance.delete())

    def _annotations(self, handler: Callable[..., Any], name: str) -> dict[str, Any]:
        filled = super()._annotations(handler, name)
        parameters = inspect.signature(handler).parameters
        if name in _STANDARD and "data" in parameters and _is_open(parameters["data"]):
            filled["data"] = self.patch_input if name == "patch" else self.input
        return filled


def _is_open(parameter: inspect.Parameter) -> bool:
    return parameter.annotation in (Any, "Any", parameter.empty)


def _list_of(schema: Any) -> Any:
    return list[schema]


def default_output(model: type[Model]) -> type[Schema]:
    """Return a schema of all of a model's fields; a password is never shown."""
    meta = model._meta
    names = [field.name for field in (*meta.concrete_fields, *meta.many_to_many) if field.name != "password"]
    return _make(model, "", names)


def default_input(model: type[Model]) -> type[Schema]:
    """Return a schema of what a client may write: a model's editable fields, its automatic key and a password left out.

    Raises:
        ImproperlyConfigured: There is no such field.
    """
    meta = model._meta
    names = [
        field.name
        for field in (*meta.concrete_fields, *meta.many_to_many)
        if field.editable and not is_auto(field) and not field.generated and field.name != "password"
    ]
    if not names:
        raise ImproperlyConfigured(f"{meta.label} has no field that a client could write. Use ReadOnlyModelViewSet.")
    return _make(model, "Input", names)


def _make(model: type[Model], suffix: str, names: Sequence[str], **options: Any) -> type[Schema]:
    kind: Any = type(ModelSchema)
    made: type[Schema] = kind(
        f"{model.__name__}{suffix}",
        (ModelSchema,),
        {"__module__": model.__module__, "__qualname__": f"{model.__name__}{suffix}", "__doc__": None},
        model=model,
        fields=list(names),
        **options,
    )
    return made


def _patch_of(schema: type[Schema] | None, model: type[Model]) -> type[Schema]:
    """Return a schema of the same fields, all of which may be left out."""
    if schema is None or not issubclass(schema, ModelSchema):
        raise ImproperlyConfigured(
            f"The viewset of {model._meta.label} has an input that is no ModelSchema, so it needs a patch_input of its own."
        )
    known = schema.__covet_fields__
    own = set(schema.model_fields) - set(known)
    if own:
        raise ImproperlyConfigured(
            f"{describe(schema)} declares {', '.join(sorted(own))} itself; give the viewset a patch_input of its own."
        )
    return _make(
        model,
        f"{schema.__name__.removeprefix(model.__name__).removesuffix('Input')}Patch",
        list(known),
        optional="__all__",
    )
