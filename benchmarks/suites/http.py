"""The request path beside a bare ASGI function on uvicorn: server CPU per request, one server process on one core."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.data import prepare
from benchmarks.measure import table

ORDER = {
    "id": 1, "name": "Ann", "email": "ann@example.com", "active": True, "score": 1.5, "tags": ["a", "b"], "note": None,
    "items": [{"sku": "x-1", "count": 2, "price": 9.5}, {"sku": "x-2", "count": 1, "price": 3.25}],
}  # fmt: skip
REQUESTS = {
    "small JSON": ("GET", "/json"),
    "typed POST": ("POST", "/order"),
    "list of 100": ("GET", "/articles"),
    "get by pk": ("GET", "/articles/77"),
}
AIMS = {"small JSON": "0.90 / 2.1", "typed POST": "0.65 / 0.95", "list of 100": "0.70", "get by pk": "0.80"}


@dataclass
class Contender:
    """A server to start: its name, the application, and uvicorn's ``http`` class."""

    name: str
    application: str
    http: str = "httptools"
    costs: dict[str, list[float]] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    def start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        cores = sorted(os.sched_getaffinity(0))
        command = [
            sys.executable, "-m", "uvicorn", self.application, "--port", str(self.port), "--http", self.http,
            "--loop", "uvloop", "--no-access-log", "--log-level", "warning",
        ]  # fmt: skip
        self.process = subprocess.Popen(command, preexec_fn=lambda: os.sched_setaffinity(0, {cores[0]}))
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise RuntimeError(f"{self.name} did not start")

    def answer(self, method: str, path: str) -> object:
        """The parsed answer: contenders must agree before they are timed."""
        body = json.dumps(ORDER).encode() if method == "POST" else None
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=body,
            method=method,
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request) as response:
            return _comparable(json.load(response))

    def measure(self, name: str, seconds: float, script: Path) -> None:
        """One round: CPU seconds of the server per request that wrk saw answered."""
        assert self.process is not None
        method, path = REQUESTS[name]
        cpu = psutil.Process(self.process.pid).cpu_times()
        before = cpu.user + cpu.system
        cores = sorted(os.sched_getaffinity(0))
        command = ["wrk", "-t1", "-c16", f"-d{seconds}s", f"http://127.0.0.1:{self.port}{path}"]
        if method == "POST":
            command[1:1] = ["-s", str(script)]
        out = subprocess.run(
            command, capture_output=True, text=True, check=True, preexec_fn=lambda: os.sched_setaffinity(0, {cores[-1]})
        ).stdout
        if "Non-2xx" in out:
            raise RuntimeError(f"{self.name}: {path} answered errors:\n{out}")
        requests = int(out.split(" requests in ")[0].split()[-1])
        cpu = psutil.Process(self.process.pid).cpu_times()
        self.costs.setdefault(name, []).append((cpu.user + cpu.system - before) / requests)

    def cost(self, name: str) -> float:
        return statistics.median(self.costs[name])


def _comparable(value: object) -> object:
    """Peers spell a foreign key's name and a time in their own way; keys and counts must still agree."""
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    if isinstance(value, dict):
        return {k.removesuffix("_id"): v for k, v in value.items() if k != "published_at"}
    return value


def run(rounds: int, seconds: float, peers: bool) -> str:
    """Print the table of ratios: the bare function's CPU per request, divided by the contender's."""
    if shutil.which("wrk") is None:
        raise SystemExit("The HTTP suite needs wrk (apt-get install wrk).")
    asyncio.run(prepare())
    contenders = [
        Contender("bare ASGI, raw asyncpg", "benchmarks.apps.bare:app"),
        Contender("Covet, plain ASGI", "benchmarks.apps.covet_app:app"),
        Contender("Covet, own protocol", "benchmarks.apps.covet_app:app", "covet.handlers.protocol:CovetProtocol"),
    ]
    if peers:
        contenders += [
            Contender("FastAPI + SQLAlchemy", "benchmarks.apps.fastapi_app:app"),
            Contender("Django", "benchmarks.apps.django_app:app"),
        ]
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        script.write_text(
            f"wrk.method = 'POST'\nwrk.body = {json.dumps(json.dumps(ORDER))}\nwrk.headers['Content-Type'] = 'application/json'\n"
        )
        try:
            for contender in contenders:
                contender.start()
            for method, path in REQUESTS.values():
                answers = {c.name: c.answer(method, path) for c in contenders}
                floor = answers[contenders[0].name]
                for name, answer in answers.items():
                    if answer != floor:
                        raise RuntimeError(
                            f"{name} answers {path} otherwise than the bare function:\n{answer}\n{floor}"
                        )
            for _ in range(rounds):
                for name in REQUESTS:
                    for contender in contenders:
                        contender.measure(name, seconds, script)
        finally:
            for contender in contenders:
                if contender.process is not None:
                    contender.process.terminate()
                    contender.process.wait()
    floor = contenders[0]
    rows = [(c.name, [f"{floor.cost(n) / c.cost(n):.2f}" for n in REQUESTS]) for c in contenders]
    rows.append(("aim (ASGI / protocol)", [AIMS[n] for n in REQUESTS]))
    return table("Server CPU per request, bare = 1", list(REQUESTS), rows)
