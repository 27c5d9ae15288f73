"""Settings of Django and of what stands beside it that Covet does not read: they would be passed over in silence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from covet.checks.messages import CheckMessage, Warning
from covet.conf import settings

__all__ = ["INSTEAD", "check_foreign_settings"]

INSTEAD: Final = {
    "CHANNEL_LAYERS": "Write CHANNELS.",
    "CONTENT_SECURITY_POLICY": "Write SECURE_CSP.",
    "CORS_ORIGIN_ALLOW_ALL": "Write CORS_ALLOW_ALL_ORIGINS.",
    "CORS_ORIGIN_REGEX_WHITELIST": "Write CORS_ALLOWED_ORIGIN_REGEXES.",
    "CORS_ORIGIN_WHITELIST": "Write CORS_ALLOWED_ORIGINS.",
    "CSP_DEFAULT_SRC": "Write SECURE_CSP.",
    "CSP_SCRIPT_SRC": "Write SECURE_CSP.",
    "CSRF_FAILURE_VIEW": "A refused token is a 403 as any other: write the template 403.html, or handler403 in the root urls.py.",
    "CSRF_USE_SESSIONS": "The token lies in its cookie.",
    "DATA_UPLOAD_MAX_NUMBER_FIELDS": "Write MAX_FORM_FIELDS.",
    "DATA_UPLOAD_MAX_NUMBER_FILES": "Write MAX_FORM_PARTS, which counts fields and files.",
    "DEFAULT_FILE_STORAGE": "Write STORAGES.",
    "DEFAULT_PERMISSION_CLASSES": "Write DEFAULT_PERMISSIONS.",
    "FORCE_SCRIPT_NAME": "The server says where the project is mounted: its root_path.",
    "FORM_RENDERER": "Forms are read by a schema: Annotated[SignUp, Form()].",
    "GRAPHENE": "GRAPHQL_MAX_DEPTH and its like are settings of their own.",
    "MIDDLEWARE_CLASSES": "Write MIDDLEWARE.",
    "PASSWORD_RESET_TIMEOUT_DAYS": "Write PASSWORD_RESET_TIMEOUT, in seconds.",
    "REST_FRAMEWORK": "DEFAULT_PERMISSIONS, DEFAULT_THROTTLES, REST_FORMATS and PAGE_SIZE are settings of their own.",
    "SECURE_BROWSER_XSS_FILTER": "Browsers have no such filter any more: write SECURE_CSP.",
    "SPECTACULAR_SETTINGS": "OPENAPI_TITLE, OPENAPI_VERSION and OPENAPI_INFO are settings of their own.",
    "STATICFILES_STORAGE": "Write STORAGES.",
    "TEMPLATE_DEBUG": "DEBUG says it.",
    "TEMPLATE_DIRS": "Write TEMPLATES.",
    "TEST_RUNNER": "Tests are pytest's.",
    "USE_DEPRECATED_PYTZ": "Zones are those of zoneinfo.",
    "USE_ETAGS": "Name ConditionalGetMiddleware in MIDDLEWARE.",
    "USE_L10N": "It is always on: leave it out.",
    "WSGI_APPLICATION": "Servers are given asgi.py: leave it out.",
}
"""What to write in the place of each."""


def check_foreign_settings() -> Iterator[CheckMessage]:
    """Report each that the project sets, unless ``EXTRA_SETTINGS`` says that it is its own."""
    for name in settings.names():
        if name in INSTEAD and name not in settings.EXTRA_SETTINGS:
            yield Warning(
                f"{name} is no setting of Covet, and nothing reads it.",
                hint=f"{INSTEAD[name]} If it is your own, add it to EXTRA_SETTINGS.",
                obj="settings",
                id="settings.W001",
            )
