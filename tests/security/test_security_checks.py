"""What check and check --deploy find in settings."""

import re

import pytest

from covet.apps.registry import Apps
from covet.checks import run_checks
from covet.conf import override
from covet.conf.defaults import declared
from covet.conf.sources import near_misses
from covet.security.foreign import INSTEAD
from covet.security.part import SecurityPart

GOOD = {
    "DEBUG": False,
    "ALLOWED_HOSTS": ["example.com"],
    "SECRET_KEY": "abcdefghij" * 6,
    "SECURE_SSL_REDIRECT": True,
    "SECURE_HSTS_SECONDS": 3600,
    "SECURE_HSTS_INCLUDE_SUBDOMAINS": True,
    "SECURE_HSTS_PRELOAD": True,
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "MIDDLEWARE": ["covet.middleware.security.SecurityMiddleware", "covet.middleware.csrf.CsrfMiddleware"],
    "CACHES": {"default": "redis://h/0"},
    "CHANNELS": {"default": "redis://h/0"},
}


# The settings that Django's reference lists.
DOCUMENTED = """
ABSOLUTE_URL_OVERRIDES ADMINS ALLOWED_HOSTS APPEND_SLASH AUTHENTICATION_BACKENDS AUTH_PASSWORD_VALIDATORS
AUTH_USER_MODEL CACHES CACHE_MIDDLEWARE_ALIAS CACHE_MIDDLEWARE_KEY_PREFIX CACHE_MIDDLEWARE_SECONDS
CSRF_COOKIE_AGE CSRF_COOKIE_DOMAIN CSRF_COOKIE_HTTPONLY CSRF_COOKIE_NAME CSRF_COOKIE_PATH CSRF_COOKIE_SAMESITE
CSRF_COOKIE_SECURE CSRF_FAILURE_VIEW CSRF_HEADER_NAME CSRF_TRUSTED_ORIGINS CSRF_USE_SESSIONS DATABASES
DATABASE_ROUTERS DATA_UPLOAD_MAX_MEMORY_SIZE DATA_UPLOAD_MAX_NUMBER_FIELDS DATA_UPLOAD_MAX_NUMBER_FILES
DATETIME_FORMAT DATETIME_INPUT_FORMATS DATE_FORMAT DATE_INPUT_FORMATS DEBUG DEBUG_PROPAGATE_EXCEPTIONS
DECIMAL_SEPARATOR DEFAULT_AUTO_FIELD DEFAULT_CHARSET DEFAULT_EXCEPTION_REPORTER
DEFAULT_EXCEPTION_REPORTER_FILTER DEFAULT_FROM_EMAIL DEFAULT_INDEX_TABLESPACE DEFAULT_TABLESPACE
DISALLOWED_USER_AGENTS EMAIL_BACKEND EMAIL_FILE_PATH EMAIL_HOST EMAIL_HOST_PASSWORD EMAIL_HOST_USER EMAIL_PORT
EMAIL_SSL_CERTFILE EMAIL_SSL_KEYFILE EMAIL_SUBJECT_PREFIX EMAIL_TIMEOUT EMAIL_USE_LOCALTIME EMAIL_USE_SSL
EMAIL_USE_TLS FILE_UPLOAD_DIRECTORY_PERMISSIONS FILE_UPLOAD_HANDLERS FILE_UPLOAD_MAX_MEMORY_SIZE
FILE_UPLOAD_PERMISSIONS FILE_UPLOAD_TEMP_DIR FIRST_DAY_OF_WEEK FIXTURE_DIRS FORCE_SCRIPT_NAME
FORMAT_MODULE_PATH FORM_RENDERER IGNORABLE_404_URLS INSTALLED_APPS INTERNAL_IPS LANGUAGES LANGUAGES_BIDI
LANGUAGE_CODE LANGUAGE_COOKIE_AGE LANGUAGE_COOKIE_DOMAIN LANGUAGE_COOKIE_HTTPONLY LANGUAGE_COOKIE_NAME
LANGUAGE_COOKIE_PATH LANGUAGE_COOKIE_SAMESITE LANGUAGE_COOKIE_SECURE LOCALE_PATHS LOGGING LOGGING_CONFIG
LOGIN_REDIRECT_URL LOGIN_URL LOGOUT_REDIRECT_URL MANAGERS MEDIA_ROOT MEDIA_URL MESSAGE_LEVEL MESSAGE_STORAGE
MESSAGE_TAGS MIDDLEWARE MIGRATION_MODULES MONTH_DAY_FORMAT NUMBER_GROUPING PASSWORD_HASHERS
PASSWORD_RESET_TIMEOUT PREPEND_WWW ROOT_URLCONF SECRET_KEY SECRET_KEY_FALLBACKS SECURE_CONTENT_TYPE_NOSNIFF
SECURE_CROSS_ORIGIN_OPENER_POLICY SECURE_CSP SECURE_CSP_REPORT_ONLY SECURE_HSTS_INCLUDE_SUBDOMAINS
SECURE_HSTS_PRELOAD SECURE_HSTS_SECONDS SECURE_PROXY_SSL_HEADER SECURE_REDIRECT_EXEMPT SECURE_REFERRER_POLICY
SECURE_SSL_HOST SECURE_SSL_REDIRECT SERIALIZATION_MODULES SERVER_EMAIL SESSION_CACHE_ALIAS SESSION_COOKIE_AGE
SESSION_COOKIE_DOMAIN SESSION_COOKIE_HTTPONLY SESSION_COOKIE_NAME SESSION_COOKIE_PATH SESSION_COOKIE_SAMESITE
SESSION_COOKIE_SECURE SESSION_ENGINE SESSION_EXPIRE_AT_BROWSER_CLOSE SESSION_FILE_PATH
SESSION_SAVE_EVERY_REQUEST SESSION_SERIALIZER SHORT_DATETIME_FORMAT SHORT_DATE_FORMAT SIGNING_BACKEND
SILENCED_SYSTEM_CHECKS SITE_ID STATICFILES_DIRS STATICFILES_FINDERS STATIC_ROOT STATIC_URL STORAGES TASKS
TEMPLATES TEST_NON_SERIALIZED_APPS TEST_RUNNER THOUSAND_SEPARATOR TIME_FORMAT TIME_INPUT_FORMATS TIME_ZONE
USE_I18N USE_THOUSAND_SEPARATOR USE_TZ USE_X_FORWARDED_HOST USE_X_FORWARDED_PORT WSGI_APPLICATION
X_FRAME_OPTIONS YEAR_MONTH_FORMAT
"""


