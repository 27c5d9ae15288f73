"""The app's configuration; it brings a part of its own."""

from covet.apps import AppConfig


class GuestbookConfig(AppConfig):
    name = "guestbook"
    parts = ("guestbook.part.StampsPart",)
    was_ready = False

    def ready(self) -> None:
        self.was_ready = True
