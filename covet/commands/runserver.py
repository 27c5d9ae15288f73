"""Serve the project for development, and start again when a file changes."""

from __future__ import annotations

import importlib.util
import os
import re
import socket
import sys
from pathlib import Path
from typing import Final

import click
from msgspec import Struct

from covet import __version__
from covet.commands._reload import FIRST, SOCKET, serve_and_watch
from covet.conf.holder import ENVIRONMENT_VARIABLE, peek
from covet.exceptions import CommandError, CovetError
from covet.management.decorator import command
from covet.management.output import note, out, style

__all__ = ["ADDRESS_HINTS", "Address", "open_socket", "parse_address", "runserver"]

# How far Python remembers who called an async function: over a manager and a queryset to the view.
_ORIGIN_DEPTH = 5
_MOST_PAGES = 3

_WHERE: Final = "Where to listen is an argument: 8001, or 0.0.0.0:8001."
#: What to write for the options by which other servers are told where to listen.
ADDRESS_HINTS: Final = dict.fromkeys(("--port", "-p", "--host", "--bind", "-b", "--addr", "--address"), _WHERE)


class Address(Struct, frozen=True):
    """Where to listen."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The site's URL, as a person opens it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - only compared
        return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self.port}/"


@command(
    parts=None,
    owns_loop=True,
    hints={
        **ADDRESS_HINTS,
        "--reload": "It starts again by itself when a file changes; --noreload turns that off.",
        "--workers": "It is one process, for development; `serve` has --workers.",
    },
)
@click.argument("address", required=False, default="127.0.0.1:8000", metavar="[ADDRESS:]PORT")
@click.option("--noreload", is_flag=True, help="Do not start again when a file changes.")
@click.option("--ipv6", "-6", is_flag=True, help="Listen on IPv6 where the address is left out.")
def runserver(*, address: str, noreload: bool, ipv6: bool) -> int:
    """Serve the project for development on ADDRESS:PORT (127.0.0.1:8000), and reload when a file changes."""
    where = parse_address(address, ipv6=ipv6)
    if SOCKET in os.environ:
        # The child of a watching parent: the socket is open already, and survives restarts.
        with socket.socket(fileno=int(os.environ[SOCKET])) as listening:
            return _serve(where, listening, watching=True, first=os.environ.get(FIRST) == "1")
    watching = not noreload and _can_watch()
    with open_socket(where) as listening:
        where = Address(where.host, listening.getsockname()[1])
        if not watching:
            return _serve(where, listening, watching=False, first=True)
        return serve_and_watch(listening, f"{where.host}:{where.port}", _watched_folders(), _written_folders())


def parse_address(text: str, *, ipv6: bool = False) -> Address:
    """Return the address that ``8001``, ``0.0.0.0:8001``, ``[::1]:8001`` or ``localhost`` names."""
    found = re.fullmatch(r"(?:(?P<host>\[[0-9a-fA-F:.]+\]|[^:\s]*):)?(?P<port>\d+)|(?P<only>[^:\s]+|\[[^\]]+\])", text)
    if found is None:
        raise CommandError(f"'{text}' is no address; write 8001, 127.0.0.1:8001 or [::1]:8001.", exit_code=2)
    host = found["host"] or found["only"] or ("::1" if ipv6 else "127.0.0.1")
    port = int(found["port"] or 8000)
    if port > 65535:
        raise CommandError(f"There is no port {port}; the highest is 65535.", exit_code=2)
    return Address(host.strip("[]"), port)


def open_socket(where: Address, *, shares_port: bool = False, name: str = "runserver") -> socket.socket:
    """Return a socket that listens.

    Args:
        where: On which address.
        shares_port: Only hold the port, for servers that each open it themselves by ``SO_REUSEPORT``.
        name: The command, for what an error says to write.

    Raises:
        CommandError: The port is in use, or the address cannot be used.
    """
    try:
        family = socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)[0][0]
    except socket.gaierror as error:
        raise CommandError(f"'{where.host}' is no address of this machine: {error.strerror}.") from error
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # Without it the port stays taken for a minute after a stop. On Windows it would let two servers share it.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares_port and hasattr(socket, "SO_REUSEPORT"):
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind((where.host, where.port))
        if not shares_port:
            listening.listen(2048)
    except OSError as error:
        listening.close()
        raise CommandError(_cannot_listen(where, error, name)) from error
    listening.setblocking(False)
    return listening


def _cannot_listen(where: Address, error: OSError, name: str) -> str:
    import errno

    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {where.port} is in use. Stop what uses it, or choose another one: "
            f"python manage.py {name} {where.port + 1 if where.port < 65535 else 8001}"
        )
    if error.errno == errno.EACCES:
        return f"Port {where.port} may not be used without more rights; choose one above 1023."
    return f"{where.host}:{where.port} cannot be listened on: {error.strerror or error}."


def _serve(where: Address, listening: socket.socket, *, watching: bool, first: bool) -> int:
    """Check the project, print the banner, and serve until told to stop; 1 if it cannot be served."""
    from covet.apps.lifecycle import run, setup

    setup()
    from covet.commands._preflight import preflight  # behind setup(): what is wrong with settings comes first

    trouble = run(preflight)
    if trouble.errors:
        for line in trouble.errors:
            note(style("Error: ", "red") + line)
        return 1
    if first:
        _banner(where, watching=watching)
    else:
        note("Reloaded.")
    for line in trouble.notices:
        note(style(line, "yellow"))
    from covet.asgi import served_application
    from covet.handlers.server import serve_uvicorn

    # What nobody awaited has done nothing; Python's warning says where it was called then.
    sys.set_coroutine_origin_tracking_depth(_ORIGIN_DEPTH)
    return serve_uvicorn(served_application(), listening, access_log=True)


def _banner(where: Address, *, watching: bool) -> None:
    from covet.apps.registry import apps
    from covet.conf import settings

    database = settings.DATABASES.get("default")
    parts = [
        f"Covet {'.'.join(__version__.split('.')[:2])}",
        f"settings {settings.module_name}",
        database.label if database is not None else "no database",
        "uvicorn",
    ]
    out.done(" · ".join(parts))
    pages = _first_pages()
    for app, name, what in (
        ("covet.rest", "docs", "REST API (OpenAPI 3.1)"),
        ("covet.graphql", "graphql", "GraphQL (GraphiQL)"),
    ):
        address = _address_of(name) if apps.is_installed(app) else None
        if address is not None:
            pages.append((address, what))
    width = max(len(where.url + path) for path, _ in pages) + 5
    for path, what in pages:
        out.done(f"  {where.url + path:<{width}}{what}")
    out.done("Watching for changes. Ctrl-C stops." if watching else "Ctrl-C stops.")


def _first_pages() -> list[tuple[str, str]]:
    """Return what people can open first: the root, or the first routes where it has none."""
    from covet.apps.registry import apps
    from covet.conf import settings
    from covet.urls.part import UrlsPart
    from covet.views.welcome import open_routes

    resolver = apps.part(UrlsPart).resolver
    if resolver.has_path("/"):
        return [("", "your site")]
    # What stands at a name of its own cannot be opened at the address that the server listens on.
    names = {one.pattern: one.name or one.view_name for one in open_routes(resolver.routes) if one.host is None}
    if not names and settings.DEBUG and not resolver.hosts:
        return [("", "your site")]  # the page of a new project
    return list(names.items())[:_MOST_PAGES] or [("", "nothing at /; manage.py routes tells what there is")]


def _address_of(name: str) -> str | None:
    """Return the path of a page that Covet brings; None where the project has not mounted it here."""
    from covet.urls import NoReverseMatch, reverse

    try:
        address = reverse(name)
    except NoReverseMatch:
        return None
    return None if address.startswith("//") else address.removeprefix("/")


def _can_watch() -> bool:
    if os.name != "posix":
        note("Reloading needs a socket that a child process inherits, which this system lacks; serving without it.")
        return False
    if importlib.util.find_spec("watchfiles") is None:
        note("Files are not watched, because watchfiles is missing: pip install 'covet[standard]'")
        return False
    return True


def _written_folders() -> list[Path]:
    """The folders that uploads and ``collectstatic`` go to."""
    try:
        values = peek(["MEDIA_ROOT", "STATIC_ROOT"]) if os.environ.get(ENVIRONMENT_VARIABLE) else {}
    except CovetError:
        values = {}  # the child says what is wrong with the settings
    return [Path(value).resolve() for value in values.values() if isinstance(value, (str, Path)) and str(value)]


def _watched_folders() -> list[Path]:
    """The project's folder, and those of apps that lie elsewhere and are not installed packages."""
    from covet.loading import module_folder
    from covet.management.find import app_package

    folders = {Path.cwd()}
    if os.environ.get(ENVIRONMENT_VARIABLE):
        try:
            values = peek(["BASE_DIR", "INSTALLED_APPS"])
        except CovetError:
            values = {}  # the child says what is wrong with the settings
        if isinstance(values.get("BASE_DIR"), (str, Path)):
            folders.add(Path(values["BASE_DIR"]))
        for entry in values.get("INSTALLED_APPS", ()):
            folder = module_folder(app_package(str(entry)))
            if folder is not None and not {"site-packages", "dist-packages"} & set(folder.parts):
                folders.add(folder)
    resolved = {folder.resolve() for folder in folders if folder.is_dir()}
    covet = Path(sys.modules["covet"].__file__ or "").resolve().parent
    inner = {f for f in resolved if any(f != other and f.is_relative_to(other) for other in resolved)}
    return sorted(folder for folder in resolved - inner if not folder.is_relative_to(covet))
