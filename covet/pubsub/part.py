"""PubSubPart: makes the brokers that CHANNELS names, opens them at start-up and closes them at the end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from covet import checks
from covet.apps import apps as registry
from covet.apps.part import AppPart
from covet.exceptions import ImproperlyConfigured
from covet.pubsub.handler import Brokers
from covet.redis import RedisPart, RedisPools

if TYPE_CHECKING:
    from covet.apps.registry import Apps
    from covet.pubsub.base import Broker

__all__ = ["PubSubPart", "broker_of"]


class PubSubPart(AppPart):
    """Owns the brokers of the process."""

    after: ClassVar[tuple[type[AppPart], ...]] = (RedisPart,)
    tags: ClassVar[tuple[str, ...]] = ("pubsub",)
    reads: ClassVar[frozenset[str]] = frozenset({"CHANNELS", "REDIS_URL"})

    def __init__(self) -> None:
        super().__init__()
        self.brokers = Brokers({}, RedisPools())

    def ready(self, apps: Apps) -> None:
        """Read CHANNELS; nothing is connected yet."""
        from covet.conf import settings

        self.brokers = Brokers(settings.CHANNELS, apps.part(RedisPart).pools)

    def check(self, apps: Apps) -> Iterable[checks.CheckMessage]:
        """Report entries of CHANNELS that no broker understands."""
        for alias in self.brokers:
            try:
                self.brokers[alias]
            except ImproperlyConfigured as error:
                yield checks.Error(str(error), hint="Correct CHANNELS in the settings.", id="pubsub.E001")

    async def startup(self) -> None:
        """Connect every broker, so that a wrong URL is found before the first message."""
        await self.brokers.open()

    async def shutdown(self) -> None:
        """Disconnect and end all listeners."""
        await self.brokers.close()


def broker_of(alias: str = "default") -> Broker:
    """Return the broker of an alias of CHANNELS in the current apps."""
    return registry.current().part(PubSubPart).brokers[alias]
