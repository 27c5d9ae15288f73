"""Rows to results by generated code: one function per model and set of columns, made once.

Instances are filled by one unpacking assignment (``o.id, o.title = row``), which keeps their values inline and is about
three times faster than a loop. What every row has for sure is there before the first value is: one ``map`` makes all of them
for less than a call for each. All rows of a result share one ``State``, whose batch knows them weakly.
"""

from __future__ import annotations

import keyword
import weakref
from collections import namedtuple
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat, starmap
from typing import TYPE_CHECKING, Any, TypeAlias

from covet.concurrency import signature
from covet.db.models.query.results import Batch, Result
from covet.db.models.signals import post_init
from covet.db.models.state import LOADED, PARTLY_LOADED, State
from covet.db.sql.dialect import INLINE
from covet.db.sql.nodes import Column
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.models.query import computed
    from covet.db.models.query import filtered as filtered_links
    from covet.db.models.query.assemble import OutColumn
    from covet.db.models.query.related import Related
    from covet.db.sql.dialect import Dialect
else:
    filtered_links = late_module(__name__, "covet.db.models.query.filtered", "filtered_links")
    computed = late_module(__name__, "covet.db.models.query.computed")

__all__ = ["MISSING", "Make", "converters", "instances", "is_plain", "records", "single"]

#: ``make(rows, alias, fetch_mode) -> list of results``.
Make: TypeAlias = Callable[[Sequence[Any], str, Any], "list[Any]"]


def converters(columns: Sequence[OutColumn], dialect: Dialect) -> list[Callable[[Any], Any] | None]:
    """Return what turns each driver value into Python; ``None`` where it is right already."""
    return [
        None
        if column.field is None
        else column.field.converter(dialect)
        if column.node.__class__ is Column and not column.is_computed
        else computed.computed_converter(column.field, dialect)
        for column in columns
    ]


def is_plain(root: Related | None, columns: Sequence[OutColumn], dialect: Dialect) -> bool:
    """Whether results are made by code of ours alone: then it does not matter in which thread, nor in which context.

    Args:
        root: The models of the results; ``None`` for records.
        columns: What is read.
        dialect: How values are stored.
    """
    for node in () if root is None else _all_nodes(root):
        if _overrides_from_db(node.model):
            return False
        of_class = [vars(base) for base in node.model.__mro__]
        if any(hasattr(one.get(field.attname), "__set__") for field in node.fields for one in of_class):
            return False
    return all(convert is None or convert.__module__ in _PLAIN for convert in converters(columns, dialect))


# Where the converters are defined that call nothing of a project.
_PLAIN = frozenset(("covet.db.backends.sqlite.dialect", "covet.db.models.query.computed", "covet.db.sql.dialect"))


def _converted(number: int, convert: Callable[[Any], Any], names: dict[str, Any]) -> str:
    """Return the code that converts the value ``v<number>``: written out where the dialect says how, else a call."""
    names[f"c{number}"] = convert
    found = INLINE.get(convert)
    if found is None:
        return f"c{number}(v{number})"
    names.update(found.names)
    return found.code.format(v=f"v{number}", call=f"c{number}(v{number})")


def _assigned(target: str, number: int, convert: Callable[[Any], Any], names: dict[str, Any]) -> list[str]:
    """Return the lines that put the converted value ``v<number>`` on an attribute."""
    found = INLINE.get(convert)
    code = _converted(number, convert, names)
    if found is None or not found.attempt:
        return [f"{target} = {code}"]
    # A ``try`` that nothing is raised in costs nothing.
    attempt = found.attempt.format(v=f"v{number}", call=f"c{number}(v{number})")
    return ["try:", f" {target} = {attempt}", "except ValueError:", f" {target} = {code}"]


