"""``manage.py shell``."""

import os
import pty
import signal
import subprocess
import sys
import time

import pytest


def test_code_may_await_at_the_top_level(manage):
    done = manage("shell", "-c", "import asyncio; x = await asyncio.sleep(0, 5); print(x, settings.OWN_SETTING, apps)")

    assert (done.returncode, done.stdout) == (0, "5 3 <Apps shop>\n"), done.stderr


def test_code_comes_from_a_pipe_too(manage):
    assert manage("shell", stdin="print(await __import__('asyncio').sleep(0, 7))\n").stdout == "7\n"


def test_an_error_is_an_exit_code_and_an_exit_is_respected(manage):
    assert manage("shell", "-c", "1 / 0").returncode == 1
    assert manage("shell", "-c", "raise SystemExit(4)").returncode == 4
    assert manage("shell", "-c", "raise SystemExit").returncode == 0


def test_a_forgotten_await_is_told(manage):
    done = manage("shell", "-c", "import asyncio; asyncio.sleep(0)")

    assert done.returncode == 0
    assert "RuntimeWarning: coroutine 'sleep' was never awaited" in done.stderr
    assert "KeyError" not in done.stderr


def test_what_queries_are_made_of_is_imported(manage):
    done = manage("shell", "-c", "print(models.Q(a=1), functions.Lower('a'), type(connection), timezone.now().tzinfo)")

    assert done.returncode == 0, done.stderr
    assert "Lower" in done.stdout and "UTC" in done.stdout


def test_no_imports_means_none(manage):
    assert "NameError" in manage("shell", "--no-imports", "-c", "settings").stderr


@pytest.mark.parametrize("plain", [True, False])
def test_lines_typed_at_a_terminal_share_one_loop(project, environ, plain):
    """Both shells: names last from line to line, await works, and one loop runs them all."""
    lines = [
        "import asyncio",
        "one = (await asyncio.sleep(0), asyncio.get_running_loop())[1]",
        "two = (await asyncio.sleep(0), asyncio.get_running_loop())[1]",
        "print('same', one is two, 6 * 7)",
        "exit()",
    ]
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "shell", *(["--plain"] if plain else [])],
        cwd=project,
        stdin=child,
        stdout=child,
        stderr=child,
        env={**environ, "TERM": "dumb", "IPYTHONDIR": str(project / ".ipython"), "NO_COLOR": "1"},
        close_fds=True,
    )
    os.close(child)
    os.write(parent, ("\n".join(lines) + "\n").encode())
    output = b""
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            try:
                chunk = os.read(parent, 65536)
            except OSError:  # the child has closed its end
                break
            if not chunk:
                break
            output += chunk
            if b"same True 42" in output and process.poll() is not None:
                break
        process.wait(60)
    finally:
        process.kill()
        os.close(parent)

    assert b"same True 42" in output, output.decode(errors="replace")
    assert process.returncode == 0


def test_ctrl_c_cancels_what_is_awaited_and_the_shell_goes_on(project, environ):
    """Nothing is left running behind the next line; errors show the typed line and not the shell's own frames."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "shell", "--plain"],
        cwd=project, stdin=child, stdout=child, stderr=child, close_fds=True,
        env={**environ, "TERM": "dumb", "NO_COLOR": "1"},
    )  # fmt: skip
    os.close(child)
    output = b""

    def until(text):
        nonlocal output
        while text not in output:
            try:
                chunk = os.read(parent, 65536)
            except OSError:  # the child has closed its end
                chunk = b""
            assert chunk, output.decode(errors="replace")
            output += chunk

    try:
        os.write(parent, b"import asyncio; print('wait' + 'ing'); await asyncio.sleep(60)\n")
        until(b"waiting\r\n")
        process.send_signal(signal.SIGINT)
        until(b"KeyboardInterrupt")
        os.write(parent, b"await asyncio.sleep(0, print(len(asyncio.all_tasks()), 'task', 'left'))\n1 / 0\nexit()\n")
        until(b"ZeroDivisionError")
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(parent)

    assert b"1 task left" in output
    assert b"shell.py" not in output
