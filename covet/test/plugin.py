"""The pytest plugin: installed with ``covet[test]``, it needs one line in a project's pytest configuration.

``covet_settings = "mysite.settings"`` names the settings; the environment's ``COVET_SETTINGS_MODULE`` wins. Without
either the plugin does nothing.

Fixtures: ``db`` (or ``@pytest.mark.db``), ``client``, ``admin_client``, ``admin_user``, ``rf``, ``live_server``, ``settings``,
``assert_queries``. Database and application live on one event loop for the whole run.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from covet.test.client import AsyncClient
    from covet.test.live import LiveServer
    from covet.test.requests import RequestFactory
    from covet.test.settings import SettingsWrapper

__all__: list[str] = []

_MARKER = (
    "db(transaction=False, databases=None): the test uses the databases; everything it writes is rolled back. "
    "With transaction=True commits are real, and afterwards the tables hold what migrations have written; databases lists "
    "aliases."
)
_ADVICE = (
    "Covet's fixtures need one event loop for the whole run. Put into the pytest configuration:\n"
    '  asyncio_mode = "auto"\n'
    '  asyncio_default_fixture_loop_scope = "session"\n'
    '  asyncio_default_test_loop_scope = "session"'
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``covet_settings`` and the options of the test databases."""
    parser.addini("covet_settings", "The settings module of the project, such as mysite.settings.", default="")
    group = parser.getgroup("covet")
    group.addoption("--settings", dest="covet_settings", default="", help="The settings module of the project.")
    group.addoption("--reuse-db", action="store_true", help="Keep the test databases for the next run.")
    group.addoption(
        "--nomigrations",
        "--no-migrations",
        dest="nomigrations",
        action="store_true",
        help="Make the tables from the models as they are, without their migrations.",
    )
    group.addoption("--create-db", action="store_true", help="Make the test databases anew, even with --reuse-db.")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and load the project."""
    config.addinivalue_line("markers", _MARKER)
    module = (
        config.getoption("covet_settings") or os.environ.get("COVET_SETTINGS_MODULE") or config.getini("covet_settings")
    )
    if not module:
        return
    os.environ["COVET_SETTINGS_MODULE"] = module
    from covet.apps.lifecycle import setup
    from covet.exceptions import ImproperlyConfigured

    try:
        setup()
    except ImproperlyConfigured as error:
        raise pytest.UsageError(f"The project cannot be loaded with settings '{module}':\n{error}") from error


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Say what to write instead of an import that failed in a file of tests, such as that of Django's ``TestCase``."""
    report = yield
    call = getattr(report, "call", None)
    _tell(report, None if call is None else call.excinfo)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say the same of what a test, or what it calls, asked for."""
    report = yield
    _tell(report, call.excinfo)
    return report


def _tell(report: pytest.CollectReport | pytest.TestReport, raised: pytest.ExceptionInfo[BaseException] | None) -> None:
    error = None if raised is None or not report.failed else raised.value
    if isinstance(error, pytest.Collector.CollectError):
        error = error.__cause__
    if not isinstance(error, (ImportError, AttributeError, TypeError)):
        return
    from covet.porting.hints import import_hint, use_hint  # only a mistake needs them, and they read syntax trees

    hint = import_hint(error) or use_hint(error)
    if hint:
        report.sections.append(("What to write instead", hint.strip()))


@pytest.fixture(autouse=True)
def _covet_db_marker(request: pytest.FixtureRequest) -> None:
    """Let ``@pytest.mark.db`` stand for asking for the fixture."""
    if request.node.get_closest_marker("db") is not None and "db" not in request.fixturenames:
        request.getfixturevalue("db")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def covet_application(covet_databases: asyncio.AbstractEventLoop) -> AsyncIterator[Any]:
    """The project, started: every part is open until the run ends. A test never reaches the real databases."""
    from covet.apps.lifecycle import started
    from covet.conf import override, settings

    # The client says that it talks to "testserver", live_server listens on the loopback: both are this site here.
    hosts = [*settings.ALLOWED_HOSTS, "testserver", ".localhost", "127.0.0.1", "[::1]"]
    async with override(ALLOWED_HOSTS=hosts), started():
        from covet.asgi import get_asgi_application

        yield get_asgi_application()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def covet_databases(request: pytest.FixtureRequest) -> AsyncIterator[asyncio.AbstractEventLoop]:
    """Test databases in the place of ``DATABASES``, migrated; gives the loop that they belong to."""
    from covet.apps.lifecycle import setup
    from covet.conf import settings
    from covet.test.database import test_databases

    if not settings.configured:
        pytest.fail(
            'This fixture needs the project\'s settings. Put covet_settings = "mysite.settings" into the pytest '
            "configuration, or set COVET_SETTINGS_MODULE."
        )
    setup()
    keep = request.config.getoption("--reuse-db") and not request.config.getoption("--create-db")
    async with test_databases(keep=keep, run_migrations=not request.config.getoption("nomigrations")):
        yield asyncio.get_running_loop()


@pytest_asyncio.fixture(loop_scope="session")
async def db(request: pytest.FixtureRequest, covet_databases: asyncio.AbstractEventLoop) -> AsyncIterator[None]:
    """The databases, for this test alone: what it writes is rolled back, or deleted with ``transaction=True``.

    Client, commands, WebSocket handlers and ``live_server`` share the test's connection, so they see its rows. A test that is
    not async runs in a thread, where ``covet.run_sync()`` reaches it.
    """
    from covet.conf import settings
    from covet.test.database import isolated

    marker = request.node.get_closest_marker("db")
    options = dict(marker.kwargs) if marker is not None else {}
    aliases = options.pop("databases", None) or list(settings.DATABASES)
    transaction = options.pop("transaction", False)
    if options:
        pytest.fail(f"@pytest.mark.db does not take {', '.join(options)}; it takes transaction and databases.")
    unknown = [alias for alias in aliases if alias not in settings.DATABASES]
    if unknown:
        pytest.fail(f"@pytest.mark.db(databases=…) names {unknown}; DATABASES has {list(settings.DATABASES)}.")
    if not _runs_on_the_session_loop(request):
        pytest.fail(_ADVICE)
    async with isolated(aliases, transaction=transaction):
        yield


@pytest_asyncio.fixture(loop_scope="session")
async def transactional_db(request: pytest.FixtureRequest, covet_databases: Any) -> AsyncIterator[None]:
    """The databases with real commits, emptied afterwards: what ``@pytest.mark.db(transaction=True)`` says."""
    from covet.conf import settings
    from covet.test.database import isolated

    if not _runs_on_the_session_loop(request):
        pytest.fail(_ADVICE)
    async with isolated(list(settings.DATABASES), transaction=True):
        yield


def _runs_on_the_session_loop(request: pytest.FixtureRequest) -> bool:
    """Tell whether the test's own coroutine runs where the databases were opened."""
    marker = request.node.get_closest_marker("asyncio")
    scope = marker.kwargs.get("loop_scope") if marker is not None else None
    return bool((scope or request.config.getini("asyncio_default_test_loop_scope")) == "session")


