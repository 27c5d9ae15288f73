"""Schemathesis reads the blog's document and asks whatever comes to its mind: no 500, no answer that is not told of."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BLOG = Path(__file__).resolve().parent.parent.parent / "examples" / "blog"
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance"
)

# Everything is open to whoever asks: otherwise most answers would be 401, and nothing would be read or written.
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
        request.user = Admin()
        return await get_response(request)

    return middleware


DEBUG = False
MIDDLEWARE = [*(name for name in MIDDLEWARE if "Csrf" not in name), "open_blog.AsAdmin"]
REST_FORMATS = FORMATS
"""


@pytest.fixture
def blog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
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
        listening.listen()
        server = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "blogsite.asgi:application", "--fd", str(listening.fileno())],
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


def probe(address: str, folder: Path, *, examples: int, seed: int, phases: str = "coverage,fuzzing") -> None:
    # Beside this interpreter: a program of the dev group.
    program = Path(sys.executable).with_name("schemathesis")
    command: list[str | Path] = [
        program,
        "run",
        f"{address}/openapi.json",
        "--checks",
        CHECKS,
        "--seed",
        str(seed),
        "--phases",
        phases,
    ]
    command += [
        "--max-examples",
        str(examples),
        "--continue-on-failure",
        "--suppress-health-check",
        "all",
        "--no-color",
    ]
    command += ["--generation-database", "none", "--request-timeout", "60"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: 16" in done.stdout, done.stdout


def test_nothing_that_is_asked_gets_an_answer_that_is_not_told_of(blog: str, tmp_path: Path) -> None:
    probe(blog, tmp_path, examples=2, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("blog", [["json"], ["json", "msgpack", "yaml", "xml", "csv"]], indirect=True, ids=str)
@pytest.mark.parametrize("seed", [2, 3])
def test_nothing_does_in_a_long_run(blog: str, tmp_path: Path, seed: int) -> None:
    probe(blog, tmp_path, examples=300, seed=seed, phases="examples,coverage,fuzzing,stateful")
