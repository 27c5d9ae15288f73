"""Signals of logging in and out; receivers may be async."""

from covet.dispatch import Signal

__all__ = ["user_logged_in", "user_logged_out", "user_login_failed"]

user_logged_in = Signal()
"""Sent with ``request`` and ``user``."""
user_logged_out = Signal()
"""Sent with ``request`` and ``user`` (an ``AnonymousUser`` when nobody was logged in)."""
user_login_failed = Signal()
"""Sent with ``credentials`` (secrets removed) and ``request``."""
