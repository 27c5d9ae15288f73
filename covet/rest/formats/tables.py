"""CSV: a row for each item, a column for each member; ``author.name`` for a member of a member."""

from __future__ import annotations

import csv
import io
from typing import Any, Final

from covet import json
from covet.rest.formats.base import Format, FormatError

__all__ = ["CSV"]

MAX_COLUMNS: Final = 1000
# A spreadsheet runs a text that starts so as a formula; with a quote in front it stays a text.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def _write(value: Any) -> bytes:
    """Write the items of a page or list, or the one value there is."""
    if isinstance(value, dict) and isinstance(value.get("items"), list) and "next" in value:
        value = value["items"]
    rows = value if isinstance(value, list) else [value]
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    target = io.StringIO(newline="")
    writer = csv.writer(target, lineterminator="\r\n")
    if columns:
        writer.writerow([_safe(name) for name in columns])
    writer.writerows([[_cell(row.get(name)) for name in columns] for row in flat])
    return target.getvalue().encode()


def _flat(row: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(row, dict):
        return {prefix.rstrip(".") or "value": row}
    made: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict) and value:
            made.update(_flat(value, f"{prefix}{name}."))
        else:
            made[prefix + name] = value
    return made


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, dict)):
        return json.dumps(value).decode()
    return _safe(value) if isinstance(value, str) else value


def _safe(text: str) -> str:
    # A quote that is there already is doubled, so that reading gives back what was written.
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def _read(raw: bytes) -> Any:
    """Return the rows as dicts; an empty cell leaves its member out, so that the default holds."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError("The body is not UTF-8.") from error
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise FormatError(f"The body is not valid CSV: {error}") from error
    if not rows:
        raise FormatError("A CSV body starts with the names of its columns.")
    names, *lines = rows
    if len(names) > MAX_COLUMNS or len(set(names)) < len(names):
        raise FormatError("The names of the columns must differ, and be no more than 1000.")
    made = []
    for number, line in enumerate(lines, 2):
        if not line:
            continue
        if len(line) != len(names):
            raise FormatError(f"Row {number} has {len(line)} cells, and there are {len(names)} columns.")
        made.append(_nested(names, line))
    return made


def _nested(names: list[str], line: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, cell in zip(names, line, strict=True):
        if cell == "":
            continue
        *above, last = name.split(".")
        place = row
        for part in above:
            below = place.setdefault(part, {})
            if not isinstance(below, dict):
                raise FormatError(f"The columns {part!r} and {name!r} cannot stand together.")
            place = below
        if last in place:
            raise FormatError(f"The column {name!r} and those below it cannot stand together.")
        place[last] = _parsed(cell)
    return row


def _parsed(cell: str) -> Any:
    if cell[0] == "'" and cell.lstrip("'").startswith(_FORMULA):
        return cell[1:]
    if cell[0] in "[{":
        try:
            return json.loads(cell)
        except ValueError:  # a text that only looks like JSON
            return cell
    return cell


CSV: Final = Format("csv", ("text/csv",), _write, _read, is_loose=True)
