"""``manage.py check``."""

import json

import pytest


def test_findings_are_listed_with_hint_and_place(manage):
    done = manage("check")

    assert done.returncode == 0, done.stderr
    assert "Warnings:" in done.stdout
    assert "shop.shelves: (shop.W001) A shelf is crooked." in done.stdout
    assert "HINT: Straighten it." in done.stdout
    assert "Accelerators" in done.stderr
    assert "The door is open" not in done.stdout


def test_deploy_finds_more_and_fails(manage):
    done = manage("check", "--deploy", "--tag", "shopping")

    assert done.returncode == 1
    assert done.stdout.index("Errors:") < done.stdout.index("Warnings:")
    assert "The check found 2 issues." in done.stdout


def test_the_level_that_fails_is_chosen(manage):
    assert manage("check", "-t", "shopping", "--fail-level", "WARNING").returncode == 1
    assert manage("check", "-t", "shopping", "--deploy", "--fail-level", "critical").returncode == 0


def test_silenced_findings_are_counted_not_shown(manage):
    done = manage("check", "-t", "shopping", COVET_SILENCED_SYSTEM_CHECKS="shop.W001")

    assert done.stdout == "The check found no issues (1 id silenced).\n"


def test_json_goes_to_stdout_alone(manage):
    done = manage("check", "--tag", "shopping", "--deploy", "--json")

    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert found["ok"] is False
    assert [m["id"] for m in found["messages"]] == ["shop.E001", "shop.W001"]
    assert found["messages"][1] == {
        "level": "warning",
        "id": "shop.W001",
        "message": "A shelf is crooked.",
        "hint": "Straighten it.",
        "object": "shop.shelves",
    }
    assert set(found["accelerators"].values()) <= {"rust", "python"}


def test_tags_are_listed(manage):
    assert "shopping" in manage("check", "--list-tags").stdout.splitlines()
    assert "shopping" in json.loads(manage("check", "--list-tags", "--json").stdout)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--tag", "shoping"], "Did you mean 'shopping'?"),
        (["shp"], "Did you mean 'shop'?"),
        (["--fail-level", "loud"], "'loud'"),
    ],
)
def test_wrong_names_are_wrong_usage(manage, args, words):
    done = manage("check", *args)

    assert done.returncode == 2
    assert words in done.stderr


def test_findings_about_one_app_only(manage):
    assert manage("check", "shop", "-t", "shopping").stdout == "The check found no issues.\n"


def test_looking_asks_no_broker(manage):
    """What only looks at the project works while Redis is down."""
    down = {"COVET_CHANNELS": '{"default": "redis://127.0.0.1:1/0"}'}

    check, routes = manage("check", **down), manage("routes", **down)

    assert check.returncode == 0, check.stderr
    assert routes.returncode == 0, routes.stderr


def test_a_database_is_asked_only_where_it_is_named(manage, tmp_path):
    settings = {
        "COVET_DATABASES": json.dumps(
            {"default": "sqlite:///here.sqlite3", "other": "sqlite:////no/such/folder/x.sqlite3"}
        )
    }

    quiet = manage("check", **settings)
    here = manage("check", "--database", "default", "--fail-level", "ERROR", **settings)
    both = manage("check", "--database", "default", "--database", "other", **settings)
    unknown = manage("check", "--database", "defualt", **settings)

    assert (quiet.returncode, here.returncode, both.returncode, unknown.returncode) == (0, 0, 1, 1)
    assert "(db.E006) The database 'other' (sqlite x.sqlite3) cannot be used: " in both.stdout
    assert "there is no folder '/no/such/folder'" in both.stdout
    assert "db.E006" not in quiet.stdout + here.stdout
    assert "Did you mean 'default'?" in unknown.stderr
