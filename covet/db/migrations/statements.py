"""What one DDL statement does to a table in use, on each of the three databases: its lock, and how long it is held."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

__all__ = ["REBUILT", "Effect", "concurrently", "effect_of"]

REBUILT = "covet_new_"
"""How SQLite's editor begins the name of the table that takes another one's place."""

_QUOTED = r"(?:[\"`](?:[^\"`]|\"\"|``)+[\"`]|\w+)"
_UNCHECKED = re.compile(r"SET foreign_key_checks = 0; (.*); SET foreign_key_checks = 1;?", re.IGNORECASE)
_HINT = re.compile(r",? (ALGORITHM|LOCK)=(\w+)")
_MOMENT = "for a moment"
_ALL = "all reads and writes"


class Effect(Struct, frozen=True):
    """What a statement does.

    Attributes:
        sql: The statement.
        table: The table, without quotes.
        other: Another table that is locked, too.
        lock: The lock, in the database's own words; empty when nobody notices.
        blocks: What has to wait meanwhile.
        rewrites: The whole table is written anew.
        scans: The whole table is read under the lock.
        creates: The table is made by it.
        code: The finding that it is worth; empty for none.
        is_error: Whether that finding is an error.
        why: What happens.
        safe: What to do in its place.
    """

    sql: str
    table: str = ""
    other: str = ""
    lock: str = ""
    blocks: str = ""
    rewrites: bool = False
    scans: bool = False
    creates: bool = False
    code: str = ""
    is_error: bool = True
    why: str = ""
    safe: tuple[str, ...] = ()

    @property
    def matters(self) -> bool:
        """Whether others may notice it."""
        return bool(self.lock)

    @property
    def is_long(self) -> bool:
        """Whether it takes the longer the larger the table is."""
        return self.matters and (self.rewrites or self.scans)

    def harmless(self) -> Effect:
        """Return the effect on a table that nobody uses yet."""
        return replace(self, lock="", blocks="", rewrites=False, scans=False, code="", safe=())

    def describe(self) -> str:
        """Say it in a line."""
        long = "; rewrites the table" if self.rewrites else "; reads the whole table" if self.scans else f" {_MOMENT}"
        where = f"{self.table} and {self.other}" if self.other else self.table
        return f"{self.lock} on {where}: blocks {self.blocks}{long}"

    def as_dict(self) -> dict[str, object]:
        """Return it for JSON."""
        names = ("sql", "table", "lock", "blocks", "rewrites", "scans")
        return {name: getattr(self, name) for name in names}


def effect_of(sql: str, vendor: str, *, online: bool = False) -> Effect:
    """Return what a statement does on that kind of database.

    Args:
        sql: The statement.
        vendor: The kind of database.
        online: The server copies tables while others write to them (MariaDB from 11.2 on).
    """
    text = " ".join(sql.split())
    unchecked = _UNCHECKED.fullmatch(text)
    text = unchecked[1] if unchecked else text
    upper = text.upper()
    created = re.match(rf"CREATE TABLE (?:IF NOT EXISTS )?({_QUOTED})", text, re.IGNORECASE)
    if created and vendor == "sqlite" and _bare(created[1]).startswith(REBUILT):
        table = _bare(created[1]).removeprefix(REBUILT)
        return Effect(sql, table, lock="write lock of the file", blocks="all other writes", rewrites=True)
    if created:
        return Effect(sql, _bare(created[1]), creates=True)
    found = re.match(
        rf"(?:ALTER TABLE|DROP TABLE|UPDATE|DELETE FROM|REINDEX TABLE|CREATE (?:UNIQUE )?INDEX (?:CONCURRENTLY )?{_QUOTED} ON|DROP INDEX {_QUOTED} ON) "
        rf"(?:IF EXISTS )?(?:ONLY )?({_QUOTED})",
        text,
        re.IGNORECASE,
    )
    table = _bare(found[1]) if found else ""
    if vendor == "postgresql":
        return _postgresql(Effect(sql, table), upper, text)
    if vendor == "mysql":
        hints = dict(_HINT.findall(upper))
        effect = _mysql(Effect(sql, table), _HINT.sub("", upper), _HINT.sub("", text))
        return _as_hinted(_online(effect) if online else effect, hints)
    return _sqlite(Effect(sql, table), upper)


def _postgresql(bare: Effect, upper: str, text: str) -> Effect:
    if upper.startswith(("ALTER TABLE", "DROP TABLE")):
        return _postgresql_rule(bare, upper, text) or _postgresql_column(bare, upper, text)
    exclusive = replace(bare, lock="ACCESS EXCLUSIVE", blocks=_ALL)
    if upper.startswith(("UPDATE", "DELETE FROM")):
        return _changes_rows(bare, upper, "ROW EXCLUSIVE", "the transaction")
    if upper.startswith(("COMMENT ON TABLE", "COMMENT ON COLUMN")):
        named = re.match(rf"COMMENT ON \w+ ({_QUOTED})", text, re.IGNORECASE)
        table = _bare(named[1]) if named else bare.table
        return replace(bare, table=table, lock="SHARE UPDATE EXCLUSIVE", blocks="other changes of the table")
    if upper.startswith(("CREATE TRIGGER", "DROP TRIGGER")):
        on = re.search(rf" ON ({_QUOTED})", text, re.IGNORECASE)
        there = replace(exclusive, table=_bare(on[1]) if on else bare.table)
        return there if upper.startswith("DROP") else replace(there, lock="SHARE ROW EXCLUSIVE", blocks="all writes")
    return _postgresql_index(bare, upper, text)


def _postgresql_index(bare: Effect, upper: str, text: str) -> Effect:
    """Return what a statement about an index does; what is about none does nothing that is known."""
    if upper.startswith("CREATE") and " INDEX " in upper[:40]:
        if "CONCURRENTLY" in upper:
            return replace(bare, lock="SHARE UPDATE EXCLUSIVE", blocks="other changes of the table", scans=True)
        safe: tuple[str, ...] = (
            "In a migration with atomic = False, SeparateDatabaseAndState with the operation in its state_operations and, in its "
            f"database_operations, RunSQL({concurrently(text)!r})",
        )
        why = "Nothing can be written to the table until the index is built."
        return replace(
            bare, lock="SHARE", blocks="all writes", scans=True, code="index-not-concurrent", why=why, safe=safe
        )
    if upper.startswith("DROP INDEX"):
        if "CONCURRENTLY" in upper:
            return replace(bare, lock="SHARE UPDATE EXCLUSIVE", blocks="other changes of the table", table="the index")
        return replace(bare, table="the index's table", lock="ACCESS EXCLUSIVE", blocks=_ALL)
    if upper.startswith("REINDEX"):
        if "CONCURRENTLY" in upper:
            return replace(bare, lock="SHARE UPDATE EXCLUSIVE", blocks="other changes of the table", scans=True)
        why = "Nothing can be written to the table, nor the index be read, until it is built again."
        again = re.sub(r"^(REINDEX (?:\([^)]*\) )?\w+)", r"\1 CONCURRENTLY", text, flags=re.IGNORECASE)
        return replace(
            bare,
            table=bare.table or "the index's table",
            lock="SHARE",
            blocks="all writes",
            scans=True,
            code="index-not-concurrent",
            why=why,
            safe=(f"In a migration with atomic = False: RunSQL({again!r})",),
        )
    if upper.startswith("ALTER INDEX") and " RENAME TO " in upper:
        return replace(bare, table="the index", lock="SHARE UPDATE EXCLUSIVE", blocks="other changes of the index")
    return bare


def _postgresql_rule(bare: Effect, upper: str, text: str) -> Effect | None:
    """Return what a change of a table does that is about a rule of it: a key, a check, a constraint; None for any other one."""
    exclusive = replace(bare, lock="ACCESS EXCLUSIVE", blocks=_ALL)
    name = re.search(rf"CONSTRAINT ({_QUOTED})", text, re.IGNORECASE)
    if "NOT VALID" in upper:
        return (
            replace(exclusive, lock="SHARE ROW EXCLUSIVE", blocks="all writes") if "FOREIGN KEY" in upper else exclusive
        )
    if "VALIDATE CONSTRAINT" in upper:
        return replace(bare, lock="SHARE UPDATE EXCLUSIVE", blocks="other changes of the table", scans=True)
    validate = f"RunSQL('ALTER TABLE \"{bare.table}\" VALIDATE CONSTRAINT {name[1] if name else '…'}')"
    if re.search(r"ADD (CONSTRAINT \S+ )?FOREIGN KEY|\bREFERENCES\b", upper):
        target = re.search(rf"REFERENCES ({_QUOTED})", text, re.IGNORECASE)
        why = "Every row is checked while nothing can be written to either table."
        return replace(
            bare,
            other=_bare(target[1]) if target else "",
            lock="SHARE ROW EXCLUSIVE",
            blocks="all writes",
            scans=True,
            code="foreign-key-validates",
            why=why,
            safe=(f"Migration 1: RunSQL({text.rstrip(';') + ' NOT VALID'!r})", f"Migration 2: {validate}"),
        )
    if re.search(r" ADD (CONSTRAINT \S+ )?CHECK", upper):
        why = "Every row is checked while the table can be neither read nor written."
        return replace(
            exclusive,
            scans=True,
            code="check-validates",
            why=why,
            safe=(
                "Migration 1: SeparateDatabaseAndState with the operation in its state_operations and, in its "
                f"database_operations, RunSQL({text.rstrip(';') + ' NOT VALID'!r})",
                f"Migration 2: {validate}",
            ),
        )
    if re.search(r" ADD (CONSTRAINT \S+ )?(UNIQUE|PRIMARY KEY) USING INDEX", upper):
        return exclusive
    if re.search(r" ADD (CONSTRAINT \S+ )?EXCLUDE", upper):
        return replace(
            exclusive,
            scans=True,
            code="exclusion-validates",
            why="The table can be neither read nor written until the index is built and every row is compared.",
            safe=(
                "There is no way to build it beside others: add it while the table is small, or fill a new table that has it "
                "and let that take the place of the old one.",
            ),
        )
    kind = re.search(r" ADD (?:CONSTRAINT \S+ )?(UNIQUE|PRIMARY KEY)", upper)
    if kind is not None:
        columns = re.search(r"\(([^)]*)\)", text)
        index = f"{_bare(name[1]) if name else bare.table + '_uniq'}"
        why = "The table can be neither read nor written until the index is built."
        return replace(
            exclusive,
            scans=True,
            code="unique-builds-index",
            why=why,
            safe=(
                f'Migration 1, atomic = False: RunSQL(\'CREATE UNIQUE INDEX CONCURRENTLY "{index}" ON "{bare.table}" '
                f"({columns[1] if columns else '…'})')",
                f'Migration 2: RunSQL(\'ALTER TABLE "{bare.table}" ADD CONSTRAINT "{index}" {kind[1]} USING INDEX "{index}"\'), '
                "with the operation in its state_operations.",
            ),
        )
    return None


def _postgresql_column(bare: Effect, upper: str, text: str) -> Effect:
    """Return what a change of a table does that is about its columns, or about the table as a whole."""
    exclusive = replace(bare, lock="ACCESS EXCLUSIVE", blocks=_ALL)
    if " SET NOT NULL" in upper:
        column = re.search(rf"ALTER COLUMN ({_QUOTED})", text, re.IGNORECASE)
        what = column[1] if column else "…"
        rule = f'"{bare.table}_{_bare(what)}_nn"'
        why = "Every row is read while the table can be neither read nor written."
        return replace(
            exclusive,
            scans=True,
            code="set-not-null",
            why=why,
            safe=(
                f"Migration 1: RunSQL('ALTER TABLE \"{bare.table}\" ADD CONSTRAINT {rule} CHECK ({what} IS NOT NULL) NOT VALID')",
                "Migration 2, atomic = False: fill the rows that are NULL in batches, then "
                f"RunSQL('ALTER TABLE \"{bare.table}\" VALIDATE CONSTRAINT {rule}')",
                f'Migration 3: AlterField to null=False (the check saves the reading), then RunSQL(\'ALTER TABLE "{bare.table}" '
                f"DROP CONSTRAINT {rule}'), and name 'set-not-null' in its safe.",
            ),
        )
    if re.search(r"ALTER COLUMN \S+ TYPE", upper):
        if re.search(r" TYPE (VARCHAR|TEXT)\b[^:]*$", upper):
            # Only longer, or without a limit: the catalogue changes alone. A shorter one reads every row.
            return exclusive
        why = "The table and its indexes are written anew while it can be neither read nor written."
        return replace(
            exclusive,
            rewrites=True,
            code="change-type",
            why=why,
            safe=(
                "makemigrations --safe: a column of the new type, filled in batches, takes the place of the old one.",
            ),
        )
    if " ADD COLUMN " in upper:
        volatile = re.search(r"DEFAULT \(?(\w+)\(", upper)
        if re.search(r" GENERATED .*(STORED|IDENTITY)|\w SERIAL\b|\w (SMALL|BIG)SERIAL\b", upper) or (
            volatile and volatile[1] not in ("NOW", "STATEMENT_TIMESTAMP", "CAST", "LOWER", "UPPER")
        ):
            why = (
                "Each row gets a value of its own: the table is written anew while it can be neither read nor written."
            )
            return replace(
                exclusive,
                rewrites=True,
                code="add-rewrites",
                why=why,
                safe=("Add it without default, deploy the code that writes it, fill the old rows in batches.",),
            )
        if re.search(r" JSON\b(?!\()", upper.split(" DEFAULT ", maxsplit=1)[0]):
            why = "The type json has no comparison: DISTINCT, UNION and GROUP BY over the table fail from now on."
            return replace(exclusive, code="json-column", is_error=False, why=why, safe=("Make it jsonb.",))
        if " UNIQUE" in upper:
            return replace(exclusive, scans=True)
        return exclusive
    return exclusive


def _mysql(bare: Effect, upper: str, text: str) -> Effect:
    metadata = replace(bare, lock="metadata lock", blocks=_ALL)
    if upper.startswith("CREATE") and " INDEX " in upper[:30]:
        return replace(bare, lock="metadata lock at its ends", blocks="other changes of the table", scans=True)
    if upper.startswith(("UPDATE", "DELETE FROM")):
        return _changes_rows(bare, upper, "row locks", "it")
    if not upper.startswith(("ALTER TABLE", "DROP TABLE", "DROP INDEX", "RENAME TABLE")):
        return bare
    copies = replace(metadata, lock="shared lock (ALGORITHM=COPY)", blocks="all writes", rewrites=True)
    tool = ("On a large table use gh-ost or pt-online-schema-change, and record the migration with --fake.",)
    if "FOREIGN KEY" in upper and " ADD " in upper:
        target = re.search(rf"REFERENCES ({_QUOTED})", text, re.IGNORECASE)
        why = "The table is copied while nothing can be written to it."
        return replace(
            copies, other=_bare(target[1]) if target else "", code="foreign-key-validates", why=why, safe=tool
        )
    if re.search(r" ADD (CONSTRAINT \S+ )?CHECK", upper):
        why = "The table is copied while nothing can be written to it."
        return replace(copies, code="check-validates", why=why, safe=tool)
    if re.search(r" ADD (CONSTRAINT \S+ )?(UNIQUE|PRIMARY KEY)", upper):
        return replace(bare, lock="metadata lock at its ends", blocks="other changes of the table", scans=True)
    if " MODIFY " in upper or " CHANGE " in upper:
        why = "Unless only the default or comment changes, the table is copied while nothing can be written to it."
        return replace(copies, code="change-type", why=why, safe=tool)
    if " ADD COLUMN " in upper and ("STORED" in upper or "AUTO_INCREMENT" in upper):
        return replace(
            copies, code="add-rewrites", why="The table is copied while nothing can be written to it.", safe=tool
        )
    return metadata


def _as_hinted(effect: Effect, hints: Mapping[str, str]) -> Effect:
    """Return what is left of an effect when the server was told what it may do: it refuses what would do more."""
    if not effect.lock:
        return effect
    if hints.get("ALGORITHM") in ("INSTANT", "NOCOPY"):
        effect = replace(effect, rewrites=False)
    if hints.get("ALGORITHM") == "INSTANT" or hints.get("LOCK") == "NONE":
        effect = replace(
            effect, lock="metadata lock at its ends", blocks="other changes of the table", code="", safe=()
        )
    return effect


def _changes_rows(bare: Effect, upper: str, lock: str, until: str) -> Effect:
    """Return what a statement that changes or deletes rows does; one that names some of them is only worth a look."""
    condition = upper.partition(" WHERE ")[2]
    return replace(
        bare,
        lock=lock,
        blocks="writes to the same rows",
        scans=True,
        code="update-all",
        is_error=not condition or re.fullmatch(r"\S+ IS NULL;?", condition) is not None,
        why=f"All rows are changed in one statement and stay locked until {until} ends.",
        safe=("Fill them in batches, in a migration of its own with atomic = False.",),
    )


def _online(effect: Effect) -> Effect:
    """Return what MariaDB does from 11.2 on: a copy catches up with what is written meanwhile; keys still keep others out."""
    if not effect.rewrites or effect.code == "foreign-key-validates" or "AUTO_INCREMENT" in effect.sql.upper():
        return effect
    return replace(
        effect, lock="metadata lock at its ends", blocks="other changes of the table", code="", why="", safe=()
    )


def _sqlite(bare: Effect, upper: str) -> Effect:
    if upper.startswith(("ALTER TABLE", "DROP TABLE", "UPDATE", "CREATE INDEX", "CREATE UNIQUE INDEX", "DROP INDEX")):
        scans = "INDEX" in upper[:20] and upper.startswith("CREATE")
        table = bare.table or "the database"
        if table.startswith(REBUILT):
            return bare
        return replace(bare, table=table, lock="write lock of the file", blocks="all other writes", scans=scans)
    return bare


def concurrently(text: str) -> str:
    """Return the statement that builds an index while the table is written."""
    return re.sub(r"\bINDEX\b", "INDEX CONCURRENTLY", text, count=1).rstrip(";")


def _bare(name: str) -> str:
    return name[1:-1].replace('""', '"').replace("``", "`") if name[:1] in '"`' else name
