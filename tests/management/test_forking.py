"""The processes that tests fork are what Python would be: see ``tests/_forking.py``."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests._environ import bare
from tests._forking import run, run_async

SAYS = """
import os, sys
print(sys.argv, os.getcwd(), sorted(name for name in os.environ if name.startswith("X_")), input())
print("beside", file=sys.stderr)
sys.exit(3)
"""


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """No variable of our own that would ask for another interpreter, such as PYTHONHASHSEED."""
    for name in [name for name in os.environ if name.startswith("PYTHON")]:
        monkeypatch.delenv(name)


def test_it_has_its_own_arguments_folder_environment_input_and_exit_code(tmp_path):
    done = run("-c", SAYS, "one", "", cwd=tmp_path, env=bare(X_ONE="1=2\n"), given="said\n")

    assert (done.returncode, done.stderr) == (3, "beside\n")
    assert done.stdout == f"['-c', 'one', ''] {tmp_path} ['X_ONE'] said\n"


@pytest.mark.parametrize("kind", ["script", "module"])
def test_its_own_code_comes_first(tmp_path, kind):
    (tmp_path / "mine.py").write_text("import sys, other\nprint(__name__, sys.argv[1:], other.NAME)\n")
    (tmp_path / "other.py").write_text("NAME = 'here'\n")

    done = run(*(["mine.py"] if kind == "script" else ["-m", "mine"]), "x", cwd=tmp_path, env=bare())

    assert (done.returncode, done.stdout) == (0, "__main__ ['x'] here\n"), done.stderr


@pytest.mark.parametrize("forked", [True, False])
def test_a_module_written_anew_within_a_second_is_what_runs(tmp_path, forked):
    outputs = []
    for name in ("depth", "level"):
        (tmp_path / "mine.py").write_text(f"NAME = {name!r}\n")
        os.utime(tmp_path / "mine.py", (10**9, 10**9))
        if forked:
            outputs.append(run("-c", "import mine; print(mine.NAME)", cwd=tmp_path, env=bare()).stdout)
        else:
            command = [sys.executable, "-c", "import mine; print(mine.NAME)"]
            outputs.append(subprocess.run(command, cwd=tmp_path, env=bare(), capture_output=True, text=True).stdout)

    assert outputs == ["depth\n", "level\n"]


def test_two_share_nothing(tmp_path):
    code = "import builtins, covet; print(hasattr(builtins, 'seen'), hasattr(covet, 'seen')); builtins.seen = covet.seen = 1"

    assert [run("-c", code, cwd=tmp_path, env=bare()).stdout for _ in range(2)] == ["False False\n"] * 2


def test_what_fails_and_what_is_killed_is_told(tmp_path):
    failed = run("-c", "{}['gone']", cwd=tmp_path, env=bare())
    killed = run("-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", cwd=tmp_path, env=bare())

    assert (failed.returncode, killed.returncode) == (1, -signal.SIGKILL)
    assert "Traceback" in failed.stderr and "KeyError: 'gone'" in failed.stderr


def test_what_does_not_end_is_ended(tmp_path):
    with pytest.raises(subprocess.TimeoutExpired) as told:
        run("-c", "import time; time.sleep(600)", cwd=tmp_path, env=bare(), timeout=0.1)

    pid = int(told.value.cmd.removeprefix("process "))
    # It is killed, and gone when the one that waits for it has seen so; by itself it would be there for ten minutes.
    for _ in range(3000):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.01)
    pytest.fail(f"process {pid} goes on")


def test_another_interpreter_is_started(tmp_path):
    code = "import sys; print(hash('text'), 'covet' in sys.modules)"
    env = bare(PYTHONHASHSEED="7")

    done = run("-c", code, cwd=tmp_path, env=env)

    expected = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout == expected.stdout and done.stdout.endswith(" False\n")


async def test_several_run_at_once(tmp_path):
    """Each waits for a file that another writes."""
    code = (
        "import sys, time, pathlib\nmine, other = map(pathlib.Path, sys.argv[1:])\nmine.touch()\n"
        "while not other.exists(): time.sleep(0.01)"
    )
    names = [str(number) for number in range(10)]

    done = await asyncio.gather(
        *(
            run_async("-c", code, mine, other, cwd=tmp_path, env=bare())
            for mine, other in zip(names, names[1:] + names[:1], strict=True)
        )
    )

    assert done == [(0, "", "")] * 10
    assert {file.name for file in Path(tmp_path).iterdir()} == set(names)


def test_it_is_no_child_of_ours_that_we_would_wait_for(tmp_path):
    assert int(run("-c", "import os; print(os.getppid())", cwd=tmp_path, env=bare()).stdout) != os.getpid()
