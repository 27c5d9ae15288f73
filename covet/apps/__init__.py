"""The app registry: which apps are installed, and what each subsystem collected from them."""

from covet.apps.config import AppConfig
from covet.apps.part import AppPart
from covet.apps.registry import Apps, apps

__all__ = ["AppConfig", "AppPart", "Apps", "apps"]
