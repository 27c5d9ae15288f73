"""What is kept of one request, and which of its statements look like one too many."""

from __future__ import annotations

import datetime as dt
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from weakref import WeakKeyDictionary

from msgspec import Struct, field

from covet.apps.registry import Apps
from covet.db.observe import CacheCall, QueryRecord
from covet.views.debug_frames import mask_text, safe_repr

__all__ = ["History", "SeenRequest", "Statement", "history_of", "statements_of"]

_KEPT_REQUESTS = 50
_KEPT_STATEMENTS = 500


class Statement(Struct, frozen=True):
    """One statement of a request, beside the others of it.

    Attributes:
        number: Its place among them, from 0 on.
        record: What ran.
        same: How often it ran with the same values, this time included.
        similar: How often its text ran, whatever the values.
    """

    number: int
    record: QueryRecord
    same: int
    similar: int

    @property
    def values(self) -> str:
        """Its values as they may be shown."""
        return mask_text(safe_repr(tuple(self.record.args)))


class SeenRequest(Struct):
    """What one request did.

    Attributes:
        key: Names it in addresses.
        method: Its method.
        path: Its path, with the query string.
        started: When it came.
        status: The answer's status.
        duration_s: How long the answer took to make.
        cpu_s: How much of that this thread worked.
        route: The route, as it is written.
        view: The view's name.
        queries: Its statements, the first few hundred of them.
        query_count: How many there were.
        cache_calls: What it asked the store of cached results.
        templates: The templates that it rendered, each with the names of its values.
        request_headers: What the client sent.
        response_headers: What it got.
    """

    key: str
    method: str
    path: str
    started: dt.datetime
    status: int = 0
    duration_s: float = 0.0
    cpu_s: float = 0.0
    route: str = ""
    view: str = ""
    queries: Sequence[QueryRecord] = ()
    query_count: int = 0
    cache_calls: list[CacheCall] = field(default_factory=list)
    templates: Sequence[tuple[str, tuple[str, ...]]] = ()
    request_headers: Sequence[tuple[str, str]] = ()
    response_headers: Sequence[tuple[str, str]] = ()

    def take_queries(self, records: Sequence[QueryRecord]) -> None:
        """Keep the statements, as many as a page can show."""
        self.query_count = len(records)
        self.queries = tuple(records[:_KEPT_STATEMENTS])

    @property
    def query_s(self) -> float:
        """How long its statements took together."""
        return sum(record.duration_s for record in self.queries)

    @property
    def hits(self) -> int:
        """How many results came from the store."""
        return sum(call.outcome == "hit" for call in self.cache_calls)


class History:
    """The last requests of this process, the newest first."""

    def __init__(self, limit: int = _KEPT_REQUESTS) -> None:
        self._requests: deque[SeenRequest] = deque(maxlen=limit)

    def __iter__(self) -> Iterator[SeenRequest]:
        return reversed(self._requests)

    def add(self, request: SeenRequest) -> None:
        """Keep a request; the oldest goes when there are too many."""
        self._requests.append(request)

    def find(self, key: str) -> SeenRequest | None:
        """Return the request of this key, if it is still kept."""
        return next((request for request in self._requests if request.key == key), None)


_histories: WeakKeyDictionary[Apps, History] = WeakKeyDictionary()


def history_of(site: Apps) -> History:
    """Return the history of a site; one for all chains of middleware that it has."""
    history = _histories.get(site)
    if history is None:
        history = _histories[site] = History()
    return history


def statements_of(request: SeenRequest) -> list[Statement]:
    """Return the statements of a request, each with how often it ran."""
    texts: Counter[tuple[str, str]] = Counter()
    whole: Counter[tuple[str, str, str]] = Counter()
    keys = []
    for record in request.queries:
        key = (record.alias, record.sql, repr(record.args))
        keys.append(key)
        texts[key[:2]] += 1
        whole[key] += 1
    return [
        Statement(number, record, whole[key], texts[key[:2]])
        for number, (record, key) in enumerate(zip(request.queries, keys, strict=True))
    ]
