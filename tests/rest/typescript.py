"""A TypeScript client of an API, compiled under the strictest rules, and what a script does with it on Node."""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from covet.rest import Router
from covet.rest.openapi.typescript import typescript_client
from covet.rest.part import RestPart
from covet.urls import include, path

__all__ = ["on_node", "tsc"]

ROOT = Path(__file__).resolve().parent.parent.parent
STRICT = [
    "--strict",
    "--noUncheckedIndexedAccess",
    "--exactOptionalPropertyTypes",
    "--noImplicitOverride",
    "--noUnusedLocals",
    "--noImplicitReturns",
    "--verbatimModuleSyntax",
    "--target",
    "es2022",
    "--module",
    "nodenext",
    "--lib",
    "es2022,dom",
]


@pytest.fixture(scope="session")
def tsc() -> Path:
    """The pinned compiler; one worker fetches it, the others wait."""
    spec = importlib.util.spec_from_file_location("fetch_assets", ROOT / "scripts" / "fetch_assets.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (ROOT / "build").mkdir(exist_ok=True)
    with (ROOT / "build" / "tools.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        [folder] = module.fetch(ROOT, pins_file=ROOT / "scripts" / "tools.json")
    return Path(folder) / "lib" / "tsc.js"


@pytest.fixture
async def on_node(
    site: Any, scratch: Any, tsc: Path, tmp_path: Path
) -> AsyncIterator[Callable[[Router, str], Awaitable[Any]]]:
    """``await on_node(api, script)``: what a script prints as JSON that imports ``./client.js`` and is told the address."""
    from covet.db import connections

    async def compiled(api: Router, script: str) -> Any:
        client = await _library_site(site, scratch, api)
        (tmp_path / "package.json").write_text('{"type": "module"}')
        (tmp_path / "client.ts").write_text(typescript_client(client.application.apps.part(RestPart).document()))
        # What Node brings beside the browser's: tests need no types of it but this.
        (tmp_path / "node.d.ts").write_text("declare const process: { argv: string[] };")
        (tmp_path / "script.ts").write_text(script)
        await _run(tsc, *STRICT, "script.ts", "node.d.ts", cwd=tmp_path)
        return json.loads(await _run("script.js", str(client.base_url).rstrip("/"), cwd=tmp_path))

    yield compiled
    await connections.close_all()


async def _library_site(site: Any, scratch: Any, api: Router) -> Any:
    """A site of a router, on an empty library."""
    from covet.conf.service_url import parse_database
    from covet.db.database import Database
    from covet.db.models.table import table_of
    from tests.rest.library import MODELS

    url = await scratch("sqlite")
    database = Database("default", parse_database(url))
    async with database.schema_editor() as editor:
        for model in MODELS:
            await editor.create_table(table_of(model))
    await database.close()
    return await site(
        [path("api/", include(api))],
        middleware=["covet.middleware.csrf.CsrfMiddleware", "tests.rest.conftest.UserFromHeader"],
        installed=["covet.rest"],
        DATABASES={"default": {"url": url}},
        CSRF_HEADER_NAME="X-CSRF-Token",
    )


async def _run(*command: str | Path, cwd: Path) -> str:
    node = shutil.which("node")
    assert node is not None, "node is missing; scripts/services installs it"
    process = await asyncio.create_subprocess_exec(
        node,
        *map(str, command),
        cwd=cwd,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    assert process.returncode == 0, told.decode()
    return told.decode()
