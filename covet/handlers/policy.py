"""The request policy of a project: read from settings once."""

from __future__ import annotations

from covet.conf import settings
from covet.http.policy import RequestPolicy

__all__ = ["POLICY_SETTINGS", "policy_from_settings"]

POLICY_SETTINGS = frozenset(
    {
        "ALLOWED_HOSTS",
        "BODY_TIMEOUT_S",
        "DATA_UPLOAD_MAX_MEMORY_SIZE",
        "DEBUG",
        "FILE_UPLOAD_MAX_MEMORY_SIZE",
        "MAX_BODY_SIZE",
        "MAX_FORM_FIELDS",
        "MAX_FORM_PARTS",
        "SECURE_PROXY_SSL_HEADER",
        "USE_X_FORWARDED_HOST",
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
        body_timeout_s=settings.BODY_TIMEOUT_S,
        allowed_hosts=hosts,
        use_forwarded_host=settings.USE_X_FORWARDED_HOST,
        secure_proxy_header=header,
    )
