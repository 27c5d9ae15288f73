"""URLs of services, such as ``postgres://user:pw@host/db``, to typed entries of DATABASES, CACHES and CHANNELS.

An entry may be a URL, or a mapping whose keys are read whatever their case: ``url`` and parts that override it, or
Django's ``ENGINE``, ``NAME``, ``USER`` and the like.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from covet.loading import late_module
from covet.text import suggest

if TYPE_CHECKING:
    from covet.conf import errors
else:
    errors = late_module(__name__, "covet.conf.errors")

__all__ = [
    "CacheConfig",
    "ChannelConfig",
    "DatabaseConfig",
    "ForTests",
    "PoolConfig",
    "parse_cache",
    "parse_channel",
    "parse_database",
]

T = TypeVar("T")

DATABASE_SCHEMES = {
    "postgres": "postgresql",
    "postgresql": "postgresql",
    "pg": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlite": "sqlite",
    "sqlite3": "sqlite",
}
CACHE_SCHEMES = {
    "memory": "memory",
    "locmem": "memory",
    "redis": "redis",
    "rediss": "redis",
    "unix": "redis",
    "memcached": "memcached",
    "database": "database",
    "file": "file",
    "dummy": "dummy",
}
CHANNEL_SCHEMES = {"memory": "memory", "redis": "redis", "rediss": "redis", "unix": "redis"}
PORTS = {"postgresql": 5432, "mysql": 3306}
_LAST_PORT = 65535
# Keys of DATABASES that other frameworks have, and what to write for them.
_PORTED = {
    "conn_max_age": "Connections are pooled: write 'pool': {'max_lifetime_s': 600, 'max_idle_s': 60}.",
    "conn_health_checks": "Connections that were idle are always asked for a sign of life: leave it out.",
    "disable_server_side_cursors": "Leave it out; behind PgBouncer in transaction mode write 'OPTIONS': {'pgbouncer': True}.",
    "autocommit": "Statements outside of atomic() always commit: leave it out, or call transaction.set_autocommit(False).",
    "time_zone": "Sessions always run in UTC: leave it out; the setting TIME_ZONE says how people see times.",
}


class PoolConfig(Struct, frozen=True):
    """The limits of a connection pool.

    Attributes:
        min_size: Connections kept open while nobody asks.
        max_size: Connections open at most.
        timeout_s: How long a task waits for a connection before ``PoolTimeout``.
        max_idle_s: A connection unused for longer is closed.
        max_lifetime_s: A connection older than this is closed when it comes back.
    """

    min_size: int = 0
    max_size: int = 10
    timeout_s: float = 10.0
    max_idle_s: float = 300.0
    max_lifetime_s: float = 3600.0

    def __post_init__(self) -> None:
        if self.max_size < 1 or self.min_size < 0 or self.min_size > self.max_size:
            raise ValueError(
                f"a pool needs 0 ≤ min_size ≤ max_size and max_size ≥ 1, not {self.min_size} and {self.max_size}"
            )


class ForTests(Struct, frozen=True):
    """The key ``TEST`` of a database: what stands in its place while tests run.

    Attributes:
        name: Its name; None derives it from the database's own.
        mirror: The alias that it is the same as: tests of a replica read what they wrote to that alias.
        migrate: Run migrations; without, tables are made from the models as they are.
        serialize: Put the rows that migrations have written back after tests whose commits are real.
        charset: The character set of a new MySQL or MariaDB database, or the encoding of a PostgreSQL one.
        collation: The collation of a new MySQL or MariaDB database.
        template: The PostgreSQL database that the new one is copied from.
        dependencies: The aliases whose test databases are made before this one.
    """

    name: str | None = None
    mirror: str | None = None
    migrate: bool = True
    serialize: bool = True
    charset: str | None = None
    collation: str | None = None
    template: str | None = None
    dependencies: tuple[str, ...] = ()


class DatabaseConfig(Struct, frozen=True):
    """One database, as its backend needs it. ``repr`` hides the password.

    Attributes:
        backend: ``"postgresql"``, ``"mysql"``, ``"sqlite"``, or the dotted path of another backend.
        name: The database; for SQLite a file or ``":memory:"``.
        host: The server; several of PostgreSQL as ``"one:5432,other:5432"``, each with its port, and ``port`` is None.
        options: What is handed to the driver.
        test: The database that tests use.
    """

    backend: str
    name: str
    user: str = ""
    password: str = ""
    host: str = ""
    port: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    pool: PoolConfig = field(default_factory=PoolConfig)
    atomic_requests: bool = False
    test: ForTests = field(default_factory=ForTests)

    def __repr__(self) -> str:
        return _masked_repr(self)

    @property
    def test_name(self) -> str | None:
        """The name of the database that tests use, where one is given."""
        return self.test.name

    @property
    def servers(self) -> list[tuple[str, int]]:
        """Each server with its port, where a PostgreSQL database has several; none where it has one."""
        pairs = (
            (one.rpartition(":") for one in self.host.split(","))
            if self.backend == "postgresql" and "," in self.host
            else ()
        )
        return [(host.strip("[]"), int(port)) for host, _, port in pairs]

    @property
    def settings_dict(self) -> dict[str, Any]:
        """The entry as Django writes it, for code that asks a connection for it; the password stands in it."""
        values = {name.upper(): value for name, value in asdict(self).items()}
        engine = values.pop("BACKEND")
        nested = {
            name: {key.upper(): value for key, value in asdict(values[name]).items()} for name in ("POOL", "TEST")
        }
        options = dict(self.options)
        return {
            "ENGINE": engine if "." in engine else f"covet.db.backends.{engine}",
            **values,
            **nested,
            "OPTIONS": options,
        }

    @property
    def label(self) -> str:
        """The database as people call it: ``"sqlite db.sqlite3"``, ``"postgresql shop@localhost"``."""
        if self.backend == "sqlite":
            return f"sqlite {self.name.replace(chr(92), '/').rpartition('/')[2]}"
        where = f"@{self.host}" if self.host else ""
        port = f":{self.port}" if self.host and self.port not in (None, PORTS.get(self.backend)) else ""
        return f"{self.backend} {self.name}{where}{port}"


class CacheConfig(Struct, frozen=True):
    """One cache. ``repr`` hides a password in the URL.

    Attributes:
        backend: ``"memory"``, ``"redis"``, ``"memcached"``, ``"database"``, ``"file"``, ``"dummy"``, or a dotted path.
        url: The whole URL, for a driver that reads URLs; ``""`` if none was given.
        location: What follows the scheme: hosts, a table, a folder, or a name.
        timeout_s: How long an entry lives by default; None is for ever.
    """

    backend: str
    url: str = ""
    location: str = ""
    timeout_s: float | None = 300.0
    key_prefix: str = ""
    version: int = 1
    max_entries: int = 10_000
    options: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return _masked_repr(self)


class ChannelConfig(Struct, frozen=True):
    """One broker of pub/sub channels. ``repr`` hides a password in the URL.

    Attributes:
        backend: ``"memory"``, ``"redis"``, or the dotted path of another broker.
        url: The whole URL, without the options.
    """

    backend: str
    url: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return _masked_repr(self)


def parse_database(entry: Any) -> DatabaseConfig:
    """Return the database that an entry of DATABASES describes.

    Raises:
        ValueError: The URL or a key of it cannot be used; the text says which.
    """
    if isinstance(entry, DatabaseConfig):
        return entry
    given = _keys(entry)
    url = given.pop("url", None)
    values = _database_url(_text(url, "url")) if url is not None else {}
    engine = given.pop("engine", None) or given.pop("backend", None)
    if engine is not None:
        values["backend"] = _backend(str(engine), DATABASE_SCHEMES)
    if "backend" not in values:
        raise ValueError("it names no database; write a URL such as 'postgres://user:password@host/name'")
    for key in given.keys() & _PORTED.keys():
        raise ValueError(f"it has the key '{key.upper()}', which is not known here. {_PORTED[key]}")
    pool = {**values.pop("pool", {}), **_keys(given.pop("pool", {}))}
    test = _keys(given.pop("test", {}))
    name = given.pop("test_name", values.pop("test_name", None))
    if name is not None:
        test.setdefault("name", name)
    names = test.get("dependencies", ())
    test["dependencies"] = tuple(names.split(",") if isinstance(names, str) else names)
    values["options"] = {**values.get("options", {}), **dict(given.pop("options", {}) or {})}
    for key in values["options"]:
        if key.startswith("pool."):  # PostgreSQL would take it for a setting of somebody's own, and keep it
            limit = key.removeprefix("pool.")
            raise ValueError(
                f"it has the option '{key}', which no driver knows. In a URL write 'pool_{limit}=…', else 'pool': {{'{limit}': …}}"
            )
    for key in [key for key in given if key.startswith("pool_")]:
        pool[key.removeprefix("pool_")] = given.pop(key)
    values |= given
    if "," in str(values.get("host", "")) and values["backend"] in PORTS:
        values["host"], values["port"] = _several(values["backend"], str(values["host"]), values.get("port")), None
    elif values.get("port") in ("", None):
        values["port"] = PORTS.get(str(values["backend"])) if values.get("host") else None
    config = _build(
        DatabaseConfig,
        {**values, "pool": _build(PoolConfig, pool, prefix="pool."), "test": _build(ForTests, test, prefix="test.")},
    )
    if not config.name:
        raise ValueError("it names no database: the path of the URL (or 'NAME') is empty")
    if not 0 <= (config.port or 0) <= _LAST_PORT:
        raise ValueError(f"its 'port' must be a number up to {_LAST_PORT}, not {config.port}")
    return config


def parse_cache(entry: Any) -> CacheConfig:
    """Return the cache that an entry of CACHES describes."""
    if isinstance(entry, CacheConfig):
        return entry
    given = _keys(entry)
    url = given.pop("url", None)
    values: dict[str, Any] = {}
    if url is not None:
        text = _text(url, "url")
        scheme, rest, query = _split(text, CACHE_SCHEMES, "cache")
        options = {key: query.pop(key) for key in list(query) if key not in _names(CacheConfig) and key != "timeout"}
        values = {"backend": CACHE_SCHEMES[scheme], "url": text.partition("?")[0], "options": options}
        values["location"] = rest.rpartition("@")[2]  # where it is, without who asks
        given = {**query, **given}
    if "timeout" in given:
        given["timeout_s"] = given.pop("timeout")
    if given.get("timeout_s", 0) in ("none", "None", ""):
        given["timeout_s"] = None
    return _service(CacheConfig, "cache", CACHE_SCHEMES, values, given)


def parse_channel(entry: Any) -> ChannelConfig:
    """Return the broker that an entry of CHANNELS describes."""
    if isinstance(entry, ChannelConfig):
        return entry
    given = _keys(entry)
    url = given.pop("url", None)
    values: dict[str, Any] = {}
    if url is not None:
        text = _text(url, "url")
        scheme, _, query = _split(text, CHANNEL_SCHEMES, "broker")
        values = {"backend": CHANNEL_SCHEMES[scheme], "url": text.partition("?")[0], "options": query}
    return _service(ChannelConfig, "broker", CHANNEL_SCHEMES, values, given)


def _service(kind: type[T], word: str, schemes: Mapping[str, str], values: dict[str, Any], given: dict[str, Any]) -> T:
    """Return the service that a URL's values and the keys beside it describe; the keys win."""
    engine = given.pop("backend", None)
    if engine is not None:
        values["backend"] = _backend(str(engine), schemes)
    if "backend" not in values:
        raise ValueError(f"it names no {word}; write a URL such as 'memory://' or 'redis://host:6379/0'")
    options = {**values.get("options", {}), **dict(given.pop("options", {}) or {})}
    return _build(kind, {**values, **given, "options": options})


