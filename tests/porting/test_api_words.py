"""What the documentations of FastAPI, django-ninja and Litestar import is at home here, or is told what to write."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import covet
from covet.porting.api_words import API_WORDS
from covet.porting.hints import path_hint
from covet.porting.names import find

DOCUMENTED = {
    "fastapi": "APIRouter BackgroundTasks Depends FastAPI Security UploadFile WebSocketException",
    "fastapi.concurrency": "run_in_threadpool",
    "fastapi.encoders": "jsonable_encoder",
    "fastapi.exceptions": "RequestValidationError",
    "fastapi.middleware.cors": "CORSMiddleware",
    "fastapi.openapi.utils": "get_openapi",
    "fastapi.responses": "ORJSONResponse StreamingResponse",
    "fastapi.routing": "APIRoute",
    "fastapi.security": "APIKeyHeader HTTPBasic HTTPBearer OAuth2PasswordBearer OAuth2PasswordRequestForm SecurityScopes",
    "fastapi.staticfiles": "StaticFiles",
    "fastapi.templating": "Jinja2Templates",
    "fastapi.testclient": "TestClient",
    "litestar": "Controller Litestar MediaType Request Response Router WebSocket asgi get post route websocket websocket_listener",
    "litestar.background_tasks": "BackgroundTask BackgroundTasks",
    "litestar.channels": "ChannelsPlugin",
    "litestar.concurrency": "sync_to_thread",
    "litestar.config.allowed_hosts": "AllowedHostsConfig",
    "litestar.config.compression": "CompressionConfig",
    "litestar.config.cors": "CORSConfig",
    "litestar.config.csrf": "CSRFConfig",
    "litestar.config.response_cache": "ResponseCacheConfig",
    "litestar.connection": "ASGIConnection",
    "litestar.contrib.jinja": "JinjaTemplateEngine",
    "litestar.contrib.opentelemetry": "OpenTelemetryConfig",
    "litestar.datastructures": "CacheControlHeader State UploadFile",
    "litestar.di": "Provide",
    "litestar.dto": "DTOConfig DTOData DataclassDTO MsgspecDTO",
    "litestar.enums": "RequestEncodingType",
    "litestar.events": "listener",
    "litestar.exceptions": "HTTPException ImproperlyConfiguredException NotAuthorizedException ValidationException",
    "litestar.handlers": "BaseRouteHandler HTTPRouteHandler",
    "litestar.logging": "LoggingConfig",
    "litestar.middleware": "AbstractMiddleware DefineMiddleware",
    "litestar.middleware.authentication": "AbstractAuthenticationMiddleware",
    "litestar.middleware.rate_limit": "RateLimitConfig",
    "litestar.middleware.session.server_side": "ServerSideSessionConfig",
    "litestar.openapi": "OpenAPIConfig",
    "litestar.openapi.config": "OpenAPIConfig",
    "litestar.pagination": "ClassicPagination OffsetPagination",
    "litestar.params": "Body Dependency Parameter",
    "litestar.plugins": "InitPluginProtocol",
    "litestar.plugins.prometheus": "PrometheusConfig",
    "litestar.plugins.sqlalchemy": "SQLAlchemyPlugin",
    "litestar.repository.filters": "LimitOffset",
    "litestar.response": "File Redirect ServerSentEvent Stream Template",
    "litestar.security.jwt": "JWTAuth",
    "litestar.security.session_auth": "SessionAuth",
    "litestar.static_files": "create_static_files_router",
    "litestar.status_codes": "HTTP_201_CREATED",
    "litestar.stores.memory": "MemoryStore",
    "litestar.stores.redis": "RedisStore",
    "litestar.template.config": "TemplateConfig",
    "litestar.testing": "AsyncTestClient TestClient create_test_client",
    "litestar.types": "ASGIApp",
    "ninja": "Body Cookie Field File FilterSchema Form Header ModelSchema NinjaAPI P PatchDict Path Query Redoc Router Schema Swagger UploadedFile",
    "ninja.constants": "NOT_SET",
    "ninja.decorators": "decorate_view",
    "ninja.errors": "AuthenticationError HttpError ValidationError",
    "ninja.files": "UploadedFile",
    "ninja.openapi.docs": "DocsBase",
    "ninja.orm": "create_schema",
    "ninja.pagination": "AsyncPaginationBase CursorPagination LimitOffsetPagination PageNumberPagination RouterPaginated paginate",
    "ninja.parser": "Parser",
    "ninja.renderers": "BaseRenderer",
    "ninja.responses": "Response codes_4xx",
    "ninja.security": "APIKeyCookie APIKeyHeader APIKeyQuery HttpBasicAuth HttpBearer django_auth django_auth_superuser",
    "ninja.streaming": "JSONL SSE",
    "ninja.testing": "TestAsyncClient TestClient",
    "ninja.throttling": "AnonRateThrottle AuthRateThrottle UserRateThrottle",
}


@pytest.mark.parametrize("path", [f"{module}.{name}" for module, names in DOCUMENTED.items() for name in names.split()])
def test_what_is_documented_elsewhere_is_told(path: str) -> None:
    assert path_hint(path) != ""


def test_what_is_told_is_there() -> None:
    for path, told in API_WORDS.items():
        for name in re.findall(r"covet(?:\.\w+)+", told):
            assert find(name) is not None or f"'{name}' in INSTALLED_APPS" in told or name == "covet.rest.urls", (
                path,
                name,
            )
        for page in re.findall(r"docs/[\w/-]+\.md", told):
            assert (Path(covet.__file__).parents[1] / page).is_file(), (path, page)


def test_the_room_of_a_name_is_the_one_that_means_the_same() -> None:
    assert "covet.http.FileResponse" in path_hint("litestar.response.File")
    assert "covet.rest import Router" in path_hint("ninja.Router")
