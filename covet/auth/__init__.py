"""Users: who somebody is, how they prove it, and what they may do."""

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
