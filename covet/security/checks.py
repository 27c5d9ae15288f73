"""What ``check`` and ``check --deploy`` find in the settings that keep a site safe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from covet.checks.messages import CheckMessage, Error, Info, Warning
from covet.conf import settings
from covet.security.foreign import check_foreign_settings

if TYPE_CHECKING:
    from covet.apps.registry import Apps

__all__ = ["check_deployment", "check_settings"]

KEY_HINT = "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(50))'"
MIN_KEY_LENGTH = 50
MIN_KEY_LETTERS = 5
YEAR_S = 31_536_000
REFERRER_POLICIES = frozenset(
    {
        "no-referrer",
        "no-referrer-when-downgrade",
        "origin",
        "origin-when-cross-origin",
        "same-origin",
        "strict-origin",
        "strict-origin-when-cross-origin",
        "unsafe-url",
    }
)
OPENER_POLICIES = frozenset({"same-origin", "same-origin-allow-popups", "unsafe-none", "noopener-allow-popups"})


def check_settings() -> Iterator[CheckMessage]:
    """Report what is wrong everywhere."""
    yield from check_foreign_settings()
    if not settings.SECRET_KEY:
        yield _warn("W009", "SECRET_KEY is empty, so nobody can log in and nothing can be signed.", KEY_HINT)
    if not settings.USE_TZ:
        yield Error("USE_TZ is off, and datetimes are always aware.", "Leave USE_TZ out.", "settings", "settings.E001")
    for origin in settings.CSRF_TRUSTED_ORIGINS:
        if "://" not in origin:
            yield Error(
                f"CSRF_TRUSTED_ORIGINS holds '{origin}', which has no scheme.",
                f"Write 'https://{origin}'.",
                "settings",
                "security.E001",
            )
    if settings.SECURE_REFERRER_POLICY is not None:
        given = [policy.strip() for policy in settings.SECURE_REFERRER_POLICY.split(",")]
        for policy in given:
            if policy not in REFERRER_POLICIES:
                yield _value("SECURE_REFERRER_POLICY", policy, REFERRER_POLICIES, "security.E023")
    opener = settings.SECURE_CROSS_ORIGIN_OPENER_POLICY
    if opener is not None and opener not in OPENER_POLICIES:
        yield _value("SECURE_CROSS_ORIGIN_OPENER_POLICY", opener, OPENER_POLICIES, "security.E024")
    for name in ("SESSION_COOKIE_SAMESITE", "CSRF_COOKIE_SAMESITE"):
        value = getattr(settings, name)
        if value not in ("Lax", "Strict", "None"):
            yield _value(name, value, {"Lax", "Strict", "None"}, "security.E025")


def check_deployment(apps: Apps) -> Iterator[CheckMessage]:
    """Report what must not stay so in production."""
    if settings.DEBUG:
        yield _warn("W018", "DEBUG is on: error pages show code and values.", "Set COVET_DEBUG=false.")
    yield from _hosts()
    yield from _keys()
    yield from _https()
    yield from _cookies(apps)
    yield from _middleware(apps)
    yield from _processes()


def _hosts() -> Iterator[CheckMessage]:
    if not settings.ALLOWED_HOSTS:
        yield _warn("W020", "ALLOWED_HOSTS is empty, so no host is answered to.", "List the site's host names.")
    elif "*" in settings.ALLOWED_HOSTS:
        yield _warn(
            "W030", "ALLOWED_HOSTS allows every host, which lets forged Host headers in.", "List the site's host names."
        )


def _keys() -> Iterator[CheckMessage]:
    if settings.SECRET_KEY and not _is_strong(settings.SECRET_KEY):
        yield _warn(
            "W009", f"SECRET_KEY is short or has few different characters (at least {MIN_KEY_LENGTH}).", KEY_HINT
        )
    for number, key in enumerate(settings.SECRET_KEY_FALLBACKS):
        if not _is_strong(key):
            yield _warn("W025", f"SECRET_KEY_FALLBACKS[{number}] is short or has few different characters.", KEY_HINT)


def _https() -> Iterator[CheckMessage]:
    if not settings.SECURE_SSL_REDIRECT:
        yield _warn(
            "W008",
            "SECURE_SSL_REDIRECT is off.",
            "Set it to True, or let the proxy in front redirect to HTTPS and silence this.",
        )
    if settings.SECURE_HSTS_SECONDS == 0:
        yield _warn(
            "W004",
            "SECURE_HSTS_SECONDS is 0, so browsers may come by plain HTTP.",
            f"Raise it step by step to a year ({YEAR_S}): a wrong value locks visitors out.",
        )
        return
    if not settings.SECURE_HSTS_INCLUDE_SUBDOMAINS:
        yield _warn("W005", "SECURE_HSTS_INCLUDE_SUBDOMAINS is off.", "Set it to True if every subdomain has HTTPS.")
    if not settings.SECURE_HSTS_PRELOAD:
        yield _warn("W021", "SECURE_HSTS_PRELOAD is off.", "Set it to True to apply for the browsers' preload list.")


def _cookies(apps: Apps) -> Iterator[CheckMessage]:
    https = "Set it to True; the cookie is then sent by HTTPS only."
    if apps.is_installed("covet.sessions"):
        if not settings.SESSION_COOKIE_SECURE:
            yield _warn("W012", "SESSION_COOKIE_SECURE is off.", https)
        if not settings.SESSION_COOKIE_HTTPONLY:
            yield _warn("W015", "SESSION_COOKIE_HTTPONLY is off: scripts can read the session.", "Set it to True.")
    if _has("CsrfMiddleware") and not settings.CSRF_COOKIE_SECURE:
        yield _warn("W016", "CSRF_COOKIE_SECURE is off.", https)


def _middleware(apps: Apps) -> Iterator[CheckMessage]:
    if not _has("SecurityMiddleware"):
        yield _warn(
            "W001",
            "SecurityMiddleware is not in MIDDLEWARE, so no security headers are sent.",
            "Put 'covet.middleware.security.SecurityMiddleware' first.",
        )
    elif not settings.SECURE_CONTENT_TYPE_NOSNIFF:
        yield _warn("W006", "SECURE_CONTENT_TYPE_NOSNIFF is off.", "Set it to True.")
    if apps.is_installed("covet.sessions") and not _has("CsrfMiddleware"):
        yield _warn(
            "W003",
            "There are sessions, and CsrfMiddleware is not in MIDDLEWARE.",
            "Put 'covet.middleware.csrf.CsrfMiddleware' behind the session's.",
        )
    if settings.X_FRAME_OPTIONS.upper() != "DENY":
        yield _warn("W019", "X_FRAME_OPTIONS is not 'DENY': other pages may frame this site.", "Set it to 'DENY'.")
    if settings.SECURE_REFERRER_POLICY is None:
        yield _warn("W022", "SECURE_REFERRER_POLICY is None.", "Set it to 'same-origin' or stricter.")


def _processes() -> Iterator[CheckMessage]:
    hint = "One process is enough for it. With several, name a Redis server: 'redis://host:6379/0'."
    for name in ("CACHES", "CHANNELS"):
        for alias, config in getattr(settings, name).items():
            if config.backend == "memory":
                text = f"{name}['{alias}'] is in memory, so each process has its own."
                yield Info(text, hint, "settings", "security.I001")


def _has(name: str) -> bool:
    return any(entry.rpartition(".")[2] == name for entry in settings.MIDDLEWARE)


def _is_strong(key: str) -> bool:
    return len(key) >= MIN_KEY_LENGTH and len(set(key)) >= MIN_KEY_LETTERS


def _warn(number: str, text: str, hint: str) -> Warning:
    return Warning(text, hint, "settings", f"security.{number}")


def _value(name: str, value: object, known: set[str] | frozenset[str], number: str) -> Error:
    return Error(f"{name} is {value!r}.", f"Write one of: {', '.join(sorted(known))}.", "settings", number)
