"""Commands in processes of their own that do not load the framework anew: one process has loaded it and forks for each.

To start Python and to import what a command needs takes most of its time, and twice as long under coverage. Where a test is
about what a command says and does, and not about how it comes to be loaded, ``run`` gives what a process gives: the project's
modules, settings, folder, environment, output and exit code are the command's own, and so is the coverage that is measured. Tests
of imports, signals and servers start Python themselves; so does ``run`` where the environment would make another interpreter.
"""

from __future__ import annotations

import asyncio
import atexit
import builtins
import gc
import importlib
import inspect
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import types
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import NoReturn

import coverage

__all__ = ["run", "run_async"]

# What nearly every command imports; nothing of it reads settings or the environment while it is imported. The modules of the
# commands themselves are left to the processes that run them.
_LOADED = (
    "aiomysql",
    "aiosqlite",
    "argon2",
    "asyncpg",
    "jinja2",
    "strawberry",
    "covet.accel",
    "covet.apps.lifecycle",
    "covet.checks.runner",
    "covet.conf.sources",
    "covet.db.backends.direct",
    "covet.db.backends.holders",
    "covet.db.backends.mysql.driver",
    "covet.db.backends.mysql.schema",
    "covet.db.backends.postgresql.driver",
    "covet.db.backends.postgresql.schema",
    "covet.db.backends.sqlite.driver",
    "covet.db.backends.sqlite.introspection",
    "covet.db.backends.sqlite.schema",
    "covet.db.backends.table_changes",
    "covet.db.checks",
    "covet.db.fixtures.dump",
    "covet.db.fixtures.load",
    "covet.db.migrations.advice",
    "covet.db.migrations.autodetect",
    "covet.db.migrations.comparison",
    "covet.db.migrations.execute",
    "covet.db.migrations.inspect",
    "covet.db.migrations.merge",
    "covet.db.migrations.part",
    "covet.db.migrations.safety",
    "covet.db.migrations.squash",
    "covet.db.migrations.write",
    "covet.db.models.base",
    "covet.db.models.class_checks",
    "covet.db.models.fields.declaration",
    "covet.db.models.fields.identity",
    "covet.db.models.fields.temporal",
    "covet.db.models.fields.text",
    "covet.db.models.model_checks",
    "covet.db.models.part",
    "covet.db.models.relation_checks",
    "covet.db.models.relations.link",
    "covet.db.models.relations.many",
    "covet.db.sql.ddl_compiler",
    "covet.graphql.part",
    "covet.handlers.part",
    "covet.log.config",
    "covet.log.formatters",
    "covet.management.call",
    "covet.management.entry",
    "covet.management.load",
    "covet.middleware.order",
    "covet.pubsub.memory",
    "covet.rest.part",
    "covet.security.part",
    "covet.templates.part",
    "covet.urls.part",
    "covet.websocket.part",
)
_SHAPING = ("PYTHON", "COVET_ACCEL", "LANG", "LC_")
_HARMLESS = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}


def run(
    *arguments: str, cwd: Path, env: Mapping[str, str], given: str = "", timeout: float = 240
) -> subprocess.CompletedProcess[str]:
    """Do what ``python *arguments`` does in ``cwd``.

    First comes a script, ``-m`` and a module, or ``-c`` and code; before it may stand ``-W`` and what to do with a warning.
    """
    if _would_be_another_interpreter(env):
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=cwd, env=env, input=given, capture_output=True, text=True, timeout=timeout)
    with TemporaryFile() as order, TemporaryFile() as stdin, TemporaryFile() as stdout, TemporaryFile() as stderr:
        words = [str(cwd), str(len(arguments)), *arguments, *(f"{name}={value}" for name, value in env.items())]
        order.write("\0".join(words).encode())
        stdin.write(given.encode())
        order.seek(0)
        stdin.seek(0)
        code = _forking().run([file.fileno() for file in (order, stdin, stdout, stderr)], timeout)
        stdout.seek(0)
        stderr.seek(0)
        return subprocess.CompletedProcess(arguments, code, stdout.read().decode(), stderr.read().decode())


