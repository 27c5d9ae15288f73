"""The app, and who answers its exceptions."""

from __future__ import annotations

from typing import ClassVar

from covet.apps import AppConfig
from covet.http.exception_handlers import Handlers
from covet.http.request import Request
from covet.problems import Problem


class Misplaced(Exception):
    pass


def misplaced(request: Request, error: Misplaced) -> Problem:
    return Problem(404, detail=f"shelf: {error}")


class ShelfConfig(AppConfig):
    name = "tests.rest.shelf"
    label = "shelf"
    exception_handlers: ClassVar[Handlers] = {Misplaced: misplaced}
