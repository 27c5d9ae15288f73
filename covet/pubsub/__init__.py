"""Messages between the parts of a project: ``channel(name)`` publishes to and listens on a named channel.

In one process by default; across processes when ``CHANNELS`` names a Redis server. Delivery is at most once: a listener
gets what is published while it listens.
"""

from typing import TYPE_CHECKING

from covet.loading import late_names

if TYPE_CHECKING:
    from covet.pubsub.base import Broker, ChannelError, MessageTooLarge, SlowReader
    from covet.pubsub.channels import Channel, channel
    from covet.pubsub.presence import Presence, PresenceChange

__all__ = [
    "Broker",
    "Channel",
    "ChannelError",
    "MessageTooLarge",
    "Presence",
    "PresenceChange",
    "SlowReader",
    "channel",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "covet.pubsub.base": ("Broker", "ChannelError", "MessageTooLarge", "SlowReader"),
            "covet.pubsub.channels": ("Channel", "channel"),
            "covet.pubsub.presence": ("Presence", "PresenceChange"),
        },
    )
