"""A site for a test: routes and settings in, an httpx client out, on both ways that a request can take.

``asgi`` calls the application in this process, ``protocol`` goes through a real uvicorn server with Covet's protocol
class. Every test that uses ``site`` runs on both and must see the same. In the rooms that are about servers it runs on two more:
``uvicorn`` goes through a real one with uvicorn's own class, ``rsgi`` through a real granian.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from covet.apps.registry import Apps, _current
from covet.conf import override
from covet.handlers.application import Application
from covet.handlers.part import HandlersPart
from covet.handlers.rsgi import RsgiApplication
from covet.i18n.catalog import I18nPart
from covet.templates.part import TemplatesPart
from covet.test.client import AsyncClient
from covet.test.live import LiveServer, serve
from covet.urls.part import UrlsPart
from tests._ports import free_port

PARTS = (I18nPart, TemplatesPart, UrlsPart, HandlersPart)
_numbers = itertools.count()

Site = Callable[..., Any]


def make_application(urlpatterns: Sequence[Any], *, installed: Sequence[str] = (), **names: Any) -> Application:
    """An application of these routes; the settings of the moment hold, and its registry is current in this task."""
    from covet.conf import settings

    apps = Apps()
    # Set for good, with no way back: tests/conftest.py ends it with the test or the module.
    _current.set(apps)
    with override(ROOT_URLCONF=module_of(urlpatterns, **names)):
        apps.setup([*installed, *settings.INSTALLED_APPS], PARTS)
    return Application(apps)


def module_of(urlpatterns: Sequence[Any], **names: Any) -> str:
    """The name of a module with these routes, and whatever else."""
    name = f"covet_test_urls_{next(_numbers)}"
    module = ModuleType(name)
    module.urlpatterns = list(urlpatterns)
    vars(module).update(names)
    sys.modules[name] = module
    return name


@contextlib.asynccontextmanager
async def serve_granian(target: Any, *, interface: str = "rsgi") -> AsyncIterator[LiveServer]:
    """Serve by a real granian on the test's own loop."""
    from granian.constants import Interfaces
    from granian.server.embed import Server

    logging.getLogger("_granian").setLevel(logging.CRITICAL)
    port = free_port()
    server = Server(target, address="127.0.0.1", port=port, interface=Interfaces(interface), log_enabled=False)
    serving = asyncio.ensure_future(server.serve())
    try:
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            assert not serving.done()
            await asyncio.sleep(0.01)
        yield LiveServer(port)
    finally:
        server.stop()
        await serving


def visitor(server: LiveServer) -> httpx.AsyncClient:
    """A client of a server. It asks by plain HTTP: to read all authorities' certificates would cost more than most tests."""
    return httpx.AsyncClient(base_url=server.url, timeout=60, verify=False)


async def _site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """``client = await site([path(…)], MIDDLEWARE=[…], DEBUG=True)``; ``client.way`` tells which way it goes."""
    async with contextlib.AsyncExitStack() as stack:

        async def build(
            urlpatterns: Sequence[Any],
            *,
            middleware: Sequence[str] = (),
            installed: Sequence[str] = (),
            templates: Path | None = None,
            enforce_csrf_checks: bool = True,
            names: dict[str, Any] | None = None,
            **settings: Any,
        ) -> httpx.AsyncClient:
            settings.setdefault("ALLOWED_HOSTS", ["testserver", "127.0.0.1"])
            settings.setdefault("DATABASES", {})
            if templates is not None:
                settings["TEMPLATES"] = {"DIRS": [str(templates)]}
            stack.enter_context(override(MIDDLEWARE=list(middleware), INSTALLED_APPS=[], **settings))
            application = make_application(urlpatterns, installed=installed, **(names or {}))
            if request.param == "asgi":
                client: httpx.AsyncClient = AsyncClient(
                    application, raise_request_exception=False, enforce_csrf_checks=enforce_csrf_checks
                )
            elif request.param == "rsgi":
                server = await stack.enter_async_context(serve_granian(RsgiApplication(application)))
                client = visitor(server)
            else:
                options = {"protocol": "httptools"} if request.param == "uvicorn" else {}
                server = await stack.enter_async_context(serve(application, log_level="critical", **options))
                client = visitor(server)
            client.way = request.param
            client.application = application
            return await stack.enter_async_context(client)

        yield build


site = pytest.fixture(params=["asgi", "protocol"], name="site")(_site)
# For the rooms that are about servers: the others would show nothing more on the third one.
site_everywhere = pytest.fixture(params=["asgi", "uvicorn", "protocol", "rsgi"], name="site")(_site)
