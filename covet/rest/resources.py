"""ViewSet: endpoints of one resource in a class, which routers mount: its usual methods, and its actions.

A viewset has no state: one instance serves all requests, and what belongs to a request is an argument.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final

from covet.concurrency import signature
from covet.exceptions import ImproperlyConfigured
from covet.http.foreign import Absent
from covet.rest.actions import BULK, STANDARD, MarkedAction, Standard
from covet.rest.annotations import split
from covet.rest.endpoint import Endpoint
from covet.rest.foreign import OF_INSTANCES, check_by_method, check_viewset, unknown_option
from covet.rest.params import Depends, Gathering, Marker, Path
from covet.rest.render import UNSET
from covet.rest.signature import hints_of
from covet.schema.field_types import python_type

__all__ = ["ViewSet", "is_open"]

_CONVERTERS: Final = {"int": "int", "UUID": "uuid"}
_OMITS: Final = ("exclude_unset", "exclude_defaults", "exclude_none")
_OPTIONS: Final = frozenset(
    {*Endpoint.__struct_fields__, *_OMITS}
    - {
        "handler",
        "method",
        "path",
        "name",
        "action",
        "annotations",
        "exception_handlers",
        "is_told_who_may",
        "model",
        "omit",
        "overruled",
        "patches",
        "webhooks",
    }
)


class ViewSet:
    """Endpoints of one resource in a class: the usual methods that it has, and its actions.

    Attributes:
        permissions: Who may; None for what its router says, or one that includes that, else the model's policy.
        throttles: How often each endpoint may be asked; None for what its router says, or one that includes that, else
            ``DEFAULT_THROTTLES``.
        tags: Groups in the documentation.
        model: The model it is about, if there is one.
        formats: The forms of bodies and answers; None for what its router says, or one that includes that, else ``REST_FORMATS``.
        conditional: Whether answers carry an ``ETag``, and a client that has them gets 304.
        select_fields: Whether ``?fields=`` chooses what answers show.
        expandable: The schemas of related rows that ``?expand=`` shows whole, by their paths:
            ``{"author": AuthorOut, "author.publisher": PublisherOut}``.
        idempotent: Whether a write with an ``Idempotency-Key`` is done once, and answered again.
        lookup_field: The field that the path names a row by.
        lookup_url_kwarg: What the path's argument is called; None for the name of ``lookup_field``. Methods get it as ``pk``, or
            by that name.
        serves: Which of the usual methods there are, ``["list", "create"]``; None for all that the class has.
    """

    permissions: ClassVar[Sequence[Any] | None] = None
    throttles: ClassVar[Sequence[Any] | None] = None
    tags: ClassVar[Sequence[str]] = ()
    model: ClassVar[Any] = None
    formats: ClassVar[Sequence[Any] | None] = None
    conditional: ClassVar[bool] = False
    select_fields: ClassVar[bool] = False
    expandable: ClassVar[Mapping[str, Any]] = {}
    idempotent: ClassVar[bool] = False
    lookup_field: ClassVar[str] = "pk"
    lookup_url_kwarg: ClassVar[str | None] = None
    serves: ClassVar[Collection[str] | None] = None
    _needs_model: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_viewset(cls, vars(cls), cls.__base__ or ViewSet)

    @classmethod
    def endpoints(cls, prefix: str, basename: str, *, slash: str = "/") -> list[Endpoint]:
        """Return the endpoints of this viewset below a prefix; what ``Router.register`` asks for."""
        if cls.model is None and cls._needs_model:
            raise ImproperlyConfigured(
                f"{cls.__name__} does not say which rows it is about. Write class {cls.__name__}({cls.__mro__[1].__name__}, "
                "model=Article), or queryset = Article.objects.all() in it."
            )
        if cls.lookup_argument() == "data":
            raise ImproperlyConfigured(
                f"{cls.__name__} calls the path's argument 'data', as its methods call the body. Write lookup_url_kwarg = 'pk', or "
                "another name."
            )
        viewset = cls()
        made = []
        base = f"{prefix}/" if prefix else ""
        lookup = f"<{cls._converter()}:{cls.lookup_argument()}>"
        # Actions first: authors/recent/ must not be read as the key of an author.
        for name, marked in cls._actions():
            last = marked.url_path or name
            route = f"{base}{lookup}/{last}{slash}" if marked.detail else f"{base}{last}{slash}"
            for method in marked.methods:
                made.append(viewset._action_endpoint(name, marked, method, route, basename))
        cls._check_serves()
        for name, standard in cls._standard().items():
            handler = getattr(viewset, name, None)
            if handler is None or (cls.serves is not None and name not in cls.serves):
                continue
            if standard.suffix == "bulk":
                made.append(viewset._standard_endpoint(name, standard, handler, f"{base}bulk{slash}", basename))
                continue
            route = f"{base}{lookup}{slash}" if standard.is_detail else base[: -1 if base and not slash else None]
            made.append(viewset._standard_endpoint(name, standard, handler, route, basename))
        return made

    @classmethod
    def _standard(cls) -> dict[str, Standard]:
        return STANDARD

    @classmethod
    def _check_serves(cls) -> None:
        known = [name for name in cls._standard() if getattr(cls, name, None) is not None]
        check_by_method(f"{cls.__name__}.serves", cls.serves or (), known)
        named = [*STANDARD, *BULK, *(name for name, _marked in cls._actions())]
        for option in ("schemas", "inputs"):  # a base class may have them for methods that this one does not serve
            check_by_method(f"{cls.__name__}.{option}", getattr(cls, option, ()), named)

    @classmethod
    def _actions(cls) -> Iterable[tuple[str, MarkedAction]]:
        for name, member in inspect.getmembers(cls, inspect.isfunction):
            marked = getattr(member, "__covet_action__", None)
            if marked is not None:
                yield name, marked

    @classmethod
    def _converter(cls) -> str:
        if cls.model is None:
            return "str"
        return _CONVERTERS.get(getattr(python_type(cls.key_field()), "__name__", ""), "str")

    @classmethod
    def key_field(cls) -> Any:
        """Return the field that the path names a row by."""
        meta = cls.model._meta
        return meta.pk if cls.lookup_field == "pk" else meta.get_field(cls.lookup_field)

    @classmethod
    def lookup_argument(cls) -> str:
        """Return what the path's argument is called that names a row: in ``reverse()``, ``request.path_params`` and OpenAPI."""
        return cls.lookup_field if cls.lookup_url_kwarg is None else cls.lookup_url_kwarg

    def _action_endpoint(self, name: str, marked: MarkedAction, method: str, route: str, basename: str) -> Endpoint:
        handler = getattr(self, name)
        options = dict(marked.options)
        unknown = [option for option in options if option not in _OPTIONS]
        if unknown:
            raise unknown_option(f"@action of {type(self).__name__}.{name}", unknown, _OPTIONS)
        options["omit"] = {option: True for option in _OMITS if options.pop(option, False)}
        if "response" not in options:
            options["response"] = self._shown(handler)
            if options["response"] is not UNSET:
                options.setdefault("expandable", self.expandable)
        for option, value in self._sizes(options.get("response")).items():
            options.setdefault(option, value)
        options.setdefault("permissions", self.permissions)
        options.setdefault("throttles", self.throttles)
        for option in ("formats", "conditional", "select_fields", "idempotent"):
            options.setdefault(option, getattr(self, option))
        suffix = name if len(marked.methods) == 1 else f"{method.lower()}_{name}"
        options.setdefault("operation_id", f"{basename.replace('-', '_')}_{suffix}")
        return Endpoint(
            handler,
            method,
            route,
            name=f"{basename}-{marked.url_name or name.replace('_', '-')}",
            model=self.model,
            annotations=self._annotations(handler, name, is_detail=marked.detail),
            **{**options, "tags": tuple(options.get("tags", self.tags))},
        )

    def _standard_endpoint(
        self, name: str, standard: Standard, handler: Callable[..., Any], route: str, basename: str
    ) -> Endpoint:
        response = self._response(name, handler)
        return Endpoint(
            handler,
            standard.method,
            route,
            name=f"{basename}-{standard.suffix}",
            response=response,
            status=standard.status,
            permissions=self.permissions,
            throttles=self.throttles,
            tags=tuple(self.tags),
            operation_id=f"{basename.replace('-', '_')}_{name}",
            model=self.model,
            action=standard.action,
            annotations=self._annotations(handler, name, is_detail=standard.is_detail),
            formats=self.formats,
            conditional=self.conditional,
            select_fields=self.select_fields,
            expandable={} if standard.method == "DELETE" else self.expandable,
            idempotent=self.idempotent,
            last_modified=self._stamp() if name in ("read", "update", "patch") else None,
            **self._sizes(response),
        )

    def _sizes(self, response: Any) -> dict[str, Any]:
        """Return how long the pages of an answer are; nothing where it is no page."""
        return {}

    def _stamp(self) -> Callable[[Any], Any] | None:
        return None

    def _response(self, name: str, handler: Callable[..., Any]) -> Any:
        return UNSET

    def _shown(self, handler: Callable[..., Any]) -> Any:
        return UNSET

    def _annotations(self, handler: Callable[..., Any], name: str, *, is_detail: bool) -> dict[str, Any]:
        """Fill in what the class's methods leave open: the key's type, and which argument of the path ``pk`` is."""
        parameters = signature(handler).parameters
        wire = self.lookup_argument() if is_detail else "pk"
        filled: dict[str, Any] = {
            argument: python_type(self.key_field())
            for argument in {"pk", wire}
            if self.model is not None and argument in parameters and is_open(parameters[argument])
        }
        if wire != "pk" and "pk" in parameters:
            filled["pk"] = _called(wire, filled.get("pk") or hints_of(handler).get("pk", Any))
        return filled


def _called(wire: str, annotation: Any) -> Any:
    """Return the annotation of an argument that the path calls otherwise; what the method says of it stays."""
    kind, said = split(annotation)
    own = next((one for one in said if isinstance(one, Path) and one.alias is None), None)
    if own is None:
        # Where the method says that it comes from elsewhere, it does.
        is_said = any(isinstance(one, (Marker, Depends, Gathering)) for one in said)
        return annotation if is_said else Annotated[annotation, Path(alias=wire)]
    named = copy.copy(own)
    named.alias = wire
    return Annotated[(kind, *[named if one is own else one for one in said])]


for _name, _advice in OF_INSTANCES.items():
    setattr(ViewSet, _name, Absent(_name, _advice, "A viewset"))


def is_open(parameter: inspect.Parameter) -> bool:
    """Return whether an argument says nothing of its type, which the viewset fills in."""
    return parameter.annotation in (Any, "Any", parameter.empty)