@pytest.fixture(scope="module")
def registry():
    made = Apps()
    made.setup([], [SecurityPart])
    return made


async def findings(registry, deploy=True, **changes):
    with override(**{**GOOD, **changes}):
        found = await run_checks(registry, ["security"], deploy)
    return {message.id.removeprefix("security."): message for message in found if message.obj == "settings"}


async def test_a_safe_site_has_no_findings(registry):
    assert await findings(registry) == {}


@pytest.mark.parametrize(
    ("changes", "ids"),
    [
        ({"DEBUG": True}, {"W018"}),
        ({"ALLOWED_HOSTS": []}, {"W020"}),
        ({"ALLOWED_HOSTS": ["*"]}, {"W030"}),
        ({"SECRET_KEY": "short"}, {"W009"}),
        ({"SECRET_KEY": "a" * 60}, {"W009"}),
        ({"SECRET_KEY_FALLBACKS": ["x"]}, {"W025"}),
        ({"SECURE_SSL_REDIRECT": False}, {"W008"}),
        ({"SECURE_HSTS_SECONDS": 0}, {"W004"}),
        ({"SECURE_HSTS_INCLUDE_SUBDOMAINS": False, "SECURE_HSTS_PRELOAD": False}, {"W005", "W021"}),
        ({"CSRF_COOKIE_SECURE": False}, {"W016"}),
        ({"MIDDLEWARE": []}, {"W001"}),
        ({"SECURE_CONTENT_TYPE_NOSNIFF": False}, {"W006"}),
        ({"X_FRAME_OPTIONS": "SAMEORIGIN"}, {"W019"}),
        ({"SECURE_REFERRER_POLICY": None}, {"W022"}),
        ({"CACHES": {"default": "memory://"}}, {"I001"}),
    ],
)
async def test_each_weaker_choice_is_reported_with_a_hint(registry, changes, ids):
    found = await findings(registry, **changes)

    assert set(found) == ids
    assert all(message.hint for message in found.values())
    assert await findings(registry, deploy=False, **changes) == {}


