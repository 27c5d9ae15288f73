"""``manage.py serve``: one process or several, on either server, and replacing them. What a stop does: tests/handlers."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time

import httpx
import pytest

from covet.commands import serve as serve_module
from covet.exceptions import CommandError
from tests.commands.running import Running

VIEWS = """
import os
from covet.http import Response
from covet.urls import autodiscover, path

async def home(request):
    return Response(str(os.getpid()))

urlpatterns = [autodiscover(), path("", home)]
"""
ROUTING = """
from covet.access import AllowAny
from covet.urls import path

async def talk(ws):
    await ws.accept()
    async for message in ws:
        await ws.send(message)
talk.permissions = [AllowAny]

websocket_urlpatterns = [path("talk", talk)]
"""

pytestmark = pytest.mark.skipif(os.name != "posix", reason="several workers need a socket that processes inherit")

SERVERS = ["uvicorn", *(["granian"] if importlib.util.find_spec("granian") else [])]


@pytest.fixture
def project(project):
    (project / "site_/urls.py").write_text(VIEWS)
    (project / "shop/routing.py").write_text(ROUTING)
    settings = project / "site_/settings.py"
    settings.write_text(
        settings.read_text().replace('["shop"]', '["shop", "covet.health", "covet.websocket"]')
        + '\nDEFAULT_PERMISSIONS = ["covet.access.AllowAny"]\n'
    )
    return project


class Serving(Running):
    """It serves as soon as it is made."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        try:
            self.url = re.search(r"http://\S+?:\d+", self.until("Serving on"))[0]
        except BaseException:
            self.close()
            raise

    def pid(self):
        # Here as below without certificates, which would take 50 ms to read each time.
        return int(httpx.get(self.url, timeout=60, verify=False).text)

    def pids(self, count):
        """The workers that answer, once there are so many; each question comes on a connection of its own."""
        found = set()
        deadline = time.monotonic() + 60
        while len(found) < count and time.monotonic() < deadline:
            found.add(self.pid())
        return found

    def stop(self, number=signal.SIGTERM):
        return super().stop(number)


@pytest.fixture
def serve(running):
    return lambda *args, **more: running("serve", "0", *args, kind=Serving, **more)


def wait_until(condition, timeout=60.0):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("server", SERVERS)
def test_one_process_serves_and_stops(serve, server, number):
    serving = serve("--server", server)

    assert serving.pid() == serving.process.pid
    assert httpx.get(serving.url + "/healthz", timeout=60, verify=False).json() == {"status": "ok"}
    assert httpx.get(serving.url + "/readyz", timeout=60, verify=False).json()["status"] == "ok"
    assert serving.stop(number) == 0


@pytest.mark.parametrize("server", SERVERS)
def test_several_workers_share_the_port_and_end_together(serve, server):
    serving = serve("--workers", "2", "--server", server)
    assert f"· {server} · 2 workers" in serving.output

    pids = serving.pids(2)

    assert len(pids) == 2
    assert serving.process.pid not in pids
    assert serving.stop() == 0
    assert all(is_gone(pid) for pid in pids)


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("server", SERVERS)
def test_a_site_below_a_prefix_names_it_in_addresses(serve, project, server, workers):
    """Whether the proxy leaves the prefix in the path or takes it away."""
    (project / "site_/urls.py").write_text(
        "from covet.http import JSONResponse, Request\n"
        "from covet.urls import path, reverse\n"
        "async def home(request: Request):\n"
        '    return JSONResponse([request.path, reverse("home"), request.get_full_path()])\n'
        'urlpatterns = [path("home/", home, name="home")]\n'
    )
    serving = serve("--root-path", "/shop/", "--server", server, "--workers", workers)

    taken_away = httpx.get(serving.url + "/home/", timeout=60, verify=False).json()
    left_in = httpx.get(serving.url + "/shop/home/", timeout=60, verify=False).json()

    assert taken_away == left_in == ["/home/", "/shop/home/", "/shop/home/"]
    assert serving.stop() == 0


def test_a_prefix_that_is_no_path_is_refused(manage):
    done = manage("serve", "0", "--root-path", "shop")

    assert done.returncode == 1
    assert "--root-path is a path such as /shop, not 'shop'." in done.stderr


def test_a_worker_that_dies_is_replaced(serve):
    serving = serve("--workers", "2")
    first, second = serving.pids(2)

    os.kill(first, signal.SIGKILL)
    serving.until(f"Worker {first} ended with -9")

    wait_until(lambda: serving.pids(2) - {first, second})
    assert serving.stop() == 0


def test_a_hangup_replaces_all_workers_while_requests_are_answered(serve):
    serving = serve("--workers", "2")
    before = serving.pids(2)

    with httpx.Client(timeout=60, verify=False) as client:
        serving.process.send_signal(signal.SIGHUP)
        while not serving.has_said("Replaced."):
            assert client.get(serving.url, headers={"connection": "close"}).status_code == 200

    # The last of the old ones may still take a connection while it hears of its end.
    wait_until(lambda: len(serving.pids(2) - before) == 2)
    assert serving.stop() == 0


HANGUP_WHILE_IT_LOOKS = """
import os, signal, sys
from covet.commands import serve as module

def look():
    os.kill(os.getpid(), signal.SIGHUP)
    return None

module._look = look
print(module.serve.callback(address="0", workers=2, server="uvicorn", access_log=False, root_path="", ipv6=False))
"""


def test_a_hangup_while_it_looks_at_the_project_ends_nothing():
    """There are no workers yet that would have to be replaced."""
    done = subprocess.run(
        [sys.executable, "-c", HANGUP_WHILE_IT_LOOKS], capture_output=True, text=True, timeout=120, check=False
    )

    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


def test_workers_that_cannot_start_are_told_once(project, manage):
    (project / "site_/urls.py").write_text("import nothing_there\n")
    done = manage("serve", "0", "--workers", "2")

    assert done.returncode == 1
    assert done.stderr.count("nothing_there") == 1
    assert "Traceback" not in done.stderr


def test_the_application_of_the_setting_is_served(serve, project):
    (project / "site_/asgi.py").write_text(
        "from covet.asgi import get_asgi_application\n"
        "inner = get_asgi_application()\n"
        "async def application(scope, receive, send):\n"
        "    async def adding(message):\n"
        "        if message['type'] == 'http.response.start':\n"
        "            message = {**message, 'headers': [*message['headers'], (b'x-outer', b'yes')]}\n"
        "        await send(message)\n"
        "    await inner(scope, receive, adding)\n"
    )
    serving = serve(COVET_ASGI_APPLICATION="site_.asgi.application")

    answer = httpx.get(serving.url, timeout=60, verify=False)

    assert answer.headers["x-outer"] == "yes"
    assert answer.text == str(serving.process.pid)
    assert serving.stop() == 0


@pytest.mark.parametrize(("given", "prefix"), [("", ""), ("/", ""), ("/shop", "/shop"), ("/shop/", "/shop")])
def test_a_prefix_has_no_slash_at_its_end(given, prefix):
    """The paths behind it bring theirs: ``/shop`` and ``/books/``."""
    assert serve_module._prefix(given) == prefix


@pytest.mark.parametrize("given", ["shop", "//shop.example", "/caf\u00e9"])
def test_what_is_no_prefix_is_refused(given):
    """Two slashes in front would make each address one of another host."""
    with pytest.raises(CommandError, match="--root-path is a path such as /shop"):
        serve_module._prefix(given)