class _Code:
    """Lines of a function under construction, with the objects that they name."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"new": object.__new__, "State": State, "Batch": Batch, "Result": Result}

    def add(self, line: str) -> None:
        self.lines.append(line)

    def function(self) -> Make:
        source = "\n".join(self.lines)
        exec(source, self.names)  # noqa: S102  # attribute names are checked to be identifiers
        return self.names["make"]  # type: ignore[no-any-return]  # the function that the source defines


def instances(root: Related, columns: Sequence[OutColumn], dialect: Dialect, hidden: int = 0) -> Make:
    """Return the function that makes instances, with their joined relations and annotations."""
    if any(_overrides_from_db(node.model) for node in _all_nodes(root)):
        return _by_hook(root, columns, dialect)
    code = _Code()
    found = converters(columns, dialect)
    plans: list[tuple[Related, str, int]] = []
    _number(root, "o", plans, 0)
    head = ["def make(rows, alias, mode):"]
    targets: list[str] = []
    after: list[str] = []
    sure: dict[str, str] = {}
    position = 0
    for number, (node, variable, _depth) in enumerate(plans):
        code.names[f"cls{number}"] = node.model
        code.names[f"of{number}"] = (node.model,)
        partial = ", partial=True" if node.partial else ""
        head.append(f" b{number} = Batch((), {number})")
        head.append(f" s{number} = State(False, alias, peers=b{number}, fetch_mode=mode, shared=True{partial})")
        in_null = _is_null(node, plans)
        if not in_null:
            sure[variable] = f"l{number}"
        # By starmap: ``map`` would make the tuple of the arguments anew for each.
        some = "" if in_null else f"starmap(new, repeat(of{number}, len(rows)))"
        head.append(f" l{number} = {'list' if number else 'Result'}({some})")
        if in_null:
            head.append(f" a{number} = l{number}.append")
        for one in node.fields:
            name = _identifier(one.attname)
            convert = found[position]
            if in_null or convert is not None:
                targets.append(f"v{position}")
            else:
                targets.append(f"{variable}.{name}")
            position += 1
    added, put = _added(columns, position, found, code.names)
    targets += added
    targets += ["_"] * hidden
    numbers = range(len(plans))
    head.append(f" l0.batches = ({''.join(f'b{number},' for number in numbers)})")
    head.append(" l0.loaded = None")
    head.append(f" l0.joined = ({''.join(f'l{number},' for number in numbers[1:])})")
    head.append(f" {''.join(f'b{number}.result = ' for number in numbers)}ref(l0)")
    head.append(f" for {', '.join((*sure, 'row'))} in zip({', '.join((*sure.values(), 'rows'))}):")
    made, late = _creation(plans, found, code)
    after += late
    body = [f"  {line}" for line in made]
    body.append(f"  {', '.join(targets)}{',' if len(targets) == 1 else ''} = row")
    body += [f"  {line}" for line in after]
    body += [f"  {line}" for line in put]
    tail = [f" if post_init._entries: tell(cls{number}, l{number})" for number in numbers]
    for node, _variable, _depth in plans:
        _make_known(node, [column.name for column in columns[position:] if column.width] if node is root else ())
    code.names |= {"ref": weakref.ref, "repeat": repeat, "starmap": starmap, "post_init": post_init, "tell": _tell}
    code.lines = [*head, *body, *tail, " return l0"]
    return code.function()


def _make_known(node: Related, annotations: Iterable[str]) -> None:
    """Let the class of a node know what its instances will hold beside its fields, by one that is thrown away.

    As where classes are prepared, a name finds no place after many instances, and here all of a result's are made before the
    first of them has a value.
    """
    if hasattr(node.model, "__del__"):
        return
    # Not by setattr: descriptors are none of its business.
    own = vars(object.__new__(node.model))
    for name in (*annotations, *[child.relation.cache_name for child in node.children]):
        own[name] = None


def _added(
    columns: Sequence[OutColumn], first: int, found: Sequence[Callable[[Any], Any] | None], names: dict[str, Any]
) -> tuple[list[str], list[str]]:
    """Return the targets of the annotations, which stand behind the fields, and the lines that put the converted ones in place."""
    targets: list[str] = []
    lines: list[str] = []
    for number, column in enumerate(columns[first:], first):
        target, convert = f"o.{_identifier(column.name)}", found[number]
        is_part = column.width != 1
        targets.append(target if convert is None and not is_part else f"v{number}")
        if is_part and column.width:
            parts = range(number, number + column.width)
            codes = [f"v{part}" if (one := found[part]) is None else _converted(part, one, names) for part in parts]
            lines.append(f"{target} = ({', '.join(codes)})")
        elif convert is not None and not is_part:
            lines += _assigned(target, number, convert, names)
    return targets, lines


def _tell(model: Any, rows: Iterable[Any]) -> None:
    """Tell who listens to ``post_init``: rows that are read count as built."""
    if post_init.has_listeners(model):
        for row in rows:
            post_init.send_sync(model, instance=row)


def _all_nodes(node: Related) -> list[Related]:
    return [node, *[found for child in node.children for found in _all_nodes(child)]]


def _overrides_from_db(model: Any) -> bool:
    """Whether a model, or a class between it and ``Model``, wants to see every row that is read."""
    return getattr(model.from_db, "__qualname__", "") != "Model.from_db"


def _hook(model: Any) -> Callable[..., Any]:
    """Return ``from_db`` of a model; one that was written before Django 6.1 knows nothing of ``fetch_mode``."""
    given = signature(model.from_db).parameters.values()
    if any(one.name == "fetch_mode" or one.kind is one.VAR_KEYWORD for one in given):
        return model.from_db  # type: ignore[no-any-return]

    def read(alias: str, names: Sequence[str], values: Sequence[Any], *, fetch_mode: Any) -> Any:
        instance = model.from_db(alias, names, values)
        if fetch_mode is not None:
            instance._state.fetch_mode = fetch_mode
        return instance

    return read


def _by_hook(root: Related, columns: Sequence[OutColumn], dialect: Dialect) -> Make:
    """Return the slow twin of ``instances``, which builds each instance by its model's ``from_db``."""
    found = converters(columns, dialect)
    hooks = {node.model: _hook(node.model) for node in _all_nodes(root)}

    def build(node: Related, values: list[Any], position: int, alias: str, mode: Any, batches: Any) -> tuple[Any, int]:
        fields = node.fields
        part = values[position : position + len(fields)]
        position += len(fields)
        key = next((value for field, value in zip(fields, part, strict=True) if _tells(field, node)), None)
        instance = None
        if key is not None or not node.null:
            names = [field.attname for field in fields]
            instance = hooks[node.model](alias, names, part, fetch_mode=mode)
            rows = batches.setdefault(id(node), [])
            rows.append(instance)
        for child in node.children:
            joined, position = build(child, values, position, alias, mode, batches)
            if instance is None:
                continue
            if joined is not None:
                setattr(instance, child.relation.cache_name, joined)
            elif child.relation.auto_created:
                setattr(instance, child.relation.cache_name, MISSING)
        return instance, position

    def make(rows: Sequence[Any], alias: str, mode: Any) -> list[Any]:
        made: list[Any] = []
        batches: dict[int, list[Any]] = {}
        for row in rows:
            values = [value if convert is None else convert(value) for convert, value in zip(found, row, strict=False)]
            instance, position = build(root, values, 0, alias, mode, batches)
            for number, column in enumerate(columns[position:], position):
                if column.width:
                    part = values[number : number + column.width]
                    setattr(instance, column.name, tuple(part) if column.width > 1 else part[0])
            made.append(instance)
        for instances_read in batches.values():
            batch = Batch(instances_read)
            for instance in instances_read:
                instance._state.peers = batch
            _tell(type(instances_read[0]), instances_read)
        return made

    return make


