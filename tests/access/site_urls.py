"""The URLs of a site that mounts all its apps."""

from __future__ import annotations

from covet.urls import autodiscover

urlpatterns = [*autodiscover()]
