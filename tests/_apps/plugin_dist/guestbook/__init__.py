"""A guestbook: an app that comes from its own distribution and plugs in by every way there is."""
