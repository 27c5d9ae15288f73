"""URLs of services to typed entries."""

import re
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.conf import service_url
from covet.conf.errors import MASK
from covet.conf.service_url import CacheConfig, PoolConfig, parse_cache, parse_channel, parse_database, with_name


def test_a_postgres_url_is_taken_apart():
    config = parse_database("postgres://ann:p%40ss@db.example.com:5433/shop?sslmode=require&pool_max_size=20")

    assert (config.backend, config.name, config.user, config.password) == ("postgresql", "shop", "ann", "p@ss")
    assert (config.host, config.port) == ("db.example.com", 5433)
    assert config.options == {"sslmode": "require"}
    assert config.pool.max_size == 20


@pytest.mark.parametrize(
    "entry",
    ["postgres://h/d?pool.max_size=20", {"backend": "postgresql", "name": "d", "options": {"pool.max_size": 20}}],
    ids=["url", "options"],
)
def test_a_limit_of_the_pool_with_a_dot_is_told_how_it_is_written(entry):
    with pytest.raises(ValueError, match=re.escape("write 'pool_max_size=…', else 'pool': {'max_size': …}")):
        parse_database(entry)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:///db.sqlite3", "db.sqlite3"),
        ("sqlite:////var/lib/db.sqlite3", "/var/lib/db.sqlite3"),
        ("sqlite://", ":memory:"),
        ("sqlite://:memory:", ":memory:"),
        ("sqlite:///my%20files/db.sqlite3", "my files/db.sqlite3"),
    ],
)
def test_a_sqlite_url_is_a_path_or_memory(url, name):
    assert parse_database(url).name == name


def test_ports_have_their_defaults():
    assert parse_database("postgres://h/d").port == 5432
    assert parse_database("mariadb://h/d").port == 3306
    assert parse_database("postgres:///d?host=/run/postgresql").host == "/run/postgresql"


def test_keys_beside_a_url_override_its_parts():
    config = parse_database({"url": "postgres://a:b@h/d", "PASSWORD": "new", "pool": {"min_size": "2"}})

    assert (config.password, config.user, config.pool.min_size) == ("new", "a", 2)


def test_a_mapping_in_djangos_spelling_works():
    config = parse_database(
        {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "shop",
            "USER": "ann",
            "PASSWORD": "x",
            "HOST": "db",
            "PORT": "",
            "OPTIONS": {"a": 1},
            "ATOMIC_REQUESTS": True,
            "TEST": {"NAME": "shop_test"},
        }
    )

    assert (config.backend, config.port, config.atomic_requests, config.test_name) == (
        "postgresql",
        5432,
        True,
        "shop_test",
    )


def test_another_backend_is_named_by_its_path():
    assert parse_database({"ENGINE": "cockroach.backend", "NAME": "d"}).backend == "cockroach.backend"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("postgrs://h/d", "Did you mean 'postgres://'?"),
        ("db.sqlite3", "is no URL"),
        ("postgres://h/", "names no database"),
        ("postgres://h:port/d", "cannot be read"),
        ({"NAME": "d"}, "names no database"),
        ({"url": "sqlite:///d", "pasword": "x"}, "Did you mean 'password'?"),
        ({"url": "sqlite:///d", "pool": {"max_size": "many"}}, "'pool.max_size' must be a whole number"),
        ({"url": "sqlite:///d", "pool": {"max_size": 0}}, "min_size ≤ max_size"),
        ({"url": "sqlite:///d", "atomic_requests": "perhaps"}, "must be true or false"),
        ({"ENGINE": "django.db.backends.oracle", "NAME": "d"}, "no backend that Covet knows"),
        ({"ENGINE": "covet.db.backends.oracle", "NAME": "d"}, "no backend that Covet knows"),
        ({"ENGINE": "django.core.cache.backends.redis.RedisCache"}, "in place of the entry: 'redis://host:6379/0'"),
        (3, "a URL or a mapping"),
        ({"url": 3}, "must be text"),
    ],
)
def test_a_wrong_entry_says_what_is_wrong(entry, words):
    with pytest.raises(ValueError) as caught:
        parse_database(entry)
    assert words in str(caught.value)


def test_a_wrong_password_key_is_not_shown():
    with pytest.raises(ValueError) as caught:
        parse_database("hunter2:secret@host")
    assert "hunter2" in str(caught.value)
    with pytest.raises(ValueError) as caught:
        parse_database("postgrs://u:hunter2@h/d")
    assert "hunter2" not in str(caught.value)


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=1))
def test_a_password_survives_the_url_and_never_shows(password):
    from urllib.parse import quote

    config = parse_database(f"postgres://a:{quote(password, safe='')}@h/d")

    assert config.password == password
    assert f"password='{MASK}'" in repr(config)


def test_repr_masks_passwords_in_urls():
    assert "hunter2" not in repr(parse_cache("redis://:hunter2@h:6379/0"))
    assert "hunter2" not in repr(parse_channel("redis://u:hunter2@h/0"))


def test_labels_are_what_people_say():
    assert parse_database("sqlite:////srv/site/db.sqlite3").label == "sqlite db.sqlite3"
    assert parse_database("postgres://a:b@h/shop").label == "postgresql shop@h"
    assert parse_database("mysql://a:b@h:33069/shop").label == "mysql shop@h:33069"


def test_caches_and_their_options():
    config = parse_cache("redis://h:6379/1?timeout=60&key_prefix=x&db=2")

    assert config == CacheConfig(
        "redis", "redis://h:6379/1", "h:6379/1", timeout_s=60.0, key_prefix="x", options={"db": "2"}
    )
    assert parse_cache({"BACKEND": "covet.cache.memory", "TIMEOUT": None}).timeout_s is None
    assert parse_cache("database://cache_table").location == "cache_table"
    assert parse_cache(config) is config


