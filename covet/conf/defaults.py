"""Every setting: its name, type, default and what it is for. The reference in the docs is made from this table.

Nothing here imports pydantic. To add a setting, add a line; a mutable default is copied for each project. The module is
one table, which reads better whole.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, cast

from covet.conf.budget import Budget, parse_budget
from covet.conf.service_url import (
    CacheConfig,
    ChannelConfig,
    DatabaseConfig,
    parse_cache,
    parse_channel,
    parse_database,
)

__all__ = ["Defaults", "Setting", "declared"]

T = TypeVar("T")


class Setting:
    """One setting's default, doc line, and how a given value becomes the one that code reads."""

    __slots__ = ("convert", "default", "doc", "name", "secret")

    def __init__(self, default: Any, doc: str, convert: Callable[[Any], Any] | None, secret: bool) -> None:
        self.name = ""
        self.default = default
        self.doc = doc
        self.convert = convert
        self.secret = secret

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name

    def fresh(self) -> Any:
        """Return the default as code reads it; a new object each time."""
        value = copy.deepcopy(self.default)
        return value if self.convert is None else self.convert(value)


def setting(default: T, doc: str, *, convert: Callable[[Any], T] | None = None, secret: bool = False) -> T:
    """Declare a setting. To type checkers it is its value, so that ``settings.DEBUG`` is a ``bool``."""
    return cast(T, Setting(default, doc, convert, secret))


def _aliases(parse: Callable[[Any], T]) -> Callable[[Any], dict[str, T]]:
    def convert(value: Any) -> dict[str, T]:
        if not isinstance(value, Mapping):
            raise ValueError("it must be a mapping of aliases to entries, such as {'default': …}")
        made: dict[str, T] = {}
        wrong: list[str] = []
        for alias, entry in value.items():
            try:
                made[alias] = parse(entry)
            except ValueError as error:
                wrong.append(f"'{alias}': {error}")
        if wrong:
            raise ValueError("; ".join(wrong))
        return made

    return convert


