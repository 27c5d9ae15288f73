from __future__ import annotations

from covet.urls import include, path
from tests.access.everyapp.views import api

urlpatterns = [path("api/", include(api))]
