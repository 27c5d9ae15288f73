"""The forms that bodies and answers may have on the wire: JSON, MessagePack, YAML, XML, CSV, HTML.

JSON is what schemas read and write; every other form is one of the same values. So all of them say the same, each plan
has one fast way, and a form is two functions.
"""

from covet.rest.formats.base import Format, FormatError, Formats
from covet.rest.formats.choice import formats_of
from covet.rest.formats.negotiate import Negotiation, read_body

__all__ = ["Format", "FormatError", "Formats", "Negotiation", "formats_of", "read_body"]