def test_channels():
    assert parse_channel("memory://").backend == "memory"
    assert parse_channel({"url": "redis://h/0?health=1"}).options == {"health": "1"}
    with pytest.raises(ValueError, match="no broker"):
        parse_channel("memcached://h")
    with pytest.raises(ValueError, match="names no broker"):
        parse_channel({})
    with pytest.raises(ValueError, match="names no cache"):
        parse_cache({})


def test_another_database_on_the_same_server():
    config = with_name(parse_database("postgres://a:b@h/d"), "other")

    assert (config.name, config.user) == ("other", "a")
    assert config.pool == PoolConfig()


@pytest.mark.parametrize(
    "entry",
    [
        "postgres://ann:s3cret@db.example:6000/shop?sslmode=require&pool_max_size=3",
        "mysql://db.example/shop",
        {"URL": "sqlite:///db.sqlite3", "ATOMIC_REQUESTS": True, "TEST": {"NAME": "t", "DEPENDENCIES": ["other"]}},
        {"ENGINE": "cockroach.backend", "NAME": "d"},
    ],
)
def test_a_database_is_written_as_django_writes_one(entry: object) -> None:
    config = parse_database(entry)

    assert parse_database(config.settings_dict) == config


def test_djangos_keys_are_all_there() -> None:
    found = parse_database("postgres://ann:s3cret@db.example/shop?sslmode=require").settings_dict

    assert {name: found[name] for name in ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")} == {
        "ENGINE": "covet.db.backends.postgresql",
        "NAME": "shop",
        "USER": "ann",
        "PASSWORD": "s3cret",
        "HOST": "db.example",
        "PORT": 5432,
        "OPTIONS": {"sslmode": "require"},
    }
    assert found["TEST"]["NAME"] is None


@pytest.mark.parametrize(
    ("entry", "host"),
    [
        ("postgres://ann:pw@one,two:5433/shop", "one:5432,two:5433"),
        ("postgres://one:1,[::1]:2/shop?port=7", "one:1,[::1]:2"),
        ("postgres://one,two:one,two@one,two/shop", "one:5432,two:5432"),
        ("postgres:///shop?host=one,two&port=5433", "one:5433,two:5433"),
        ("postgres:///shop?host=one,/var/run&port=1,", "one:1,/var/run:5432"),
        ({"ENGINE": "django.db.backends.postgresql", "NAME": "shop", "HOST": "one, two", "PORT": "1,2"}, "one:1,two:2"),
        ({"url": "postgres://one/shop", "host": "two,[::1]", "port": 7}, "two:7,[::1]:7"),
    ],
)
def test_a_postgresql_database_may_have_several_hosts(entry, host):
    config = parse_database(entry)

    assert (config.host, config.port, config.name) == (host, None, "shop")
    assert parse_database(config.settings_dict) == config
    assert config.label == f"postgresql shop@{host}"
    assert [f"{name}:{port}" for name, port in config.servers] == host.replace("[", "").replace("]", "").split(",")


def test_hosts_of_which_a_later_one_has_brackets_are_no_matter_for_urlsplit(monkeypatch):
    """Since 3.11.12, 3.12.9 and 3.13.2 it refuses what stands before and behind brackets."""

    def strict(url):
        before, opens, behind = urlsplit(url).netloc.rpartition("@")[2].partition("[")
        after = behind.partition("]")[2]
        if opens and (before or (after and after[0] != ":")):
            raise ValueError("Invalid IPv6 URL")
        return urlsplit(url)

    monkeypatch.setattr(service_url, "urlsplit", strict)

    for hosts in ("one:5432,[::1]:5433", "[::1]:5432,two:5433", "[::1],two:5433"):
        config = parse_database(f"postgres://ann:p%40w@{hosts}/shop?sslmode=require")
        assert config.host == hosts.replace("],", "]:5432,")
        assert (config.user, config.password, config.name) == ("ann", "p@w", "shop")
        assert config.options == {"sslmode": "require"}


@pytest.mark.parametrize(
    "entry",
    [
        "postgres://one/shop?port=65536",
        "mysql://one/shop?port=65536",
        {"url": "postgres://one/shop", "port": 65536},
        {"url": "postgres://one/shop", "port": -1},
    ],
)
def test_a_port_that_there_is_not_is_refused_at_start_up(entry):
    with pytest.raises(ValueError, match="its 'port' must be a number up to 65535, not "):
        parse_database(entry)


def test_one_host_is_no_list():
    assert parse_database("postgres:///shop?host=/tmp&port=5433").port == 5433
    assert parse_database("postgres://one/shop").servers == []
    assert parse_database("mysql://one/shop").servers == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("mysql://one,two/shop", "it names several hosts, 'one,two', which PostgreSQL alone may have"),
        ("postgres://one,two:x/shop", "'two:x' in 'one,two:x' is no host; write 'name', 'name:5432'"),
        ("postgres://one,two:65536/shop", "'two:65536' in 'one,two:65536' is no host"),
        ("postgres://one,,two/shop", "'' in 'one,,two' is no host"),
        ("postgres:///shop?host=one,::1", "'::1' in 'one,::1' is no host"),
        (
            "postgres:///shop?host=one,two&port=1,2,3",
            "it names 2 hosts and 3 ports; write one port for all, or one for each",
        ),
    ],
)
def test_a_list_of_hosts_that_cannot_be_read_says_what_is_wrong(entry, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_database(entry)
