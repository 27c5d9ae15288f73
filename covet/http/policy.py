"""What a server accepts, as one frozen value that the handler builds from settings and gives to each request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

__all__ = ["DEFAULT_POLICY", "RequestPolicy"]


class RequestPolicy(Struct, frozen=True):
    """Limits of a request, and which hosts and proxies are believed.

    Args:
        max_body_bytes: No body longer than this is read, streamed or not.
        max_memory_bytes: ``body()``, ``json()`` and the plain fields of a form hold no more than this in memory.
        max_fields: Fields of a form or a query string.
        max_parts: Parts of a multipart form, files included.
        file_memory_bytes: An uploaded file beyond this goes to disk.
        upload_dir: Where files of forms lie meanwhile; the system's folder for such when left out.
        upload_handlers: What is made for each form, with the request, to see its files arrive.
        body_timeout_s: How long the whole body may take to arrive.
        response_timeout_s: How long a client may take no byte of its answer; 0 is without end.
        allowed_hosts: Names as in ``ALLOWED_HOSTS``; ``"*"`` is any, ``".x.org"`` is x.org and below.
        use_forwarded_host: Believe ``X-Forwarded-Host``.
        use_forwarded_port: Believe ``X-Forwarded-Port``.
        secure_proxy_header: Name and value of the header by which a proxy tells that the client came by https.
    """

    max_body_bytes: int = 25 * 1024 * 1024
    max_memory_bytes: int = 2_621_440
    max_fields: int = 1000
    max_parts: int = 100
    file_memory_bytes: int = 2_621_440
    upload_dir: str | None = None
    upload_handlers: tuple[Callable[[Any], Any], ...] = ()
    body_timeout_s: float = 60.0
    response_timeout_s: float = 60.0
    allowed_hosts: tuple[str, ...] = ("*",)
    use_forwarded_host: bool = False
    use_forwarded_port: bool = False
    secure_proxy_header: tuple[str, str] | None = None


DEFAULT_POLICY = RequestPolicy()
