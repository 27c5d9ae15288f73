"""Views of model instances: a list in pages, and one of them. They load first and render after, so templates see values."""

from __future__ import annotations

from typing import Any, ClassVar

from covet.db.models.base import Model
from covet.exceptions import ImproperlyConfigured
from covet.http.errors import NotFound
from covet.http.request import Request
from covet.http.response import Response
from covet.paginator import InvalidPage, Page, Paginator
from covet.shortcuts import get_object_or_404
from covet.views.base import RedirectView, TemplateResponseMixin, TemplateView, View

# Django's address of all five.
__all__ = ["DetailView", "ListView", "RedirectView", "TemplateView", "View"]


class _ModelView(TemplateResponseMixin, View):
    """What both have: where the rows come from, and which template shows them.

    Attributes:
        model: The model; ``queryset`` says more.
        queryset: Which rows; each request gets a fresh copy.
        template_name: The template; ``<app>/<model>_list.html`` or ``<app>/<model>_detail.html`` and the like when left out.
        context_object_name: A second name for the rows in the template, besides ``object_list`` or ``object``.
    """

    model: type[Model] | None = None
    queryset: Any = None
    context_object_name: str | None = None
    suffix: ClassVar[str] = ""

    def get_queryset(self) -> Any:
        """Return the rows, lazily.

        Raises:
            ImproperlyConfigured: Neither ``queryset`` nor ``model`` is set.
        """
        if self.queryset is not None:
            return self.queryset.all()
        if self.model is not None:
            return self.model._default_manager.all()
        raise ImproperlyConfigured(
            f"{type(self).__name__} does not know its rows. Set model or queryset, or write get_queryset()."
        )

    def get_template_names(self) -> list[str]:
        """Return the templates to try, in order."""
        if self.template_name is not None:
            return [self.template_name]
        model = self.model or getattr(self.queryset, "model", None)
        if model is None:
            return super().get_template_names()
        return [f"{model._meta.app_label}/{model._meta.model_name}_{self.suffix}.html"]


class ListView(_ModelView):
    """The rows of a model, in pages where ``paginate_by`` says so.

    The template gets ``object_list``, and ``page_obj``, ``paginator`` and ``is_paginated``.

    Attributes:
        paginate_by: Rows on a page; all on one when left out.
        paginate_orphans: A last page with this many rows or fewer is joined to the one before.
        page_kwarg: The name of the page's number, in the path or the query string; ``last`` is a number too.
        ordering: Fields to order by.
        allow_empty: Without rows: show the page all the same, or answer with 404.
        paginator_class: Cuts the pages.
    """

    paginate_by: int | None = None
    paginate_orphans: int = 0
    page_kwarg: str = "page"
    ordering: str | list[str] | tuple[str, ...] | None = None
    allow_empty: bool = True
    paginator_class: type[Paginator[Any]] = Paginator
    suffix: ClassVar[str] = "list"

    def get_queryset(self) -> Any:
        """Return the rows in order, lazily."""
        rows = super().get_queryset()
        if not self.ordering:
            return rows
        return rows.order_by(*([self.ordering] if isinstance(self.ordering, str) else self.ordering))

    def get_paginate_by(self) -> int | None:
        """Return how many rows a page has."""
        return self.paginate_by

    async def paginate(self, rows: Any, size: int) -> Page[Any]:
        """Return the page that the request asks for.

        Raises:
            NotFound: There is no such page.
        """
        paginator = self.paginator_class(
            rows, size, orphans=self.paginate_orphans, allow_empty_first_page=self.allow_empty
        )
        wished = self.kwargs.get(self.page_kwarg) or self.request.query.get(self.page_kwarg) or 1
        try:
            return await paginator.page(await paginator.num_pages() if wished == "last" else wished)
        except InvalidPage as error:
            raise NotFound(f"There is no page {wished!r}: {error}") from error

    async def get(self, request: Request, **kwargs: Any) -> Response:
        """Show the list."""
        return self.render_to_response(await self.list_context(self.get_queryset()))

    async def list_context(self, rows: Any, **values: Any) -> dict[str, Any]:
        """Return the values for the template: these rows, cut into a page where that is wished, and further values."""
        size = self.get_paginate_by()
        page: Page[Any] | None = None
        if size is not None:
            page = await self.paginate(rows, size)
            found = page.items
        else:
            found = await rows
            if not found and not self.allow_empty:
                raise NotFound("There is nothing to list.")
        names = {"object_list": found}
        name = self.context_object_name or _list_name(self.model or getattr(self.queryset, "model", None))
        if name:
            names[name] = found
        return await self.get_context_data(
            **names,
            page_obj=page,
            paginator=page.paginator if page else None,
            is_paginated=page is not None and page.num_pages > 1,
            **values,
        )


class DetailView(_ModelView):
    """One row, found by ``pk`` or ``slug`` of the path.

    The template gets ``object``, and the same under the model's name.

    Attributes:
        pk_url_kwarg: The path's parameter with the key.
        slug_field: The field that the slug is in.
        slug_url_kwarg: The path's parameter with the slug.
        query_pk_and_slug: Both must match, where the path has both.
    """

    pk_url_kwarg: str = "pk"
    slug_field: str = "slug"
    slug_url_kwarg: str = "slug"
    query_pk_and_slug: bool = False
    object: Any = None
    suffix: ClassVar[str] = "detail"

    async def get_object(self) -> Any:
        """Return the row.

        Raises:
            NotFound: There is none.
            ImproperlyConfigured: The path has neither key nor slug.
        """
        return await self.find(self.get_queryset())

    async def find(self, rows: Any) -> Any:
        """Return the one of these rows that the path names."""
        key, slug = self.kwargs.get(self.pk_url_kwarg), self.kwargs.get(self.slug_url_kwarg)
        wished: dict[str, Any] = {}
        if key is not None:
            wished["pk"] = key
        if slug is not None and (key is None or self.query_pk_and_slug):
            wished[self.slug_field] = slug
        if not wished:
            raise ImproperlyConfigured(
                f"{type(self).__name__} is called with neither {self.pk_url_kwarg!r} nor {self.slug_url_kwarg!r}. Put "
                f"<int:{self.pk_url_kwarg}> into its path."
            )
        return await get_object_or_404(rows, **wished)

    async def get(self, request: Request, **kwargs: Any) -> Response:
        """Show the row."""
        self.object = found = await self.get_object()
        name = self.context_object_name or found._meta.model_name
        return self.render_to_response(await self.get_context_data(**{"object": found, name: found}))


def _list_name(model: type[Model] | None) -> str:
    return "" if model is None else f"{model._meta.model_name}_list"
