"""``graphmigrations``: the graph as Mermaid, for Graphviz and as JSON."""

from __future__ import annotations

import json

import pytest

from tests.db.migrations.test_processes import Project

MIGRATION = """
from covet.db import migrations

class Migration(migrations.Migration):
    dependencies = {dependencies}
    operations = [migrations.RunSQL("SELECT 1")]
"""
FILES = {
    "blog/0001_initial": [],
    "blog/0002_end": [("blog", "0001_initial"), ("shop", "0001_initial")],
    "shop/0001_initial": [],
    "shop/0002_a": [("shop", "0001_initial")],
    "shop/0002_b": [("shop", "0001_initial")],
}


@pytest.fixture
def project(tmp_path):
    made = Project(tmp_path, "postgres://nobody@127.0.0.1:9/nothing")
    made.models("")
    settings = made.folder / "site_settings.py"
    settings.write_text(settings.read_text() + '\nINSTALLED_APPS += ["shop"]\n')
    (made.folder / "shop" / "migrations").mkdir(parents=True)
    for name in ("shop/__init__.py", "shop/migrations/__init__.py"):
        (made.folder / name).write_text("")
    for name, dependencies in FILES.items():
        app, _, title = name.partition("/")
        source = MIGRATION.format(dependencies=dependencies)
        (made.folder / app / "migrations" / f"{title}.py").write_text(source)
    return made


async def test_mermaid_has_a_box_for_each_app_and_dotted_arrows_between_them(project):
    code, out, err = await project.run("graphmigrations")

    assert code == 0, err
    lines = [line.strip() for line in out.splitlines()]
    assert lines[0] == "flowchart LR"
    names = {line.partition("[")[0]: line.split('"')[1] for line in lines if line.startswith("m") and "[" in line}
    assert sorted(names.values()) == ["0001_initial", "0001_initial", "0002_a", "0002_b", "0002_end"]
    assert [line for line in lines if line.startswith("subgraph")] == ['subgraph a0["blog"]', 'subgraph a1["shop"]']
    arrows = [line.split() for line in lines if "->" in line]
    assert sorted((names[one], arrow, names[other]) for one, arrow, other in arrows) == [
        ("0001_initial", "-->", "0002_a"),
        ("0001_initial", "-->", "0002_b"),
        ("0001_initial", "-->", "0002_end"),
        ("0001_initial", "-.->", "0002_end"),
    ]


async def test_dot_is_for_graphviz_and_an_app_comes_with_what_it_waits_for(project):
    code, out, _ = await project.run("graphmigrations", "blog", "--format", "dot")

    assert code == 0 and out.startswith("digraph migrations {") and out.rstrip().endswith("}")
    assert '"shop.0001_initial" -> "blog.0002_end" [style=dashed];' in out
    assert '"blog.0001_initial" -> "blog.0002_end";' in out
    assert "0002_a" not in out


async def test_json_is_for_programs_and_another_app_is_told(project):
    code, out, _ = await project.run("graphmigrations", "--json", "shop")
    found = json.loads(out)["migrations"]
    assert code == 0 and {item["name"]: item["waits_for"] for item in found} == {
        "0001_initial": [],
        "0002_a": [["shop", "0001_initial"]],
        "0002_b": [["shop", "0001_initial"]],
    }
    assert found[0]["operations"] == ["Run SQL: SELECT 1"]
    code, _, err = await project.run("graphmigrations", "shopp")
    assert code and "shop" in err and "Traceback" not in err
