"""What a proxy says about the client, believed of those alone that TRUSTED_PROXIES lists.

Each proxy appends whom it was called by, so the list is read from its end: the first address that is no trusted proxy is
the client. What stands before it is the client's own word, and worth nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from msgspec import Struct

from covet.exceptions import ImproperlyConfigured
from covet.http.headers import RawHeaders
from covet.http.hosts import split_host

__all__ = ["Forwarded", "TrustedProxies"]

_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


class Forwarded(Struct, frozen=True):
    """What trusted proxies say: each ``None`` where they say nothing that can be used."""

    client: tuple[str, int] | None = None
    scheme: str | None = None
    host: str | None = None
    port: str | None = None


class _Hop(Struct, frozen=True):
    address: str | None
    port: int = 0
    scheme: str = ""
    host: str = ""


class TrustedProxies:
    """Knows which peers are proxies of ours, and reads what they add.

    Args:
        trusted: Addresses and networks, ``"unix"`` for a Unix socket, ``"*"`` for any peer.
        headers: ``"x-forwarded"`` for ``X-Forwarded-For``, ``-Proto``, ``-Host`` and ``-Port``; ``"forwarded"`` for
            RFC 7239. One kind only: a proxy that writes one of them hands the other on as the client wrote it.
        use_host: Take the host from them.
        use_port: Take the port from them.

    Raises:
        ImproperlyConfigured: An entry is no address, or the kind is unknown.
    """

    def __init__(
        self, trusted: Iterable[str], *, headers: str = "x-forwarded", use_host: bool = False, use_port: bool = False
    ) -> None:
        if headers not in ("x-forwarded", "forwarded"):
            raise ImproperlyConfigured(f"TRUSTED_PROXY_HEADERS is 'x-forwarded' or 'forwarded', not {headers!r}.")
        self.reads_forwarded = headers == "forwarded"
        self.use_host = use_host
        self.use_port = use_port
        names = [name.strip() for name in trusted]
        self.any_peer = "*" in names
        self.unix = self.any_peer or "unix" in names
        self.networks: list[Any] = []
        for name in names:
            if name in ("*", "unix"):
                continue
            try:
                self.networks.append(ipaddress.ip_network(name))
            except ValueError as error:
                raise ImproperlyConfigured(
                    f"TRUSTED_PROXIES holds {name!r}: {error}. Write addresses or networks, such as '10.0.0.0/8'."
                ) from error
        self._is_listed = lru_cache(maxsize=1024)(self._look)

    def trusts(self, peer: Sequence[Any] | None) -> bool:
        """Return whether the peer of a connection is one of our proxies."""
        return self.unix if not peer or not peer[0] or peer[0] == "unix:" else self._is_listed(str(peer[0]))

    def _look(self, text: str) -> bool:
        if self.any_peer:
            return True
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any(one in network for network in self.networks for one in (address, mapped) if one is not None)

    def read(self, headers: RawHeaders) -> Forwarded:
        """Return what the headers of a trusted peer say."""
        hops = _rfc7239(headers) if self.reads_forwarded else _x_forwarded(headers)
        found: _Hop | None = None
        for hop in reversed(hops):
            if hop.address is None:
                break
            found = hop
            if not self._is_listed(hop.address):
                break
        port = None
        if self.use_port and not self.reads_forwarded:
            told = _all(headers, b"x-forwarded-port")
            port = told[-1] if told and told[-1].isascii() and told[-1].isdigit() and len(told[-1]) <= 5 else None
        # Scheme and host are told by proxies that do not tell the client too.
        last = found if found is not None else (hops[-1] if hops else _Hop(None))
        if not self.reads_forwarded:
            schemes, hosts = _all(headers, b"x-forwarded-proto"), _all(headers, b"x-forwarded-host")
            place = next((n for n, hop in enumerate(hops) if hop is last), -1)
            last = _Hop(last.address, last.port, _at(schemes, place, len(hops)), _at(hosts, place, len(hops)))
        return Forwarded(
            None if found is None or found.address is None else (found.address, found.port),
            _SCHEMES.get(last.scheme.lower()),
            last.host if self.use_host and last.host else None,
            port,
        )

    def apply(self, client: Any, scheme: str, headers: RawHeaders) -> tuple[Any, str, RawHeaders, bool]:
        """Return client, scheme and headers as they are behind the proxies, and whether the peer is trusted."""
        if not self.trusts(client):
            return client, scheme, headers, False
        told = self.read(headers)
        if told.scheme is not None:
            # A WebSocket stays one.
            scheme = told.scheme.replace("http", "ws") if scheme.startswith("ws") else told.scheme
        host = told.host
        if told.port is not None:
            host = with_port(host or _first(headers, b"host"), told.port, scheme)
        if host:
            headers = [(b"host", host.encode("latin-1")), *(pair for pair in headers if pair[0] != b"host")]
        return told.client or client, scheme, headers, True


def with_port(host: str, port: str, scheme: str) -> str:
    """Return a host with this port; the usual one of the scheme is left out."""
    name = split_host(host)[0]
    if not name:
        return host
    return name if port == ("443" if scheme in ("https", "wss") else "80") else f"{name}:{port}"


def _first(headers: RawHeaders, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in headers if name == wanted), "")


def _all(headers: RawHeaders, wanted: bytes) -> list[str]:
    joined = ",".join(value.decode("latin-1") for name, value in headers if name == wanted)
    return [part.strip() for part in joined.split(",")] if joined else []


def _at(values: list[str], place: int, count: int) -> str:
    """Return what was said of a hop: a proxy that appends has one for each, one that sets has one for all."""
    if not values:
        return ""
    return values[place] if place >= 0 and len(values) == count else values[-1]


def _x_forwarded(headers: RawHeaders) -> list[_Hop]:
    return [_Hop(*_address(text)) for text in _all(headers, b"x-forwarded-for")]


def _address(text: str) -> tuple[str | None, int]:
    """Return address and port of ``1.2.3.4``, ``1.2.3.4:56``, ``::1`` or ``[::1]:56``; ``None`` when it is none."""
    port = ""
    if text.startswith("["):
        text, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
    try:
        address = str(ipaddress.ip_address(text))
    except ValueError:
        return None, 0
    return address, int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else 0


def _rfc7239(headers: RawHeaders) -> list[_Hop]:
    value = ",".join(value.decode("latin-1") for name, value in headers if name == b"forwarded")
    hops = []
    for element in _split(value, ","):
        pairs: dict[str, str] = {}
        for pair in _split(element, ";"):
            name, _, text = pair.partition("=")
            text = text.strip()
            if len(text) > 1 and text[0] == text[-1] == '"':
                text = text[1:-1].replace("\\", "")
            pairs[name.strip().lower()] = text
        hops.append(_Hop(*_address(pairs.get("for", "")), pairs.get("proto", ""), pairs.get("host", "")))
    return hops if value else []


def _split(text: str, separator: str) -> list[str]:
    parts, start, quoted, escaped = [], 0, False, False
    for place, char in enumerate(text):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = quoted
        elif char == '"':
            quoted = not quoted
        elif char == separator and not quoted:
            parts.append(text[start:place])
            start = place + 1
    parts.append(text[start:])
    return parts
