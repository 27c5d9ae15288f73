"""What models ask for and one of the project's databases cannot have, or quietly leaves out; no database is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from covet import checks
from covet.conf import settings
from covet.conf.service_url import parse_database
from covet.db.models.deletion import DB_SET_DEFAULT
from covet.db.models.fields.numbers import DecimalField
from covet.db.models.requirements import VENDORS, known_features
from covet.db.routers import router
from covet.text import suggest

if TYPE_CHECKING:
    from covet.apps import Apps
    from covet.checks import CheckMessage

__all__ = ["check_vendors"]

_TITLES = {"mysql": "MySQL and MariaDB", "sqlite": "SQLite", "postgresql": "PostgreSQL"}
# InnoDB's keys have 3072 bytes, and a character of utf8mb4 takes up to 4 of them.
_LONGEST_KEY = 768
_SAFE_KEY = 255
# What has no greatest length can be no index there.
_UNBOUNDED = frozenset(("text", "binary", "json"))


def check_vendors(apps: Apps) -> Iterator[CheckMessage]:
    """Yield what does not fit the databases of the settings, for the models that have tables there."""
    yield from _check_requirements(apps)
    for alias, vendor in _vendors():
        for model in apps.get_models(include_auto_created=True):
            meta = model._meta
            if not meta.managed or meta.proxy or meta.swapped or not router.allow_migrate_model(alias, model):
                continue
            if meta.required_db_vendor not in (None, vendor):
                continue  # it has no table there
            if vendor == "mysql":
                yield from _check_mysql(model)
                yield from _check_unbounded(model)
                yield from _check_digits(model)
            if vendor == "sqlite":
                yield from _check_comments(model)
            if vendor == "postgresql":
                yield from _check_computed(model)
            yield from _check_names(model, vendor)
            yield from _check_rules(model, vendor)
            if vendor != "postgresql":
                yield from _check_postgresql(model, alias, vendor)


def _check_requirements(apps: Apps) -> Iterator[CheckMessage]:
    """Yield what ``required_db_vendor`` and ``required_db_features`` ask for that is nowhere."""
    there = {vendor for _alias, vendor in _vendors()}
    for model in apps.get_models():
        meta = model._meta
        vendor = meta.required_db_vendor
        if vendor is not None and vendor not in VENDORS:
            yield checks.Error(
                f"'required_db_vendor' is {vendor!r}, which is no kind of database.",
                hint=f"Kinds are: {', '.join(VENDORS)}.",
                obj=model,
                id="models.E051",
            )
        elif vendor is not None and there and vendor not in there:
            yield checks.Warning(
                f"The model needs {_TITLES[vendor]}, and no database of DATABASES is that: it has no table anywhere.",
                obj=model,
                id="models.W051",
            )
        for name in meta.required_db_features:
            if name not in known_features():
                near = suggest(name, known_features())
                yield checks.Error(
                    f"'required_db_features' names '{name}', which no database is asked about.",
                    hint=f"Did you mean '{near}'?" if near else f"Names are: {', '.join(sorted(known_features()))}.",
                    obj=model,
                    id="models.E052",
                )


def _vendors() -> Iterator[tuple[str, str]]:
    for alias, entry in settings.DATABASES.items():
        yield alias, parse_database(entry).backend


def _check_comments(model: Any) -> Iterator[CheckMessage]:
    if model._meta.db_table_comment:
        yield checks.Warning(
            "SQLite has no comments on tables (db_table_comment): this one is left out.", obj=model, id="models.W046"
        )
    for field in model._meta.local_concrete_fields:
        if field.db_comment:
            yield checks.Warning(
                f"SQLite has no comments on columns (db_comment): that of '{field.name}' is left out.",
                obj=field,
                id="fields.W163",
            )


def _check_names(model: Any, vendor: str) -> Iterator[CheckMessage]:
    """Columns whose names the database would cut."""
    longest = {"postgresql": 63, "mysql": 64}.get(vendor)
    if longest is None:
        return
    meta = model._meta
    between = bool(meta.auto_created)
    for field in meta.local_concrete_fields:
        if len(field.column) > longest:
            yield checks.Error(
                f"The column '{field.column}' has a name of {len(field.column)} characters, and {_TITLES[vendor]} has at "
                f"most {longest}.",
                hint="Give the relation a model of its own (through=…)." if between else "Set db_column of the field.",
                obj=model,
                id="models.E019" if between else "models.E018",
            )


def _check_rules(model: Any, vendor: str) -> Iterator[CheckMessage]:
    """Yield a warning for each index and constraint, or part of one, that this kind of database has not."""
    for rule, number in [(one, 0) for one in model._meta.constraints] + [(one, 1) for one in model._meta.indexes]:
        is_unique = not number and hasattr(rule, "nulls_distinct")
        if not (is_unique or number):
            continue
        missing = []
        if vendor == "mysql" and rule.expressions:
            # Whether the server is MySQL, which has them from 8.0.13 on, is known when it is asked.
            missing.append(
                ("an expression, and MariaDB leaves it out altogether", ("models.W044", "models.W043")[number])
            )
        if vendor == "mysql" and rule.condition is not None:
            missing.append(("a condition, so it is left out altogether", ("models.W036", "models.W037")[number]))
        if vendor != "postgresql" and rule.include:
            missing.append(("further columns (include), so they are left out", ("models.W039", "models.W040")[number]))
        if is_unique and vendor != "postgresql" and rule.deferrable is not None:
            missing.append(("a check at the commit (deferrable), so it is left out altogether", "models.W038"))
        if is_unique and vendor != "postgresql" and rule.nulls_distinct is not None:
            missing.append(("a choice about NULL (nulls_distinct), so it is left out altogether", "models.W047"))
        for what, id in missing:
            yield checks.Warning(
                f"'{rule.name}' has {what} on {_TITLES[vendor]}.",
                hint="Silence it by SILENCED_SYSTEM_CHECKS where the project can do without.",
                obj=model,
                id=id,
            )


def _check_postgresql(model: Any, alias: str, vendor: str) -> Iterator[CheckMessage]:
    """Yield what only PostgreSQL has, in the table of another database."""
    hint = f"Keep the model off the database '{alias}' by a router, or use a kind that all databases have."
    for field in model._meta.local_concrete_fields:
        if field.column_type().kind == "postgresql":
            yield checks.Error(
                f"{_TITLES[vendor]} cannot have '{field.name}': {type(field).__name__} needs PostgreSQL.",
                hint=hint,
                obj=field,
                id="postgres.E006",
            )
    for rule in model._meta.constraints:
        if getattr(rule, "required_vendor", vendor) != vendor:
            yield checks.Error(
                f"{_TITLES[vendor]} cannot have '{rule.name}': {type(rule).__name__} needs PostgreSQL.",
                hint=hint,
                obj=model,
                id="postgres.E007",
            )
    for index in model._meta.indexes:
        if index.method:
            yield checks.Warning(
                f"'{index.name}' is a {index.method} index, so it is left out altogether on {_TITLES[vendor]}.",
                hint="Silence it by SILENCED_SYSTEM_CHECKS where the project can do without.",
                obj=model,
                id="postgres.W001",
            )


def _check_mysql(model: Any) -> Iterator[CheckMessage]:
    for field in model._meta.local_concrete_fields:
        if getattr(field.remote_field, "on_delete", None) is DB_SET_DEFAULT:
            yield checks.Error(
                f"MySQL and MariaDB cannot set a key to its default when the target goes (DB_SET_DEFAULT): {field}.",
                hint="Use on_delete=models.SET_DEFAULT.",
                obj=field,
                id="fields.E324",
            )
        if not field.unique or field.remote_field is not None:
            continue
        kind = field.column_type()
        if kind.kind == "text" or (kind.kind == "varchar" and kind.length is None):
            yield checks.Error(
                f"MySQL and MariaDB have no unique index on a text without a greatest length: {field}.",
                hint="Use CharField(max_length=255), or make a unique hash of the text a field of its own.",
                obj=field,
                id="mysql.E001",
            )
        elif kind.kind == "varchar" and kind.length > _LONGEST_KEY:
            yield checks.Error(
                f"MySQL and MariaDB have no unique index on more than {_LONGEST_KEY} characters, and {field} has "
                f"{kind.length}.",
                hint="Use max_length=255 or less.",
                obj=field,
                id="mysql.E001",
            )
        elif kind.kind == "varchar" and kind.length > _SAFE_KEY:
            yield checks.Warning(
                f"MySQL and MariaDB may not take a unique index on {kind.length} characters: {field}. It depends on the "
                "row format of the table.",
                hint="Use max_length=255 or less.",
                obj=field,
                id="mysql.W003",
            )


def _check_digits(model: Any) -> Iterator[CheckMessage]:
    """Yield the decimals without a number of digits: a column there has a greatest one, and fills places up with zeros."""
    for field in model._meta.local_concrete_fields:
        kind = field.column_type()
        if isinstance(field, DecimalField) and kind is not None and kind.precision is None and kind.scale is None:
            for id, option in (("fields.E130", "decimal_places"), ("fields.E132", "max_digits")):
                yield checks.Error(
                    f"MySQL and MariaDB keep decimals of a fixed number of digits, and {field} has no '{option}'.",
                    hint="Write for example DecimalField(max_digits=10, decimal_places=2).",
                    obj=field,
                    id=id,
                )


def _check_computed(model: Any) -> Iterator[CheckMessage]:
    """Yield the columns that are computed on each read, which PostgreSQL has learned late."""
    for field in model._meta.local_concrete_fields:
        if field.generated and not field.db_persist:
            yield checks.Warning(
                f"PostgreSQL computes '{field.name}' on each read (db_persist=False) from version 18 on; older servers refuse "
                "the table.",
                hint="Write db_persist=True, or silence it by SILENCED_SYSTEM_CHECKS where the server is new enough.",
                obj=field,
                id="fields.W221",
            )


def _check_unbounded(model: Any) -> Iterator[CheckMessage]:
    """Yield the indexes that are left out, since a column of theirs has no greatest length."""
    hint = "Silence it by SILENCED_SYSTEM_CHECKS where the project can do without, or use CharField(max_length=255)."
    meta = model._meta
    endless = {field.name: field for field in meta.local_concrete_fields if _is_unbounded(field.column_type())}
    for field in endless.values():
        if field.db_index and not field.unique:
            yield checks.Warning(
                f"MySQL and MariaDB have no index on a {type(field).__name__}: that of '{field.name}' is left out.",
                hint=hint,
                obj=field,
                id="fields.W162",
            )
    for index in meta.indexes:
        names = [name.lstrip("-") for name in index.fields if name.lstrip("-") in endless]
        if names:
            yield checks.Warning(
                f"MySQL and MariaDB have no index on {', '.join(names)}, which have no greatest length: '{index.name}' is "
                "left out.",
                hint=hint,
                obj=model,
                id="fields.W162",
            )


def _is_unbounded(kind: Any) -> bool:
    return kind.kind in _UNBOUNDED or (kind.kind == "varchar" and kind.length is None)
