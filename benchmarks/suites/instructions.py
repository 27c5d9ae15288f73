"""The request path by machine instructions: what a request, and a start, has the server execute, counted by valgrind.

CPU time hangs on the machine, its hour and its neighbours; this repeats itself within a hundredth. It leaves out what the
kernel does for a request, what it costs to wait for memory, and what the server does by the clock, request or not: uvicorn looks
ten times a second whether it should stop, which on a slow machine is more of what is counted.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.data import prepare
from benchmarks.measure import table
from benchmarks.suites import http_costs
from benchmarks.suites.http import ORDER, REQUESTS, Contender, floor_and_covet

WARM = 200
COUNTED = 300
IDLE_S = 4.0


def run() -> str:
    """Return the tables: instructions of a request in user space, the bare function's divided by them, and those of a start."""
    for program in ("valgrind", "callgrind_control"):
        if shutil.which(program) is None:
            raise SystemExit(f"Counting instructions needs {program} (apt-get install valgrind).")
    asyncio.run(prepare())
    counts: list[tuple[str, list[int]]] = []
    for contender in floor_and_covet():
        with tempfile.TemporaryDirectory() as folder:
            contender.under = ("valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={folder}/out")
            try:
                contender.start()
                idle = _idle(contender, Path(folder))
                found = [_count(contender, *REQUESTS[row], Path(folder), idle) for row in REQUESTS]
                counts.append((contender.name, found))
            finally:
                contender.stop()
    floor = counts[0][1]
    rows = [
        (name, [f"{own / 1000:.0f}k ({bare / own:.2f})" for bare, own in zip(floor, found, strict=True)])
        for name, found in counts
    ]
    return table("Instructions of a request (bare = 1)", list(REQUESTS), rows) + "\n\n" + http_costs.count_start()


def _idle(contender: Contender, folder: Path) -> float:
    """Return the instructions of a second in which nobody asks."""
    # The first ones are of the start.
    time.sleep(IDLE_S)
    _control(contender, "--zero")
    began = time.monotonic()
    time.sleep(IDLE_S)
    _control(contender, "--dump")
    return _dumped(folder) / (time.monotonic() - began)


def _count(contender: Contender, method: str, path: str, folder: Path, idle: float) -> int:
    """Ask a server under valgrind, and return the instructions of one request."""
    body = json.dumps(ORDER).encode() if method == "POST" else b""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{contender.port}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    request = f"{head}\r\n".encode() + body
    with socket.create_connection(("127.0.0.1", contender.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _ask(connection, request, WARM)
        _control(contender, "--zero")
        began = time.monotonic()
        _ask(connection, request, COUNTED)
        _control(contender, "--dump")
        took_s = time.monotonic() - began
    return round((_dumped(folder) - idle * took_s) / COUNTED)


def _dumped(folder: Path) -> int:
    """Return the instructions of the latest dump."""
    # The dumps are numbered; each holds what was counted since the one before, or since the zero.
    latest = max(folder.glob("out.*"), key=lambda dump: int(dump.suffix[1:]))
    found = re.search(r"^summary: (\d+)", latest.read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"{latest} has no summary.")
    return int(found[1])


def _ask(connection: socket.socket, request: bytes, times: int) -> None:
    """Send the request and read its answer, so many times, one after the other."""
    for _ in range(times):
        connection.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(65536)
        head, _, body = answer.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if length is None or b" 200 " not in head.partition(b"\r\n")[0]:
            raise RuntimeError(f"No answer to be counted: {head!r}")
        left = int(length[1]) - len(body)
        while left > 0:
            left -= len(connection.recv(65536))


def _control(contender: Contender, what: str) -> None:
    assert contender.process is not None
    subprocess.run(["callgrind_control", what, str(contender.process.pid)], check=True, capture_output=True)
