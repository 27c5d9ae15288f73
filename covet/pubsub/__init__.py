"""Messages between the parts of a project: ``channel(name)`` publishes to and listens on a named channel.

In one process by default; across processes when ``CHANNELS`` names a Redis server. Delivery is at most once: a listener
gets what is published while it listens.
"""

from covet.pubsub.base import Broker, ChannelError, MessageTooLarge, SlowReader
from covet.pubsub.channel import Channel, channel
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