@pytest.fixture
def settings() -> Iterator[SettingsWrapper]:
    """The settings, changeable: ``settings.DEBUG = True`` holds until the test ends."""
    from covet.test.settings import SettingsWrapper

    wrapper = SettingsWrapper()
    yield wrapper
    wrapper.restore()


@pytest.fixture
def assert_queries() -> Callable[..., AbstractContextManager[Any]]:
    """Count what a block asks of the databases; it fails, listing every statement, when the number is another one."""
    from covet.test.asserts import assert_queries

    return assert_queries


@pytest_asyncio.fixture(loop_scope="session")
async def client(covet_application: Any) -> AsyncIterator[AsyncClient]:
    """A client of the project, in this process: ``await client.get("/")``, ``await client.force_login(user)``."""
    from covet.test.client import AsyncClient

    async with AsyncClient(covet_application) as opened:
        yield opened


@pytest.fixture
def rf() -> RequestFactory:
    """Makes requests for calling a view by itself: ``await view(rf.get("/articles/", user=user))``."""
    from covet.test.requests import RequestFactory

    return RequestFactory()


@pytest_asyncio.fixture(loop_scope="session")
async def admin_user(db: None) -> Any:
    """A user who may everything, named ``admin`` with the password ``password``."""
    from covet.test.login import make_admin

    return await make_admin()


@pytest_asyncio.fixture(loop_scope="session")
async def admin_client(covet_application: Any, admin_user: Any) -> AsyncIterator[AsyncClient]:
    """A client of the project in which ``admin_user`` is logged in."""
    from covet.test.client import AsyncClient

    async with AsyncClient(covet_application) as opened:
        await opened.force_login(admin_user)
        yield opened


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is not async in a thread when it has the databases: ``run_sync`` and ``live_server`` need the loop meanwhile."""
    # Hypothesis and pytest-asyncio wrap a coroutine function in a plain one.
    if pytest_asyncio.is_async_test(pyfuncitem) or inspect.iscoroutinefunction(inspect.unwrap(pyfuncitem.obj)):
        return None
    # Of the item itself: those that the marker has asked for do not stand in ``pyfuncitem.fixturenames``.
    if "covet_databases" not in pyfuncitem._request.fixturenames:
        return None
    from covet.concurrency import to_thread

    loop: asyncio.AbstractEventLoop = pyfuncitem._request.getfixturevalue("covet_databases")
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    loop.run_until_complete(to_thread(pyfuncitem.obj, **arguments))
    return True


@pytest_asyncio.fixture(loop_scope="session")
async def live_server(covet_application: Any) -> AsyncIterator[LiveServer]:
    """A real server of the project on a free port: ``live_server.url``, ``live_server.ws_url``.

    A test that is not async runs in a thread, as with ``db``, so that tools which block (a browser's driver, ``urllib``) can be
    used; ``covet.run_sync()`` reaches the database there.
    """
    from covet.test.live import serve

    async with serve(covet_application) as server:
        yield server
