"""Environment over .env over module over default, typed, and every problem at once."""

from pathlib import Path

import pytest

from covet.conf.budget import Budget
from covet.conf.errors import MASK, SettingsError
from covet.conf.sources import check_values, load


def read(module=None, env=None, dotenv=None, folder=None):
    file = None
    if dotenv is not None:
        file = Path(folder) / ".env"
        file.write_text(dotenv)
    return load(module or {}, module_name="mysite.settings", env_file=file, environ=env or {})


def problems(module=None, env=None):
    with pytest.raises(SettingsError) as caught:
        read(module, env)
    return {problem.name: problem for problem in caught.value.problems}


def test_the_environment_wins_over_dotenv_and_that_over_the_module(tmp_path):
    module = {"PAGE_SIZE": 1, "MAX_PAGE_SIZE": 1, "TIME_ZONE": "Europe/Berlin"}
    loaded = read(module, {"COVET_PAGE_SIZE": "3"}, "COVET_PAGE_SIZE=2\nCOVET_MAX_PAGE_SIZE=2\nOTHER=x\n", tmp_path)

    assert loaded.values["PAGE_SIZE"] == 3
    assert loaded.values["MAX_PAGE_SIZE"] == 2
    assert loaded.sources == {
        "PAGE_SIZE": "environment (COVET_PAGE_SIZE)",
        "MAX_PAGE_SIZE": ".env (COVET_MAX_PAGE_SIZE)",
        "TIME_ZONE": "mysite.settings",
    }


def test_plain_names_of_hosts_are_honoured():
    loaded = read(
        {"DATABASES": {"default": "sqlite:///x", "other": "sqlite:///y"}},
        {"DATABASE_URL": "postgres://h/d", "CACHE_URL": "redis://h/0", "SECRET_KEY": "s" * 50},
    )

    assert loaded.values["DATABASES"]["default"].backend == "postgresql"
    assert loaded.values["DATABASES"]["other"].name == "y"
    assert loaded.values["CACHES"]["default"].backend == "redis"
    assert loaded.values["SECRET_KEY"] == "s" * 50


def test_the_prefixed_name_wins_over_the_plain_one():
    loaded = read({}, {"DATABASE_URL": "postgres://h/d", "COVET_DATABASES__DEFAULT": "mysql://h/d"})

    assert loaded.values["DATABASES"]["default"].backend == "mysql"


def test_a_url_replaces_the_entry_and_a_sub_key_refines_it():
    module = {"DATABASES": {"default": {"url": "postgres://ann:old@h/d", "options": {"a": 1}}}}
    refined = read(
        module, {"COVET_DATABASES__DEFAULT__PASSWORD": "new", "COVET_DATABASES__DEFAULT__POOL__MAX_SIZE": "7"}
    )
    replaced = read(module, {"COVET_DATABASES__DEFAULT": "mysql://h/e", "COVET_DATABASES__DEFAULT__PASSWORD": "new"})

    one, other = refined.values["DATABASES"]["default"], replaced.values["DATABASES"]["default"]
    assert (one.user, one.password, one.pool.max_size, one.options) == ("ann", "new", 7, {"a": 1})
    assert (other.backend, other.user, other.password, other.options) == ("mysql", "", "new", {})
    assert refined.sources["DATABASES"].startswith("mysite.settings + environment (COVET_DATABASES__DEFAULT__P")
    assert module["DATABASES"]["default"]["url"] == "postgres://ann:old@h/d"
    assert "password" not in module["DATABASES"]["default"]


def test_a_sub_key_refines_a_plain_url_and_finds_the_alias_whatever_its_case():
    loaded = read({"DATABASES": {"Reports": "postgres://a:b@h/d"}}, {"COVET_DATABASES__REPORTS__HOST": "other"})

    assert loaded.values["DATABASES"]["Reports"].host == "other"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("DEBUG", "false", False),
        ("DEBUG", "1", True),
        ("PAGE_SIZE", " 12 ", 12),
        ("ALLOWED_HOSTS", "a.com, b.com", ["a.com", "b.com"]),
        ("ALLOWED_HOSTS", '["a.com", "b,c"]', ["a.com", "b,c"]),
        ("ALLOWED_HOSTS", "", []),
        ("QUERY_BUDGET", "", None),
        ("QUERY_BUDGET", "30", Budget(30)),
        ("LOGGING", '{"version": 1}', {"version": 1}),
        ("STATIC_ROOT", "/srv/static", Path("/srv/static")),
        ("STATICFILES_DIRS", "/a,/b", [Path("/a"), Path("/b")]),
        ("SECURE_PROXY_SSL_HEADER", "X-Proto,https", ("X-Proto", "https")),
        ("LOGOUT_REDIRECT_URL", "none", None),
        ("SECRET_KEY", "  kept as it is ", "  kept as it is "),
    ],
)
def test_the_environments_text_becomes_the_settings_type(name, text, value):
    assert read({}, {f"COVET_{name}": text}).values[name] == value


def test_a_part_of_a_mapping_can_be_set():
    loaded = read({"TEMPLATES": {"DIRS": ["a"], "OPTIONS": {}}}, {"COVET_TEMPLATES__DIRS": '["b"]'})

    assert loaded.values["TEMPLATES"] == {"DIRS": ["b"], "OPTIONS": {}}


