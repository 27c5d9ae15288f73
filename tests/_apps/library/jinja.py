"""What the templates of a project get from this app."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import jinja2

from covet.templates import Library

register = Library()


@register.filter
def initials(name: str) -> str:
    return "".join(word[0] for word in name.split())


@register.filter(name="later")
async def shout_later(text: str, sign: str = "!") -> str:
    await asyncio.sleep(0)
    return text.upper() + sign


@register.filter
def in_thread(text: str) -> str:
    return f"{text} {threading.current_thread() is not threading.main_thread()}"


@register.filter
@jinja2.pass_context
def titled(context: jinja2.runtime.Context, text: str) -> str:
    return f"{context['title']}: {text}"


@register.test
def prime(number: int) -> bool:
    return number > 1 and all(number % other for other in range(2, number))


@register.test(name="known")
async def is_known(name: str) -> bool:
    await asyncio.sleep(0)
    return name == "Ann"


@register.function
async def newest(count: int) -> list[int]:
    await asyncio.sleep(0)
    return list(range(count))


@register.function(name="year")
def this_year() -> int:
    return 2026


@register.extension
class Loud(jinja2.ext.Extension):
    tags = {"loud"}

    def parse(self, parser: Any) -> Any:
        line = next(parser.stream).lineno
        return jinja2.nodes.Output([jinja2.nodes.TemplateData("LOUD")]).set_lineno(line)
