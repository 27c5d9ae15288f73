"""The pages of the API as Chromium shows them: they start, say what there is, and break no rule of their own policy."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from covet.http.request import Request
from covet.rest import Router, Schema, permissions
from covet.urls import include, path

OPEN = [permissions.AllowAny]


class Book(Schema):
    """Something to read."""

    title: str
    pages: int = 1


api = Router(permissions=OPEN, tags=["books"], formats=["html", "json", "csv"])


@api.get("/books/")
async def list_books() -> list[Book]:
    """List the books of this library.

    All that there are.
    """
    return [Book(title="<script>alert(1)</script>", pages=12)]


@api.post("/books/", status=201)
async def make_book(request: Request, data: Book) -> Book:
    """Add a book."""
    return data


async def look(url: str, profile: Path) -> tuple[str, str]:
    """Return what a page has become once its scripts have run, and what the browser complained about."""
    browser = shutil.which("chromium")
    assert browser is not None, "chromium is missing; scripts/services installs it"
    process = await asyncio.create_subprocess_exec(
        browser,
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr"),
        *(f"--user-data-dir={profile}", "--virtual-time-budget=15000", "--dump-dom", url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    shown, told = await process.communicate()
    complaints = [
        line
        for line in told.decode().splitlines()
        # ReDoc asks for its own mark from elsewhere; that the policy refuses it is right.
        if "CONSOLE" in line and "cdn.redoc.ly" not in line
    ]
    return shown.decode(), "\n".join(complaints)


@pytest.mark.parametrize("site", ["protocol"], indirect=True)
async def test_each_page_shows_the_api_under_its_own_policy(site: Any, tmp_path: Path) -> None:
    client = await site(
        [path("api/", include(api)), path("", include("covet.rest.urls"))],
        installed=["covet.rest"],
        middleware=["covet.middleware.security.SecurityMiddleware"],
        OPENAPI_TITLE="The library",
    )
    base = str(client.base_url).rstrip("/")

    pages: dict[str, list[str]] = {
        "/docs": ["List the books of this library", "Add a book", "/api/books/"],
        "/docs/redoc": ["List the books of this library", "The library"],
        "/docs/scalar": ["List the books of this library", "The library"],
        "/docs/problems": ["invalid-values", "idempotency-in-progress"],
        "/api/books/": [
            "List books",
            "Try it",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
            "format=csv",
            '{ "title": "", "pages": 1 }</textarea>',
        ],
    }
    looks = await asyncio.gather(*(look(base + one, tmp_path / str(number)) for number, one in enumerate(pages)))

    for (address, expected), (shown, complaints) in zip(pages.items(), looks, strict=True):
        text = re.sub(r"\s+", " ", shown)
        for words in expected:
            assert words in text, (address, words, text[:3000])
        assert not re.search("Refused|Uncaught|violates", complaints), (address, complaints)
