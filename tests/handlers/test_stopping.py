"""A server that is told to stop, under every server, as processes with real clients.

Readiness goes off, event streams end with a ``retry``, WebSockets close with 1012, the request in flight gets its answer,
and what does not end by itself is ended. Nothing here waits by the clock: each step waits for what the step before did.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests._environ import bare
from tests._ports import free_port

FILES = {
    "manage.py": """
import os
os.environ.setdefault("COVET_SETTINGS_MODULE", "site_.settings")
from covet.management import main
main()
""",
    "site_/__init__.py": "",
    "site_/settings.py": """
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "hunter2" * 10
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["covet.health", *APPS]
DATABASES = {}
ROOT_URLCONF = "site_.urls"
DEFAULT_PERMISSIONS = ["covet.access.AllowAny"]
SHUTDOWN_GRACE_S = 60.0
""",
    "site_/asgi.py": """
import os
os.environ.setdefault("COVET_SETTINGS_MODULE", "site_.settings")
from covet.asgi import get_asgi_application
application = get_asgi_application()
""",
    "site_/urls.py": """
import asyncio
import time
from pathlib import Path
from covet.apps.draining import draining
from covet.http import EventStream, FileResponse, JSONResponse, Response, StreamingResponse
from covet.urls import autodiscover, path

HERE = Path(__file__).parent

async def home(request):
    return Response("here")

async def slow(request):
    (HERE / "started").touch()
    while not (HERE / "go").exists():
        if draining.is_draining:
            (HERE / "told").touch()
        await asyncio.sleep(0.01)
    return JSONResponse({"draining": draining.is_draining})

async def endless(request):
    (HERE / "endless started").touch()
    try:
        await asyncio.Event().wait()
    finally:
        (HERE / "endless ended").touch()

async def blocking(request):
    (HERE / "started").touch()
    time.sleep(120)

async def events(request):
    async def all():
        try:
            yield "first"
            await asyncio.Event().wait()
        finally:
            (HERE / "ended").touch()
    return EventStream(all())

async def stream(request):
    async def all():
        try:
            while True:
                yield b"more"
                (HERE / "stream started").touch()
                await asyncio.sleep(0.01)
        finally:
            (HERE / "stream ended").touch()
    return StreamingResponse(all())

urlpatterns = [
    autodiscover(), path("", home), path("slow", slow), path("endless", endless), path("events", events),
    path("blocking", blocking), path("stream", stream),
]
""",
    "chat/__init__.py": "",
    "chat/routing.py": """
from covet.urls import path

async def talk(ws):
    await ws.accept()
    async for message in ws:
        await ws.send(message)

