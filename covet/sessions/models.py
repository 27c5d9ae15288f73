"""The table of the database store."""

from __future__ import annotations

from covet.db import models
from covet.i18n import gettext_lazy as _

__all__ = ["Session"]


class Session(models.Model):
    """One visitor's data, signed, under its random key."""

    session_key = models.CharField(_("session key"), max_length=40, primary_key=True)
    session_data = models.TextField(_("session data"))
    expire_date = models.DateTimeField(_("expire date"), db_index=True)

    class Meta:
        db_table = "covet_session"
        verbose_name = _("session")
        verbose_name_plural = _("sessions")

    def __str__(self) -> str:
        return f"session until {self.expire_date:%Y-%m-%d %H:%M}"