def _database_url(url: str) -> dict[str, Any]:
    scheme, rest, query = _split(url, DATABASE_SCHEMES, "database")
    backend = DATABASE_SCHEMES[scheme]
    pool = {key.removeprefix("pool_"): query.pop(key) for key in list(query) if key.startswith("pool_")}
    own: dict[str, Any] = {key: query.pop(key) for key in ("atomic_requests", "test_name") if key in query}
    values: dict[str, Any] = {"backend": backend, "pool": pool, "options": query, **own}
    if backend == "sqlite":
        # sqlite:///relative.db and sqlite:////absolute.db, as everywhere; sqlite:// and sqlite://:memory: are memory.
        path = unquote(rest.partition("?")[0])
        path = path[1:] if path.startswith("/") else path
        return {**values, "name": path or ":memory:"}
    authority = rest.partition("/")[0].partition("#")[0]
    where = authority.rpartition("@")[2]
    # Several hosts are not for urlsplit, which has one port, and in newer Pythons nothing before "[".
    several = where if "," in where else ""
    start, end = len(authority) - len(several), len(authority)
    try:
        parts = urlsplit(f"{scheme}://{rest[:start]}{rest[end:]}")
        port = parts.port
    except ValueError as error:
        raise ValueError(f"its URL cannot be read: {error}") from None
    host = query.pop("host", None) or unquote(several or parts.hostname or "")
    return {
        **values,
        "name": unquote(parts.path[1:]),
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "host": host,
        "port": query.pop("port", None) or port,
    }


