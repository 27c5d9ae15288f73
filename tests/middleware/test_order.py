"""The order in which middleware belongs: that of a generated project, and what is said of another one."""

from __future__ import annotations

import ast
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import covet
from covet.conf import override
from covet.http import Request, Response
from covet.loading import import_string
from covet.middleware.order import DEBUG_PANEL, ORDER, check_debug_panel, check_order
from covet.test.client import AsyncClient
from covet.urls import path
from tests.handlers.sites import make_application


async def answer(request: Request) -> Response:
    return Response(b"ok")


ROOT = Path(covet.__file__).parents[1]
SLOTS = {name: place for place, (_, names) in enumerate(ORDER) for name in names}


def generated() -> list[str]:
    """``MIDDLEWARE`` of a new project."""
    text = (ROOT / "project_template/project_name/settings.py-tpl").read_text()
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "MIDDLEWARE":
            found: list[str] = ast.literal_eval(node.value)
            return found
    raise AssertionError("the template sets no MIDDLEWARE")


def test_the_slots_stand_as_they_were_decided() -> None:
    labels = ["CORS", "security headers", "sessions", "CSRF", "rate limit", "cache", "auth", "audit"]
    assert [label for label, _ in ORDER] == labels


def test_a_new_project_has_its_middleware_in_this_order() -> None:
    names = generated()
    places = [SLOTS[name] for name in names if name in SLOTS]
    assert [ORDER[place][0] for place in places] == [
        "CORS",
        "security headers",
        "sessions",
        "CSRF",
        "rate limit",
        "auth",
    ]
    assert all(before < after for before, after in pairwise(places))
    assert all(callable(import_string(name)) for name in names)
    assert list(check_order(names)) == []


def test_slots_of_ours_name_what_there_is() -> None:
    later = ("covet.cache.", "covet.audit.")
    assert all(callable(import_string(name)) for name in SLOTS if not name.startswith(later))


@pytest.mark.parametrize("left_out", [name for name in SLOTS if not name.startswith(("covet.cache.", "covet.audit."))])
async def test_every_slot_may_stay_empty(left_out: str) -> None:
    """A project answers without any of the layers; those with models are left out by sites of other tests."""
    names = [name for name in generated() if name.startswith("covet.middleware.") and name != left_out]
    changes: dict[str, Any] = {
        "ALLOWED_HOSTS": ["testserver"],
        "DATABASES": {},
        "INSTALLED_APPS": [],
        "SECRET_KEY": "k" * 50,
        "MIDDLEWARE": names,
    }
    with override(**changes):
        async with AsyncClient(make_application([path("", answer)])) as client:
            assert (await client.get("/")).text == "ok"
            assert (await client.post("/")).text == "ok"
            assert (await client.get("/nothing")).status_code == 404


def test_a_layer_too_far_in_is_named_with_the_one_that_stands_before_it() -> None:
    (found,) = check_order(
        [
            "covet.sessions.middleware.SessionMiddleware",
            "mysite.Own",
            lambda get_response: get_response,
            "covet.middleware.cors.CorsMiddleware",
            "covet.auth.middleware.AuthenticationMiddleware",
        ]
    )
    assert found.id == "middleware.W001"
    assert "covet.middleware.cors.CorsMiddleware (CORS) after covet.sessions.middleware.SessionMiddleware" in found.msg
    assert "CORS → security headers → sessions → CSRF → rate limit → cache → auth → audit" in str(found.hint)


def test_layers_of_later_rooms_have_their_slot() -> None:
    wrong = ["covet.auth.middleware.AuthenticationMiddleware", "covet.cache.middleware.CacheMiddleware"]
    assert [found.id for found in check_order(wrong)] == ["middleware.W001"]
    assert list(check_order([*reversed(wrong), "covet.audit.middleware.AuditMiddleware"])) == []


@pytest.mark.parametrize(
    ("settings", "ids"),
    [
        ({"DEBUG": True, "INTERNAL_IPS": ["127.0.0.1"]}, ["middleware.E001"]),
        ({"DEBUG": False, "INTERNAL_IPS": ["127.0.0.1", "wrong"]}, []),
        ({"DEBUG": False, "INTERNAL_IPS": ["10.0.0.0/8", "8.8.8.8"]}, ["middleware.W002"]),
        ({"DEBUG": True, "INTERNAL_IPS": []}, []),
    ],
    ids=["shown", "off", "public", "nobody"],
)
def test_deployment_checks_tell_of_a_panel_that_somebody_would_see(settings: dict[str, Any], ids: list[str]) -> None:
    with override(**settings):
        assert [found.id for found in check_debug_panel([DEBUG_PANEL])] == ids
        assert list(check_debug_panel([])) == []