def single(root: Related, columns: Sequence[OutColumn], dialect: Dialect) -> Callable[[Any, str], Any]:
    """Return the function that makes one instance of one row, with the state that all such rows share."""
    if _overrides_from_db(root.model):
        make = _by_hook(root, columns, dialect)
        return lambda row, alias: make([row], alias, None)[0]
    code = _Code()
    found = converters(columns, dialect)
    names = [one.attname for one in root.fields]
    targets = [
        f"o.{_identifier(name)}" if convert is None else f"v{i}"
        for i, (name, convert) in enumerate(zip(names, found, strict=False))
    ]
    added, put = _added(columns, len(names), found, code.names)
    targets += added
    code.names |= {"cls": root.model, "states": PARTLY_LOADED if root.partial else LOADED}
    code.lines = [
        "def make(row, alias):",
        " o = new(cls)",
        " o._row_state = states[alias]",
        f" {', '.join(targets)}{',' if len(targets) == 1 else ''} = row",
        *[
            f" {line}"
            for i, (name, convert) in enumerate(zip(names, found, strict=False))
            if convert is not None
            for line in _assigned(f"o.{name}", i, convert, code.names)
        ],
        *[f" {line}" for line in put],
        " if post_init._entries: tell(cls, (o,))",
        " return o",
    ]
    code.names |= {"post_init": post_init, "tell": _tell}
    return code.function()  # type: ignore[return-value]  # the one function without a list


def _number(node: Related, variable: str, plans: list[tuple[Related, str, int]], depth: int) -> None:
    plans.append((node, variable, depth))
    for child in node.children:
        _number(child, f"{variable}{len(plans)}", plans, depth + 1)


def _parent(node: Related, plans: Sequence[tuple[Related, str, int]]) -> tuple[Related, str] | None:
    for other, variable, _depth in plans:
        if node in other.children:
            return other, variable
    return None


def _is_null(node: Related, plans: Sequence[tuple[Related, str, int]]) -> bool:
    """Whether the node, or one that it hangs on, may be absent."""
    while True:
        if node.null:
            return True
        found = _parent(node, plans)
        if found is None:
            return False
        node = found[0]