websocket_urlpatterns = [path("talk", talk)]
""",
}

# The way that a request takes -> the command line; every one but those by RSGI has WebSockets.
COMMANDS: dict[str, Callable[[int, int], list[str]]] = {
    "serve": lambda port, fd: ["manage.py", "serve", str(port)],
    "serve with workers": lambda port, fd: ["manage.py", "serve", str(port), "--workers", "2"],
    "rsgi": lambda port, fd: ["manage.py", "serve", str(port), "--server", "granian"],
    "rsgi with workers": lambda port, fd: ["manage.py", "serve", str(port), "--server", "granian", "--workers", "2"],
    "granian by serve": lambda port, fd: ["manage.py", "serve", str(port), "--server", "granian"],
    "uvicorn": lambda port, fd: ["-m", "uvicorn", "--fd", str(fd), "--log-level", "warning", "site_.asgi:application"],
    "uvicorn with the protocol class": lambda port, fd: [
        *("-m", "uvicorn", "--fd", str(fd), "--log-level", "warning"),
        *("--http", "covet.handlers.protocol:CovetProtocol", "site_.asgi:application"),
    ],
    "hypercorn": lambda port, fd: ["-m", "hypercorn", "--bind", f"fd://{fd}", "site_.asgi:application"],
    "hypercorn without workers": lambda port, fd: [
        *("-m", "hypercorn", "--workers", "0", "--graceful-timeout", "20", "--bind", f"fd://{fd}"),
        "site_.asgi:application",
    ],
    "granian": lambda port, fd: [
        *("-m", "granian", "--interface", "asgi", "--no-log", "--port", str(port)),
        "site_.asgi:application",
    ],
    "runserver": lambda port, fd: ["manage.py", "runserver", str(port)],
}
# Its workers hear of the end when their grace time is over, from nobody else: requests have ended then.
TOLD_LAST = "hypercorn"
# From CPython 3.12 on ``Server.wait_closed()`` waits for all connections, and hypercorn 0.18 does so before its grace time
# begins: its workers wait for a stream for ever, and nothing tells the project. docs/howto/deploy.md says it.
NEVER_TOLD = {TOLD_LAST} if sys.version_info >= (3, 12) else set()
WAYS = [way for way in COMMANDS if way != "runserver" and way not in NEVER_TOLD]


class Process:
    """A server in a process of its own."""

    def __init__(self, folder: Path, way: str, **environ: str) -> None:
        self.folder, self.way = folder, way
        with socket.socket() as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port = free_port()
            listening.bind(("127.0.0.1", port))
            arguments = COMMANDS[way](port, listening.fileno())
            by_descriptor = re.search(r"\bfd\b", " ".join(arguments))
            if by_descriptor:
                listening.listen(128)
            self._log = (folder / "log").open("w")
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                pass_fds=(listening.fileno(),) if by_descriptor else (),
                env=bare(HOME=os.environ.get("HOME", "/"), PYTHONUNBUFFERED="1", **environ),
            )
        self.url = f"http://127.0.0.1:{port}"
        self.heard = "nothing"

    def answers(self) -> bool:
        """Whether it serves by now."""
        try:
            # Without certificates, which take 50 ms to read: a core would be busy with that until the server has started.
            answer = httpx.get(self.url, timeout=60, verify=False)
        except httpx.TransportError as error:
            self.heard = repr(error)
        else:
            self.heard = f"{answer.status_code} {answer.text}"
            return answer.status_code == 200
        assert self.process.poll() is None, self.output()
        return False

    def output(self) -> str:
        """What it has written."""
        return (self.folder / "log").read_text()

    def file(self, name: str) -> Path:
        """A mark that views set or wait for."""
        return self.folder / "site_" / name

    def close(self) -> None:
        """End it, whatever it does, and its children."""
        children = children_of(self.process.pid)
        for pid in (self.process.pid, *children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self._log.close()


def talk(server: Process) -> ClientConnection:
    """Open the WebSocket."""
    return connect(server.url.replace("http", "ws") + "/talk", origin=Origin(server.url), open_timeout=60)


def children_of(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def wait_until(condition: Callable[[], object], server: Process) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        said = f"it answered: {server.heard}; it wrote: {server.output()}"
        assert time.monotonic() < deadline, f"it did not happen in time; {said}"
        time.sleep(0.01)


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Process] = []

    def begin(way: str, more_views: str = "", **environ: str) -> Process:
        apps = [] if way.startswith("rsgi") else ["chat", "covet.websocket"]
        for name, text in FILES.items():
            file = tmp_path / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text.lstrip("\n").replace("*APPS", ", ".join(map(repr, apps))))
        with (tmp_path / "site_/urls.py").open("a") as urls:
            urls.write(more_views)
        server = Process(tmp_path, way, **environ)
        started.append(server)
        wait_until(server.answers, server)
        return server

    yield begin
    for process in started:
        process.close()


@pytest.mark.parametrize("way", WAYS)
def test_a_stop_lets_requests_end_and_sends_the_endless_ones_elsewhere(start: Start, way: str) -> None:
    server = start(way)
    answers: list[httpx.Response] = []

    with contextlib.ExitStack() as stack:
        client = stack.enter_context(httpx.Client(timeout=60, verify=False))
        events = stack.enter_context(client.stream("GET", server.url + "/events")).iter_lines()
        assert next(events) == "data: first"
        ws = None
        if not way.startswith("rsgi"):
            ws = stack.enter_context(talk(server))
            ws.send("hello")
            assert ws.recv(timeout=60) == "hello"
        asking = threading.Thread(
            target=lambda: answers.append(httpx.get(server.url + "/slow", timeout=60, verify=False))
        )
        asking.start()
        wait_until(server.file("started").exists, server)

        server.process.send_signal(signal.SIGTERM)
        if way == TOLD_LAST:
            server.file("go").touch()

        rest = [line for line in events if line]
        if ws is not None:
            with pytest.raises(ConnectionClosed) as closed:
                ws.recv(timeout=60)
        # All of that while the request is still in flight, which ends only now.
        if way != TOLD_LAST:
            # Workers hear of the end each in its own time, and this request may be with another one than the streams.
            wait_until(server.file("told").exists, server)
            assert not answers
        server.file("go").touch()
        asking.join()

    assert [re.sub(r"\d{4}", "N", line) for line in rest] == ["retry: N"]
    if ws is not None:
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
    assert answers[0].json() == {"draining": way != TOLD_LAST}
    assert server.process.wait(60) in (0, -signal.SIGTERM)
    assert server.file("ended").exists()
    assert "Traceback" not in server.output() or way == TOLD_LAST  # which tells its own cancellation


@pytest.mark.parametrize(
    "way", ["serve", "rsgi", "uvicorn", "uvicorn with the protocol class", "hypercorn without workers", "granian"]
)
def test_a_stop_cancels_what_does_not_end_within_the_grace_time(start: Start, way: str) -> None:
    server = start(way, COVET_SHUTDOWN_GRACE_S="0.2")
    host, port = server.url.removeprefix("http://").split(":")
    with contextlib.ExitStack() as stack:
        for address in ("endless", "stream"):
            connection = stack.enter_context(socket.create_connection((host, int(port))))
            connection.sendall(f"GET /{address} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            wait_until(server.file(f"{address} started").exists, server)

        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(60) in (0, -signal.SIGTERM)
    assert server.file("endless ended").exists()
    assert server.file("stream ended").exists()


@pytest.mark.parametrize("way", ["serve", "rsgi"])
def test_a_stop_ends_a_process_whose_loop_is_blocked(start: Start, way: str) -> None:
    server = start(way, COVET_SHUTDOWN_GRACE_S="0.1")
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"GET /blocking HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        wait_until(server.file("started").exists, server)

        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(60) == 1


@pytest.mark.parametrize("way", ["serve", "rsgi", "uvicorn", "granian"])
def test_readiness_is_off_while_requests_are_still_taken(start: Start, way: str) -> None:
    server = start(way, COVET_SHUTDOWN_DELAY_S="600")
    assert httpx.get(server.url + "/readyz", timeout=60, verify=False).status_code == 200

    server.process.send_signal(signal.SIGTERM)

    # Each question comes on a connection of its own: they are taken still.
    wait_until(lambda: httpx.get(server.url + "/readyz", timeout=60, verify=False).status_code == 503, server)
    assert httpx.get(server.url + "/readyz", timeout=60, verify=False).json() == {"status": "draining"}
    assert httpx.get(server.url + "/healthz", timeout=60, verify=False).status_code == 200
    assert httpx.get(server.url, timeout=60, verify=False).text == "here"


@pytest.mark.parametrize("way", ["serve with workers", "rsgi with workers"])
def test_workers_die_with_a_parent_that_is_killed(start: Start, way: str) -> None:
    server = start(way)
    # The first one may answer before the second one is started.
    wait_until(lambda: len(children_of(server.process.pid)) == 2, server)
    workers = children_of(server.process.pid)

    with httpx.Client(timeout=60, verify=False) as client, client.stream("GET", server.url + "/events") as stream:
        events = stream.iter_lines()
        assert next(events) == "data: first"
        server.process.kill()
        rest = [line for line in events if line]

    # Killed, not told: the workers find out by themselves, and drain as for a stop.
    assert rest[-1].startswith("retry: ")
    wait_until(lambda: all(is_gone(pid) for pid in workers), server)


@pytest.mark.parametrize("way", ["serve", "rsgi", "granian"])
def test_what_fails_is_in_the_log_of_the_project(start: Start, way: str) -> None:
    server = start(way, more_views=FAILING)

    assert httpx.get(server.url + "/fail", timeout=60, verify=False).status_code == 500

    wait_until(lambda: "RuntimeError: in the view" in server.output(), server)


FAILING = """
async def fail(request):
    raise RuntimeError("in the view")

urlpatterns.append(path("fail", fail))
"""


def is_gone(pid: int) -> bool:
    """Whether a process has ended, also where nobody has taken its end in."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_reload_does_not_wait_for_an_open_stream_or_socket(start: Start) -> None:
    server = start("runserver", COVET_DEBUG="1")
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(httpx.Client(timeout=60, verify=False))
        events = stack.enter_context(client.stream("GET", server.url + "/events")).iter_lines()
        assert next(events) == "data: first"
        ws = stack.enter_context(talk(server))
        ws.send("hello")
        assert ws.recv(timeout=60) == "hello"
        urls = server.file("urls.py")

        urls.write_text(urls.read_text().replace('"here"', '"here again"'))

        rest = [line for line in events if line]
        with pytest.raises(ConnectionClosed) as closed:
            ws.recv(timeout=60)
    wait_until(lambda: httpx.get(server.url, timeout=60, verify=False).text == "here again", server)

    assert rest[-1].startswith("retry: ")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0
