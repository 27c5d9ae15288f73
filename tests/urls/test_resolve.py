"""``resolve()``: a pair of route and arguments that has Django's names too."""

from typing import Any

import pytest

from covet.apps.registry import apps
from covet.conf import override
from covet.http import Request, Response
from covet.http.errors import MethodNotAllowed, NotFound
from covet.urls import ResolverMatch, include, path, resolve
from covet.urls.part import UrlsPart
from tests.handlers.sites import module_of


async def view(request: Request, **kwargs: Any) -> Response:
    return Response("")


def test_a_match_is_a_pair_and_has_djangos_names() -> None:
    below = ([path("<int:pk>/", view, {"kind": "x"}, name="detail")], "polls")
    patterns = [
        path("polls/", include(below, namespace="new")),
        path("plain/", view),
        path("post/", view, methods=["POST"]),
    ]
    with apps.isolate() as own, override(ROOT_URLCONF=module_of(patterns)):
        own.setup([], [UrlsPart])
        route, params = match = resolve("/polls/3/")
        plain = resolve("/plain/")

        assert isinstance(match, ResolverMatch)
        assert (route.view, params) == (view, {"kind": "x", "pk": 3})
        assert (match.func, match.args, match.kwargs) == (view, (), params)
        assert (match.view_name, match.url_name, match.route) == ("new:detail", "detail", "polls/<int:pk>/")
        assert (match.namespaces, match.namespace, match.app_names, match.app_name) == (
            ["new"],
            "new",
            ["polls"],
            "polls",
        )
        assert (plain.view_name, plain.url_name, plain.namespace, plain.app_name) == ("", None, "", "")
        with pytest.raises(NotFound):
            resolve("/nothing/")
        with pytest.raises(MethodNotAllowed):
            resolve("/post/")
