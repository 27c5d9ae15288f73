"""GraphQLPart: loads every app's ``schema.py`` and builds the one schema of the project."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from covet.apps.part import AppPart
from covet.checks.messages import CheckMessage, Warning
from covet.db.models.part import ModelsPart
from covet.graphql.engine import Schema
from covet.graphql.fields import PERMISSIONS
from covet.graphql.limits import Limits
from covet.graphql.merge import build_schema
from covet.loading import import_string

if TYPE_CHECKING:
    from covet.apps.config import AppConfig
    from covet.apps.registry import Apps

__all__ = ["GraphQLPart"]


class GraphQLPart(AppPart):
    """Collects Query, Mutation and Subscription.

    Attributes:
        schema: The schema; None if no app defines a Query.
        graphiql: Whether browsers get GraphiQL.
        max_batch: How many operations a request may carry as a list; 0 takes no lists.
        max_subscriptions: How many operations one WebSocket may run at a time.
        init_timeout_s: How long a WebSocket has to send ``connection_init``.
    """

    module: ClassVar[str | None] = "schema"
    tags: ClassVar[tuple[str, ...]] = ("graphql",)
    after: ClassVar[tuple[type[AppPart] | str, ...]] = (ModelsPart,)
    reads: ClassVar[frozenset[str]] = frozenset(
        {
            "DEBUG",
            "DEFAULT_PERMISSIONS",
            "GRAPHQL_EXTENSIONS",
            "GRAPHQL_GRAPHIQL",
            "GRAPHQL_INIT_TIMEOUT_S",
            "GRAPHQL_INTROSPECTION",
            "GRAPHQL_MAX_ALIASES",
            "GRAPHQL_MAX_BATCH",
            "GRAPHQL_MAX_DEPTH",
            "GRAPHQL_MAX_SUBSCRIPTIONS",
            "GRAPHQL_MAX_TOKENS",
        }
    )

    def __init__(self) -> None:
        super().__init__()
        self.schema: Schema | None = None
        self.graphiql = False
        self.introspection = False
        self.max_batch = 0
        self.max_subscriptions = 100
        self.init_timeout_s = 10.0
        self._modules: dict[str, ModuleType] = {}

    def collect(self, app: AppConfig, module: ModuleType | None) -> None:
        """Take the app's schema module."""
        # Covet's own package of that name holds no GraphQL.
        if module is not None and not app.name.startswith("covet."):
            self._modules[app.name] = module

    def ready(self, apps: Apps) -> None:
        """Merge and build."""
        from covet.conf import settings

        self.graphiql = settings.DEBUG if settings.GRAPHQL_GRAPHIQL is None else settings.GRAPHQL_GRAPHIQL
        self.introspection = (
            settings.DEBUG if settings.GRAPHQL_INTROSPECTION is None else settings.GRAPHQL_INTROSPECTION
        )
        self.max_batch = settings.GRAPHQL_MAX_BATCH
        self.max_subscriptions = settings.GRAPHQL_MAX_SUBSCRIPTIONS
        self.init_timeout_s = settings.GRAPHQL_INIT_TIMEOUT_S
        self.schema = build_schema(
            self._modules,
            limits=Limits(
                depth=settings.GRAPHQL_MAX_DEPTH,
                aliases=settings.GRAPHQL_MAX_ALIASES,
                tokens=settings.GRAPHQL_MAX_TOKENS,
            ),
            introspection=self.introspection,
            debug=settings.DEBUG,
            extensions=[import_string(path) for path in settings.GRAPHQL_EXTENSIONS],
        )

    def check_deploy(self, apps: Apps) -> Iterable[CheckMessage]:
        """Report what a public server should not show, and mutations that anyone may call."""
        from covet import access

        if self.introspection:
            yield Warning(
                "GraphQL introspection is on: everybody can read the whole schema.",
                hint="Set GRAPHQL_INTROSPECTION to False, or silence this if the schema is public.",
                id="graphql.W001",
            )
        mutation: Any = self.schema.mutation if self.schema is not None else None
        if mutation is None:
            return
        for field in mutation.__strawberry_definition__.fields:
            kind = getattr(field, "kind", None)
            held = access.effective(field.metadata.get(PERMISSIONS), None if kind is None else kind.model)
            if all(permission.allows_anyone(write=True) for permission in held):
                yield Warning(
                    f"The GraphQL mutation {field.python_name} may be called by anyone.",
                    hint="Give it permissions=[…], or silence this if that is meant.",
                    id="graphql.W002",
                )
