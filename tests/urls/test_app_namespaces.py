"""What an app's ``app_name`` means where ``autodiscover()`` mounts its routes."""

import sys
from pathlib import Path

import pytest

from covet.apps.registry import Apps
from covet.conf import override
from covet.urls import NoReverseMatch, autodiscover
from covet.urls.part import UrlsPart
from tests.handlers.sites import module_of


def test_the_routes_of_an_app_with_a_name_lie_in_its_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, app_name in (("polls_named", 'app_name = "polls"\n'), ("polls_plain", "")):
        app = tmp_path / name
        app.mkdir()
        (app / "__init__.py").touch()
        (app / "urls.py").write_text(
            "from covet.urls import path\n"
            f"{app_name}"
            "async def view(request, pk): ...\n"
            f'urlpatterns = [path("{name}/<int:pk>/", view, name="detail")]\n'
        )
    monkeypatch.syspath_prepend(tmp_path)

    apps = Apps()
    with override(ROOT_URLCONF=module_of([*autodiscover()])):
        apps.setup(["polls_named", "polls_plain"], [UrlsPart])
    names = apps.part(UrlsPart).resolver.names

    assert names.reverse("polls:detail", (1,), {}) == "/polls_named/1/"
    assert names.reverse("detail", (1,), {}) == "/polls_plain/1/"
    with pytest.raises(NoReverseMatch, match="other:detail"):
        names.reverse("other:detail", (1,), {})
    for name in [name for name in sys.modules if name.startswith(("polls_named", "polls_plain"))]:
        monkeypatch.delitem(sys.modules, name)
