"""The ASGI application, for any server: uvicorn blogsite.asgi:application"""

import os

os.environ.setdefault("COVET_SETTINGS_MODULE", "blogsite.settings")

from covet.asgi import get_asgi_application

application = get_asgi_application()
