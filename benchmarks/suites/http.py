"""The request path beside a bare ASGI function on uvicorn: server CPU per request, one server process on one core."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import random
import shutil
import signal
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
    "POST pydantic": ("POST", "/order"),
    "POST struct": ("POST", "/order-struct"),
    "100 pydantic": ("GET", "/objects"),
    "100 structs": ("GET", "/objects-struct"),
    "row by key": ("GET", "/articles/77"),
    "100 rows": ("GET", "/articles"),
}
# On plain ASGI and on the protocol class.
AIMS = {
    "small JSON": "0.90 / 1.8",
    "POST pydantic": "0.65 / 0.95",
    "POST struct": "0.65 / 1.2",
    "100 pydantic": "0.75 / 0.9",
    "100 structs": "0.75 / 0.9",
    "row by key": "0.80",
    "100 rows": "0.70",
}
TYPED = ("small JSON", "POST pydantic", "100 pydantic")
STRUCTS = ("small JSON", "POST struct", "100 structs")
STORED = ("row by key", "100 rows")
TURN_S = 0.08
# So often is each row asked for before it counts: CPython has then seen what its code works on.
WARM = 100


@dataclass
class Contender:
    """A server to start: its name, what starts it, and which rows it answers.

    Attributes:
        command: The arguments after the Python; ``PORT`` stands for the port. None is uvicorn with ``application``.
        under: What runs the Python, with its arguments.
        is_exact: Whether its bytes must be the floor's. Django puts a space behind each comma and colon, and Express
            writes 1.0 as 1, as their users get it; their values must be the same.
    """

    name: str
    application: str = ""
    rows: tuple[str, ...] = tuple(REQUESTS)
    http: str = "httptools"
    python: str = sys.executable
    command: list[str] | None = None
    under: tuple[str, ...] = ()
    is_exact: bool = True
    costs: dict[str, list[float]] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    def start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        cores = sorted(os.sched_getaffinity(0))
        command = self.command or [
            "-m", "uvicorn", self.application, "--port", "PORT", "--http", self.http, "--loop", "uvloop",
            "--no-access-log", "--log-level", "warning",
        ]  # fmt: skip
        command = [*self.under, self.python, *(item.replace("PORT", str(self.port)) for item in command)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, preexec_fn=lambda: os.sched_setaffinity(0, {cores[0]})
        )
        for _ in range(900):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise RuntimeError(f"{self.name} did not start")

    def answer(self, method: str, path: str) -> bytes:
        """The answer: contenders must agree before they are timed."""
        body = json.dumps(ORDER).encode() if method == "POST" else None
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=body,
            method=method,
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request) as response:
            answer: bytes = response.read()
            return answer

    def warm(self, name: str) -> None:
        """Ask for a row until the server's code has settled."""
        method, path = REQUESTS[name]
        body = json.dumps(ORDER).encode() if method == "POST" else None
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        for _ in range(WARM):
            connection.request(method, path, body, {"content-type": "application/json"})
            connection.getresponse().read()
        connection.close()

    def agrees(self, answer: bytes, floor: bytes) -> bool:
        """Whether an answer is the floor's."""
        return answer == floor or (not self.is_exact and json.loads(answer) == json.loads(floor))

    def asked(self, name: str, seconds: int, script: Path) -> subprocess.Popen[str]:
        """Have wrk ask for so long, from another core."""
        method, path = REQUESTS[name]
        cores = sorted(os.sched_getaffinity(0))
        command = ["wrk", "-t1", "-c16", f"-d{seconds}s", f"http://127.0.0.1:{self.port}{path}"]
        if method == "POST":
            command[1:1] = ["-s", str(script)]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {cores[-1]})
        )

    def count(self, name: str, cpu_s: float, out: str) -> None:
        """Keep what a request of a round cost: CPU seconds by the requests that wrk saw answered."""
        if "Non-2xx" in out:
            raise RuntimeError(f"{self.name}: {REQUESTS[name][1]} answered errors:\n{out}")
        requests = int(out.split(" requests in ")[0].split()[-1])
        self.costs.setdefault(name, []).append(cpu_s / requests)

    def cpu_s(self) -> float:
        """CPU seconds of the server so far, with those of its own processes."""
        assert self.process is not None
        first = psutil.Process(self.process.pid)
        times = [process.cpu_times() for process in (first, *first.children(recursive=True))]
        return sum(item.user + item.system for item in times)

    def faster(self, floor: Contender, name: str) -> str:
        """How many times less CPU than the floor in the same round: the median."""
        if name not in self.rows:
            return "–"
        return f"{statistics.median([a / b for a, b in zip(floor.costs[name], self.costs[name], strict=True)]):.2f}"

    def stop(self) -> None:
        if self.process is None:
            return
        for process in psutil.Process(self.process.pid).children(recursive=True) if self.process.poll() is None else ():
            process.terminate()
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:  # one of the peers takes no notice
            self.process.kill()
            self.process.wait()
        self.process = None


def _one_round(contenders: list[Contender], seconds: int, script: Path) -> None:
    """Ask new servers for each row. Those of one program differ by a twentieth, for as long as they live: by where their memory lies."""
    try:
        for contender in random.sample(contenders, len(contenders)):
            contender.start()
        for name in REQUESTS:
            asked = [contender for contender in contenders if name in contender.rows]
            _compare(name, asked)
            for contender in asked:
                contender.warm(name)
            _ask(name, asked, seconds, script)
    finally:
        for contender in contenders:
            contender.stop()


