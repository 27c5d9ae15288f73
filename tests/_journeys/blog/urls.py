from covet.urls import include, path

from .views import api, home

urlpatterns = [path("", home, name="home"), path("api/", include(api))]
