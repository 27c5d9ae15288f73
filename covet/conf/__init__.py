"""Settings: a plain module of upper-case names behind a typed, lazy object.

``from covet.conf import settings`` costs nothing; the first name read loads the project's module, ``.env`` and the
environment, and checks every value at once.
"""

from covet.conf.errors import SettingProblem, SettingsError
from covet.conf.holder import Settings, override, settings

__all__ = ["SettingProblem", "Settings", "SettingsError", "override", "settings"]
