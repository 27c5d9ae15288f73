"""HandlersPart: the compiled handler of the project, built anew when a setting that it reads is overridden."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from covet import checks
from covet.apps.part import AppPart
from covet.conf import settings
from covet.handlers.http import HttpHandler
from covet.handlers.policy import POLICY_SETTINGS, check_proxies, policy_from_settings, proxies_from_settings
from covet.handlers.telling import tell_signals
from covet.http.exception_handlers import project_handlers
from covet.loading import late_module
from covet.middleware.skipping import check_skipped
from covet.urls.part import UrlsPart

if TYPE_CHECKING:
    from covet.apps.registry import Apps
    from covet.handlers import budget, transactions
    from covet.middleware import order
else:
    budget = late_module(__name__, "covet.handlers.budget")
    transactions = late_module(__name__, "covet.handlers.transactions")
    order = late_module(__name__, "covet.middleware.order")

__all__ = ["HandlersPart"]


class HandlersPart(AppPart):
    """Builds the handler from routes and settings.

    Attributes:
        handler: What answers requests.
    """

    tags: ClassVar[tuple[str, ...]] = ("http", "security")
    after: ClassVar[tuple[type[AppPart] | str, ...]] = (UrlsPart,)
    reads: ClassVar[frozenset[str]] = POLICY_SETTINGS | {
        "APPEND_SLASH",
        "CSRF_COOKIE_DOMAIN",
        "CSRF_COOKIE_HTTPONLY",
        "CSRF_COOKIE_NAME",
        "CSRF_COOKIE_PATH",
        "CSRF_COOKIE_SAMESITE",
        "CSRF_COOKIE_SECURE",
        "CSRF_HEADER_NAME",
        "CSRF_TRUSTED_ORIGINS",
        "DATABASES",
        "DISALLOWED_USER_AGENTS",
        "EXCEPTION_HANDLERS",
        "MIDDLEWARE",
        "INTERNAL_IPS",
        "PREPEND_WWW",
        "QUERY_BUDGET",
        "RATE_LIMITS",
        "ROOT_URLCONF",
        "SECRET_KEY",
        "SECURE_CONTENT_TYPE_NOSNIFF",
        "SECURE_CROSS_ORIGIN_OPENER_POLICY",
        "SECURE_CSP",
        "SECURE_CSP_REPORT_ONLY",
        "SECURE_HSTS_INCLUDE_SUBDOMAINS",
        "SECURE_HSTS_PRELOAD",
        "SECURE_HSTS_SECONDS",
        "SECURE_REDIRECT_EXEMPT",
        "SECURE_REFERRER_POLICY",
        "SECURE_SSL_HOST",
        "SECURE_SSL_REDIRECT",
        "SESSION_COOKIE_NAME",
        "STATIC_URL",
        "URLCONFS",
        "X_FRAME_OPTIONS",
    }

    handler: HttpHandler

    def ready(self, apps: Apps) -> None:
        """Fold the middleware round the routes."""
        atomic = any(config.atomic_requests for config in settings.DATABASES.values())
        self.handler = HttpHandler(
            apps.part(UrlsPart).resolver,
            settings.MIDDLEWARE,
            policy=policy_from_settings(),
            debug=settings.DEBUG,
            wrap_view=transactions.transaction_per_request(settings.DATABASES) if atomic else None,
            proxies=proxies_from_settings(),
            exception_handlers=project_handlers(),
            error_views=apps.part(UrlsPart).error_views,
            urlconfs=apps.part(UrlsPart).urlconfs,
        )
        if settings.QUERY_BUDGET is not None:
            self.handler.answer_by(budget.budget_per_request(settings.QUERY_BUDGET)(self.handler.handle))
        tell_signals(self.handler)

    def check(self, apps: Apps) -> Iterable[checks.CheckMessage]:
        """Report middleware in an order that cannot be meant, and layers left out by a name that is none."""
        yield from order.check_order(settings.MIDDLEWARE)
        yield from check_skipped(apps.part(UrlsPart).resolvers, settings.MIDDLEWARE)

    def check_deploy(self, apps: Apps) -> Iterable[checks.CheckMessage]:
        """Report what anyone on the network could make this server believe, and what it would show."""
        yield from check_proxies()
        yield from order.check_debug_panel(settings.MIDDLEWARE)
