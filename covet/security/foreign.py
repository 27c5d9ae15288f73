"""Settings of Django and of what stands beside it that Covet does not read: they would be passed over in silence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from covet.checks.messages import CheckMessage, Warning
from covet.conf import settings

__all__ = ["INSTEAD", "check_foreign_settings"]

_MAIL: Final = "Nothing sends mails yet; aiosmtplib does without blocking."
_FORMAT: Final = "Templates name the format: {{ day|date('j. F Y') }}, {{ number|floatformat(2) }}."
_MESSAGES: Final = "There are no messages yet; request.session keeps what the next page shall show."
_PAGES: Final = "No middleware keeps pages: QuerySet.cache() keeps results, cache_control lets clients keep pages."
_SESSIONS: Final = "Sessions lie in the database, or in a store of your own: SESSION_ENGINE."

INSTEAD: Final = {
    "ABSOLUTE_URL_OVERRIDES": "Write get_absolute_url() on the model.",
    "ADMINS": "Errors are logged and mailed to nobody: give LOGGING a handler, such as logging.handlers.SMTPHandler.",
    "CACHE_MIDDLEWARE_ALIAS": _PAGES,
    "CACHE_MIDDLEWARE_KEY_PREFIX": _PAGES,
    "CACHE_MIDDLEWARE_SECONDS": _PAGES,
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
    "DATETIME_FORMAT": _FORMAT,
    "DATETIME_INPUT_FORMATS": _FORMAT,
    "DATE_FORMAT": _FORMAT,
    "DATE_INPUT_FORMATS": _FORMAT,
    "DEBUG_PROPAGATE_EXCEPTIONS": "The test client raises what views raise, unless made with raise_request_exception=False.",
    "DECIMAL_SEPARATOR": _FORMAT,
    "DEFAULT_CHARSET": "Answers are UTF-8; a response may name another charset.",
    "DEFAULT_FILE_STORAGE": "Write STORAGES.",
    "DEFAULT_FROM_EMAIL": _MAIL,
    "DEFAULT_INDEX_TABLESPACE": "Indexes lie where the database puts them.",
    "DEFAULT_PERMISSION_CLASSES": "Write DEFAULT_PERMISSIONS.",
    "DEFAULT_TABLESPACE": "Tables lie where the database puts them.",
    "EMAIL_BACKEND": _MAIL,
    "EMAIL_FILE_PATH": _MAIL,
    "EMAIL_HOST": _MAIL,
    "EMAIL_HOST_PASSWORD": _MAIL,
    "EMAIL_HOST_USER": _MAIL,
    "EMAIL_PORT": _MAIL,
    "EMAIL_SSL_CERTFILE": _MAIL,
    "EMAIL_SSL_KEYFILE": _MAIL,
    "EMAIL_SUBJECT_PREFIX": _MAIL,
    "EMAIL_TIMEOUT": _MAIL,
    "EMAIL_USE_LOCALTIME": _MAIL,
    "EMAIL_USE_SSL": _MAIL,
    "EMAIL_USE_TLS": _MAIL,
    "FIRST_DAY_OF_WEEK": _FORMAT,
    "FORCE_SCRIPT_NAME": "The server says where the project is mounted: its root_path.",
    "FORMAT_MODULE_PATH": _FORMAT,
    "FORM_RENDERER": "Forms are read by a schema: Annotated[SignUp, Form()].",
    "GRAPHENE": "GRAPHQL_MAX_DEPTH and its like are settings of their own.",
    "IGNORABLE_404_URLS": "No 404 is mailed to anybody; the logger covet.request tells of them at level DEBUG.",
    "LANGUAGES_BIDI": "get_language_bidi() knows by itself.",
    "MANAGERS": "Nothing is mailed to anybody: give LOGGING a handler, such as logging.handlers.SMTPHandler.",
    "MESSAGE_LEVEL": _MESSAGES,
    "MESSAGE_STORAGE": _MESSAGES,
    "MESSAGE_TAGS": _MESSAGES,
    "MIDDLEWARE_CLASSES": "Write MIDDLEWARE.",
    "MONTH_DAY_FORMAT": _FORMAT,
    "NUMBER_GROUPING": _FORMAT,
    "PASSWORD_RESET_TIMEOUT_DAYS": "Write PASSWORD_RESET_TIMEOUT, in seconds.",
    "REST_FRAMEWORK": "DEFAULT_PERMISSIONS, DEFAULT_THROTTLES, REST_FORMATS and PAGE_SIZE are settings of their own.",
    "SECURE_BROWSER_XSS_FILTER": "Browsers have no such filter any more: write SECURE_CSP.",
    "SERIALIZATION_MODULES": "dumpdata and loaddata read and write JSON, JSON Lines and YAML.",
    "SERVER_EMAIL": _MAIL,
    "SESSION_CACHE_ALIAS": _SESSIONS,
    "SESSION_FILE_PATH": _SESSIONS,
    "SESSION_SERIALIZER": "Sessions hold values of JSON.",
    "SHORT_DATETIME_FORMAT": _FORMAT,
    "SHORT_DATE_FORMAT": _FORMAT,
    "SIGNING_BACKEND": "Signatures are made by covet.signing.TimestampSigner.",
    "SITE_ID": "A request knows its host: request.get_host(), and covet.urls.host for routes by host.",
    "SPECTACULAR_SETTINGS": "OPENAPI_TITLE, OPENAPI_VERSION and OPENAPI_INFO are settings of their own.",
    "STATICFILES_STORAGE": "Write STORAGES.",
    "TASKS": "There is no queue of tasks yet.",
    "TEMPLATE_DEBUG": "DEBUG says it.",
    "TEMPLATE_DIRS": "Write TEMPLATES.",
    "TEST_NON_SERIALIZED_APPS": "Write DATABASES[…]['TEST']['SERIALIZE'].",
    "TEST_RUNNER": "Tests are pytest's.",
    "THOUSAND_SEPARATOR": _FORMAT,
    "TIME_FORMAT": _FORMAT,
    "TIME_INPUT_FORMATS": _FORMAT,
    "USE_DEPRECATED_PYTZ": "Zones are those of zoneinfo.",
    "USE_ETAGS": "Name ConditionalGetMiddleware in MIDDLEWARE.",
    "USE_L10N": "It is always on: leave it out.",
    "USE_THOUSAND_SEPARATOR": _FORMAT,
    "WSGI_APPLICATION": "Servers are given asgi.py: leave it out.",
    "YEAR_MONTH_FORMAT": _FORMAT,
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