@pytest.mark.parametrize(
    ("changes", "ids"),
    [
        ({"USE_TZ": False}, {"settings.E001"}),
        ({"CSRF_TRUSTED_ORIGINS": ["example.com"]}, {"E001"}),
        ({"SECURE_REFERRER_POLICY": "sometimes"}, {"E023"}),
        ({"SECURE_CROSS_ORIGIN_OPENER_POLICY": "x"}, {"E024"}),
        ({"SESSION_COOKIE_SAMESITE": "lax"}, {"E025"}),
    ],
)
async def test_a_value_that_means_nothing_is_an_error_everywhere(registry, changes, ids):
    assert set(await findings(registry, deploy=False, **changes)) == ids


async def test_a_site_without_a_key_is_told_in_development_too(registry):
    found = await findings(registry, deploy=False, SECRET_KEY="")

    assert set(found) == {"W009"}
    assert "empty" in found["W009"].msg
    assert set(await findings(registry, SECRET_KEY="")) == {"W009"}


async def test_sessions_without_their_protection_are_reported(registry, monkeypatch):
    monkeypatch.setattr(registry, "is_installed", lambda name: name == "covet.sessions")

    found = await findings(registry, SESSION_COOKIE_SECURE=False, SESSION_COOKIE_HTTPONLY=False, MIDDLEWARE=[])

    assert {"W012", "W015", "W003"} <= set(found)


async def test_settings_of_others_that_nothing_reads_are_named(registry):
    found = await findings(registry, REST_FRAMEWORK={"DEFAULT_PERMISSION_CLASSES": ["x"]}, STATICFILES_STORAGE="x")

    warning = found["settings.W001"]
    assert warning.msg in {f"{name} is no setting of Covet, and nothing reads it." for name in INSTEAD}
    assert warning.hint.endswith("If it is your own, add it to EXTRA_SETTINGS.")
    assert await findings(registry, REST_FRAMEWORK={}, EXTRA_SETTINGS=["REST_FRAMEWORK"]) == {}


@pytest.mark.parametrize("name", ["USE_L10N", "WSGI_APPLICATION"])
async def test_a_setting_of_djangos_that_is_near_to_one_here_is_no_misspelling(registry, name):
    assert list(near_misses([name], ())) == []
    assert (await findings(registry, **{name: True}))["settings.W001"].hint.endswith(
        "leave it out. If it is your own, add it to EXTRA_SETTINGS."
    )


@pytest.mark.parametrize("name", DOCUMENTED.split())
def test_every_setting_that_django_documents_is_here_or_named(name):
    """One that is neither would be passed over: errors that nobody is mailed, a format that no page has."""
    assert (name in declared()) is not (name in INSTEAD)
    assert list(near_misses([name], ())) == []


def test_what_is_written_in_their_place_exists():
    for name, advice in INSTEAD.items():
        assert name not in declared()
        named = re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b|\b(?:STORAGES|CHANNELS)\b", advice)
        assert set(named) <= set(declared())
