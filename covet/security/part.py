"""SecurityPart: hands ``check`` and ``check --deploy`` what is to be found in the settings that keep a site safe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from covet.apps.part import AppPart
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.apps.registry import Apps
    from covet.checks import CheckMessage
    from covet.security import checks
else:
    checks = late_module(__name__, "covet.security.checks")

__all__ = ["SecurityPart"]


class SecurityPart(AppPart):
    """Collects nothing: it checks settings."""

    tags = ("security", "settings")

    def check(self, apps: Apps) -> Iterator[CheckMessage]:
        """Report what is wrong everywhere."""
        return checks.check_settings()

    def check_deploy(self, apps: Apps) -> Iterator[CheckMessage]:
        """Report what must not stay so in production."""
        return checks.check_deployment(apps)
