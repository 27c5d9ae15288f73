"""Which worker of pytest-xdist runs a test: files stay whole, and what shares something costly stays together.

A fixture of a module or a session is made by each worker that runs one of its tests: by single tests in turn, as xdist deals
them out, every one of them would be made twice.
"""

from __future__ import annotations

from typing import Any

from xdist.scheduler import LoadScopeScheduling

__all__ = ["ByFile"]

# The virtual environments that the wheels are installed into.
_TOGETHER = ("tests/_e2e/",)


class ByFile(LoadScopeScheduling):
    """Hands out whole files, or folders that belong together, in the order they were collected in: the slow ones come early."""

    def __init__(self, config: Any, log: Any = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return next((folder for folder in _TOGETHER if path.startswith(folder)), path)
