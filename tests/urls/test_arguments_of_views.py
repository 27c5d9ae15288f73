"""``check`` names views that would fail at each request, because they take something else than their path gives."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from covet.apps import Apps
from covet.conf import override
from covet.http import Request, Response
from covet.urls import host, include, path, re_path
from covet.urls.part import UrlsPart
from covet.views import View
from tests.handlers.sites import module_of


async def page(request: Request) -> Response:
    return Response()


async def article(request: Request, pk: int) -> Response:
    return Response()


async def nothing() -> Response:
    return Response()


def by_key(view: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(view)
    async def found(request: Request, key: str) -> Any:
        return await view(request, pk=int(key))

    return found


class Page(View):
    async def get(self, request: Request, pk: int) -> Response:
        return Response()


def found(*patterns: Any) -> list[Any]:
    apps = Apps()
    with override(ROOT_URLCONF=module_of(list(patterns))):
        apps.setup([], [UrlsPart])
        return [message for message in apps.part(UrlsPart).check(apps) if message.id == "urls.W004"]


@pytest.mark.parametrize(
    ("pattern", "called", "why"),
    [
        (path("a/<int:pk>", page), "page is called with (request, pk)", "got an unexpected keyword argument 'pk'"),
        (path("a/<int:key>", article), "article is called with (request, key)", "missing a required argument: 'pk'"),
        (path("a", nothing), "nothing is called with (request)", "too many positional arguments"),
        (path("a", page, kwargs={"size": 3}), "page is called with (request, size)", "'size'"),
        (path("a/<int:pk>/", include([path("b", page)])), "page is called with (request, pk)", "'pk'"),
    ],
    ids=["more", "other", "none", "kwargs", "include"],
)
def test_a_view_of_other_arguments_is_named(pattern: Any, called: str, why: str) -> None:
    (warning,) = found(pattern)

    assert called in warning.msg
    assert why in warning.msg


def test_views_that_take_what_they_get_are_left_alone() -> None:
    assert not found(
        path("a", page),
        path("b/<int:pk>", article),
        path("c/<str:key>", by_key(article)),
        path("d/<int:pk>", Page.as_view()),
        path("e", article, kwargs={"pk": 3}),
        re_path(r"^f/(?P<pk>\d+)$", page),
        host("<slug:pk>.example.com", include([path("g", article)])),
    )
