"""``union`` and its kin: the members' statements joined, and the order of the result.

No database orders the rows of a set operation by anything but its columns. What is ordered by and not selected is therefore
selected by each member as well, behind the columns of the user, who does not see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from covet.db.errors import NotSupportedError
from covet.db.sql import nodes as n
from covet.db.sql.statements import Compound, Output, Select, TableRef
from covet.exceptions import FieldError

if TYPE_CHECKING:
    from covet.db.models.query.assemble import Assembler, OutColumn, Rows

__all__ = ["Hidden", "chosen", "combined_order", "combined_rows", "labelled", "without_hidden"]

_ALIAS = "combined"


class Hidden(Struct, frozen=True):
    """What a member selects for the order alone.

    Attributes:
        item: A name, or an expression.
        slot: The slot of the expression's first value.
        is_null: Whether it is missing, and not the value itself: for databases that cannot say where NULL stands.
    """

    item: Any
    slot: int = 0
    is_null: bool = False

    def node(self, member: Assembler) -> n.Node:
        """Return the column that a member selects."""
        before, member.cursor = member.cursor, self.slot
        node = (member.ref(self.item) if isinstance(self.item, str) else self.item.resolve(member)).node
        member.cursor = before
        return n.IsNull(node) if self.is_null else node


def combined_rows(build: Assembler, hidden: Sequence[Hidden] = ()) -> tuple[list[Select | Compound], Rows]:
    """Return the members' statements, and the rows of the first, which name the columns."""
    plan = build.plan
    combined = plan.extras.combined
    assert combined is not None
    build.cursor = build.order_offset + len(plan.order_values)
    members: list[Select | Compound] = []
    first: Rows | None = None
    for member in combined.queries:
        query = member
        if plan.extras.outputs is not None and query.extras.outputs is None:
            query = query.with_extras(outputs=plan.extras.outputs)
        inner = type(build)(query, build.dialect, outer=build._outer, start=build.cursor, alias=build.alias)
        build.cursor = inner.end
        rows = inner.rows(ordered=query.is_sliced, hidden=hidden)
        statement = rows.statement
        if isinstance(statement, Compound) and build.vendor == "mysql":
            # A table of its own there, in which two columns cannot have one name.
            statement = labelled(statement)
        members.append(statement)
        first = first or rows
    assert first is not None
    return members, first


def combined_order(build: Assembler, names: list[str]) -> tuple[list[n.Ordering], list[Hidden]]:
    """Return the order by places of columns, and what must be selected for it.

    Raises:
        NotSupportedError: It is by something that the members, which name their columns, do not select.
    """
    hidden: list[Hidden] = []
    order: list[n.Ordering] = []
    slot = build.order_offset
    items: Iterable[Any] = build.plan.order_items
    if build.plan.order is None:
        items = [item for item in build.meta.ordering if isinstance(item, str) and item.lstrip("-") in {*names, "pk"}]

    def place(wanted: Hidden) -> n.Node:
        if wanted not in hidden:
            _refuse_closed(build, names, wanted.item)
            hidden.append(wanted)
        return n.Raw(str(len(names) + hidden.index(wanted) + 1))

    for item in items:
        found = item if isinstance(item, str) else getattr(getattr(item, "expression", item), "name", None)
        name = found if isinstance(found, str) else ""
        descending = name.startswith("-") or bool(getattr(item, "descending", False))
        nulls = getattr(item, "nulls", None)
        if build.plan.extras.reversed:
            descending, nulls = not descending, {"first": "last", "last": "first"}.get(nulls or "")
        keys: list[Any] = _columns(build, name.lstrip("-+"), names) if name else [getattr(item, "expression", item)]
        for key in keys:
            known = isinstance(key, str) and key in names
            if nulls is not None and not build.dialect.has_nulls_order and (nulls == "first") is descending:
                order.append(n.Ordering(place(Hidden(key, slot, is_null=True)), nulls == "first"))
                nulls = None
            # A key of several columns stands at several places.
            places: list[n.Node] = [n.Raw(str(number)) for number, one in enumerate(names, 1) if known and one == key]
            order += [n.Ordering(node, descending, nulls) for node in places or [place(Hidden(key, slot))]]
        if not isinstance(item, str):
            values: list[Any] = []
            item.shape(values)
            slot += len(values)
    return order, hidden


