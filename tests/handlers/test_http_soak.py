"""Two minutes of good and bad requests mixed, against real processes: memory and open files stay where they were."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.handlers.test_bad_input import MULTIPART, UPLOAD, part, post
from tests.handlers.test_smuggling import REFUSED, REFUSED_BY_LLHTTP, TAKEN
from tests.handlers.test_stopping import Process, Start, children_of, start

__all__ = ["start"]

SECONDS = float(os.environ.get("COVET_SOAK_S", "120"))
CLIENTS = 16
# What caches and allocators may still take after the first fifth of the run.
SPARE_MB = 24

VIEWS = """
from covet.http import JSONResponse, Request
from covet.urls import path

async def read_json(request):
    return JSONResponse(await request.json())

async def read_form(request):
    return JSONResponse(sorted(await request.form()))

async def read_body(request):
    return Response(str(len(await request.body())))

async def ok(request):
    return Response(request.get_host())

async def fail(request):
    raise RuntimeError("secret")

async def late(request):
    async def pieces():
        yield b"first"
        raise RuntimeError("secret")
    return StreamingResponse(pieces())

async def file(request):
    return FileResponse(HERE.parent / "manage.py")

urlpatterns += [
    path("json", read_json), path("form", read_form), path("body", read_body), path("ok", ok), path("fail", fail),
    path("late", late), path("file", file),
]
"""

GOOD = [
    b"GET /ok HTTP/1.1\r\nhost: good\r\nconnection: close\r\n\r\n",
    b"GET /file HTTP/1.1\r\nhost: good\r\nconnection: close\r\n\r\n",
    b"GET /file HTTP/1.1\r\nhost: good\r\nrange: bytes=0-9,20-29\r\nconnection: close\r\n\r\n",
    post("/json", json.dumps({"a": list(range(1000))}).encode()),
    post("/form", UPLOAD * 20 + b"--b--\r\n", MULTIPART),
    post("/body", b"x" * 300_000),
    b"GET /nothing HTTP/1.1\r\nhost: good\r\nconnection: close\r\n\r\n",
]
BAD = [
    post("/json", b"[" * 100_000),
    post("/json", b"NaN"),
    post("/json", b'{"a": "\xff"}'),
    post("/form", part(b"a") * 2000 + b"--b--\r\n", MULTIPART),
    post("/form", UPLOAD * 20, MULTIPART),
    post("/form", part(b"a"), "multipart/form-data"),
    b"GET /fail HTTP/1.1\r\nhost: good\r\nconnection: close\r\n\r\n",
    b"GET /late HTTP/1.1\r\nhost: good\r\nconnection: close\r\n\r\n",
    b"GET /ok HTTP/1.1\r\nhost: evil\r\nconnection: close\r\n\r\n",
    b"GET /ok HTTP/1.1\r\nhost: good\r\n" + b"a: b\r\n" * 500 + b"\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\nhost: good\r\nconnection: close\r\n\r\n",
    *REFUSED.values(),
    *REFUSED_BY_LLHTTP.values(),
    *TAKEN.values(),
]
# The client goes away in the middle of these.
LEFT = [
    b"GET /stream HTTP/1.1\r\nhost: good\r\n\r\n",
    b"GET /events HTTP/1.1\r\nhost: good\r\n\r\n",
    b"GET /endless HTTP/1.1\r\nhost: good\r\n\r\n",
    post("/form", UPLOAD * 50, MULTIPART)[:-10],
    b"POST /body HTTP/1.1\r\nhost: good\r\ncontent-length: 1000000\r\n\r\nabc",
    b"POST /body HTTP/1.1\r\nhost: good\r\ntransfer-encoding: chunked\r\n\r\nff\r\nabc",
    b"GET /ok HTTP/1.1\r\nhost: go",
]


async def client(port: int, end: float, seed: int, counts: dict[str, int]) -> None:
    chance = random.Random(seed)
    while time.monotonic() < end:
        kind = chance.choice(("good", "good", "bad", "left"))
        text = chance.choice({"good": GOOD, "bad": BAD, "left": LEFT}[kind])
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(text)
                if kind == "left":
                    await writer.drain()
                    if chance.random() < 0.5:
                        async with asyncio.timeout(0.05):
                            await reader.read(100)
                else:
                    if kind == "bad":
                        writer.write_eof()
                    async with asyncio.timeout(20):
                        answer = await reader.read(-1)
                    if kind == "good":
                        assert answer[:12] in (b"HTTP/1.1 200", b"HTTP/1.1 206", b"HTTP/1.1 404"), (
                            text[:80],
                            answer[:80],
                        )
                    assert b"secret" not in answer
                counts[kind] = counts.get(kind, 0) + 1
            except TimeoutError:
                counts["waited"] = counts.get("waited", 0) + 1
            finally:
                writer.transport.abort()


def held(pid: int) -> tuple[float, int]:
    """The megabytes and open files of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return resident / 1024, len(os.listdir(f"/proc/{pid}/fd"))


def worker_of(server: Process) -> int:
    children = children_of(server.process.pid)
    return children[0] if children and not server.way.startswith("rsgi") else server.process.pid


@pytest.mark.soak
@pytest.mark.parametrize("way", ["serve", "uvicorn", "rsgi", "runserver"])
async def test_memory_and_files_stay_flat_under_good_and_bad_requests(start: Start, way: str) -> None:
    server = start(
        way, more_views=VIEWS, COVET_ALLOWED_HOSTS="good,127.0.0.1", COVET_FILE_UPLOAD_MAX_MEMORY_SIZE="1000"
    )
    port, pid = int(server.url.rpartition(":")[2]), worker_of(server)
    counts: dict[str, int] = {}

    async def run(seconds: float) -> tuple[float, int]:
        end = time.monotonic() + seconds
        await asyncio.gather(*(client(port, end, number, counts) for number in range(CLIENTS)))
        # Who left in the middle of an answer is found by a sweep.
        async with asyncio.timeout(20):
            while (now := held(pid))[1] > first[1]:
                await asyncio.sleep(0.1)
        return now

    first = held(pid)
    warm = await run(SECONDS / 5)
    last = await run(SECONDS * 4 / 5)

    print(f"\n{way}: at first {first}, warm {warm}, at the end {last}; {counts}")
    assert last[0] - warm[0] < SPARE_MB
    assert counts["good"] > SECONDS
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(30) in (0, -signal.SIGTERM)
