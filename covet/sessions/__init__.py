"""Sessions: what a site remembers of a visitor between requests, kept on the server under a random key."""

from covet.sessions.base import Session, SessionInterrupted, SessionStore
from covet.sessions.stores.handler import session_store

__all__ = ["Session", "SessionInterrupted", "SessionStore", "session_store"]
