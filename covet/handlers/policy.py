"""The request policy of a project: read from settings once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from covet import checks
from covet.conf import settings
from covet.http.policy import RequestPolicy
from covet.loading import import_string, late_module

if TYPE_CHECKING:
    from covet.http import proxies
else:
    proxies = late_module(__name__, "covet.http.proxies")

__all__ = ["POLICY_SETTINGS", "check_proxies", "policy_from_settings", "proxies_from_settings"]

POLICY_SETTINGS = frozenset(
    {
        "ALLOWED_HOSTS",
        "BODY_TIMEOUT_S",
        "DATA_UPLOAD_MAX_MEMORY_SIZE",
        "DEBUG",
        "FILE_UPLOAD_HANDLERS",
        "FILE_UPLOAD_MAX_MEMORY_SIZE",
        "FILE_UPLOAD_TEMP_DIR",
        "MAX_BODY_SIZE",
        "MAX_FORM_FIELDS",
        "MAX_FORM_PARTS",
        "RESPONSE_TIMEOUT_S",
        "SECURE_PROXY_SSL_HEADER",
        "TRUSTED_PROXIES",
        "TRUSTED_PROXY_HEADERS",
        "USE_X_FORWARDED_HOST",
        "USE_X_FORWARDED_PORT",
    }
)

_DEVELOPMENT_HOSTS = (".localhost", "127.0.0.1", "[::1]")


def policy_from_settings() -> RequestPolicy:
    """Return the limits and hosts that the settings name; with DEBUG and no hosts, this machine's own."""
    hosts = tuple(settings.ALLOWED_HOSTS)
    if not hosts and settings.DEBUG:
        hosts = _DEVELOPMENT_HOSTS
    header = settings.SECURE_PROXY_SSL_HEADER
    if header is not None:
        # Django spells it HTTP_X_FORWARDED_PROTO; both spellings are taken.
        name = header[0].removeprefix("HTTP_").replace("_", "-")
        header = (name, header[1])
    return RequestPolicy(
        max_body_bytes=settings.MAX_BODY_SIZE,
        max_memory_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        max_fields=settings.MAX_FORM_FIELDS,
        max_parts=settings.MAX_FORM_PARTS,
        file_memory_bytes=settings.FILE_UPLOAD_MAX_MEMORY_SIZE,
        upload_dir=None if settings.FILE_UPLOAD_TEMP_DIR is None else str(settings.FILE_UPLOAD_TEMP_DIR),
        upload_handlers=tuple(map(import_string, settings.FILE_UPLOAD_HANDLERS)),
        body_timeout_s=settings.BODY_TIMEOUT_S,
        response_timeout_s=settings.RESPONSE_TIMEOUT_S,
        allowed_hosts=hosts,
        use_forwarded_host=settings.USE_X_FORWARDED_HOST,
        use_forwarded_port=settings.USE_X_FORWARDED_PORT,
        secure_proxy_header=header,
    )


def proxies_from_settings() -> proxies.TrustedProxies | None:
    """Return the proxies that the settings believe; ``None`` when there are none, which costs a request nothing."""
    if not settings.TRUSTED_PROXIES:
        return None
    return proxies.TrustedProxies(
        settings.TRUSTED_PROXIES,
        headers=settings.TRUSTED_PROXY_HEADERS,
        use_host=settings.USE_X_FORWARDED_HOST,
        use_port=settings.USE_X_FORWARDED_PORT,
    )


def check_proxies() -> Iterator[checks.CheckMessage]:
    """Report what anyone on the network could make this server believe."""
    believed = [
        name
        for name, is_set in (
            ("SECURE_PROXY_SSL_HEADER", settings.SECURE_PROXY_SSL_HEADER is not None),
            ("USE_X_FORWARDED_HOST", settings.USE_X_FORWARDED_HOST),
            ("USE_X_FORWARDED_PORT", settings.USE_X_FORWARDED_PORT),
        )
        if is_set
    ]
    if believed and not settings.TRUSTED_PROXIES:
        yield checks.Warning(
            f"{' and '.join(believed)} believes a header of whoever connects, as TRUSTED_PROXIES is empty.",
            hint="Set TRUSTED_PROXIES to the addresses of your proxies, such as ['10.0.0.0/8'].",
            id="http.W001",
        )
    if any(name.strip() in ("*", "0.0.0.0/0", "::/0") for name in settings.TRUSTED_PROXIES):
        yield checks.Warning(
            "TRUSTED_PROXIES believes every peer: whoever reaches this server directly chooses its address and scheme.",
            hint="List the addresses of your proxies, or 'unix' for a Unix socket.",
            id="http.W002",
        )
