"""The app of sessions."""

from covet.apps import AppConfig

__all__ = ["SessionsConfig"]


class SessionsConfig(AppConfig):
    """Sessions, kept in the database unless ``SESSION_ENGINE`` says otherwise."""

    name = "covet.sessions"
    label = "sessions"
