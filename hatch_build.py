"""The build hook of the wheel and of an editable install: compiles catalogues, fetches what browser pages load.

Third-party assets are not committed. Without npm the build goes on, and those pages fall back to a plain one of our own.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class AssetsHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's base is generic only for checkers
    """Runs ``scripts/compile_catalogs.py`` and ``scripts/fetch_assets.py``; ``COVET_ASSETS=0`` leaves the assets out."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the catalogues and fetch the assets before the files of the wheel are gathered."""
        if self.target_name != "wheel":
            return
        scripts = Path(self.root) / "scripts"
        sys.path.insert(0, str(scripts))
        try:
            import compile_catalogs
            import fetch_assets
        finally:
            sys.path.remove(str(scripts))
        compile_catalogs.compile_catalogs(Path(self.root))
        if os.environ.get("COVET_ASSETS", "").strip() == "0":
            return
        try:
            fetch_assets.fetch(Path(self.root))
        except fetch_assets.AssetsMissing as error:
            self.app.display_warning(f"Assets are left out ({error}); the API pages will fall back to a plain one.")