class Defaults:
    """The settings that Covet knows, with their defaults."""

    # -- core
    DEBUG: bool = setting(False, "Show error pages with code and values. Never in production.")
    SECRET_KEY: str = setting("", "Signs sessions, tokens and cookies; at least 50 random characters.", secret=True)
    SECRET_KEY_FALLBACKS: list[str] = setting(
        cast(list[str], []), "Old keys that still verify, while a new one is being rolled out.", secret=True
    )
    FIELD_ENCRYPTION_KEYS: list[str] = setting(
        cast(list[str], []),
        "Keys of EncryptedField, at least 32 random characters each: the first encrypts, all decrypt.",
        secret=True,
    )
    ALLOWED_HOSTS: list[str] = setting(
        cast(list[str], []), "Host names this site answers to; '.example.com' takes subdomains, '*' all."
    )
    INSTALLED_APPS: list[str] = setting(cast(list[str], []), "The apps of this project, as dotted names.")
    APP_PARTS: list[str] = setting(
        [
            "covet.management.part.ManagementPart",
            "covet.db.models.part.ModelsPart",
            "covet.db.migrations.part.MigrationsPart",
            "covet.security.part.SecurityPart",
            "covet.redis.RedisPart",
            "covet.pubsub.part.PubSubPart",
            "covet.i18n.catalog.I18nPart",
            "covet.templates.part.TemplatesPart",
            "covet.urls.part.UrlsPart",
            "covet.handlers.part.HandlersPart",
        ],
        "The built-in app parts, as dotted paths; installed apps may bring more.",
    )
    EXTRA_SETTINGS: list[str] = setting(
        cast(list[str], []), "The project's own setting names that look like misspelt known ones."
    )
    DEFAULT_AUTO_FIELD: str = setting("covet.db.models.BigAutoField", "The primary key of models that declare none.")
    SILENCED_SYSTEM_CHECKS: list[str] = setting(cast(list[str], []), "Ids of checks that are not shown.")
    INTERNAL_IPS: list[str] = setting(cast(list[str], []), "Addresses and networks that see the debug panel.")
    LOGGING: dict[str, Any] = setting(cast(dict[str, Any], {}), "A logging dictConfig, laid over Covet's own.")
    LOGGING_CONFIG: str | None = setting(
        cast("str | None", "logging.config.dictConfig"),
        "The function that sets up logging, as a dotted path; None leaves that to the project.",
    )
    LOG_FORMAT: str = setting("auto", "'human', 'json', or 'auto': human with DEBUG, JSON without.")
    SHUTDOWN_GRACE_S: float = setting(10.0, "Seconds that running requests and pools get to finish at shutdown.")
    SHUTDOWN_DELAY_S: float = setting(
        0.0,
        "Seconds for which a server that was told to stop still takes requests, so that balancers see /readyz fail.",
    )
    BASE_DIR: Path | None = setting(cast("Path | None", None), "The project's folder; '.env' is looked for in it.")

    # -- URLs and HTTP
    ROOT_URLCONF: str = setting("", "The module whose urlpatterns are the site's.")
    DEFAULT_EXCEPTION_REPORTER: str = setting(
        "covet.views.debug.ExceptionReporter", "The class that makes the debug page of an exception."
    )
    DEFAULT_EXCEPTION_REPORTER_FILTER: str = setting(
        "covet.views.debug.SafeExceptionReporterFilter", "The class that says which values that page shows."
    )
    URLCONFS: list[str] = setting(
        cast(list[str], []),
        "Further such modules, of which a middleware may choose one for a request: request.urlconf.",
    )
    ASGI_APPLICATION: str = setting(
        "", "What runserver and serve run, as a dotted path such as 'mysite.asgi.application'; empty is Covet itself."
    )
    MIDDLEWARE: list[str] = setting(cast(list[str], []), "Middleware, outermost first, as dotted paths.")
    APPEND_SLASH: bool = setting(True, "Redirect to the path with a slash where only that one exists.")
    PREPEND_WWW: bool = setting(False, "Redirect to the host with 'www.'.")
    DISALLOWED_USER_AGENTS: list[str] = setting(
        cast(list[str], []), "Regular expressions of user agents that are answered with 403."
    )
    TRUSTED_PROXIES: list[str] = setting(
        cast(list[str], []),
        "Addresses and networks of the proxies whose word about client, scheme, host and port is believed; 'unix' is a Unix socket.",
    )
    TRUSTED_PROXY_HEADERS: str = setting(
        "x-forwarded",
        "Which headers these proxies write: 'x-forwarded' (X-Forwarded-For, -Proto, -Host, -Port) or 'forwarded' (RFC 7239).",
    )
    USE_X_FORWARDED_HOST: bool = setting(False, "Trust X-Forwarded-Host; only behind a proxy that sets it.")
    USE_X_FORWARDED_PORT: bool = setting(False, "Trust X-Forwarded-Port; only behind a proxy that sets it.")
    MAX_BODY_SIZE: int = setting(10 * 1024 * 1024, "Bytes a request body may have; more is answered with 413.")
    DATA_UPLOAD_MAX_MEMORY_SIZE: int = setting(2_621_440, "Bytes of a body, files apart, that are kept in memory.")
    FILE_UPLOAD_MAX_MEMORY_SIZE: int = setting(2_621_440, "Bytes above which an uploaded file goes to disk.")
    FILE_UPLOAD_HANDLERS: list[str] = setting(
        cast(list[str], []), "Classes that see the files of forms arrive, in this order, as dotted paths."
    )
    FILE_UPLOAD_TEMP_DIR: Path | None = setting(
        cast("Path | None", None), "Where larger files of forms lie meanwhile; the system's folder when left out."
    )
    FILE_UPLOAD_PERMISSIONS: int | None = setting(
        cast("int | None", 0o644), "The mode of files that are stored on a disk; None leaves it to the system."
    )
    FILE_UPLOAD_DIRECTORY_PERMISSIONS: int | None = setting(
        cast("int | None", None), "The mode of folders that are made for them."
    )
    MAX_FORM_FIELDS: int = setting(1000, "Fields a form may have.")
    MAX_FORM_PARTS: int = setting(1100, "Parts, files included, a multipart form may have.")
    BODY_TIMEOUT_S: float = setting(
        60.0, "Seconds in which a request body must have arrived; later is answered with 408."
    )
    RESPONSE_TIMEOUT_S: float = setting(
        60.0, "Seconds after which a client that takes no byte of its answer is given up; 0 waits without end."
    )
    MEDIA_ROOT: Path | None = setting(cast("Path | None", None), "The folder of the files that users upload.")
    MEDIA_URL: str = setting("/media/", "The address of that folder for browsers.")
    STORAGES: dict[str, Any] = setting(
        cast(dict[str, Any], {"default": "covet.files.FileSystemStorage"}),
        "Storages by name: a dotted path, or BACKEND and OPTIONS; FileField uses 'default'.",
    )
    STATIC_URL: str = setting(
        "/static/", "Where static files are served; without a slash in front, below the root path."
    )
    STATIC_ROOT: Path | None = setting(cast("Path | None", None), "Where collectstatic puts them.")
    STATIC_MAX_AGE: int = setting(
        3600, "Seconds a browser may keep a collected static file whose name is not made of its content."
    )
    STATICFILES_DIRS: list[Path | tuple[str, Path]] = setting(
        cast("list[Path | tuple[str, Path]]", []),
        "Folders of static files beside those of the apps; ('prefix', folder) puts its files below a prefix.",
    )
    STATICFILES_FINDERS: list[str] = setting(
        ["covet.staticfiles.finders.FileSystemFinder", "covet.staticfiles.finders.AppDirectoriesFinder"],
        "Who finds static files, in this order, as dotted paths.",
    )
    STATIC_MANIFEST_STRICT: bool = setting(
        True, "Let static() raise for a file that collectstatic has not found; off, it gives the address as it stands."
    )
    TEMPLATES: dict[str, Any] = setting(
        cast(dict[str, Any], {"DIRS": [], "OPTIONS": {}, "CONTEXT_PROCESSORS": []}),
        "Jinja2: DIRS beside the apps' templates folders, OPTIONS of its environment, CONTEXT_PROCESSORS.",
    )

    # -- databases, caches, channels
    DATABASES: dict[str, DatabaseConfig] = setting(
        cast(dict[str, DatabaseConfig], {}),
        "Databases by alias: a URL such as 'postgres://user:password@host/name', or a mapping.",
        convert=_aliases(parse_database),
    )
    DATABASE_ROUTERS: list[Any] = setting([], "Routers, first answer wins, as dotted paths.")
    MIGRATION_MODULES: dict[str, str | None] = setting(
        cast(dict[str, "str | None"], {}), "Migration packages by app label, where not '<app>.migrations'."
    )
    MIGRATION_LINT: dict[str, Any] = setting(
        cast(dict[str, Any], {}),
        "What migrate --lint leaves out: 'ignore' is a list of codes, 'start_after' maps apps to their last unchecked migration; with 'large_tables' only these are slow; 'target_version' maps kinds of databases to the version of the server.",
    )
    MIGRATION_LOCK_TIMEOUT_S: float | dict[str, float | None] | None = setting(
        cast("float | dict[str, float | None] | None", 10.0),
        "How long a statement of a migration waits for a lock before it gives way; or that by database alias; None: without end.",
    )
    MIGRATION_LOCK_RETRIES: int = setting(5, "How often a migration that did not get a lock in time is tried again.")
    MIGRATION_STATEMENT_TIMEOUT_S: float | dict[str, float | None] | None = setting(
        cast("float | dict[str, float | None] | None", None),
        "How long a statement of a migration may take; or that by database alias; None: without end.",
    )
    FIXTURE_DIRS: list[Path] = setting(
        cast(list[Path], []), "Folders where loaddata looks for fixtures, beside the apps' fixtures folders."
    )
    CACHES: dict[str, CacheConfig] = setting(
        cast(dict[str, CacheConfig], {"default": "memory://"}),
        "Caches by alias: a URL such as 'redis://host/0', or a mapping.",
        convert=_aliases(parse_cache),
    )
    CHANNELS: dict[str, ChannelConfig] = setting(
        cast(dict[str, ChannelConfig], {"default": "memory://"}),
        "Brokers of pub/sub channels by alias: 'memory://' or 'redis://host/0'.",
        convert=_aliases(parse_channel),
    )
    REDIS_URL: str = setting("", "The Redis server for what names none of its own.", secret=True)
    QUERY_OPTIMIZER: bool = setting(
        True, "Rewrite queries so that they give the same rows with less work; False is the plain translation."
    )
    QUERY_CACHE: str = setting(
        "memory://",
        "Where cached results of queries are kept: memory:// for each process alone, a redis:// URL, a name of REDIS_URL, or "
        "the dotted path of a store.",
    )
    QUERY_BUDGET: Budget | None = setting(
        cast("Budget | None", None),
        "Statements a request may run before a warning names the lines that ask for them: a number, or {'max': 50, 'refuse': "
        "True} to fail the request; None is no limit.",
        convert=parse_budget,
    )

    SLOW_QUERY_MS: float | None = setting(
        cast("float | None", None),
        "From how many milliseconds on a statement is logged to covet.db.slow, with its plan; None logs none.",
    )

    # -- time and language
    USE_TZ: bool = setting(True, "Datetimes are aware. Kept for Django's habit; it cannot be turned off.")
    TIME_ZONE: str = setting("UTC", "The zone in which people see times.")
    USE_I18N: bool = setting(True, "Translate texts.")
    LANGUAGE_CODE: str = setting("en", "The language where no other was asked for.")
    LANGUAGES: list[tuple[str, str]] = setting(
        [
            ("ar", "Arabic"),
            ("de", "German"),
            ("en", "English"),
            ("es", "Spanish"),
            ("fr", "French"),
            ("hi", "Hindi"),
            ("it", "Italian"),
            ("ja", "Japanese"),
            ("nl", "Dutch"),
            ("pl", "Polish"),
            ("pt", "Portuguese"),
            ("ru", "Russian"),
            ("tr", "Turkish"),
            ("uk", "Ukrainian"),
            ("zh-hans", "Simplified Chinese"),
        ],
        "The languages a visitor may ask for, with their names.",
    )
    LOCALE_PATHS: list[Path] = setting(cast(list[Path], []), "Folders of catalogues beside those of the apps.")
    LANGUAGE_COOKIE_NAME: str = setting("covet_language", "The cookie that holds a visitor's choice of language.")
    LANGUAGE_COOKIE_AGE: int | None = setting(
        cast("int | None", None), "Seconds that cookie lives; without, until the browser ends."
    )
    LANGUAGE_COOKIE_DOMAIN: str | None = setting(cast("str | None", None), "Domain of the language's cookie.")
    LANGUAGE_COOKIE_PATH: str = setting("/", "Path of the language's cookie.")
    LANGUAGE_COOKIE_SECURE: bool = setting(False, "Send the language's cookie by HTTPS only.")
    LANGUAGE_COOKIE_HTTPONLY: bool = setting(False, "Hide the language's cookie from scripts.")
    LANGUAGE_COOKIE_SAMESITE: str = setting("Lax", "SameSite of the language's cookie.")

    # -- users, sessions, CSRF
    AUTH_USER_MODEL: str = setting("auth.User", "The model of users, as 'label.Model'.")
    AUTHENTICATION_BACKENDS: list[str] = setting(
        ["covet.auth.backends.ModelBackend"], "Who is asked whether credentials are right, in this order."
    )
    PASSWORD_HASHERS: list[str] = setting(
        [
            "covet.auth.hashers.Argon2PasswordHasher",
            "covet.auth.hashers.ScryptPasswordHasher",
            "covet.auth.hashers.PBKDF2PasswordHasher",
        ],
        "The first makes new hashes; the others still verify old ones.",
    )
    AUTH_PASSWORD_VALIDATORS: list[Any] = setting(
        [], "Rules for new passwords: dotted paths, or {'NAME': path, 'OPTIONS': {…}}."
    )
    LOGIN_URL: str = setting("/accounts/login/", "Where someone who must log in is sent.")
    LOGIN_REDIRECT_URL: str = setting("/", "Where someone lands after logging in; for the project's views.")
    LOGOUT_REDIRECT_URL: str | None = setting(cast("str | None", None), "The same after logging out.")
    PASSWORD_RESET_TIMEOUT: int = setting(259_200, "Seconds for which a link to a new password works; for the same.")
    SESSION_ENGINE: str = setting("database", "Where sessions are kept: 'database', or a dotted path to a store.")
    SESSION_COOKIE_NAME: str = setting("sessionid", "The session's cookie.")
    SESSION_COOKIE_AGE: int = setting(1_209_600, "Seconds a session lives.")
    SESSION_COOKIE_SECURE: bool = setting(False, "Send the session's cookie by HTTPS only.")
    SESSION_COOKIE_HTTPONLY: bool = setting(True, "Hide the session's cookie from scripts.")
    SESSION_COOKIE_SAMESITE: str = setting("Lax", "SameSite of the session's cookie.")
    SESSION_COOKIE_DOMAIN: str | None = setting(cast("str | None", None), "Domain of the session's cookie.")
    SESSION_COOKIE_PATH: str = setting("/", "Path of the session's cookie.")
    SESSION_SAVE_EVERY_REQUEST: bool = setting(False, "Save the session on every request, so that it lives on.")
    SESSION_EXPIRE_AT_BROWSER_CLOSE: bool = setting(False, "Let the session end with the browser.")
    CSRF_COOKIE_NAME: str = setting("csrftoken", "The CSRF cookie.")
    CSRF_COOKIE_AGE: int = setting(31_449_600, "Seconds the CSRF cookie lives.")
    CSRF_COOKIE_SECURE: bool = setting(False, "Send the CSRF cookie by HTTPS only.")
    CSRF_COOKIE_HTTPONLY: bool = setting(False, "Hide the CSRF cookie from scripts.")
    CSRF_COOKIE_SAMESITE: str = setting("Lax", "SameSite of the CSRF cookie.")
    CSRF_COOKIE_DOMAIN: str | None = setting(cast("str | None", None), "Domain of the CSRF cookie.")
    CSRF_COOKIE_PATH: str = setting("/", "Path of the CSRF cookie.")
    CSRF_HEADER_NAME: str = setting("X-CSRFToken", "The CSRF token's header; 'HTTP_X_CSRFTOKEN' is the same.")
    CSRF_TRUSTED_ORIGINS: list[str] = setting(
        cast(list[str], []), "Origins whose unsafe requests are accepted, with scheme; 'https://*.example.com'."
    )

    # -- security
    SECURE_SSL_REDIRECT: bool = setting(False, "Redirect every request to HTTPS.")
    SECURE_SSL_HOST: str | None = setting(cast("str | None", None), "The host to which it is redirected.")
    SECURE_REDIRECT_EXEMPT: list[str] = setting(
        cast(list[str], []), "Regular expressions of paths that are not redirected."
    )
    SECURE_PROXY_SSL_HEADER: tuple[str, str] | None = setting(
        cast("tuple[str, str] | None", None), "A header and value by which a proxy says that the request was HTTPS."
    )
    SECURE_HSTS_SECONDS: int = setting(0, "Seconds for which browsers use HTTPS only; 0 sends no header.")
    SECURE_HSTS_INCLUDE_SUBDOMAINS: bool = setting(False, "HSTS for subdomains too.")
    SECURE_HSTS_PRELOAD: bool = setting(False, "Ask for the browsers' HSTS preload list.")
    SECURE_CONTENT_TYPE_NOSNIFF: bool = setting(True, "Send X-Content-Type-Options: nosniff.")
    SECURE_REFERRER_POLICY: str | None = setting(cast("str | None", "same-origin"), "The Referrer-Policy header.")
    SECURE_CROSS_ORIGIN_OPENER_POLICY: str | None = setting(
        cast("str | None", "same-origin"), "The Cross-Origin-Opener-Policy header."
    )
    SECURE_CSP: dict[str, Any] = setting(
        cast(dict[str, Any], {}), "The Content-Security-Policy: lists by directive; empty sends none."
    )
    SECURE_CSP_REPORT_ONLY: dict[str, Any] = setting(
        cast(dict[str, Any], {}), "A policy that browsers only report breaches of."
    )
    X_FRAME_OPTIONS: str = setting("DENY", "The X-Frame-Options header.")

    # -- REST, GraphQL
    DEFAULT_PERMISSIONS: list[str] = setting(
        ["covet.access.IsAuthenticatedOrReadOnly"], "Who may do what where an endpoint does not say."
    )
    DEFAULT_THROTTLES: list[str] = setting(
        cast(list[str], []),
        "Limits of endpoints that name none: rates such as '1000/hour', or dotted names of throttles.",
    )
    RATE_LIMITS: list[Any] = setting(
        [],
        "Limits of the whole site, by address, which RateLimitMiddleware holds: rates such as '1000/minute', or dotted names of throttles.",
    )
    THROTTLE_STORE: str = setting(
        "memory://",
        "Where requests are counted: memory:// for each process alone, a redis:// URL, or a name of REDIS_URL.",
    )
    REST_FORMATS: list[str] = setting(
        ["json"],
        "Forms that endpoints read and give: json, msgpack, yaml, xml, csv, html, or dotted names of formats; the first is the favourite.",
    )
    REFUSE_UNKNOWN_PARAMETERS: bool = setting(
        False, "Whether endpoints refuse query parameters that they do not know (422); else they leave them aside."
    )
    BULK_LIMIT: int = setting(1000, "Items that one request may create, change or delete at most.")
    IDEMPOTENCY_STORE: str = setting(
        "memory://",
        "Where answers of Idempotency-Key are kept: memory:// for each process alone, a redis:// URL, or a name of REDIS_URL.",
    )
    IDEMPOTENCY_TTL_S: float = setting(86400.0, "Seconds that an answer is kept for its Idempotency-Key.")
    PROBLEM_TYPE_BASE: str = setting(
        "",
        "Address that the types of problem documents are fragments of, such as /docs/problems; empty gives about:blank.",
    )
    EXCEPTION_HANDLERS: dict[Any, Any] = setting(
        {},
        "Functions that answer exceptions, by exception: dotted names, or the class and the function.",
    )
    PAGE_SIZE: int = setting(50, "Items on a page where the client does not ask.")
    MAX_PAGE_SIZE: int = setting(200, "Items a client may ask for at most.")
    PAGE_LINK_HEADER: bool = setting(
        False,
        "Whether pages carry the addresses of their neighbours in a Link header, too; a page class may say otherwise.",
    )
    OPENAPI_TITLE: str = setting("", "The API's title; empty takes the project's name.")
    OPENAPI_VERSION: str = setting("1.0.0", "The API's version.")
    OPENAPI_DESCRIPTION: str = setting("", "What the API is about, in Markdown.")
    OPENAPI_INFO: dict[str, Any] = setting(
        cast(dict[str, Any], {}), "What OpenAPI's info says besides: contact, license, termsOfService, summary."
    )
    OPENAPI_SECURITY: dict[str, Any] = setting(
        cast(dict[str, Any], {}),
        "How clients prove who they are, by name: security schemes of OpenAPI, told by a 401 as well; empty tells of the session's cookie.",
    )
    OPENAPI_TAGS: dict[str, str] = setting(cast(dict[str, str], {}), "What tags mean, by tag.")
    OPENAPI_SERVERS: list[str] = setting(cast(list[str], []), "Addresses that the API is served at.")
    OPENAPI_DOCUMENTS: dict[str, Any] = setting(
        cast(dict[str, Any], {}),
        "Further documents of parts of the API, by name: title, version, description, tags, prefix, api_version.",
    )
    OPENAPI_HOOKS: list[str] = setting(cast(list[str], []), "Functions that may change each document, as dotted paths.")
    VERSIONING: dict[str, Any] = setting(
        cast(dict[str, Any], {}),
        "How requests name a version of the API: strategy (path, query, header, media-type, host), default, parameter, header.",
    )
    GRAPHQL_MAX_DEPTH: int = setting(12, "Levels a GraphQL query may nest.")
    GRAPHQL_MAX_ALIASES: int = setting(30, "Aliases a GraphQL query may use.")
    GRAPHQL_MAX_TOKENS: int = setting(5000, "Tokens a GraphQL query may have.")
    GRAPHQL_INTROSPECTION: bool | None = setting(
        cast("bool | None", None), "Answer introspection; None does with DEBUG only."
    )
    GRAPHQL_GRAPHIQL: bool | None = setting(
        cast("bool | None", None), "Show GraphiQL to browsers at the GraphQL address; None does with DEBUG only."
    )
    GRAPHQL_EXTENSIONS: list[str] = setting(
        cast(list[str], []), "Strawberry schema extensions, as dotted paths; the first is the outermost."
    )
    GRAPHQL_MAX_BATCH: int = setting(0, "Operations one GraphQL request may carry as a list; 0 takes no lists.")
    GRAPHQL_MAX_SUBSCRIPTIONS: int = setting(100, "GraphQL operations one WebSocket may run at a time.")
    GRAPHQL_INIT_TIMEOUT_S: float = setting(10.0, "Seconds a GraphQL WebSocket has to send connection_init.")

    # -- CORS
    CORS_ALLOWED_ORIGINS: list[str] = setting(
        cast(list[str], []), "Origins whose pages may call this site from a browser: 'https://app.example.com'."
    )
    CORS_ALLOWED_ORIGIN_REGEXES: list[str] = setting(
        cast(list[str], []), "The same as regular expressions, each of which must match the whole origin."
    )
    CORS_ALLOW_ALL_ORIGINS: bool = setting(False, "Let pages of every origin call this site; never with credentials.")
    CORS_ALLOW_CREDENTIALS: bool = setting(False, "Let these pages send cookies and read answers to them.")
    CORS_ALLOW_METHODS: list[str] = setting(
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"], "Methods that these pages may use."
    )
    CORS_ALLOW_HEADERS: list[str] = setting(
        ["accept", "authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "x-csrftoken"],
        "Headers that these pages may send.",
    )
    CORS_EXPOSE_HEADERS: list[str] = setting(
        cast(list[str], []), "Headers of answers that these pages may read, besides the plain ones."
    )
    CORS_PREFLIGHT_MAX_AGE: int = setting(86400, "Seconds a browser may remember a preflight's answer; 0 sends none.")
    CORS_URLS_REGEX: str = setting("^", "The paths that all of this is for: '^/api/'.")
    CORS_ALLOW_PRIVATE_NETWORK: bool = setting(
        False, "Let public sites' pages call this site in a private network, where the browser asks for that."
    )

    # -- Compression
    COMPRESSION_ENCODINGS: list[str] = setting(
        ["gzip"], "Encodings of answers, the best first: 'zstd' and 'br' need covet[formats], 'gzip' nothing."
    )
    COMPRESSION_LEVEL: int = setting(6, "How hard to pack: 1 (fast) to 9 (small).")
    COMPRESSION_MIN_SIZE: int = setting(500, "Bytes from which an answer is packed.")

    # -- Metrics and traces
    METRICS_TOKEN: str = setting("", "The bearer token that may read /metrics from anywhere.", secret=True)
    METRICS_ALLOWED_CLIENTS: list[str] = setting(
        ["127.0.0.0/8", "::1"], "Addresses and networks that may read /metrics without a token."
    )
    METRICS_QUERIES: bool = setting(False, "Measure each statement too; its short way is then not taken.")
    TRACE_QUERIES: bool = setting(True, "Trace each statement of a request that is traced.")

    # -- WebSocket
    WEBSOCKET_CHECK_ORIGIN: bool = setting(
        True, "Refuse WebSocket handshakes of pages whose origin is neither this host nor in CSRF_TRUSTED_ORIGINS."
    )
    WEBSOCKET_MAX_MESSAGE_SIZE: int = setting(1024 * 1024, "Bytes a WebSocket message may have; more closes with 1009.")


@cache
def declared() -> Mapping[str, Setting]:
    """Return every setting by name, in the order of the table."""
    return MappingProxyType({name: value for name, value in vars(Defaults).items() if isinstance(value, Setting)})
