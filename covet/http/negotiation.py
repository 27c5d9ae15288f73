"""``Accept`` and its sisters: what a client would like, best first."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

__all__ = ["accepted_encodings", "best_match", "parse_accept", "prefers_html"]


@lru_cache(maxsize=256)
def parse_accept(header: str) -> tuple[tuple[str, float], ...]:
    """Return the entries of an ``Accept``-like header with their quality, best first; those of quality 0 are last."""
    entries: list[tuple[str, float]] = []
    for part in header[:4096].split(",")[:64]:
        name, *options = part.split(";")
        name = name.strip().lower()
        if not name:
            continue
        quality = 1.0
        for option in options:
            key, _, text = option.partition("=")
            if key.strip().lower() == "q":
                try:
                    quality = min(max(float(text), 0.0), 1.0)
                except ValueError:
                    quality = 0.0
        entries.append((name, quality))
    return tuple(sorted(entries, key=lambda entry: -entry[1]))


def _quality(media_type: str, entries: Iterable[tuple[str, float]]) -> float:
    """Return the quality of a media type; the most specific entry decides (RFC 9110, 12.5.1)."""
    main = media_type.partition("/")[0]
    best, precision = 0.0, -1
    for name, quality in entries:
        if name == media_type:
            level = 2
        elif name == f"{main}/*":
            level = 1
        elif name in ("*/*", "*"):
            level = 0
        else:
            continue
        if level > precision:
            best, precision = quality, level
    return best


def best_match(header: str, offers: Iterable[str]) -> str | None:
    """Return the offer that a client likes best, the first of equals; ``None`` when it accepts none of them."""
    offered = list(offers)
    if not header.strip():
        return offered[0] if offered else None
    entries = parse_accept(header)
    best, chosen = 0.0, None
    for offer in offered:
        quality = _quality(offer.lower(), entries)
        if quality > best:
            best, chosen = quality, offer
    return chosen


@lru_cache(maxsize=256)
def accepted_encodings(header: str, offers: tuple[str, ...]) -> tuple[str, ...]:
    """Return the content codings that a client takes, best first, in the order of the offers among equals.

    Those that it likes less than the content as it is (``identity``) are left out (RFC 9110, 12.5.3).
    """
    wished: dict[str, float] = {}
    for name, quality in parse_accept(header):
        wished.setdefault(name, quality)
    others, plain = wished.get("*", 0.0), wished.get("identity", 0.0)
    found = [(wished.get(name, others), name) for name in offers]
    taken = [pair for pair in found if pair[0] > 0 and pair[0] >= plain]
    return tuple(name for _, name in sorted(taken, key=lambda pair: -pair[0]))


@lru_cache(maxsize=256)
def prefers_html(header: str) -> bool:
    """Return whether a person asks: HTML is named, and no JSON is liked better. ``*/*`` alone is a machine."""
    entries = parse_accept(header)
    html = max((quality for name, quality in entries if name in ("text/html", "application/xhtml+xml")), default=0.0)
    wants_json = max((quality for name, quality in entries if name.endswith(("/json", "+json"))), default=0.0)
    return html > 0 and html >= wants_json
