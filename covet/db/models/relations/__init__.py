"""Relations between models: ``ForeignKey``, ``OneToOneField``, ``ManyToManyField``, ``ForeignObject``."""

from typing import TYPE_CHECKING

from covet.loading import late_names

if TYPE_CHECKING:
    from covet.db.models.relations.access import Related
    from covet.db.models.relations.foreign import ForeignKey, OneToOneField
    from covet.db.models.relations.foreign_object import ForeignObject
    from covet.db.models.relations.many import ManyToManyField
    from covet.db.models.relations.peers import FETCH_ONE, FETCH_PEERS, FETCH_RAISE

__all__ = [
    "FETCH_ONE",
    "FETCH_PEERS",
    "FETCH_RAISE",
    "ForeignKey",
    "ForeignObject",
    "ManyToManyField",
    "OneToOneField",
    "Related",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "covet.db.models.relations.access": ("Related",),
            "covet.db.models.relations.foreign": ("ForeignKey", "OneToOneField"),
            "covet.db.models.relations.foreign_object": ("ForeignObject",),
            "covet.db.models.relations.many": ("ManyToManyField",),
            "covet.db.models.relations.peers": ("FETCH_ONE", "FETCH_PEERS", "FETCH_RAISE"),
        },
    )
