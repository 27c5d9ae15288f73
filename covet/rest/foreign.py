"""Words of other frameworks for what a router and its routes are told."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from covet.concurrency import signature
from covet.exceptions import ImproperlyConfigured
from covet.http.status import STATUSES
from covet.text import misspelt, suggest

__all__ = [
    "OF_INSTANCES",
    "absent_permission",
    "absent_router_method",
    "by_status",
    "check_by_method",
    "check_callbacks",
    "check_exception",
    "check_exception_handler",
    "check_included",
    "check_lists",
    "check_pagination",
    "check_registered",
    "check_responses",
    "check_route",
    "check_status",
    "check_viewset",
    "check_webhook",
    "unknown_option",
    "unknown_parameter_option",
]

_HERE: Final = {
    "after_request": "a decorator below the router's, or a class in MIDDLEWARE, sees the answer",
    "authentication_classes": "who asks is found by the middleware that sets request.user; who may is said by permissions=[…]",
    "auth": "who may is said by permissions=[…]",
    "before_request": "write dependencies=[Depends(…)]",
    "cache": "write @cache_control(…) below the router's decorator, for a cache in front",
    "cache_control": "write @cache_control(…) below the router's decorator",
    "default_response_class": "write formats=[…]",
    "dto": "annotate the argument of the body with a schema of the fields that are read",
    "etag": "write conditional=True, or @etag(…) below the router's decorator",
    "exception_handlers": "write @api.exception_handler(Error), or EXCEPTION_HANDLERS",
    "expandable_fields": 'write expandable={"author": AuthorOut}',
    "guards": "write permissions=[…]",
    "media_type": "return a response of that kind, or write formats=[…]",
    "middleware": "name the class in MIDDLEWARE, or put a decorator below the router's",
    "methods": "each method has a decorator of its own: @api.get, @api.post",
    "name_prefix": "write name=…",
    "paginate_by": "write page_size=…",
    "pagination_class": "write response=Page[…]",
    "permission_classes": "write permissions=[…]",
    "prefix": 'the path stands where the router is mounted: path("items/", include(api))',
    "raises": "write responses={404: …}",
    "renderer_classes": "write formats=[…]",
    "response_class": "return a response of that class",
    "response_description": "write responses={200: …}",
    "response_cookies": "take response: Response, and call response.set_cookie(…)",
    "response_headers": "take response: Response, and set response.headers",
    "response_model": "write response=…",
    "response_model_by_alias": "answers have the aliases",
    "response_model_exclude": "write response=… with a schema of the fields that remain",
    "response_model_exclude_defaults": "write exclude_defaults=…",
    "response_model_exclude_none": "write exclude_none=…",
    "response_model_exclude_unset": "write exclude_unset=…",
    "response_model_include": "write response=… with a schema of these fields",
    "parser_classes": "write formats=[…]",
    "responses": "write responses={404: …} at each route",
    "return_dto": "write response=… with a schema of the fields that are shown",
    "redirect_slashes": "a forgotten slash is added by CommonMiddleware; see APPEND_SLASH",
    "serializer_class": "write response=…",
    "status_code": "write status=…",
    "sync_to_thread": "a sync handler runs in a thread",
    "throttle_classes": "write throttles=[…]",
    "url_name": "write name=…",
    "url_path": "the path is the first argument",
}

_OF_PARAMETERS: Final = {
    "convert_underscores": 'write alias="strange_header"',
    "default_factory": "write the default itself, such as = []; it is copied for each request",
    "discriminator": "write Annotated[Cat | Dog, Field(discriminator=…), Body()] with pydantic's Field",
    "example": "write examples=[…]",
    "json_schema_extra": "write openapi_extra={…} at the route, or Annotated[…, Field(json_schema_extra=…)] with pydantic's Field",
    "media_type": "write formats=[…] at the route",
    "openapi_examples": "write examples={…}",
    "regex": "write pattern=…",
    "required": "an argument without a default is required",
    "serialization_alias": "write alias=…",
    "validation_alias": "write alias=…",
}

# A class would keep these in silence, and show or allow what they should not.
_OF_VIEWSETS: Final = {
    "authentication_class": "who asks is found by the middleware that sets request.user",
    "authentication_classes": "who asks is found by the middleware that sets request.user",
    "check_object_permissions": "write permissions = […], with has_object_permission of a Permission",
    "check_permissions": "write permissions = […]",
    "check_throttles": "write throttles = […]",
    "content_negotiation_class": "write formats = […]",
    "destroy": "write delete(self, request, pk), or perform_delete(self, request, instance)",
    "determine_version": "mount routers by Versions, and read request.version",
    "dispatch": "a class in MIDDLEWARE runs round every request",
    "exclude": "write schema = … with a ModelSchema of the fields that are shown",
    "exclude_fields": "write schema = … with a ModelSchema of the fields that are shown",
    "expandable_fields": 'write expandable = {"author": AuthorOut}',
    "extra_kwargs": "write schema = … and input = … with the fields' own options",
    "filter_backends": "write filters, search and ordering",
    "filter_fields": "write filters = […]",
    "filter_queryset": "write get_queryset(self, request)",
    "filterset_class": "write filters = […]",
    "filterset_fields": "write filters = […]",
    "finalize_response": "a class in MIDDLEWARE sees every answer",
    "get_authenticators": "who asks is found by the middleware that sets request.user",
    "get_exception_handler": "write EXCEPTION_HANDLERS, or @api.exception_handler(Error)",
    "get_parsers": "write formats = […]",
    "get_permissions": "write permissions = […], and @action(permissions=[…]) where an action has others",
    "get_renderers": "write formats = […]",
    "get_serializer": "write schema, or schemas = {…} by method",
    "get_serializer_class": "write schemas = {…} and inputs = {…} by method",
    "get_serializer_context": "a handler's request is its argument",
    "get_success_headers": "return a response of your own where an answer needs further headers",
    "get_throttles": "write throttles = […], and @action(throttles=[…]) where an action has others",
    "handle_exception": "write EXCEPTION_HANDLERS, or @api.exception_handler(Error)",
    "http_method_names": 'write serves = ["list", "read"]',
    "initial": "a class in MIDDLEWARE runs before every request",
    "lookup_value_regex": "write lookup_field = …, whose type says what the path takes",
    "metadata_class": "OPTIONS answers with Allow; the rest is in OpenAPI",
    "model_class": "write class Articles(ModelViewSet, model=Article), or queryset = …",
    "ordering_fields": "write ordering = […]",
    "paginate_by": "write page_size = …",
    "paginate_queryset": "write pagination = Page",
    "pagination_class": "write pagination = Page, and page_size = … beside it",
    "parser_classes": "write formats = […]",
    "partial_update": "write patch(self, request, pk, data)",
    "perform_authentication": "who asks is found by the middleware that sets request.user",
    "perform_destroy": "write perform_delete(self, request, instance)",
    "permission_class": "write permissions = […]",
    "permission_classes": "write permissions = […]",
    "permit_list_expands": 'write expandable = {"author": AuthorOut}',
    "read_only_fields": "write input = … with a ModelSchema that leaves them out",
    "renderer_classes": "write formats = […]",
    "retrieve": "write read(self, request, pk)",
    "search_fields": "write search = […]",
    "serializer_class": "write schema = … for answers and input = … for bodies",
    "serializer_classes": "write schemas = {…} and inputs = {…} by method",
    "throttle_classes": "write throttles = […]",
    "throttle_scope": 'write throttles = ["100/minute"]',
    "versioning_class": "mount routers by Versions",
}

# These are looked for by their misspellings too: what they say of who may must not be lost.
_OF_CLASSES: Final = [name for name in _OF_VIEWSETS if name.endswith(("_class", "_classes"))]

# Hooks are called with what they are documented to take; the arguments of handlers are their own affair.
_CALLED: Final = ("after_", "before_", "get_", "perform_", "write_")

_LISTS: Final = ("filters", "formats", "ordering", "permissions", "search", "serves", "tags", "throttles")

# What is asked of an instance, which here serves all requests at once.
OF_INSTANCES: Final = {
    "action": "request.method, or request.route.name, which is 'articles-detail' or the like",
    "args": "request.path_params",
    "check_object_permissions": "await self.get_object(request, pk), which asks them",
    "filter_queryset": "filters.apply(queryset), with an argument filters: Filters",
    "get_paginated_response": "return queryset with response=Page[…], which cuts it",
    "get_serializer": "return value, which the schema shows; an argument data is the body, checked",
    "kwargs": "request.path_params",
    "paginate_queryset": "return queryset with response=Page[…], which cuts it",
    "paginator": "pagination = Page in the class",
    "request": "request, which is an argument of each method",
    "reverse_action": "reverse('articles-promote', args=[pk]) of covet.urls",
}

_OF_ROUTERS: Final = {
    "add_api_route": "write api.route(method, path)(function)",
    "add_exception_handler": "write @api.exception_handler(Error)",
    "add_middleware": "name the class in MIDDLEWARE",
    "add_router": 'write api.include("items/", router)',
    "api_operation": "write @api.route(method, path)",
    "api_route": "write @api.route(method, path)",
    "include_router": 'write api.include("items/", router), or path("items/", include(router)) in urls.py',
    "middleware": "name the class in MIDDLEWARE",
    "mount": 'write path("sub/", application) in urls.py',
    "on_event": "write startup() and shutdown() of an AppPart",
    "urls": "include() takes the router itself: include(api)",
    "websocket": "write websocket_urlpatterns in an app's routing.py, or beside urlpatterns",
}

_OF_INCLUDES: Final = {"auth": "permissions", "guards": "permissions", "namespace": "app_name", "throttle": "throttles"}

_OF_PERMISSIONS: Final = {
    "BasePermission": "Permission",
    "DjangoModelPermissions": "ModelPermissions",
    "DjangoModelPermissionsOrAnonReadOnly": "ModelPermissionsOrReadOnly",
    "DjangoObjectPermissions": "Permission, and has_object_permission of your own",
    "SAFE_METHODS": "target.write, which says whether something would be changed",
}


def unknown_option(where: str, names: Iterable[str], known: Collection[str]) -> TypeError:
    """Return the error for options that are not there, with what to write instead where that is known."""
    return _unknown(where, next(iter(names)), known, _HERE)


def unknown_parameter_option(where: str, names: Iterable[str], known: Collection[str]) -> TypeError:
    """Return the same for the options of ``Query``, ``Header`` and their like."""
    return _unknown(where, next(iter(names)), known, _OF_PARAMETERS)


def absent_permission(name: str) -> AttributeError:
    """Return the error for a name that ``covet.rest.permissions`` has not."""
    hint = f" Write {_OF_PERMISSIONS[name]}." if name in _OF_PERMISSIONS else ""
    return AttributeError(f"module 'covet.rest.permissions' has no attribute {name!r}.{hint}", name=name)


def absent_router_method(kind: str, name: str) -> AttributeError:
    """Return the error for an attribute that a router has not."""
    hint = f": {_OF_ROUTERS[name]}" if name in _OF_ROUTERS else ""
    return AttributeError(f"A {kind} has no {name!r}{hint}.", name=name)


def check_lists(where: str, **given: Any) -> None:
    """Refuse a text where several are meant: each of its letters would be taken for one.

    Raises:
        ImproperlyConfigured: There is one.
    """
    for name, value in given.items():
        if isinstance(value, str):
            raise ImproperlyConfigured(f"{where}: {name} is a list: write {name}=[{value!r}].")


def check_viewset(kind: type[Any], members: Mapping[str, Any], above: type[Any]) -> None:
    """Refuse what a viewset would keep and never use: other frameworks' words, and methods with other arguments.

    Args:
        kind: The class.
        members: What its body says.
        above: The class whose methods it overrides.

    Raises:
        ImproperlyConfigured: There is something of the kind; the text says what to write.
    """
    check_lists(kind.__name__, **{name: members[name] for name in _LISTS if name in members})
    ours = next(one for one in kind.__mro__ if one.__module__.startswith("covet."))
    near = misspelt(kind, ours, skip={name for name, member in members.items() if hasattr(member, "__covet_action__")})
    if near:
        raise ImproperlyConfigured(f"{kind.__name__} has no {near[0]!r}. Did you mean '{near[1]}'?")
    for name, member in members.items():
        word = (
            name
            if name in _OF_VIEWSETS
            else suggest(name, _OF_CLASSES)
            if name.endswith(("_class", "_classes"))
            else None
        )
        if word and not hasattr(member, "__covet_action__"):
            raise ImproperlyConfigured(f"{kind.__name__} has no {name!r}: {_OF_VIEWSETS[word]}.")
        known = getattr(above, name, None)
        if not (name.startswith(_CALLED) and inspect.isfunction(member) and inspect.isfunction(known)):
            continue
        wanted = signature(known)
        given = {one.name: None for one in wanted.parameters.values() if one.kind is one.KEYWORD_ONLY}
        places = [None for one in wanted.parameters.values() if one.kind is one.POSITIONAL_OR_KEYWORD]
        try:
            signature(member).bind(*places, **given)
        except TypeError as error:
            shown = ", ".join(wanted.parameters)
            raise ImproperlyConfigured(f"{kind.__name__}.{name} is called with ({shown}): {error}.") from error


_METHODS: Final = {
    "destroy": "delete",
    "get": "read",
    "partial_update": "patch",
    "post": "create",
    "put": "update",
    "retrieve": "read",
}


def check_by_method(where: str, given: Collection[str], known: Collection[str]) -> None:
    """Refuse the names of methods that a viewset has not, where ``schemas``, ``inputs`` or ``serves`` go by them.

    Raises:
        ImproperlyConfigured: There is one.
    """
    for name in given:
        if name not in known:
            near = _METHODS.get(name) or suggest(name, known)
            hint = f"Did you mean {near!r}?" if near in known else f"It has: {', '.join(known)}."
            raise ImproperlyConfigured(f"{where} names {name!r}, which it does not have. {hint}")


def check_pagination(where: str, pagination: Any) -> None:
    """Refuse what is no class of pages.

    Raises:
        ImproperlyConfigured: It is none.
    """
    if not hasattr(pagination, "__class_getitem__"):
        raise ImproperlyConfigured(
            f"{where}: pagination is Page, OffsetPage, CursorPage or a class of your own, not {pagination!r}; "
            "paginated = False gives lists that are not cut."
        )


def check_registered(prefix: Any, viewset: Any) -> None:
    """Refuse what stands in the place of a viewset's class, and a prefix that is a pattern.

    Raises:
        ImproperlyConfigured: It does.
    """
    if isinstance(viewset, type) and hasattr(viewset, "endpoints"):
        if isinstance(prefix, str) and not prefix.startswith("^"):
            return
        raise ImproperlyConfigured(
            f"register({prefix!r}, {viewset.__name__}): the prefix is a path: register('articles', {viewset.__name__})."
        )
    if isinstance(prefix, type):
        raise ImproperlyConfigured(f"register({prefix.__name__}, …): the prefix comes first: register('articles', …).")
    kind = type(viewset)
    if hasattr(kind, "endpoints"):
        raise ImproperlyConfigured(
            f"register({prefix!r}, {kind.__name__}()): write the class, {kind.__name__}, itself."
        )
    name = getattr(viewset, "__name__", repr(viewset))
    raise ImproperlyConfigured(
        f"register({prefix!r}, {name}): {name} is no viewset. Write class Articles(ModelViewSet, model=Article), and "
        f"register({prefix!r}, Articles)."
    )


def check_included(prefix: Any, router: Any, options: Collection[str], known: Collection[str]) -> None:
    """Refuse what is included and is no router, and options at its inclusion.

    Raises:
        ImproperlyConfigured: It is none, or there are options.
    """
    where = f"include({prefix!r}, {router!r})"
    if not hasattr(router, "included"):
        advice = "."
        if hasattr(prefix, "included"):
            advice = f"; the prefix comes first: include({router!r}, {prefix!r})."
        elif isinstance(router, str):
            advice = f", not its address: import it, and write include({prefix!r}, {router.rpartition('.')[2]})."
        elif hasattr(router, "urlpatterns"):
            advice = f"; in urls.py write path({prefix!r}, include(…)), which takes whatever has urlpatterns."
        raise ImproperlyConfigured(f"{where} takes a Router{advice}")
    for name in options:
        word = _OF_INCLUDES.get(name, name)
        hint = f"Write it of a router: Router({word}=…), which includes this one." if word in known else ""
        raise ImproperlyConfigured(f"{where} takes no {name!r}. {hint or 'It takes a prefix and a router.'}")


def check_exception(kind: Any) -> None:
    """Refuse what is no class of exceptions: a status, as FastAPI takes it, or the handler below a decorator without its brackets.

    Raises:
        ImproperlyConfigured: It is none.
    """
    if isinstance(kind, type) and issubclass(kind, BaseException):
        return
    if isinstance(kind, int):
        raise ImproperlyConfigured(
            f"@api.exception_handler({kind}) takes the class of an exception: NotFound for 404, HTTPException for all of HTTP."
        )
    raise ImproperlyConfigured(
        f"@api.exception_handler takes the class of an exception, not {getattr(kind, '__name__', repr(kind))}. "
        "Write @api.exception_handler(MyError)."
    )


def check_exception_handler(handler: Any) -> None:
    """Refuse a handler of exceptions that takes something else than the request and the error.

    Raises:
        ImproperlyConfigured: It does.
    """
    try:
        signature(handler).bind(None, None)
    except TypeError as error:
        raise ImproperlyConfigured(
            f"The exception handler {handler.__name__} is called with the request and the error: {error}."
        ) from error


def check_route(method: str, route: Any) -> None:
    """Refuse a route that is no text: mostly the handler itself, below a decorator that was not called.

    Raises:
        ImproperlyConfigured: It is none.
    """
    if isinstance(route, str):
        return
    name = getattr(route, "__name__", None)
    if callable(route) and name:
        raise ImproperlyConfigured(
            f'@api.{method.lower()} stands above {name}() without its path. Write @api.{method.lower()}("/{name}").'
        )
    raise ImproperlyConfigured(f"The path of a {method} is a text, not {route!r}.")


# Of an answer in OpenAPI's words; "model" is the schema of its body.
_OF_ANSWERS: Final = ("content", "description", "headers", "links", "model")
_RANGES: Final = ("1XX", "2XX", "3XX", "4XX", "5XX", "default")


def check_callbacks(where: str, callbacks: Any) -> None:
    """Refuse callbacks that are no routers by name.

    Raises:
        ImproperlyConfigured: They are something else.
    """
    if isinstance(callbacks, Mapping) and all(hasattr(router, "endpoints") for router in callbacks.values()):
        return
    raise ImproperlyConfigured(
        f'{where}: callbacks names routers: write callbacks={{"paid": events}}, where events = Router() has '
        '@events.post("{$request.body#/callback_url}").'
    )


def check_webhook(name: Any) -> None:
    """Refuse ``@api.webhook`` without a name.

    Raises:
        ImproperlyConfigured: There is none.
    """
    if not isinstance(name, str):
        raise ImproperlyConfigured('A webhook has a name, which says what happened: write @api.webhook("order.paid").')


def check_responses(where: str, responses: Mapping[Any, Any]) -> None:
    """Refuse further answers of a route that no OpenAPI document could tell of.

    Raises:
        ImproperlyConfigured: A key is no status, or an answer says what none can.
    """
    for status, said in responses.items():
        number = int(status) if isinstance(status, str) and status.isdigit() else status
        if number not in STATUSES and status not in _RANGES:
            raise ImproperlyConfigured(
                f"{where}: responses has {status!r}; write a status such as 404, or one of {', '.join(map(repr, _RANGES))}."
            )
        if not isinstance(said, Mapping):
            continue
        for word in said:
            if word not in _OF_ANSWERS and not str(word).startswith(("x-", "$")):
                near = suggest(str(word), _OF_ANSWERS)
                hint = f"Did you mean {near!r}?" if near else f"It takes {', '.join(_OF_ANSWERS)}."
                raise ImproperlyConfigured(f"{where}: responses[{status!r}] has no member {word!r}. {hint}")


def by_status(where: str, response: Mapping[Any, Any]) -> dict[int, Any]:
    """Return the schemas of a route by its statuses; a set of these, as django-ninja has it, stands for each of them.

    Raises:
        ImproperlyConfigured: A key is no status.
    """
    found: dict[int, Any] = {}
    for key, schema in response.items():
        for one in key if isinstance(key, (frozenset, tuple)) else (key,):
            status = int(one) if isinstance(one, str) and one.isdigit() else one
            if status not in STATUSES:
                raise _no_status(f"{where}: response", status)
            found[status] = schema
    return found


def check_status(where: str, status: int | None) -> None:
    """Refuse the status of a route that is none.

    Raises:
        ImproperlyConfigured: It is none.
    """
    if status is not None and status not in STATUSES:
        raise _no_status(where, status)


def _no_status(where: str, status: Any) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{where}: a status is a whole number from 100 to 599, not {status!r}.")


def _unknown(where: str, name: str, known: Collection[str], words: dict[str, str]) -> TypeError:
    near = suggest(name, known)
    hint = words.get(name) or (f"Did you mean '{near}'?" if near else f"There are: {', '.join(sorted(known))}.")
    return TypeError(f"{where} has no option '{name}': {hint}")
