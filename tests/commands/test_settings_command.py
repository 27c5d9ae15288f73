"""``manage.py settings``."""

import json


def test_every_setting_is_shown_with_its_source_and_secrets_masked(manage, project):
    (project / ".env").write_text("COVET_PAGE_SIZE=7\n")

    done = manage("settings", COVET_TIME_ZONE="Europe/Berlin")

    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert lines["PAGE_SIZE"].split()[1:] == ["7", ".env", "(COVET_PAGE_SIZE)"]
    assert lines["TIME_ZONE"].endswith("environment (COVET_TIME_ZONE)")
    assert lines["OWN_SETTING"].split()[1:] == ["3", "site_.settings"]
    assert lines["APPEND_SLASH"].split()[1:] == ["True", "default"]
    assert "hunter2" not in done.stdout


def test_only_what_was_set_or_only_some(manage):
    changed = manage("settings", "--changed").stdout
    one = manage("settings", "debug").stdout

    assert "APPEND_SLASH" not in changed
    assert "DEBUG" in changed
    assert one.splitlines()[:2] == ["value   True", "source  site_.settings"]


def test_json_has_values_sources_and_what_each_is_for(manage):
    (entry,) = json.loads(manage("settings", "PAGE_SIZE", "--json").stdout)

    assert entry == {
        "name": "PAGE_SIZE",
        "value": 50,
        "source": "default",
        "about": "Items on a page where the client does not ask.",
    }
    assert len(json.loads(manage("settings", "--json").stdout)) > 80


def test_wrong_settings_and_wrong_names_are_told(manage):
    wrong = manage("settings", COVET_PAGE_SIZE="x", COVET_DEBUGG="1")
    unknown = manage("settings", "DEBGU")

    assert wrong.returncode == 1
    assert "2 settings are wrong" in wrong.stderr
    assert unknown.returncode == 2
    assert "Did you mean 'DEBUG'?" in unknown.stderr


def test_settings_are_shown_though_an_app_is_missing(manage):
    assert manage("settings", "DEBUG", COVET_INSTALLED_APPS="nowhere").returncode == 0
