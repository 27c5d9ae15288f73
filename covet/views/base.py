"""Class-based views: one method of the class for each HTTP method, looked up once when the view is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from covet.concurrency import is_async, maybe_await, to_thread
from covet.exceptions import ImproperlyConfigured
from covet.http.errors import MethodNotAllowed
from covet.http.request import Request
from covet.http.response import RedirectResponse, Response
from covet.templates.response import TemplateResponse
from covet.urls.addresses import reverse

__all__ = ["RedirectView", "TemplateResponseMixin", "TemplateView", "View"]


class View:
    """A view as a class: ``get``, ``post`` and so on answer those methods, ``path()`` takes ``MyView.as_view()``.

    Each request gets an instance of its own, with ``request`` and ``kwargs`` set. Methods are async, or sync and then run
    in a thread; ``HEAD`` goes to ``get``, ``OPTIONS`` is answered.
    """

    http_method_names: ClassVar[tuple[str, ...]] = ("get", "post", "put", "patch", "delete", "head", "options", "trace")
    request: Request
    kwargs: dict[str, Any]

    def __init__(self, **initkwargs: Any) -> None:
        for name, value in initkwargs.items():
            setattr(self, name, value)

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view for ``path()``.

        Args:
            initkwargs: Values for attributes that the class has.

        Raises:
            ImproperlyConfigured: The class has no such attribute, or answers to no method.
        """
        for name in initkwargs:
            if name in cls.http_method_names or not hasattr(cls, name):
                raise ImproperlyConfigured(
                    f"{cls.__name__}.as_view({name}=…): the class has no attribute {name!r} to set. Declare it in the class body."
                )
        methods = cls.method_table()
        if not methods:
            raise ImproperlyConfigured(f"{cls.__name__} answers to no method. Write: async def get(self, request): …")

        async def view(request: Request, **kwargs: Any) -> Any:
            self = cls(**initkwargs)
            self.setup(request, **kwargs)
            return await self.dispatch(request, **kwargs)

        view.__doc__ = cls.__doc__
        view.__name__ = cls.__name__
        view.__qualname__ = cls.__qualname__
        view.__module__ = cls.__module__
        view.view_class = cls  # type: ignore[attr-defined]  # as Django has it, for introspection
        view.view_initkwargs = initkwargs  # type: ignore[attr-defined]
        for mark, value in getattr(cls.dispatch, "__dict__", {}).items():
            # csrf_exempt and the like, put on dispatch, count for the view.
            setattr(view, mark, value)
        return view

    @classmethod
    def method_table(cls) -> dict[str, str]:
        """Return which method of the class answers which HTTP method."""
        table = {name.upper(): name for name in cls.http_method_names if callable(getattr(cls, name, None))}
        if list(table) == ["OPTIONS"]:
            return {}
        if "GET" in table:
            table.setdefault("HEAD", "get")
        return table

    def setup(self, request: Request, **kwargs: Any) -> None:
        """Prepare the instance; the place to load what every method needs, when it needs no ``await``."""
        self.request = request
        self.kwargs = kwargs

    async def dispatch(self, request: Request, **kwargs: Any) -> Any:
        """Call the method for this request."""
        name = self.method_table().get(request.method)
        if name is None:
            return await self.http_method_not_allowed(request, **kwargs)
        method = getattr(self, name)
        if is_async(method):
            return await method(request, **kwargs)
        return await maybe_await(await to_thread(method, request, **kwargs))

    async def http_method_not_allowed(self, request: Request, **kwargs: Any) -> Response:
        """Answer a method that the class has not: 405 with ``Allow``."""
        raise MethodNotAllowed(self.method_table())

    async def options(self, request: Request, **kwargs: Any) -> Response:
        """Say which methods there are."""
        return Response(b"", 204, {"Allow": ", ".join(sorted(self.method_table()))})


class TemplateResponseMixin:
    """What views that show a template share.

    Attributes:
        template_name: The template.
        extra_context: Further values for it.
        response_class: What the page is made as.
        content_type: Its ``Content-Type``; HTML when left out.
    """

    template_name: str | None = None
    extra_context: Mapping[str, Any] | None = None
    response_class: type[TemplateResponse] = TemplateResponse
    content_type: str | None = None
    request: Request

    def get_template_names(self) -> list[str]:
        """Return the templates to try, in order.

        Raises:
            ImproperlyConfigured: The class names none.
        """
        if self.template_name is None:
            raise ImproperlyConfigured(f"{type(self).__name__} has no template_name. Set it in the class body.")
        return [self.template_name]

    async def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return the values for the template; ``view`` is this instance."""
        return {"view": self, **(self.extra_context or {}), **kwargs}

    def render_to_response(self, context: Mapping[str, Any], **options: Any) -> TemplateResponse:
        """Return the page, which is rendered once the middleware has seen it; ``options`` are those of ``response_class``."""
        options.setdefault("media_type", self.content_type)
        return self.response_class(self.request, self.get_template_names(), context, **options)


class TemplateView(TemplateResponseMixin, View):
    """Shows a template."""

    async def get(self, request: Request, **kwargs: Any) -> Response:
        """Show the template, with the parameters of the path."""
        return self.render_to_response(await self.get_context_data(**kwargs))


class RedirectView(View):
    """Redirects.

    Attributes:
        url: Where to; ``%(name)s`` takes the parameters of the path.
        pattern_name: Or a route's name, which gets the parameters.
        permanent: Clients may remember it.
        query_string: Keep the query string.
    """

    url: str | None = None
    pattern_name: str | None = None
    permanent: bool = False
    query_string: bool = False

    async def get_redirect_url(self, **kwargs: Any) -> str:
        """Return where to."""
        if self.url is not None:
            target = str(self.url) % kwargs if kwargs else str(self.url)
        elif self.pattern_name is not None:
            target = reverse(self.pattern_name, kwargs=kwargs)
        else:
            raise ImproperlyConfigured(f"{type(self).__name__} has neither url nor pattern_name. Set one of them.")
        if self.query_string and self.request.raw_query:
            target += f"?{self.request.raw_query.decode('latin-1')}"
        return target

    async def get(self, request: Request, **kwargs: Any) -> Response:
        """Redirect."""
        return RedirectResponse(await self.get_redirect_url(**kwargs), permanent=self.permanent)

    post = get
    put = get
    patch = get
    delete = get