def _creation(
    plans: Sequence[tuple[Related, str, int]], found: Sequence[Callable[[Any], Any] | None], code: _Code
) -> tuple[list[str], list[str]]:
    """Return the lines before the unpacking (for the objects that are there for sure) and after it (the others, and links)."""
    made: list[str] = []
    late: list[str] = []
    position = 0
    for number, (node, variable, _depth) in enumerate(plans):
        null = _is_null(node, plans)
        first = position
        lines = []
        key = first
        for one in node.fields:
            if _tells(one, node):
                key = position
            convert = found[position]
            if convert is not None:
                lines += _assigned(f"{variable}.{one.attname}", position, convert, code.names)
            elif null:
                lines.append(f"{variable}.{one.attname} = v{position}")
            position += 1
        told = f"{variable}._row_state = s{number}"
        if not null:
            made.append(told)
            late += lines
            if node.relation is not None:
                late += _links(node, variable, plans)
            continue
        parent = _parent(node, plans)
        assert parent is not None
        late.append(f"if v{key} is None:")
        late.append(f" {variable} = None")
        if node.relation.auto_created:
            # A reverse one-to-one without partner: known to be missing, so nobody asks again.
            code.names["MISSING"] = MISSING
            guard = f"if {parent[1]} is not None: " if _is_null(parent[0], plans) else ""
            late.append(f" {guard}{parent[1]}.{node.relation.cache_name} = MISSING")
        elif isinstance(node.relation, filtered_links.FilteredLink):
            # Its name is no field of the model that could say None by itself.
            late.append(f" {parent[1]}.{node.relation.cache_name} = None")
        late.append("else:")
        late.append(f" {variable} = new(cls{number}); {told}")
        late += [f" {line}" for line in [*lines, *_links(node, variable, plans)]]
        late.append(f" a{number}({variable})")
    return made, late


class _Missing:
    """The type of ``MISSING``: a reverse one-to-one that is known to have no row."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING = _Missing()


def _links(node: Related, variable: str, plans: Sequence[tuple[Related, str, int]]) -> list[str]:
    parent = _parent(node, plans)
    assert parent is not None
    lines = [f"{parent[1]}.{node.relation.cache_name} = {variable}"]
    other = node.relation.remote_field
    if other is not None and node.relation.one_to_one and getattr(other, "cache_name", None):
        lines.append(f"{variable}.{other.cache_name} = {parent[1]}")
    return lines


def _tells(field: Any, node: Related) -> bool:
    """Whether a joined row is there if this field of it is not NULL: a key, or the first part of one."""
    return bool(field.primary_key) or field is node.model._meta.pk_fields[0]


def _folded(columns: Sequence[OutColumn], items: list[str]) -> tuple[list[str], list[str]]:
    """Return names and sources of the values, those of several columns as tuples."""
    names: list[str] = []
    sources: list[str] = []
    for index, column in enumerate(columns):
        if column.width:
            names.append(column.name)
            wide = column.width > 1
            sources.append(f"({', '.join(items[index : index + column.width])})" if wide else items[index])
    return names, sources


def records(kind: str, columns: Sequence[OutColumn], dialect: Dialect, hidden: int = 0) -> Make:
    """Return the function that makes plain rows: ``"dict"``, ``"tuple"``, ``"flat"`` or ``"named"``."""
    code = _Code()
    found = converters(columns, dialect)
    items = [
        f"v{index}" if convert is None else f"({_converted(index, convert, code.names)})"
        for index, convert in enumerate(found)
    ]
    names = [f"v{index}" for index in range(len(columns))] + ["_"] * hidden
    unpack = ", ".join(names) + ("," if len(names) == 1 else "")
    is_wide = any(column.width != 1 for column in columns)
    plain = all(convert is None for convert in found) and not hidden and not is_wide
    keys, items = _folded(columns, items)
    if kind == "dict":
        pairs = ", ".join(f"{key!r}: {item}" for key, item in zip(keys, items, strict=True))
        result = f"[{{{pairs}}} for {unpack} in rows]"
    elif kind == "flat" and is_wide:
        result = f"[{items[0]} for {unpack} in rows]"
    elif kind == "flat":
        result = "[row[0] for row in rows]" if found[0] is None else "[c0(row[0]) for row in rows]"
    elif kind == "named":
        code.names["Row"] = namedtuple("Row", [_identifier(key) for key in keys])
        result = f"[Row({', '.join(items)}) for {unpack} in rows]"
    elif plain:
        result = "list(map(tuple, rows))"
    else:
        result = f"[({', '.join(items)}{',' if len(items) == 1 else ''}) for {unpack} in rows]"
    code.lines = ["def make(rows, alias, mode):", f" return {result}"]
    return code.function()


def _identifier(name: str) -> str:
    """Return the name if it can stand in code; annotations and fields were checked before, so this is the last guard."""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"'{name}' cannot be the name of an attribute.")
    return name
