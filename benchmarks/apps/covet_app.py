"""Covet's contender as an ASGI application."""

import os

os.environ["COVET_SETTINGS_MODULE"] = "benchmarks.apps.covet_settings"

from covet.asgi import get_asgi_application

app = get_asgi_application()