def _columns(build: Assembler, name: str, names: Sequence[str]) -> list[str]:
    """Return the selected columns that a name means, or the name itself."""
    if name in names:
        return [name]
    fields = build.meta.pk_fields if name == "pk" else [_field(build.meta, name)]
    columns = []
    for field in fields:
        # Whichever of its names the members chose.
        known = () if field is None else (field.attname, field.name, *(["pk"] if field.primary_key else ()))
        columns += [one for one in known if one in names][:1]
    return columns if columns and len(columns) == len(fields) else [name]


def _field(meta: Any, name: str) -> Any:
    """Return the field with a column that is called so, or whose column is."""
    found = meta.fields_map.get(name) or next((one for one in meta.concrete_fields if one.attname == name), None)
    return found if found is not None and found.concrete else None


def _refuse_closed(build: Assembler, names: Sequence[str], item: Any) -> None:
    combined = build.plan.extras.combined
    assert combined is not None
    closed = any(one.extras.outputs is not None or one.extras.combined is not None for one in combined.queries)
    if closed or item == "?":
        raise NotSupportedError(
            f"union() and its kin can be ordered by the columns selected ({', '.join(names)}), not by {item!r}."
        )


def chosen(build: Assembler, rows: Rows) -> Rows:
    """Return the columns that ``values()`` names after the members have named theirs: of the rows that these decide.

    Raises:
        FieldError: The members have no such column.
    """
    wanted, union = build.plan.extras.outputs, build.plan.extras.combined
    names = [column.name for column in rows.columns if column.width]
    assert union is not None
    if wanted is None or list(wanted) == names or union.queries[0].extras.outputs is None:
        return rows
    columns: list[OutColumn] = []
    outputs: list[Output] = []
    for name in wanted:
        found = _columns(build, name, names)
        places = [place for one in found for place in _places(rows.columns, one)]
        if not places:
            raise FieldError(
                f"values('{name}') after union() and its kin: the querysets that are combined select {', '.join(names)}.",
                model=build.plan.model,
                name=name,
            )
        for number, place in enumerate(places):
            columns.append(replace(rows.columns[place], name=name, width=0 if number else len(places)))
            outputs.append(Output(n.Column(_ALIAS, f"c{place}")))
    compound = rows.statement
    assert isinstance(compound, Compound)
    order = [
        replace(item, operand=n.Column(_ALIAS, f"c{int(item.operand.sql) - 1}"))
        for item in compound.order_by
        if isinstance(item.operand, n.Raw)
    ]
    inner = labelled(replace(compound, order_by=(), limit=None, offset=None))
    statement = Select(
        tuple(outputs), TableRef(inner, _ALIAS), order_by=tuple(order), limit=compound.limit, offset=compound.offset
    )
    return replace(rows, statement=statement, columns=tuple(columns))


def _places(columns: Sequence[OutColumn], name: str) -> range:
    """Return where the columns of a name stand: several for a key of several, the first ones where a name was given twice."""
    found = next((place for place, column in enumerate(columns) if column.width and column.name == name), None)
    return range(0) if found is None else range(found, found + columns[found].width)


def labelled(statement: Select | Compound) -> Select | Compound:
    """Return the statement with its columns called ``c0``, ``c1``, …: those of the first member name them all."""
    if isinstance(statement, Compound):
        first, *others = statement.queries
        return replace(statement, queries=(labelled(first), *others))
    outputs = [replace(output, alias=f"c{number}") for number, output in enumerate(statement.outputs)]
    return replace(statement, outputs=tuple(outputs))


def without_hidden(rows: Rows) -> Select | Compound:
    """Return the statement with the user's columns alone, for a place where no others may be."""
    statement = rows.statement
    if not rows.hidden:
        return statement
    outputs = [Output(n.Column(_ALIAS, f"c{number}")) for number in range(len(rows.columns))]
    return Select(tuple(outputs), TableRef(labelled(statement), _ALIAS))
