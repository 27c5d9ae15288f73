"""Assertions about answers: what they say, where they lead, which templates made them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from difflib import unified_diff
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urljoin, urlsplit

from covet.test.markup import parse

if TYPE_CHECKING:
    import httpx

__all__ = [
    "assert_contains",
    "assert_html_equal",
    "assert_html_not_equal",
    "assert_in_html",
    "assert_json_equal",
    "assert_json_not_equal",
    "assert_not_contains",
    "assert_not_in_html",
    "assert_queryset_equal",
    "assert_redirects",
    "assert_template_not_used",
    "assert_template_used",
    "assert_url_equal",
]

_REDIRECTS = frozenset((301, 302, 303, 307, 308))


def assert_contains(
    response: httpx.Response, text: object, count: int | None = None, *, status: int = 200, html: bool = False
) -> None:
    """Assert that an answer has a status and says a text.

    Args:
        response: The answer.
        text: What it says.
        count: How often; any number of times but none when left out.
        status: Its status.
        html: Compare as HTML: the order of attributes and spaces make no difference.

    Raises:
        AssertionError: With what the answer says in its place.
    """
    found = _times(response, str(text), status, html=html)
    if count is None:
        assert found, f"The answer does not say {str(text)!r}:\n{_start(response.text)}"
    else:
        assert found == count, f"The answer says {str(text)!r} {found} times, not {count}:\n{_start(response.text)}"


def assert_not_contains(response: httpx.Response, text: object, *, status: int = 200, html: bool = False) -> None:
    """Assert that an answer has a status and does not say a text; see ``assert_contains``."""
    found = _times(response, str(text), status, html=html)
    assert not found, f"The answer says {str(text)!r} {found} times:\n{_start(response.text)}"


def _times(response: httpx.Response, text: str, status: int, *, html: bool) -> int:
    told = response.status_code
    assert told == status, f"The answer has status {told}, not {status}:\n{_start(response.text)}"
    return parse(response.text).count(parse(text)) if html else response.text.count(text)


def assert_redirects(
    response: httpx.Response, expected_url: object, *, status: int = 302, target_status: int = 200
) -> None:
    """Assert that an answer sends the client to an address.

    Of a client that follows redirects, the first answer must have the status, and the last one the address and the status of
    the target.

    Args:
        response: The answer.
        expected_url: The address; a path alone means the same host. The order in the query string makes no difference.
        status: The status of the redirect.
        target_status: The status of the target, where it was followed.
    """
    first = response.history[0] if response.history else response
    assert first.status_code == status, f"The redirect has status {first.status_code}, not {status}."
    asked = str(first.request.url)
    if response.history:
        told = response.status_code
        assert told == target_status, f"The target answered with {told}, not {target_status}."
        went = str(response.url)
    else:
        assert first.status_code in _REDIRECTS, f"Status {first.status_code} is no redirect."
        went = urljoin(asked, response.headers["location"])
    assert_url_equal(went, urljoin(asked, str(expected_url)))


def assert_url_equal(first: object, second: object) -> None:
    """Assert that two addresses are the same, but for the order of the names in their query strings."""
    assert _parts(str(first)) == _parts(str(second)), f"{first} is not {second}."


def _parts(url: str) -> tuple[Any, ...]:
    parts = urlsplit(url)
    query = sorted(parse_qsl(parts.query, keep_blank_values=True), key=lambda pair: pair[0])
    return parts.scheme, parts.netloc, parts.path or "/", query, parts.fragment


def assert_template_used(response: Any, name: str, count: int | None = None) -> None:
    """Assert that a template was rendered for an answer of ``AsyncClient``, or extended, included or imported by one that was.

    Args:
        response: The answer.
        name: The template, as ``render()`` or the other template names it; of several, the one that there was.
        count: How often; any number of times but none when left out.
    """
    used: list[str] = response.templates
    assert name in used, f"The template {name!r} was not rendered; {', '.join(used) or 'none'} was."
    assert count is None or used.count(name) == count, f"{name!r} was rendered {used.count(name)} times, not {count}."


def assert_template_not_used(response: Any, name: str) -> None:
    """Assert that a template was not rendered for an answer of ``AsyncClient``."""
    assert name not in response.templates, f"The template {name!r} was rendered."


def assert_html_equal(first: str, second: str) -> None:
    """Assert that two pieces of HTML say the same; spaces and the order of attributes and classes make no difference."""
    one, other = parse(first), parse(second)
    if one != other:
        shown = unified_diff(str(one).splitlines(), str(other).splitlines(), "first", "second", lineterm="")
        raise AssertionError("The HTML differs:\n" + "\n".join(shown))


def assert_html_not_equal(first: str, second: str) -> None:
    """Assert that two pieces of HTML do not say the same."""
    assert parse(first) != parse(second), f"The HTML is the same:\n{_start(first)}"


def assert_in_html(piece: str, page: str, count: int | None = None) -> None:
    """Assert that a piece of HTML stands in a page; ``count`` says how often."""
    found = parse(page).count(parse(piece))
    if count is None:
        assert found, f"{piece} is not in the HTML:\n{_start(str(parse(page)))}"
    else:
        assert found == count, f"{piece} is in the HTML {found} times, not {count}."


def assert_not_in_html(piece: str, page: str) -> None:
    """Assert that a piece of HTML does not stand in a page."""
    assert_in_html(piece, page, 0)


def _value(told: Any) -> Any:
    return json.loads(told) if isinstance(told, (str, bytes)) else told


def assert_json_equal(raw: Any, expected: Any) -> None:
    """Assert that JSON says the same as other JSON, or as a value; spaces and the order of keys make no difference."""
    assert _value(raw) == _value(expected)


def assert_json_not_equal(raw: Any, expected: Any) -> None:
    """Assert that JSON does not say the same as other JSON, or as a value."""
    assert _value(raw) != _value(expected)


async def assert_queryset_equal(
    queryset: Any, values: Iterable[Any], transform: Callable[[Any], Any] | None = None, *, ordered: bool = True
) -> None:
    """Assert that a queryset has these rows.

    Args:
        queryset: It is awaited here.
        values: The rows, or what ``transform`` makes of them.
        transform: Called with each row.
        ordered: Whether the order counts; without an ``order_by`` it means nothing where there are several rows.
    """
    found = [transform(row) if transform is not None else row for row in await queryset]
    wanted = list(values)
    if ordered:
        is_loose = len(wanted) > 1 and not getattr(queryset, "ordered", True)
        assert not is_loose, "The queryset has no order: write order_by(…), or ordered=False."
        assert found == wanted
        return
    missing, left = [], list(found)
    for value in wanted:
        if value in left:
            left.remove(value)
        else:
            missing.append(value)
    assert not missing and not left, f"Missing: {missing}. Not expected: {left}."


def _start(text: str, limit: int = 2000) -> str:
    return text if len(text) <= limit else text[:limit] + "…"
