"""The root URL table: every installed app's urlpatterns."""

from covet.urls import autodiscover

urlpatterns = [*autodiscover()]
