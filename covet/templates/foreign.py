"""What Django's template language has and Jinja2 has not: each is answered with what to write in its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import jinja2.ext
from jinja2 import nodes
from jinja2.lexer import Token, TokenStream
from jinja2.parser import Parser

from covet.text import suggest

__all__ = ["ForeignTags", "explain"]

_INSTEAD: Final = {
    "blocktrans": "write {% trans name=value %}…{% endtrans %}",
    "blocktranslate": "write {% trans name=value %}…{% endtrans %}",
    "cache": "keep what is slow to compute in the view",
    "comment": "write {# … #}",
    "csrf_token": "write {{ csrf_input }}",
    "cycle": "write {{ loop.cycle('odd', 'even') }}",
    "debug": "the debug panel shows the context",
    "empty": "a for loop without a row has {% else %}",
    "firstof": "write {{ a or b }}",
    "get_available_languages": "name covet.templates.processors.i18n in CONTEXT_PROCESSORS, and write {{ LANGUAGES }}",
    "get_current_language": "name covet.templates.processors.i18n in CONTEXT_PROCESSORS, and write {{ LANGUAGE_CODE }}",
    "get_media_prefix": "name covet.templates.processors.media in CONTEXT_PROCESSORS, and write {{ MEDIA_URL }}",
    "get_static_prefix": "name covet.templates.processors.static in CONTEXT_PROCESSORS, and write {{ STATIC_URL }}",
    "ifchanged": "write {% if loop.changed(value) %}…{% endif %}",
    "ifequal": "write {% if a == b %}…{% endif %}",
    "ifnotequal": "write {% if a != b %}…{% endif %}",
    "load": "take the line out: url(), static() and the filters are always there",
    "localize": "use the filters date, time and floatformat",
    "localtime": "the filter date shows the current time zone; {{ value|localtime }} converts",
    "lorem": "write {{ lipsum() }}",
    "now": "pass the moment to the template, and write {{ moment|date('j F Y') }}",
    "querystring": "make the address in the view, or write {{ url('name', query={'page': 2}) }}",
    "regroup": "write {% for group in rows|groupby('attribute') %}: group.grouper and group.list",
    "spaceless": "write {%- and -%} where white space is too much",
    "static": "write {{ static('app/file.css') }}",
    "templatetag": "write {{ '{%' }}",
    "timezone": "covet.timezone.override() in the view; {{ value|localtime }} converts",
    "translate": "write {{ _('text') }}",
    "url": "write {{ url('name', argument, key=value) }}",
    "verbatim": "write {% raw %}…{% endraw %}",
    "widthratio": "write {{ (value / maximum * width)|round|int }}",
}


_SWITCH: Final = {"on": "true", "off": "false"}


class ForeignTags(jinja2.ext.Extension):
    """Fails each of the tags with the line to write instead."""

    tags = set(_INSTEAD)
    # Of extensions that know a tag the one with the highest number reads it: a project's own cache tag, say.
    priority = 0

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """Read ``{% autoescape on %}`` and ``off`` as Django does.

        To Jinja2 these are names of variables, which are not there and so false: ``on`` would turn escaping off.
        """
        before, last = "", ""
        for token in stream:
            if before == "block_begin" and last == "autoescape" and token.value in _SWITCH:
                token = Token(token.lineno, "name", _SWITCH[token.value])  # noqa: PLW2901  # the one that is read
            before, last = last, token.value if token.type == "name" else token.type
            yield token

    def parse(self, parser: Parser) -> nodes.Node:
        """Refuse the tag at which the parser stands.

        Raises:
            TemplateSyntaxError: Always.
        """
        token = parser.stream.current
        parser.fail(
            f"Templates are Jinja2's, which has no tag '{token.value}'. Instead of it, {_INSTEAD[token.value]}.",
            token.lineno,
        )


_UNKNOWN: Final = re.compile(r"No (filter|test) named '([^']*)'(?: found)?\.")
_METHOD: Final = re.compile(r"'(?:builtin_function_or_)?method' object is not iterable")


def explain(error: BaseException, environment: jinja2.Environment) -> None:
    """Add to the text of an error what someone who knows Django's templates has to know of Jinja2, or has misspelt.

    Args:
        error: The error.
        environment: Knows the filters and tests that there are.
    """
    text = str(error)
    if isinstance(error, jinja2.TemplateError) and (found := _UNKNOWN.fullmatch(error.message or "")) is not None:
        # In a branch that is not reached nobody misses one, so that Jinja2 tells of it either at once or when it is called.
        near = suggest(found[2], environment.filters if found[1] == "filter" else environment.tests)
        if near is not None:
            error.args = (f"{error.message} Did you mean {near!r}?",)
    elif isinstance(error, TypeError) and _METHOD.fullmatch(text):
        error.args = (f"{text}. Methods are called with brackets in a template: article.tags.all()",)
    elif (
        isinstance(error, jinja2.TemplateSyntaxError)
        and error.message is not None
        and error.message.endswith("got ':'")
    ):
        error.args = (f"{error.message}. Arguments of a filter stand in brackets: {{{{ moment|date('Y') }}}}",)
    elif isinstance(error, jinja2.UndefinedError) and text == "'forloop' is undefined":
        error.args = (f"{text}. Here it is 'loop': loop.index, loop.index0, loop.first, loop.last",)
    elif isinstance(error, jinja2.UndefinedError) and text == "'perms' is undefined":
        error.args = (f"{text}. Ask the user: {{% if user.has_perm('shop.add_order') %}}",)
    elif isinstance(error, jinja2.UndefinedError) and text == "'block' is undefined":
        error.args = (f"{text}. The content of the block that is extended is {{{{ super() }}}}",)
    elif (
        isinstance(error, jinja2.TemplateSyntaxError)
        and error.message is not None
        and error.message.endswith("got 'with'")
    ):
        error.args = (f"{error.message}. Write {{% with name=value %}}{{% include 'rows.html' %}}{{% endwith %}}",)
    elif isinstance(error, jinja2.UndefinedError) and text == "'url_for' is undefined":
        error.args = (f"{text}. Write url('name', key=value), and static('app/file.css') for a file",)