def _several(backend: str, host: str, ports: Any) -> str:
    """Return a list of servers, each with its port; a list of ports may stand beside that of the hosts, as libpq has it."""
    if backend != "postgresql":
        raise ValueError(f"it names several hosts, '{host}', which PostgreSQL alone may have; write one")
    hosts = [one.strip() for one in host.split(",")]
    beside = ["" if ports is None else one.strip() for one in str(ports).split(",")]
    if len(beside) not in (1, len(hosts)):
        raise ValueError(
            f"it names {len(hosts)} hosts and {len(beside)} ports; write one port for all, or one for each"
        )
    found = []
    for number, one in enumerate(hosts):
        name, colon, port = one.rpartition(":")
        if not colon or one.endswith("]"):
            name, port = one, beside[number % len(beside)] or str(PORTS[backend])
        if not name or not port.isdecimal() or int(port) > _LAST_PORT or (":" in name and not name.endswith("]")):
            raise ValueError(f"'{one}' in '{host}' is no host; write 'name', 'name:5432' or '[::1]:5432'")
        found.append(f"{name}:{port}")
    return ",".join(found)


def _split(url: str, schemes: Mapping[str, str], kind: str) -> tuple[str, str, dict[str, Any]]:
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator:
        raise ValueError(f"'{errors.mask_url(url)}' is no URL; write '{next(iter(schemes))}://…'")
    if scheme not in schemes:
        near = suggest(scheme, schemes)
        hint = f" Did you mean '{near}://'?" if near else f" Known are {', '.join(f'{s}://' for s in schemes)}."
        raise ValueError(f"'{scheme}://' is no {kind} that Covet knows.{hint}")
    location, _, query = rest.partition("?")
    return scheme, location, dict(parse_qsl(query, keep_blank_values=True))


