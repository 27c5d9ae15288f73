"""A script that forgets to close its SQLite database."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import asyncio

from covet.conf import settings

settings.configure(DATABASES={"default": "sqlite:///left_open.sqlite3"}, INSTALLED_APPS=[])
import covet

covet.setup()
from covet.db import connections


async def main():
    print(await connections["default"].fetch("SELECT 1"))


asyncio.run(main())
"""


def test_a_process_ends_though_its_connections_were_left_open(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "1" in done.stdout
