"""What a user name may look like."""

from __future__ import annotations

import re

from covet.i18n import gettext_lazy as _
from covet.validators import RegexValidator, deconstructible

__all__ = ["UnicodeUsernameValidator"]


@deconstructible
class UnicodeUsernameValidator(RegexValidator):
    """Letters and digits of any script, and ``@ . + - _``."""

    def __init__(self) -> None:
        super().__init__(
            re.compile(r"^[\w.@+-]+\Z"),
            message=_("A user name holds letters, digits and @ . + - _ only."),
        )
