"""``manage.py routes``."""

import json


def test_routes_are_listed_with_method_path_name_and_view(manage, project):
    (project / "site_/urls.py").write_text(
        "from covet.http import Response\nfrom covet.urls import path\n"
        "async def home(request): return Response()\n"
        "async def item(request, pk): return Response()\n"
        "urlpatterns = [path('', home, name='home'), path('items/<int:pk>', item, name='item', methods=['GET', 'PUT'])]\n"
    )

    table = manage("routes").stdout
    (entry,) = json.loads(manage("routes", "items", "--json").stdout)

    assert [line.split() for line in table.splitlines() if "site_" in line] == [
        ["any", "/", "home", "site_.urls.home"],
        ["GET,", "PUT", "/items/<int:pk>", "item", "site_.urls.item"],
    ]
    assert entry == {
        "kind": "http",
        "methods": ["GET", "PUT"],
        "path": "/items/<int:pk>",
        "name": "item",
        "view": "site_.urls.item",
        "app": None,
        "permissions": None,
    }


def test_a_text_that_no_route_has_is_told(manage):
    done = manage("routes", "nowhere")

    assert done.returncode == 0
    assert "No route has 'nowhere'." in done.stderr


def test_routes_of_other_url_modules_are_listed_with_their_module(manage, project):
    (project / "site_/shop_urls.py").write_text(
        "from covet.http import Response\nfrom covet.urls import path\n"
        "async def shelf(request): return Response()\n"
        "urlpatterns = [path('shelf', shelf, name='shelf')]\n"
    )

    without = manage("routes", COVET_URLCONFS="site_.urls").stdout
    table = manage("routes", COVET_URLCONFS="site_.urls,site_.shop_urls").stdout
    found = json.loads(manage("routes", "--json", COVET_URLCONFS="site_.urls,site_.shop_urls").stdout)

    assert "urlconf" not in without
    assert [line.split() for line in table.splitlines() if "site_" in line or "path" in line] == [
        ["method", "path", "name", "view", "urlconf"],
        ["any", "/", "site_.urls.home"],
        ["any", "/shelf", "shelf", "site_.shop_urls.shelf", "site_.shop_urls"],
    ]
    assert [row.get("urlconf") for row in found] == [None, "site_.shop_urls"]


def test_endpoints_and_sockets_are_listed_with_who_may(manage, project):
    (project / "site_/urls.py").write_text(
        "from covet.rest import Router, permissions\n"
        "from covet.urls import include, path\n"
        "from covet.websocket import permissions as may\n"
        "api, inner = Router(permissions=[permissions.IsAdminUser]), Router()\n"
        "api.include('inner', inner)\n"
        "@inner.get('closed')\n"
        "async def closed() -> int: return 1\n"
        "@inner.get('open', permissions=[])\n"
        "async def opened() -> int: return 1\n"
        "@may(permissions.IsAuthenticated)\n"
        "async def room(ws): ...\n"
        "urlpatterns = [path('api/', include(api))]\n"
        "websocket_urlpatterns = [path('room', room), path('hall', lambda ws: None)]\n"
    )
    installed = {"COVET_INSTALLED_APPS": "covet.rest,covet.websocket"}

    table = manage("routes", **installed).stdout
    found = json.loads(manage("routes", "--json", **installed).stdout)

    assert {row["path"]: row["permissions"] for row in found} == {
        "/api/inner/closed": ["IsAdminUser"],
        "/api/inner/open": [],
        "/room": ["IsAuthenticated"],
        "/hall": ["IsAuthenticatedOrReadOnly"],
    }
    last = {line.split()[1]: line.split()[-1] for line in table.splitlines() if line.strip()}
    assert last["path"] == "permissions"
    assert last["/api/inner/closed"] == "IsAdminUser"
    assert last["/api/inner/open"] == "anyone"