_DJANGO: Final = {
    "DatabaseCache": "database://table",
    "DummyCache": "dummy://",
    "FileBasedCache": "file:///path",
    "LocMemCache": "memory://",
    "PyLibMCCache": "memcached://host:11211",
    "PyMemcacheCache": "memcached://host:11211",
    "RedisCache": "redis://host:6379/0",
}


def _backend(engine: str, schemes: Mapping[str, str]) -> str:
    """``postgresql``, ``postgres``, ``covet.db.backends.postgresql`` → ``postgresql``; other dotted paths stay."""
    short = engine.rpartition(".")[2] if engine.startswith(("covet.", "django.")) else engine
    if short in schemes:
        return schemes[short]
    if "." in engine and not engine.startswith(("django.", "covet.db.backends.")):
        return engine
    near = _DJANGO.get(short) or suggest(short, schemes)
    if short in _DJANGO:
        raise ValueError(f"'{engine}' is Django's; write a URL in place of the entry: '{near}'")
    hint = f" Did you mean '{near}'?" if near else f" Known are {', '.join(dict.fromkeys(schemes.values()))}."
    raise ValueError(f"'{engine}' is no backend that Covet knows.{hint}")


def _keys(entry: Any) -> dict[str, Any]:
    if isinstance(entry, str):
        return {"url": entry}
    if isinstance(entry, Mapping):
        return {str(key).lower(): value for key, value in entry.items()}
    raise ValueError(f"it must be a URL or a mapping, not {type(entry).__name__}")


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"its '{key}' must be text, not {type(value).__name__}")
    return value


def _names(kind: type[Any]) -> list[str]:
    return list(kind.__struct_fields__)


def _build(kind: type[T], values: Mapping[str, Any], *, prefix: str = "") -> T:
    """Make the struct, with texts (from a URL or the environment) turned into what its fields want."""
    known = cast(Any, kind).__annotations__
    made: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            near = suggest(key, known)
            hint = f" Did you mean '{near}'?" if near else f" Known are {', '.join(known)}."
            raise ValueError(f"it has an unknown key '{prefix}{key}'.{hint}")
        made[key] = _as(str(known[key]), value, f"{prefix}{key}")
    return kind(**made)


def _as(wanted: str, value: Any, key: str) -> Any:
    optional = wanted.endswith("| None")
    base = wanted.removesuffix(" | None")
    if value is None and optional:
        return None
    try:
        if base == "int" and not isinstance(value, bool):
            return int(value)
        if base == "float" and not isinstance(value, bool):
            return float(value)
        if base == "bool":
            return _as_bool(value)
        if base == "str":
            return "" if value is None else str(value)
    except (TypeError, ValueError):
        raise ValueError(f"its '{key}' must be {_WORDS[base]}, not {errors.mask(key, value)!r}") from None
    if base in {"int", "float"}:
        raise ValueError(f"its '{key}' must be {_WORDS[base]}, not {value!r}")
    return value


_WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}


def _as_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    lowered = str(value).lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off"}:
        return False
    raise ValueError


def _masked_repr(config: Any) -> str:
    shown = []
    for name in config.__struct_fields__:
        value = getattr(config, name)
        if name == "password":
            value = errors.MASK if value else ""
        elif name in {"url", "location", "options"}:
            value = errors.mask("", value)
        shown.append(f"{name}={value!r}")
    return f"{type(config).__name__}({', '.join(shown)})"


def with_name(config: DatabaseConfig, name: str) -> DatabaseConfig:
    """Return the same database server with another database, as the test plugin needs it."""
    return replace(config, name=name)
