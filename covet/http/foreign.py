"""What other frameworks call by another name: the answer to an attribute of a request, or an argument, that is not there."""

from __future__ import annotations

import re
from functools import cache
from typing import Final, NoReturn

__all__ = ["INSTEAD", "Absent", "explain"]

INSTEAD: Final = {
    "COOKIES": "request.cookies",
    "FILES": "await request.form(), which holds the files too",
    "GET": "request.query",
    "META": "request.headers['x-name'] for headers, request.client for the peer's address",
    "POST": "await request.form()",
    "accepted_media_type": "request.headers.get('accept')",
    "accepted_renderer": "request.headers.get('accept')",
    "args": "request.query",
    "auser": "await request.user",
    "base_url": "request.build_absolute_uri('/')",
    "content_params": "request.headers['content-type']",
    "data": "a typed parameter of the handler, or await request.json()",
    "get_json": "await request.json()",
    "get_port": "request.host",
    "get_raw_uri": "request.build_absolute_uri()",
    "is_ajax": "request.headers.get('x-requested-with')",
    "is_disconnected": "await request.disconnected(), which waits for it",
    "path_info": "request.path",
    "query_params": "request.query",
    "resolver_match": "request.route and request.path_params",
    "successful_authenticator": "await request.user",
    "url": "request.build_absolute_uri(), or request.path",
    "url_for": "reverse(name, kwargs={…}) of covet.urls; request.build_absolute_uri(reverse(…)) has the host",
}


_ARGUMENTS: Final = {
    "content": "the body is the first argument: Response(body), JSONResponse(value)",
    "content_type": "write media_type=…",
    "context": "it is the third argument of render() and TemplateResponse()",
    "data": "the value is the first argument: JSONResponse(value)",
    "mimetype": "write media_type=…",
    "http_only": "write httponly=…",
    "key": "the name is the first argument",
    "permanent_redirect": "write permanent=True",
    "reason": "the phrase of a status is not sent; write detail=…",
    "safe": "a JSONResponse takes any value",
    "status_code": "write status=…",
}


@cache
def _of_http() -> re.Pattern[str]:
    return re.compile(
        r"^(\w*(?:Response|Exception|EventStream)|render|redirect)\b.*unexpected keyword argument '(\w+)'"
    )


@cache
def _of_item() -> re.Pattern[str]:
    return re.compile(r"'\w*Response' object does not support item assignment")


@cache
def _is_manager() -> re.Pattern[str]:
    return re.compile(
        r"object \w*Manager\w* can't be used in 'await' expression|'\w*Manager\w*' object can't be awaited"
    )


def explain(error: BaseException) -> None:
    """Add to an error what to write instead: an argument by another name, an import, an ``await`` too few."""
    from covet.porting.twins import explain_twin  # only a mistake needs it

    explain_twin(error)
    _explain_use(error)
    if isinstance(error, (ImportError, AttributeError, TypeError)) and not hasattr(error, "__notes__"):
        from covet.porting.hints import import_hint, use_hint

        place = (import_hint(error) or use_hint(error)).strip()
        if place:
            error.add_note(place)
    if isinstance(error, TypeError):
        found = _of_http().match(str(error))
        hint = None if found is None else _ARGUMENTS.get(found[2])
        if found is not None and hint is not None and not hasattr(error, "__notes__"):
            error.add_note(f"{found[1].partition('.')[0]} has no {found[2]!r} here: {hint}.")


def _explain_use(error: BaseException) -> None:
    text = str(error)
    if not isinstance(error, (AttributeError, TypeError)) or hasattr(error, "__notes__"):
        return
    if "'coroutine'" in text:
        name = getattr(getattr(error, "obj", None), "__qualname__", None)
        error.add_note(f"{f'{name}()' if name else 'A call'} was not awaited: write await before it.")
    elif _is_manager().fullmatch(text):
        error.add_note(
            "A manager is not awaited by itself: write await Article.objects.all(), or another of its methods."
        )
    elif text.endswith(("can't be used in 'await' expression", "object can't be awaited")):  # the second from 3.14 on
        error.add_note("What stands behind await is a value already: take the await away.")
    elif text == "'bool' object is not callable":
        error.add_note("What Django has as a method may be a property here: take the brackets away.")
    elif _of_item().fullmatch(text):
        error.add_note("Write response.headers['X-Name'] = value.")


class Absent:
    """Stands on ``Request`` or its like under such a name; what middleware assigns takes its place.

    A ``__getattr__`` would say it too, and make every other attribute of every request slower.

    Args:
        name: The name.
        advice: What to write instead; what is known of requests when left out.
        owner: What has no such attribute.
    """

    __slots__ = ("advice", "name", "owner")

    def __init__(self, name: str, advice: str = "", owner: str = "A request") -> None:
        self.name = name
        self.advice = advice or INSTEAD[name]
        self.owner = owner

    def __get__(self, request: object, owner: type[object]) -> NoReturn:
        """Refuse, with what to write instead.

        Raises:
            AttributeError: Always.
        """
        raise AttributeError(f"{self.owner} has no attribute {self.name!r}. Write {self.advice}.", name=self.name)
