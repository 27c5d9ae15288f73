"""Settings: a plain module of upper-case names behind a typed, lazy object.

``from covet.conf import settings`` costs nothing; the first name read loads the project's module, ``.env`` and the
environment, and checks every value at once.
"""

from typing import TYPE_CHECKING

from covet.conf.holder import Settings, override, settings
from covet.loading import late_names

if TYPE_CHECKING:
    from covet.conf.errors import SettingProblem, SettingsError

__all__ = ["SettingProblem", "Settings", "SettingsError", "override", "settings"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = late_names(__name__, {"covet.conf.errors": ("SettingProblem", "SettingsError")})
