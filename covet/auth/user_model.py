"""Which model stands for users, and where a session says which of them it belongs to."""

from __future__ import annotations

from typing import Any

from covet.apps import apps
from covet.conf import settings
from covet.exceptions import ImproperlyConfigured

__all__ = ["SESSION_KEY", "get_user_model"]

SESSION_KEY = "_auth_user_id"


def get_user_model() -> type[Any]:
    """Return the model of ``AUTH_USER_MODEL``; in a module of models too, below the app that has it.

    Raises:
        ImproperlyConfigured: It is not ``label.Model``, or no installed app has it.
        AppRegistryNotReady: Its app has not been loaded yet.
    """
    name = settings.AUTH_USER_MODEL
    if name.count(".") != 1:
        raise ImproperlyConfigured(f"AUTH_USER_MODEL is {name!r}; write it as 'app_label.ModelName'.")
    try:
        return apps.get_model(name, require_ready=False)
    except LookupError as error:
        apps.check_models_ready()  # while models are loaded, those of a later app are not there yet
        raise ImproperlyConfigured(
            f"AUTH_USER_MODEL is {name!r}, and no installed app has that model. "
            "Add its app to INSTALLED_APPS, or correct the name."
        ) from error
