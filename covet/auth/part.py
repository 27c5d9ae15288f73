"""AuthPart: checks the user model and the order of the middleware; and the receiver that makes permissions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from covet import checks
from covet.apps import AppPart
from covet.conf import settings
from covet.db.models.part import ModelsPart
from covet.db.routers import router

if TYPE_CHECKING:
    from covet.apps import AppConfig, Apps

__all__ = ["AuthPart", "create_permissions"]


class AuthPart(AppPart):
    """What ``covet.auth`` wants to hold true of a project."""

    after = (ModelsPart,)
    tags = ("auth",)
    reads = frozenset({"AUTH_USER_MODEL", "AUTHENTICATION_BACKENDS"})

    def check(self, apps: Apps) -> Iterable[checks.CheckMessage]:
        """Check the user model and the order of the middleware."""
        yield from _check_user_model(apps)
        yield from _check_middleware()


async def create_permissions(sender: AppConfig, **kwargs: Any) -> None:
    """Make the permissions that the models of one app declare and the database lacks; receiver of ``post_migrate``."""
    from covet.auth.models import Permission
    from covet.contenttypes.models import ContentType

    using, state = kwargs["using"], kwargs["state"]
    # While only some apps are migrated, models may be there whose tables are not.
    models = [
        model
        for model in sender.get_models()
        if not model._meta.swapped
        and not model._meta.proxy
        and (model._meta.app_label, model._meta.model_name) in state.models
    ]
    if ("auth", "permission") not in state.models:
        return
    if not models or not all(router.allow_migrate_model(using, model) for model in (Permission, *models)):
        return
    types = await ContentType.objects.db_manager(using).get_for_models(*models)
    wanted: dict[tuple[int, str], str] = {}
    for model in models:
        options = model._meta
        for action in options.default_permissions:
            wanted[types[model].pk, f"{action}_{options.model_name}"] = f"Can {action} {options.verbose_name}"
        for codename, name in options.permissions:
            wanted[types[model].pk, codename] = str(name)
    rows = Permission.objects.using(using).filter(content_type__in=[found.pk for found in types.values()]).order_by()
    there = set(await rows.values_list("content_type_id", "codename"))
    missing = [
        Permission(content_type_id=key, codename=codename, name=name[:255])
        for (key, codename), name in wanted.items()
        if (key, codename) not in there
    ]
    if missing:
        await Permission.objects.using(using).bulk_create(missing)


def _check_user_model(apps: Apps) -> Iterable[checks.CheckMessage]:
    try:
        model = apps.get_model(settings.AUTH_USER_MODEL)
    except (LookupError, ValueError) as error:
        yield checks.Error(
            f"AUTH_USER_MODEL is {settings.AUTH_USER_MODEL!r}: {error}",
            hint="Write it as 'app_label.ModelName' of an installed app.",
            id="auth.E000",
        )
        return
    username, required = getattr(model, "USERNAME_FIELD", None), getattr(model, "REQUIRED_FIELDS", ())
    if username is None:
        yield checks.Error(
            "The user model names no USERNAME_FIELD.", hint="USERNAME_FIELD = 'email'", obj=model, id="auth.E004"
        )
        return
    if not isinstance(required, (list, tuple)):
        yield checks.Error(
            "REQUIRED_FIELDS must be a list.", hint="REQUIRED_FIELDS = ['email']", obj=model, id="auth.E001"
        )
    elif username in required:
        yield checks.Error(
            f"REQUIRED_FIELDS names {username!r}, which is the USERNAME_FIELD and asked for anyway.",
            hint=f"Leave {username!r} out of REQUIRED_FIELDS.",
            obj=model,
            id="auth.E002",
        )
    if not model._meta.get_field(username).unique:
        yield checks.Warning(
            f"The user model's USERNAME_FIELD {username!r} is not unique.",
            hint="Add unique=True, or use a backend that can tell users of one name apart.",
            obj=model,
            id="auth.W004",
        )


def _check_middleware() -> Iterable[checks.CheckMessage]:
    order = list(settings.MIDDLEWARE)
    auth, session = "covet.auth.middleware.AuthenticationMiddleware", "covet.sessions.middleware.SessionMiddleware"
    if auth in order and (session not in order or order.index(session) > order.index(auth)):
        yield checks.Error(
            "AuthenticationMiddleware needs SessionMiddleware before it in MIDDLEWARE.",
            hint=f"Put {session!r} above {auth!r}.",
            id="auth.E015",
        )
