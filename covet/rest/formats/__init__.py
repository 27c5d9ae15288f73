"""The forms that bodies and answers may have on the wire: JSON, MessagePack, YAML, XML, CSV, HTML.

JSON is what schemas read and write; every other form is one of the same values. So all of them say the same, each plan
has one fast way, and a form is two functions.
"""

from typing import TYPE_CHECKING

from covet.loading import late_names

if TYPE_CHECKING:
    from covet.rest.formats.base import Format, FormatError, Formats
    from covet.rest.formats.choice import formats_of
    from covet.rest.formats.negotiate import Negotiation, read_body

__all__ = ["Format", "FormatError", "Formats", "Negotiation", "formats_of", "read_body"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "covet.rest.formats.base": ("Format", "FormatError", "Formats"),
            "covet.rest.formats.choice": ("formats_of",),
            # Most endpoints speak JSON only.
            "covet.rest.formats.negotiate": ("Negotiation", "read_body"),
        },
    )
