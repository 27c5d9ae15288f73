"""Schemathesis reads the blog's document and asks whatever comes to its mind: no 500, no answer that is not told of.

All its phases and all its checks: what the document allows is taken, what it forbids is refused, whoever sends no credentials
is turned away, what was deleted is gone.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests._environ import unmeasured

BLOG = Path(__file__).resolve().parent.parent.parent / "examples" / "blog"
PHASES = "examples,coverage,fuzzing,stateful"

CONFIG = """
hooks = "new_keys.py"

[generation]
# No database of the three holds NUL in a text: it is refused, and no document says so of every text.
allow-x00 = false

[auth.openapi.session]
api_key = "letmein"

[checks.positive_data_acceptance]
# 412: a document lets If-Match name any state, and only one is the row's.
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 412, 429]

[[operations]]
# Its body names another row by the key, and no document knows which there are.
include-operation-id = "create_article"

[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 412, 422, 429]
"""

HOOKS = """
import itertools
import re

import schemathesis

numbers = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    # A new request takes a new Idempotency-Key; the fuzzer would use one for many.
    for name, value in list((case.headers or {}).items()):
        if name.lower() == "idempotency-key" and re.fullmatch("[!-~]([ -~]{0,253}[!-~])?", str(value)):
            case.headers[name] = f"key-{next(numbers)}"
"""

# Whoever has this cookie may do everything: otherwise most answers would be 403, and nothing would be read or written.
SETTINGS = """
from blogsite.settings import *


class Admin:
    is_authenticated = is_staff = is_superuser = True
    pk = 1

    def __await__(self):
        yield from ()
        return self

    async def has_perm(self, name):
        return True


def AsAdmin(get_response):
    async def middleware(request):
        if request.cookies.get("sessionid") == "letmein":
            request.user = Admin()
        return await get_response(request)

    return middleware


DEBUG = False
MIDDLEWARE = [*(name for name in MIDDLEWARE if "Csrf" not in name), "open_blog.AsAdmin"]
REST_FORMATS = FORMATS
"""


@pytest.fixture(params=["asgi", "protocol"])
def way(request: pytest.FixtureRequest) -> str:
    """Which of the two ways of a request the blog is asked on."""
    found: str = request.param
    return found


@pytest.fixture
def blog(request: pytest.FixtureRequest, tmp_path: Path, way: str) -> Iterator[str]:
    """The blog in a process of its own, with some articles in it."""
    (tmp_path / "open_blog.py").write_text(SETTINGS.replace("FORMATS\n", f"{getattr(request, 'param', ['json'])!r}\n"))
    environment = {
        **os.environ,
        "COVET_SETTINGS_MODULE": "open_blog",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'blog.sqlite3'}",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(BLOG)]),
    }
    for command in (["migrate"], ["load_blog", "--articles", "20"]):
        done = subprocess.run(
            [sys.executable, BLOG / "manage.py", *command],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    with socket.socket() as listening:
        # It listens before there is a server, so that nobody has to ask whether it is up.
        listening.bind(("127.0.0.1", 0))
        # uvicorn takes a descriptor for a Unix socket and leaves Nagle's algorithm on: 40 ms for each answer.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.listen()
        http = "httptools" if way == "asgi" else "covet.handlers.protocol:CovetProtocol"
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "uvicorn", "blogsite.asgi:application"),
                *("--http", http, "--fd", str(listening.fileno())),
            ],
            env=environment,
            cwd=tmp_path,
            pass_fds=[listening.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
            assert server.poll() is None
        finally:
            server.terminate()
            server.wait()


def probe(address: str, folder: Path, *, examples: int, seed: int, left_out: str = "") -> None:
    (folder / "schemathesis.toml").write_text(CONFIG)
    (folder / "new_keys.py").write_text(HOOKS)
    # Beside this interpreter: a program of the dev group.
    program = Path(sys.executable).with_name("schemathesis")
    command: list[str | Path] = [program, "run", f"{address}/openapi.json", "--checks", "all", "--phases", PHASES]
    command += ["--seed", str(seed), "--max-examples", str(examples), "--continue-on-failure", "--no-color"]
    command += ["--suppress-health-check", "all", "--generation-database", "none", "--request-timeout", "60"]
    command += ["--exclude-checks", left_out] if left_out else []
    with urllib.request.urlopen(f"{address}/openapi.json", timeout=60):
        pass  # the server has started: schemathesis waits for it no longer than 10 s
    # Nothing of ours runs in there: it is the server's process that is measured.
    done = subprocess.run(command, cwd=folder, env=unmeasured(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: 16" in done.stdout, done.stdout


def test_nothing_that_is_asked_gets_an_answer_that_is_not_told_of(blog: str, tmp_path: Path) -> None:
    probe(blog, tmp_path, examples=2, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("blog", [["json"], ["json", "msgpack", "yaml", "xml", "csv"]], indirect=True, ids=str)
@pytest.mark.parametrize(("seed", "way"), [(2, "asgi"), (3, "protocol")], indirect=["way"])
def test_nothing_does_in_a_long_run(blog: str, tmp_path: Path, seed: int, request: pytest.FixtureRequest) -> None:
    # It writes JSON into its CSV and texts into its XML, so whether these are right is not for it to say.
    several = len(request.node.callspec.params["blog"]) > 1
    left_out = "positive_data_acceptance,negative_data_rejection" if several else ""
    probe(blog, tmp_path, examples=300, seed=seed, left_out=left_out)
