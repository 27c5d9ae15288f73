"""``covet.setup`` and ``covet.run``, in a process of their own."""

import subprocess
import sys
import textwrap

from tests._environ import bare

PART = """
from covet.apps import AppPart
class Loud(AppPart):
    async def startup(self): print("up")
    async def shutdown(self): print("down")
class Quiet(AppPart):
    async def startup(self): print("quiet up")
"""


def python(folder, code):
    (folder / "parts_of_a_test.py").write_text(PART)
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n" + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        env=bare(),
    )


CONFIGURE = """
import covet
from covet.conf import settings
settings.configure(APP_PARTS=["parts_of_a_test.Loud", "parts_of_a_test.Quiet"])
"""


def test_run_opens_everything_runs_and_closes(tmp_path):
    done = python(
        tmp_path,
        CONFIGURE
        + """
async def main():
    print("inside")
    return 5
print(covet.run(main()), covet.run(main))
""",
    )
    assert done.stdout.split("\n")[:-1] == [
        "up", "quiet up", "inside", "down", "up", "quiet up", "inside", "down", "5 5",
    ], done.stderr  # fmt: skip


def test_run_may_open_just_some_parts_and_closes_when_the_coroutine_fails(tmp_path):
    done = python(
        tmp_path,
        CONFIGURE
        + """
from parts_of_a_test import Loud
async def main():
    raise KeyError("inside")
try:
    covet.run(main(), parts=[Loud])
except KeyError as error:
    print(error)
""",
    )
    assert done.stdout.split() == ["up", "down", "'inside'"], done.stderr


def test_run_inside_a_loop_says_what_to_write(tmp_path):
    done = python(
        tmp_path,
        CONFIGURE
        + """
import asyncio
async def inner(): ...
async def main():
    try:
        covet.run(inner())
    except RuntimeError as error:
        print(error)
asyncio.run(main())
""",
    )
    assert "await" in done.stdout, done.stderr
    assert done.stderr == ""


def test_nested_started_blocks_share_what_runs(tmp_path):
    done = python(
        tmp_path,
        CONFIGURE
        + """
from covet.apps.lifecycle import started
async def main():
    async with started():
        print("nested")
covet.run(main())
""",
    )
    assert done.stdout.split() == ["up", "quiet", "up", "nested", "down"], done.stderr


def test_setup_without_settings_is_one_clear_error(tmp_path):
    done = python(tmp_path, "import covet; covet.setup()")

    assert "COVET_SETTINGS_MODULE" in done.stderr.splitlines()[-1]


def test_a_shutdown_is_not_cut_short_by_cancellation(tmp_path):
    done = python(
        tmp_path,
        """
import asyncio, covet
from covet.conf import settings
from covet.apps import AppPart
from covet.apps.lifecycle import started, setup
up, closing, go, closed = (asyncio.Event() for _ in range(4))
class Slow(AppPart):
    async def shutdown(self):
        closing.set()
        await go.wait()
        print("closed")
        closed.set()
settings.configure(APP_PARTS=[])
covet.apps.apps.setup([], [Slow])
async def serve():
    async with started():
        print("serving")
        up.set()
        await asyncio.Event().wait()
async def main():
    task = asyncio.create_task(serve())
    await up.wait()
    task.cancel()
    await closing.wait()
    task.cancel()
    await asyncio.sleep(0)
    go.set()
    try:
        await task
    except asyncio.CancelledError:
        print("cancelled")
    await closed.wait()
asyncio.run(main())
""",
    )
    assert set(done.stdout.split()) == {"serving", "closed", "cancelled"}, done.stderr
