"""A part that Covet knows nothing about: it collects ``stamps`` from every app."""

from collections.abc import Iterator
from types import ModuleType

from covet.apps import AppConfig, AppPart
from covet.apps.registry import Apps
from covet.checks import CheckMessage, Info


class StampsPart(AppPart):
    module = "stamps"
    tags = ("stamps",)

    def __init__(self) -> None:
        self.stamps: list[str] = []
        self.is_open = False

    def collect(self, app: AppConfig, module: ModuleType | None) -> None:
        if module is not None:
            self.stamps += [f"{app.label}:{stamp}" for stamp in module.stamps]

    def check(self, apps: Apps) -> Iterator[CheckMessage]:
        yield Info(f"There are {len(self.stamps)} stamps.", id="guestbook.I001")

    async def startup(self) -> None:
        self.is_open = True

    async def shutdown(self) -> None:
        self.is_open = False
