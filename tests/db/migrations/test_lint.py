"""``migrate --lint``: the way back, statements that people wrote, the setting, comments in files, and its options."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from covet.conf import override
from covet.db import migrations, models
from covet.db.migrations import safety
from covet.db.migrations.lint_options import lint_options
from covet.db.migrations.safety import examine_all, findings_of
from covet.db.migrations.statements import effect_of
from covet.exceptions import ImproperlyConfigured
from tests.db.migrations.test_processes import MODELS, Project
from tests.db.migrations.test_safety import base, codes, noop


async def back(database, make_loader, *operations):
    """What is found on the way back, errors in capitals."""
    loader = make_loader(base(), ("blog.0002", list(operations), ["blog.0001"]))
    found = findings_of(await examine_all(database, loader, [("blog", "0002")], backwards=True))
    assert all(item.operation.startswith("Undo: ") and item.safe for item in found)
    return {item.code.upper() if item.is_error else item.code for item in found}


def number(**options):
    return models.IntegerField(**options)


BACK = {
    "a new column": (migrations.AddField("item", "n", number(null=True)), {}, {"drop-column"}),
    "a new table": (
        migrations.CreateModel("New", [("id", models.BigAutoField(primary_key=True))]),
        {},
        {"drop-table"},
    ),
    "a column that went": (migrations.RemoveField("item", "views"), {}, {"column-comes-back"}),
    "another name": (migrations.RenameField("item", "views", "seen"), {}, {"RENAME-COLUMN"}),
    "another name of a table": (migrations.RenameModel("Item", "Post"), {}, {"RENAME-TABLE"}),
    "an index": (
        migrations.AddIndex("item", models.Index(fields=["views"], name="i")),
        {"postgresql": {"drop-index-not-concurrent"}},
        set(),
    ),
    "a wider type": (
        migrations.AlterField("item", "views", models.BigIntegerField(null=True)),
        {"postgresql": {"CHANGE-TYPE"}, "mysql": {"CHANGE-TYPE"}},
        set(),
    ),
    "a column that may be NULL now": (
        migrations.AlterField("item", "title", models.CharField(max_length=50, null=True)),
        {"postgresql": {"SET-NOT-NULL"}, "mysql": {"CHANGE-TYPE"}},
        set(),
    ),
    "a function": (migrations.RunPython(noop), {}, {"IRREVERSIBLE"}),
    "a function with a way back": (migrations.RunPython(noop, noop), {}, set()),
    "a statement": (migrations.RunSQL("SELECT 1"), {}, {"IRREVERSIBLE"}),
    "a statement whose way back drops": (
        migrations.RunSQL("CREATE TABLE by_hand (n integer)", "DROP TABLE by_hand"),
        {},
        {"DROP-TABLE"},
    ),
    "only the models": (
        migrations.SeparateDatabaseAndState([], [migrations.RemoveField("item", "views")]),
        {},
        set(),
    ),
    "only the database": (
        migrations.SeparateDatabaseAndState([migrations.AddField("item", "n", number(null=True))], []),
        {},
        {"drop-column"},
    ),
}


@pytest.mark.parametrize(("operation", "by_vendor", "expected"), BACK.values(), ids=BACK.keys())
async def test_the_way_back_has_findings_of_its_own(database, make_loader, vendor, operation, by_vendor, expected):
    assert await back(database, make_loader, operation) == by_vendor.get(vendor, expected)


async def test_an_index_that_comes_back_is_built_under_a_lock(database, make_loader, vendor):
    index = models.Index(fields=["views"], name="i")
    loader = make_loader(
        base(),
        ("blog.0002", [migrations.AddIndex("item", index)], ["blog.0001"]),
        ("blog.0003", [migrations.RemoveIndex("item", "i")], ["blog.0002"]),
    )
    found = findings_of(await examine_all(database, loader, [("blog", "0003")], backwards=True))
    assert [item.code for item in found] == (["index-not-concurrent"] if vendor == "postgresql" else [])


async def test_a_migration_without_operations_does_nothing(database, make_loader):
    loader = make_loader(base(), ("blog.0002", [], ["blog.0001"]))
    for backwards in (False, True):
        found = await examine_all(database, loader, [("blog", "0002")], backwards=backwards)
        assert found == {("blog", "0002"): []}


@pytest.mark.parametrize("page", ["migrations", "zero-downtime-migrations"])
def test_each_code_is_told_of_in_the_docs(page):
    package = Path(safety.__file__).parent
    sources = [(package / f"{name}.py").read_text() for name in ("statements", "advice", "releases", "retyped")]
    codes = {code for text in sources for code in re.findall(r'(?:code=|Advice\(\s*)f?"([a-z-]+[a-z])"', text)}
    codes |= {"rename-column", "rename-table"}
    assert len(codes) > 20

    text = (Path(safety.__file__).parents[3] / "docs" / "howto" / f"{page}.md").read_text()

    assert {code for code in codes if f"`{code}`" not in text} == set()


RAW = {
    "ALTER TABLE blog_item DROP COLUMN views": {"drop-column"},
    "ALTER TABLE blog_item RENAME COLUMN views TO seen": {"rename-column"},
    "ALTER TABLE blog_item RENAME TO blog_post": {"rename-table"},
    "DROP TABLE blog_author": {"drop-table"},
    "ALTER TABLE blog_item ADD COLUMN n integer NOT NULL": {"not-null"},
    "ALTER TABLE blog_item ADD COLUMN n integer DEFAULT 3 NOT NULL": set(),
    "ALTER TABLE blog_item ADD COLUMN n integer": set(),
}


@pytest.mark.parametrize("sql", RAW)
async def test_statements_that_people_wrote_are_read_too(database, make_loader, sql):
    found = await codes(database, make_loader, migrations.RunSQL(sql, migrations.RunSQL.noop))

    assert {code for code, item in found.items() if item.is_error} == RAW[sql]
    assert "raw-sql" not in found


async def test_what_changes_the_database_alone_is_judged_as_well(database, make_loader):
    apart = migrations.SeparateDatabaseAndState([migrations.RemoveField("item", "views")], [])

    assert set(await codes(database, make_loader, apart)) == {"drop-column"}


@pytest.mark.parametrize(
    ("sql", "code", "is_error"),
    [
        ("UPDATE t SET a = 1", "update-all", True),
        ("UPDATE t SET a = 1 WHERE a IS NULL", "update-all", True),
        ("UPDATE t SET a = 1 WHERE id = 7", "update-all", False),
        ("DELETE FROM t", "update-all", True),
        ("REINDEX TABLE t", "index-not-concurrent", True),
        ("REINDEX INDEX i", "index-not-concurrent", True),
        ("REINDEX TABLE CONCURRENTLY t", "", True),
        ("ALTER TABLE t ADD CONSTRAINT e EXCLUDE USING gist (a WITH =)", "exclusion-validates", True),
        ("ALTER TABLE t ADD CONSTRAINT k PRIMARY KEY (a)", "unique-builds-index", True),
        ("ALTER TABLE t ADD COLUMN n integer GENERATED BY DEFAULT AS IDENTITY", "add-rewrites", True),
        ("ALTER TABLE t ADD COLUMN n bigserial", "add-rewrites", True),
        ("ALTER TABLE t ADD COLUMN n integer GENERATED ALWAYS AS (a * 2) STORED", "add-rewrites", True),
        ("ALTER TABLE t ADD COLUMN n integer GENERATED ALWAYS AS (a * 2) VIRTUAL", "", True),
        ("ALTER TABLE t ADD COLUMN n json", "json-column", False),
        ("ALTER TABLE t ADD COLUMN n jsonb", "", True),
    ],
)
def test_what_a_statement_is_worth_on_postgresql(sql, code, is_error):
    effect = effect_of(sql, "postgresql")

    assert (effect.code, effect.is_error) == (code, is_error)
    assert bool(effect.safe) == bool(code)
    assert effect.lock and effect.table


def test_a_key_is_made_of_an_index_that_is_there():
    effect = effect_of('ALTER TABLE "t" ADD CONSTRAINT "k" PRIMARY KEY ("a")', "postgresql")

    assert 'ADD CONSTRAINT "k" PRIMARY KEY USING INDEX "k"' in effect.safe[1]


@pytest.mark.vendors("mysql")
async def test_a_mariadb_that_copies_online_keeps_nobody_from_writing(database, make_loader):
    wider = migrations.AlterField("item", "views", models.BigIntegerField(null=True))
    key = migrations.AddField("item", "author", models.ForeignKey("blog.author", models.CASCADE, null=True))
    for version, expected in (("11.4", set()), ("10.11", {"change-type"})):
        with override(MIGRATION_LINT={"target_version": {"mariadb": version}}):
            assert set(await codes(database, make_loader, wider)) == expected
            assert "foreign-key-validates" in await codes(database, make_loader, key)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"ignor": []}, "has no 'ignor'. Did you mean 'ignore'"),
        ({"ignore": "drop-column"}, "is a list"),
        ({"large_tables": "blog_item"}, "is a list"),
        ({"start_after": "0003"}, "maps apps to migrations"),
        ({"target_version": "11.4"}, "maps kinds of databases to versions"),
        ({"target_version": {"postgres": "16"}}, "Did you mean 'postgresql'"),
        ({"target_version": {"mysql": "new"}}, "has no version in 'new'"),
    ],
)
def test_a_setting_that_cannot_be_read_says_so(value, message):
    with override(MIGRATION_LINT=value), pytest.raises(ImproperlyConfigured, match=message):
        lint_options()


def test_the_setting_is_read_whole():
    with override(
        MIGRATION_LINT={
            "start_after": {"blog": "0003_x"},
            "ignore": ["raw-sql"],
            "large_tables": ["blog_item"],
            "target_version": {"mysql": "11.2.3-MariaDB", "postgresql": 16},
        }
    ):
        options = lint_options()

    assert options.is_after_start(("blog", "0004_y")) and not options.is_after_start(("blog", "0003_x"))
    assert options.is_after_start(("shop", "0001_initial"))
    assert options.ignore == {"raw-sql"} and options.large_tables == {"blog_item"}
    assert options.targets == {"mysql": (True, (11, 2, 3)), "postgresql": (False, (16,))}
    assert options.alters_online("mysql") and not options.alters_online("postgresql")


DROPS = """
from covet.db import migrations

