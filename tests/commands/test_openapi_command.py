"""``manage.py openapi``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

URLS = """
from covet.rest import Router, permissions
from covet.urls import include, path
api = Router(permissions=[permissions.AllowAny])
@api.get("/items/<int:pk>")
async def read_item(pk: int, {parameter} = 1) -> dict[str, int]:
    return {{"pk": pk}}
urlpatterns = [path("api/", include(api))]
"""


def test_the_document_is_printed_written_and_compared(manage: Callable[..., Any], project: Path) -> None:
    urls = project / "site_/urls.py"
    urls.write_text(URLS.format(parameter="depth: int"))
    shown = json.loads(manage("openapi").stdout)
    manage("openapi", "--output", "api.json")
    same = manage("openapi", "--check", "api.json")
    urls.write_text(URLS.format(parameter="level: int"))
    broken = manage("openapi", "--check", "api.json")
    told = manage("openapi", "--check", "api.json", "--json")

    assert list(shown["paths"]) == ["/api/items/{pk}"]
    assert json.loads((project / "api.json").read_text()) == shown
    assert (same.returncode, same.stdout) == (0, "")
    assert "Nothing breaks" in same.stderr
    assert broken.returncode == told.returncode == 1
    assert broken.stdout == "GET /api/items/{pk}: query parameter 'depth': is not read any more.\n"
    assert "One change breaks clients of api.json" in broken.stderr
    assert json.loads(told.stdout)["breaking"] == [
        {
            "operation": "GET /api/items/{pk}",
            "place": "query parameter 'depth'",
            "text": "is not read any more.",
        }
    ]


def test_the_document_may_be_yaml(manage: Callable[..., Any], project: Path) -> None:
    urls = project / "site_/urls.py"
    urls.write_text(URLS.format(parameter="depth: int"))
    shown = json.loads(manage("openapi").stdout)
    manage("openapi", "--output", "api.yaml")
    same = manage("openapi", "--check", "api.yaml")
    (project / "bad.yml").write_text("a: [")
    bad = manage("openapi", "--check", "bad.yml")

    assert yaml.safe_load((project / "api.yaml").read_text()) == shown
    assert (same.returncode, bad.returncode) == (0, 1)
    assert "is not valid YAML" in bad.stderr


def test_a_file_that_holds_no_document_is_refused(manage: Callable[..., Any], project: Path) -> None:
    (project / "none.json").write_text("[]")
    (project / "bad.json").write_text("{")

    none, bad = manage("openapi", "--check", "none.json"), manage("openapi", "--check", "bad.json")
    missing = manage("openapi", "--check", "missing.json")

    assert (none.returncode, bad.returncode, missing.returncode) == (1, 1, 2)
    assert "is no OpenAPI 3 document" in none.stderr
    assert "is not valid JSON" in bad.stderr
    assert "Traceback" not in none.stderr + bad.stderr + missing.stderr