def test_the_projects_own_names_pass_and_take_their_own_type_from_the_environment():
    loaded = read(
        {"STRIPE_RETRIES": 3, "STRIPE_LIVE": False, "STRIPE_URL": "x", "EXTRA_SETTINGS": ["FEATURES"]},
        {"COVET_STRIPE_RETRIES": "5", "COVET_STRIPE_LIVE": "true", "COVET_STRIPE_URL": "y", "COVET_FEATURES": "a"},
    )

    assert {name: loaded.values[name] for name in ("STRIPE_RETRIES", "STRIPE_LIVE", "STRIPE_URL", "FEATURES")} == {
        "STRIPE_RETRIES": 5,
        "STRIPE_LIVE": True,
        "STRIPE_URL": "y",
        "FEATURES": "a",
    }


def test_all_problems_are_reported_at_once():
    found = problems(
        {
            "DEBGU": True,
            "ALLOWED_HOSTS": "a.com",
            "PAGE_SIZE": "many",
            "TIME_ZONE": 3,
            "DATABASES": {"default": "postgrs://h/d", "b": "sqlite:///x?pool_max_size=x"},
            "CACHES": "memory://",
        },
        {"COVET_SECRT_KEY": "x", "COVET_LOGGING": "x"},
    )

    assert set(found) == {
        "DEBGU", "ALLOWED_HOSTS", "PAGE_SIZE", "TIME_ZONE", "DATABASES", "CACHES", "COVET_SECRT_KEY", "LOGGING",
    }  # fmt: skip
    assert found["DEBGU"].suggestion.startswith("Did you mean 'DEBUG'?")
    assert found["ALLOWED_HOSTS"].suggestion == "Write ALLOWED_HOSTS = ['a.com']."
    assert found["PAGE_SIZE"].value == "'many'"
    assert found["PAGE_SIZE"].source == "mysite.settings"
    assert found["TIME_ZONE"].suggestion == "Write TIME_ZONE = '3'."
    assert "Did you mean 'postgres://'?" in found["DATABASES"].reason
    assert "'b':" in found["DATABASES"].reason
    assert found["CACHES"].suggestion == "Write CACHES = {'default': 'memory://'}."
    assert "Did you mean 'COVET_SECRET_KEY'?" in found["COVET_SECRT_KEY"].suggestion
    assert "JSON object" in found["LOGGING"].reason


def test_a_zone_that_nobody_knows_is_told_with_the_rest():
    found = problems({"TIME_ZONE": "Europe/Berlim", "DEBUG": "perhaps", "ALLOWED_HOSTS": 5})

    assert set(found) == {"TIME_ZONE", "DEBUG", "ALLOWED_HOSTS"}
    assert found["TIME_ZONE"].suggestion == "Did you mean 'Europe/Berlin'?"
    assert found["TIME_ZONE"].source == "mysite.settings"
    assert found["ALLOWED_HOSTS"].suggestion == "Write ALLOWED_HOSTS = ['5']."
    assert "Europe" in problems({"TIME_ZONE": "Europe"})["TIME_ZONE"].reason  # a folder of zones


def test_a_wrong_item_of_a_list_is_pointed_at():
    assert "[1]" in problems({"ALLOWED_HOSTS": ["a", 3]})["ALLOWED_HOSTS"].reason


def test_secrets_are_masked_in_problems():
    found = problems({"SECRET_KEY": 12345}, {"COVET_DATABASES__DEFAULT": "postgrs://u:hunter2@h/d"})

    assert found["SECRET_KEY"].value == MASK
    assert "12345" not in str(found["SECRET_KEY"])
    assert "hunter2" not in str(found["DATABASES"])


def test_a_near_miss_is_allowed_when_listed():
    assert read({"DEBGU": 1, "EXTRA_SETTINGS": ["DEBGU"]}).values["DEBGU"] == 1


def test_names_far_from_any_pass():
    assert read({"PAYPAL_ID": "x", "ADMIN": 1}).values["PAYPAL_ID"] == "x"


def test_names_of_other_parts_of_covet_are_no_settings():
    env = {"COVET_SETTINGS_MODULE": "x", "COVET_ACCEL": "0", "COVET_TEST_PG_PORT": "1", "COVET_SUPERUSER_EMAIL": "x"}
    assert read({}, env).values == {}


def test_a_sub_key_of_what_holds_none_is_an_error():
    assert "no sub-keys" in problems({}, {"COVET_DEBUG__X": "1"})["DEBUG"].reason


def test_broken_json_is_an_error():
    assert "JSON list" in problems({}, {"COVET_ALLOWED_HOSTS": "[a"})["ALLOWED_HOSTS"].reason


def test_values_given_by_code_are_checked_too():
    with pytest.raises(SettingsError, match="upper-case"):
        check_values({"debug": True}, source="test")
    assert check_values({"ALLOWED_HOSTS": ("a",)}, source="test").values == {"ALLOWED_HOSTS": ["a"]}
    assert check_values({"STATIC_URL": Path("/x")}, source="test").values == {"STATIC_URL": "/x"}


def test_templates_as_django_has_them_are_told():
    with pytest.raises(SettingsError, match="there is one engine, Jinja2"):
        check_values({"TEMPLATES": [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]}, source="test")


def test_a_problem_that_ends_with_a_question_has_no_full_stop_behind_it():
    with pytest.raises(SettingsError, match=r"Did you mean 'rediss://'\?$"):
        check_values({"CACHES": {"default": "rediss2://localhost"}}, source="test")