class Migration(migrations.Migration):
    dependencies = [("blog", "0001_initial")]
{above}
    operations = [
        migrations.RemoveField(
            "item",
            "title",{inside}
        ),{beside}
{between}
        migrations.DeleteModel("Item"),
    ]
"""


async def lint(project, *arguments):
    code, out, err = await project.run("migrate", "--lint", *arguments)
    return code, out, err


@pytest.fixture
async def project(tmp_path):
    made = Project(tmp_path, f"sqlite:///{tmp_path / 'x.sqlite3'}")
    made.models(MODELS)
    await made.run("makemigrations")
    made.models("")
    return made


def drops(project, **comments):
    source = DROPS.format(**{"above": "", "inside": "", "beside": "", "between": "", **comments})
    (project.folder / "blog" / "migrations" / "0002_drop.py").write_text(source)


COMMENTS = {
    "none": ({}, {"drop-column", "drop-table"}),
    "inside an operation": ({"inside": "  # covet: safe(drop-column) nobody reads it"}, {"drop-table"}),
    "beside its end": ({"beside": "  # covet: safe(drop-column) nobody reads it"}, {"drop-table"}),
    "above it": ({"between": "        # covet: safe(drop-table) nobody reads it"}, {"drop-column"}),
    "one that is not found there": ({"inside": "  # covet: safe(drop-table) x"}, {"drop-column", "drop-table"}),
    "above all": ({"above": "    # covet: safe(drop-column, drop-table) a table of nobody"}, set()),
    "in a text": ({"above": '    note = "# covet: safe(drop-column) x"'}, {"drop-column", "drop-table"}),
}


@pytest.mark.parametrize(("comments", "left"), COMMENTS.values(), ids=COMMENTS.keys())
async def test_a_comment_calls_a_finding_safe(project, comments, left):
    drops(project, **comments)

    code, out, err = await lint(project, "blog", "0002", "--json")

    assert {item["code"] for item in json.loads(out)} == left, err
    assert code == (1 if left else 0)


async def test_a_comment_without_reason_is_refused_with_its_line(project):
    drops(project, inside="  # covet: safe(drop-column)")

    code, _, err = await lint(project)

    assert code == 1 and "0002_drop.py:10 calls 'drop-column' safe and does not say why" in err


async def test_it_says_where_in_sarif_and_what_the_baseline_knows_is_left_out(project):
    drops(project)

    code, out, _ = await lint(project, "--format", "sarif")
    report = json.loads(out)
    assert code == 1 and report["version"] == "2.1.0"
    (run,) = report["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["drop-column", "drop-table"]
    found = [
        (
            item["ruleId"],
            item["level"],
            item["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            item["locations"][0]["physicalLocation"]["region"]["startLine"],
        )
        for item in run["results"]
    ]
    assert found == [
        ("drop-column", "error", "blog/migrations/0002_drop.py", 8),
        ("drop-table", "error", "blog/migrations/0002_drop.py", 13),
    ]

    code, _, err = await lint(project, "--baseline", "known.json")
    assert code == 2 and "--write-baseline" in err
    code, _, err = await lint(project, "--baseline", "known.json", "--write-baseline")
    assert code == 0 and "Wrote 2 findings" in err
    code, out, _ = await lint(project, "--baseline", "known.json")
    assert code == 0 and "0 errors, 0 warnings, 2 known from the baseline" in out
    code, out, _ = await lint(project, "--baseline", "known.json", "--backwards", "--json")
    # The column comes back on a table that the way back has made before: nobody uses it yet.
    assert {item["operation"] for item in json.loads(out)} == {"Undo: Create model Item"}
    (project.folder / "known.json").write_text("[1]")
    code, _, err = await lint(project, "--baseline", "known.json")
    assert code == 2 and "known.json is no baseline" in err


async def test_apps_and_migrations_narrow_it(project):
    drops(project)

    assert "2 migrations, 2 errors" in (await lint(project, "--app", "blog"))[1]
    assert "1 migrations, 2 errors" in (await lint(project, "--since", "blog.0001"))[1]
    assert (await lint(project, "--since", "blog.0002"))[0] == 0
    assert "0 migrations, 0 errors" in (await lint(project, "--app", "blog", "--since", "blog.0002"))[1]
    code, _, err = await lint(project, "--app", "blogg")
    assert code and "blogg" in err
    code, _, err = await lint(project, "--since", "0002")
    assert code == 2 and "write app.name" in err
    code, _, err = await lint(project, "--write-baseline")
    assert code == 2 and "--baseline FILE" in err
    code, _, err = await project.run("migrate", "--format", "sarif")
    assert code == 2 and "go with --lint" in err


async def test_a_plan_that_goes_back_says_what_it_does_and_safe_refuses_it(project):
    start = "from covet.db import migrations\n\nclass Migration(migrations.Migration):\n"
    for number, before, operation in (
        ("0002_drop", "0001_initial", 'migrations.RemoveField("item", "title")'),
        ("0003_sql", "0002_drop", 'migrations.RunSQL("SELECT 1")'),
    ):
        (project.folder / "blog" / "migrations" / f"{number}.py").write_text(
            f'{start}    dependencies = [("blog", "{before}")]\n    operations = [{operation}]\n'
        )
    assert (await project.run("migrate"))[0] == 0

    code, out, _ = await project.run("migrate", "blog", "0001", "--plan")
    assert code == 0 and "warning column-comes-back" in out and "error irreversible" in out
    code, out, err = await project.run("migrate", "blog", "0002", "--safe")
    assert code == 1 and "irreversible" in err and "nothing was applied" in err and "Unapplying" not in out
