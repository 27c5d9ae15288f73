"""``%s`` and ``%(name)s`` in SQL that people wrote, turned into the places of whichever driver runs it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from covet.db.errors import ProgrammingError

if TYPE_CHECKING:
    from covet.db.sql.dialect import Dialect

__all__ = ["Params", "raw_statement"]


@cache
def _place() -> re.Pattern[str]:
    return re.compile(r"%(?:(%)|(s)|\(([^)]*)\)s)")


Params: TypeAlias = Sequence[Any] | Mapping[str, Any]


def raw_statement(sql: str, params: Params, dialect: Dialect, what: str = "raw()") -> tuple[str, list[Any]]:
    """Return text and arguments for the driver, of SQL with ``%s`` or ``%(name)s`` places; ``%%`` is one percent sign.

    Args:
        sql: The text.
        params: A sequence for ``%s``, a mapping for ``%(name)s``.
        dialect: Whose placeholders to write.
        what: The call that took them, for messages.

    Raises:
        ProgrammingError: Places and values do not fit, or a percent sign is alone.
    """
    by_name = isinstance(params, Mapping)
    args: list[Any] = []
    numbers: dict[str, int] = {}
    text: list[str] = []
    end = 0

    def place(value: Any, name: str | None) -> str:
        number = numbers.get(name) if name is not None and dialect.reuses_placeholders else None
        if number is None:
            adapt = dialect.text_adapter(value)
            args.append(value if adapt is None else adapt(value))
            number = len(args)
            if name is not None:
                numbers[name] = number
        return dialect.placeholder(number)

    for found in _place().finditer(sql):
        text.append(_plain(sql[end : found.start()], params, sql))
        end = found.end()
        if found[1]:
            text.append("%")
            continue
        if by_name is (found[3] is None) and (params or by_name):
            raise ProgrammingError(f"{what} takes %s with a list of values, or %(name)s with a dictionary.", sql=sql)
        text.append(place(_value(params, found[3], len(args), sql, what), found[3]))
    text.append(_plain(sql[end:], params, sql))
    if not by_name and len(args) != len(params):
        raise ProgrammingError(f"{what} has {len(args)} places (%s) and {len(params)} values.", sql=sql)
    if dialect.doubles_percent and args:
        mark = dialect.placeholder(1)
        text = [piece if piece == mark else piece.replace("%", "%%") for piece in text]
    return "".join(text), args


def _plain(text: str, params: Params, sql: str) -> str:
    if "%" in text and params:
        raise ProgrammingError("A percent sign beside parameters is written %%.", sql=sql)
    return text


def _value(params: Any, name: str | None, position: int, sql: str, call: str) -> Any:
    try:
        return params[position if name is None else name]
    except (IndexError, KeyError):
        what = "fewer values than places (%s)" if name is None else f"no value for %({name})s"
        raise ProgrammingError(f"{call} has {what}.", sql=sql) from None