def _compare(name: str, contenders: list[Contender]) -> None:
    """Raise when one of them answers otherwise than the first."""
    method, path = REQUESTS[name]
    expected = contenders[0].answer(method, path)
    for contender in contenders:
        answer = contender.answer(method, path)
        if not contender.agrees(answer, expected):
            raise RuntimeError(
                f"{contender.name} answers {path} otherwise than the bare function:\n{answer!r}\n{expected!r}"
            )


def _ask(name: str, contenders: list[Contender], seconds: int, script: Path) -> None:
    """Ask all contenders for a row, in turns too short for the machine's moods: each wrk but one is stopped."""
    before = [contender.cpu_s() for contender in contenders]
    asking = [contender.asked(name, seconds * len(contenders), script) for contender in contenders]
    end = time.monotonic() + seconds * len(contenders)
    try:
        for wrk in asking:
            wrk.send_signal(signal.SIGSTOP)
        while time.monotonic() < end:
            for wrk in asking:
                wrk.send_signal(signal.SIGCONT)
                time.sleep(TURN_S)
                wrk.send_signal(signal.SIGSTOP)
    finally:
        # Their time is over, so they end at once.
        for wrk in asking:
            wrk.send_signal(signal.SIGCONT)
    outs = [wrk.communicate()[0] for wrk in asking]
    for contender, out, cpu_s in zip(contenders, outs, before, strict=True):
        contender.count(name, contender.cpu_s() - cpu_s, out)


def floor_and_covet() -> list[Contender]:
    """The bare function, and Covet on both of its paths."""
    return [
        Contender("bare ASGI, raw asyncpg", "benchmarks.apps.bare:app"),
        Contender("Covet, plain ASGI", "benchmarks.apps.covet_app:app"),
        Contender("Covet, own protocol", "benchmarks.apps.covet_app:app", http="covet.handlers.protocol:CovetProtocol"),
    ]


def _same_server(python: str) -> None:
    """Refuse peers that would run on another server than the floor: it is most of what a small request costs."""
    script = "import importlib.metadata as m, json; print(json.dumps({n: m.version(n) for n in ('uvicorn', 'uvloop', 'httptools')}))"
    found = [
        subprocess.run([one, "-c", script], capture_output=True, text=True, check=True)
        for one in (sys.executable, python)
    ]
    ours, theirs = (json.loads(one.stdout) for one in found)
    if ours != theirs:
        raise SystemExit(
            f"The peers' Python has {theirs}, this one {ours}: install the same there, or nothing is compared."
        )


def _peers(python: str) -> list[Contender]:
    """The other frameworks; each answers the rows that it has a form of its own for."""
    _same_server(python)
    own = [
        Contender("Robyn", rows=TYPED, command=["-c", "from benchmarks.apps.robyn_app import serve; serve(PORT)"]),
        Contender(
            "django-bolt",
            rows=STRUCTS + STORED,
            command=["-c", "from benchmarks.apps.bolt_app import serve; serve(PORT)"],
        ),
    ]
    served = [
        Contender("Starlette", "benchmarks.apps.starlette_app:app", TYPED),
        Contender("FastAPI + SQLAlchemy", "benchmarks.apps.fastapi_app:app", TYPED + STORED),
        Contender("Litestar", "benchmarks.apps.litestar_app:app", TYPED + STRUCTS[1:]),
        Contender("BlackSheep", "benchmarks.apps.blacksheep_app:app", TYPED),
        Contender("Django", "benchmarks.apps.django_app:app", TYPED + STORED, is_exact=False),
        Contender("django-ninja", "benchmarks.apps.ninja_app:app", TYPED + STORED, is_exact=False),
    ]
    for contender in (*served, *own):
        contender.python = python
    found = [*served, *own]
    node = shutil.which("node")
    script = Path(__file__).parents[1] / "apps" / "express_app.js"
    if node and os.environ.get("NODE_PATH"):
        found.append(Contender("Express", rows=TYPED, python=node, command=[str(script), "PORT"], is_exact=False))
    return found


def run(rounds: int, seconds: int, peers: bool, peers_python: str = sys.executable) -> str:
    """Return the table of ratios: the bare function's CPU per request, divided by the contender's."""
    if shutil.which("wrk") is None:
        raise SystemExit("The HTTP suite needs wrk (apt-get install wrk).")
    asyncio.run(prepare())
    contenders = floor_and_covet() + (_peers(peers_python) if peers else [])
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        script.write_text(
            f"wrk.method = 'POST'\nwrk.body = {json.dumps(json.dumps(ORDER))}\nwrk.headers['Content-Type'] = 'application/json'\n"
        )
        for _ in range(rounds):
            _one_round(contenders, seconds, script)
    floor = contenders[0]
    rows = [(c.name, [c.faster(floor, name) for name in REQUESTS]) for c in contenders]
    rows.append(("aim (ASGI / protocol)", [AIMS[n] for n in REQUESTS]))
    return table("Server CPU per request, bare = 1", list(REQUESTS), rows)
