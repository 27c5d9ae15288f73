"""Serve the project in production, by one process or several."""

from __future__ import annotations

import os
import signal
import socket

import click

from covet.commands._workers import READY, SOCKET, Worker, watch_parent
from covet.commands.runserver import ADDRESS_HINTS, Address, open_socket, parse_address
from covet.exceptions import CommandError
from covet.management.decorator import command
from covet.management.output import note, out, style

__all__ = ["serve"]


@command(
    parts=None,
    owns_loop=True,
    hints={
        **ADDRESS_HINTS,
        "--reload": "`runserver` starts again when a file changes; SIGHUP replaces several workers.",
    },
)
@click.argument("address", required=False, default="127.0.0.1:8000", metavar="[ADDRESS:]PORT")
@click.option("--workers", "-w", type=click.IntRange(1, 1024), default=1, help="Processes that share the port (1).")
@click.option("--server", type=click.Choice(["uvicorn", "granian"]), default="uvicorn", help="What serves (uvicorn).")
@click.option("--access-log", is_flag=True, help="Log each request.")
@click.option(
    "--root-path", default="", metavar="PATH", help="The prefix under which a proxy shows the site, such as /shop."
)
@click.option("--ipv6", "-6", is_flag=True, help="Listen on IPv6 where the address is left out.")
def serve(*, address: str, workers: int, server: str, access_log: bool, root_path: str, ipv6: bool) -> int:
    """Serve the project on ADDRESS:PORT (127.0.0.1:8000).

    SIGTERM and Ctrl-C drain and stop; SIGHUP, with several workers, replaces them one after another.
    """
    where = parse_address(address, ipv6=ipv6)
    prefix = _prefix(root_path)
    shares_port = server == "granian"
    if SOCKET in os.environ:
        watch_parent()
        with socket.socket(fileno=int(os.environ[SOCKET])) as listening:
            return _serve(where, listening, server, access_log=access_log, prefix=prefix)
    if shares_port and workers > 1 and not hasattr(socket, "SO_REUSEPORT"):
        raise CommandError(
            "granian needs SO_REUSEPORT for several workers, which this system lacks; use --server uvicorn."
        )
    if workers > 1 and os.name != "posix":
        raise CommandError("Several workers need a socket that processes inherit, which this system lacks.")
    if workers > 1:
        # Until there are workers to replace, which will read the newest code anyway: the signal would end the process.
        signal.signal(signal.SIGHUP, lambda number, frame: None)
    with open_socket(where, shares_port=shares_port, name="serve") as listening:
        where = Address(where.host, listening.getsockname()[1])
        trouble = _look()
        if trouble is None:
            return 1
        for line in trouble:
            note(style(line, "yellow"))
        started = f"Serving on {where.url} · {server} · {workers} {'worker' if workers == 1 else 'workers'}"
        if workers == 1:
            return _serve(where, listening, server, access_log=access_log, prefix=prefix, started=started)
        from covet.commands._workers import supervise
        from covet.handlers.server import total_grace_s

        options = ["--server", server, *(["--access-log"] if access_log else []), "--root-path", prefix]
        text = f"[{where.host}]:{where.port}" if ":" in where.host else f"{where.host}:{where.port}"
        return supervise(Worker(listening, [text, *options]), workers, grace_s=total_grace_s(), started=started)


def _look() -> list[str] | None:
    """Check the project; return what is worth a word, or ``None`` when it cannot be served."""
    from covet.apps.lifecycle import run, setup

    setup()
    from covet.commands._preflight import preflight  # behind setup(): what is wrong with settings comes first

    trouble = run(preflight)
    for line in trouble.errors:
        note(style("Error: ", "red") + line)
    return None if trouble.errors else trouble.notices


def _prefix(root_path: str) -> str:
    prefix = root_path.rstrip("/")
    if prefix and (not prefix.startswith("/") or prefix.startswith("//") or not prefix.isascii()):
        raise CommandError(f"--root-path is a path such as /shop, not {root_path!r}.")
    return prefix


def _serve(
    where: Address, listening: socket.socket, server: str, *, access_log: bool, prefix: str, started: str = ""
) -> int:
    from covet.asgi import served_application
    from covet.handlers.server import serve_granian, serve_uvicorn

    def tell() -> None:
        if READY in os.environ:
            os.write(int(os.environ[READY]), b"%d\n" % os.getpid())
        elif started:
            out.done(started)

    app = served_application()
    if prefix:
        from covet.handlers.prefix import BelowPrefix

        app = BelowPrefix(app, prefix)
    if server == "granian":
        return serve_granian(app, where.host, where.port, access_log=access_log, on_started=tell)
    return serve_uvicorn(app, listening, access_log=access_log, on_started=tell)
