"""SQL texts are split at the semicolons that end statements, and nowhere else."""

from __future__ import annotations

import pytest

from covet.db.migrations.errors import MigrationError
from covet.db.migrations.operations.special import RunPython, RunSQL, split_statements


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';'; SELECT \"a;b\"; SELECT `c;d`", ["SELECT ';'", 'SELECT "a;b"', "SELECT `c;d`"]),
        ("SELECT 'it''s; fine'; X", ["SELECT 'it''s; fine'", "X"]),
        ("-- a; b\nSELECT 1; /* c; d */ SELECT 2;", ["-- a; b\nSELECT 1", "/* c; d */ SELECT 2"]),
        ("CREATE FUNCTION f() AS $$ a; b; $$; X", ["CREATE FUNCTION f() AS $$ a; b; $$", "X"]),
        ("CREATE FUNCTION f() AS $tag$ a; $$ b; $tag$; X", ["CREATE FUNCTION f() AS $tag$ a; $$ b; $tag$", "X"]),
        (
            "CREATE TRIGGER t BEGIN UPDATE a; SELECT CASE WHEN 1 THEN 2 END; END; X",
            ["CREATE TRIGGER t BEGIN UPDATE a; SELECT CASE WHEN 1 THEN 2 END; END", "X"],
        ),
        ("BEGIN; SELECT 1; END;", ["BEGIN", "SELECT 1", "END"]),
        ("", []),
        (" ; -- nothing\n ; /* here */ ", []),
        ("SELECT $1", ["SELECT $1"]),
        ("SELECT 'unclosed; text", ["SELECT 'unclosed; text"]),
    ],
)
def test_statements_are_split(sql, expected):
    assert split_statements(sql) == expected


def test_run_python_wants_a_function():
    with pytest.raises(MigrationError, match="needs a function"):
        RunPython("forwards")


def test_descriptions_say_what_runs():
    def fill(apps, schema_editor):
        """Fill the slugs.

        Slowly.
        """

    assert RunPython(fill).describe() == "Run Python function fill: Fill the slugs."
    assert RunSQL("UPDATE a\n  SET b = 1").describe() == "Run SQL: UPDATE a SET b = 1"
    assert not RunPython(fill).reversible
    assert RunSQL("X", RunSQL.noop).reversible
