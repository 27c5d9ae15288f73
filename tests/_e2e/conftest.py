"""A new user's machine: virtual environments that hold the built wheels, and projects in empty folders."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests._environ import unmeasured

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Machine:
    """A virtual environment, and nothing of the checkout."""

    folder: Path

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    def environment(self, **extra: str) -> dict[str, str]:
        """A clean environment: no COVET_ names, no PYTHONPATH of the test run."""
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("COVET_", "PYTHON", "PYTEST", "COV_", "COVERAGE"))
        }
        kept.pop("VIRTUAL_ENV", None)
        kept |= {"PATH": f"{self.bin}{os.pathsep}{kept['PATH']}", "NO_COLOR": "1", **extra}
        return kept

    def run(self, *command: str | Path, cwd: Path, code: int = 0, **extra: str) -> str:
        """Run a command of this machine and return all it printed; another exit code than ``code`` fails."""
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env=self.environment(**extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, f"{command} ended with {done.returncode}, not {code}:\n{done.stdout}"
        return done.stdout

    def install(self, *requirements: str) -> None:
        """Install as ``pip install`` does here.

        It is the test run's own pip, since to put one into each environment takes longer than the smallest installation. Bytecode
        is left to the first import: most of what is installed is never imported.
        """
        pip = [sys.executable, "-m", "pip", "--python", self.bin / "python", "--disable-pip-version-check"]
        self.run(*pip, "install", "-q", "--no-compile", *requirements, cwd=self.folder)

    @contextmanager
    def serving(self, project: Path, port: int, *arguments: str, **extra: str) -> Iterator[Path]:
        """``manage.py runserver`` until the block ends; gives the file that holds its output."""
        log = project / f"runserver-{port}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [self.bin / "python", "manage.py", "runserver", f"127.0.0.1:{port}", *arguments],
                cwd=project,
                env=self.environment(**extra),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _wait_for_answer(port, process, log)
            yield log
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                pytest.fail(f"runserver did not stop on Ctrl-C:\n{log.read_text()}")


def _wait_for_answer(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server answers a request; its port is open before the project is loaded."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"runserver ended with {process.returncode}:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"runserver did not answer on port {port}:\n{log.read_text()}")


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The two wheels, built from this checkout: ``covet``, and ``covet_rust`` where cargo is at hand.

    ``COVET_TEST_WHEELS`` names the folder where this run has built them already; there may be more than one ``covet_rust``.
    """
    if built := os.environ.get("COVET_TEST_WHEELS"):
        return _found(Path(built))
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    folder = shared / "wheels"
    with (shared / "wheels.lock").open("w") as lock:
        # One worker builds them for all: two builds at once take the native library from each other.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _build_wheels(part := shared / "wheels.part")
            part.rename(folder)
    return _found(folder)


def _found(folder: Path) -> dict[str, Path]:
    found = {
        path.name.split("-")[0]: path for pattern in ("covet-*.whl", "*-abi3-*.whl") for path in folder.glob(pattern)
    }
    if os.environ.get("CI"):
        assert set(found) == {"covet", "covet_rust"}
    return found


def _build_wheels(folder: Path) -> None:
    build = [sys.executable, "-m", "build", "-q", "--wheel", "--outdir", folder, ROOT]
    subprocess.run(build, env=unmeasured(), check=True, stdout=subprocess.DEVNULL)
    if shutil.which("cargo"):
        build = [sys.executable, "-m", "maturin", "build", "-q", "--release", "-m", ROOT / "covet_rust/Cargo.toml"]
        subprocess.run([*build, "--out", folder], env=unmeasured(), check=True, stdout=subprocess.DEVNULL)


def make_machine(folder: Path, *requirements: str) -> Machine:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], env=unmeasured(), check=True)
    machine = Machine(folder)
    machine.install(*requirements)
    return machine


@pytest.fixture(scope="session")
def plain_machine(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """What ``pip install "covet[standard,test]"`` gives: no Rust, no drivers but SQLite's."""
    return make_machine(tmp_path_factory.mktemp("plain") / "venv", f"{wheels['covet']}[standard,test]")


@pytest.fixture(scope="session")
def full_machine(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """Everything: ``covet[all]`` and, where it was built, ``covet-rust``."""
    rust = [str(wheels["covet_rust"])] if "covet_rust" in wheels else []
    return make_machine(tmp_path_factory.mktemp("full") / "venv", f"{wheels['covet']}[all]", *rust)
