"""The blog's URLs."""

from covet.urls import include, path

from .views import api, article, home

urlpatterns = [
    path("", home, name="home"),
    path("articles/<int:pk>/", article, name="article"),
    path("api/", include(api)),
]