async def run_async(*arguments: str, cwd: Path, env: Mapping[str, str]) -> tuple[int, str, str]:
    """Do as ``run`` does while the event loop goes on; return the exit code, the output and the errors."""
    work = partial(run, *arguments, cwd=cwd, env=env)
    done = await asyncio.get_running_loop().run_in_executor(_threads(), work)
    return done.returncode, done.stdout, done.stderr


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(32, "forked")  # some tests start ten at once, and want them at once


def _would_be_another_interpreter(env: Mapping[str, str]) -> bool:
    return any(
        env.get(name) != os.environ.get(name)
        for name in {*env, *(name for name in os.environ if name.startswith("PYTHON"))} - _HARMLESS
        if name.startswith(_SHAPING)
    )


class _Forking:
    """The process that has loaded the framework, as its parent sees it. It ends with its parent."""

    def __init__(self) -> None:
        ours, its = socket.socketpair()
        with its:
            # Nothing but Python's own folders on its path (-P), as yet; coverage begins in those it forks.
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(its.fileno())],
                env={
                    name: value
                    for name, value in os.environ.items()
                    if not name.startswith(("COVERAGE_", "PYTHONPATH"))
                },
                stdin=subprocess.DEVNULL,
                pass_fds=[its.fileno()],
            )
        self._socket = ours
        self._lock = threading.Lock()
        atexit.register(self.close)

    def close(self) -> None:
        """Say that there are no more orders, and wait for the end."""
        self._socket.close()
        self._process.wait()

    def run(self, files: list[int], timeout: float) -> int:
        """Fork for the order in the first file, with the others as its standard files; return the exit code."""
        answer, its = os.pipe()
        with open(answer, "rb", buffering=0) as told:
            with self._lock:
                socket.send_fds(self._socket, [b"!"], [*files, its])
            os.close(its)
            pid = int(told.read(10) or self._ended())
            if not select.select([told], [], [], timeout)[0]:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(f"process {pid}", timeout)
            return int(told.read(10) or self._ended())

    def _ended(self) -> NoReturn:
        raise RuntimeError("The process that forks, or one of those that wait, has ended; the output above tells why.")


@cache
def _forking() -> _Forking:
    return _Forking()


def _serve(orders: socket.socket) -> list[str]:
    """Fork for each order until the parent has gone; return, in the new process, what it is to run."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait
    while True:
        message, files, _, _ = socket.recv_fds(orders, 1, 5)
        if not message:
            os._exit(0)
        if os.fork() == 0:
            break
        for file in files:
            os.close(file)
    orders.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    order, *standard, told = files
    if pid := os.fork():
        os.write(told, b"%10d" % pid)
        _, status = os.waitpid(pid, 0)
        os.write(told, b"%10d" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    os.close(told)
    for number, file in enumerate(standard):
        os.dup2(file, number)
        os.close(file)
    with open(order, "rb") as words:
        return words.read().decode().split("\0")


def _become(folder: str, number: str, *words: str) -> None:
    """Take over the folder, the environment and the arguments of the order, and run what they name."""
    arguments, environment = list(words[: int(number)]), words[int(number) :]
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(word.split("=", 1) for word in environment)
    time.tzset()
    sys.dont_write_bytecode = True  # see _environ.py
    while arguments[0] == "-W":
        action, category = arguments[1].split("::")
        warnings.simplefilter(action, getattr(builtins, category))
        del arguments[:2]
    kind = arguments[0] if arguments[0] in {"-c", "-m"} else ""
    first = Path.cwd() if kind else Path(arguments[0]).resolve().parent
    added = [str(Path(part).resolve()) for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    sys.path[:0] = ["" if kind == "-c" else str(first), *added]
    what, *rest = arguments[1:] if kind else arguments
    sys.argv[:] = [kind or what, *rest]
    coverage.process_startup(force=True)
    if kind == "-c":
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(what, vars(main))
    elif kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(what, run_name="__main__")


if __name__ == "__main__":
    for name in _LOADED:
        importlib.import_module(name)
    # Coverage notes where it was started, for which `inspect` looks through all modules, and here remembers them.
    inspect.stack()
    # What is loaded is in memory once, for all who come: a collection would write into every object.
    gc.freeze()
    _become(*_serve(socket.socket(fileno=int(sys.argv[1]))))
