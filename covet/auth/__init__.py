"""Users: who somebody is, how they prove it, and what they may do."""

from typing import TYPE_CHECKING

from covet.loading import late_names

if TYPE_CHECKING:
    from covet.auth.authentication import (
        authenticate,
        get_user,
        login,
        logout,
        update_session_auth_hash,
    )
    from covet.auth.signals import user_logged_in, user_logged_out, user_login_failed
    from covet.auth.user_model import get_user_model

__all__ = [
    "authenticate",
    "get_user",
    "get_user_model",
    "login",
    "logout",
    "update_session_auth_hash",
    "user_logged_in",
    "user_logged_out",
    "user_login_failed",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "covet.auth.authentication": ("authenticate", "get_user", "login", "logout", "update_session_auth_hash"),
            "covet.auth.signals": ("user_logged_in", "user_logged_out", "user_login_failed"),
            "covet.auth.user_model": ("get_user_model",),
        },
    )
