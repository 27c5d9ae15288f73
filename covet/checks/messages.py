"""What a check finds: a message with a level, an id that can be silenced, a hint, and the object it is about."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

__all__ = ["CheckMessage", "Critical", "Debug", "Error", "Info", "Level", "Tags", "Warning"]


class Level(IntEnum):
    """How bad a finding is; ``ERROR`` and above make ``check`` fail."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40
    CRITICAL = 50

    @classmethod
    def of(cls, name: str) -> Level:
        """Return the level of that name, whatever its case."""
        return cls[name.upper()]


class Tags:
    """What checks are about; any other text may be a tag too."""

    admin = "admin"
    async_support = "async_support"
    caches = "caches"
    commands = "commands"
    compatibility = "compatibility"
    database = "database"
    files = "files"
    graphql = "graphql"
    migrations = "migrations"
    models = "models"
    rest = "rest"
    security = "security"
    settings = "settings"
    signals = "signals"
    staticfiles = "staticfiles"
    templates = "templates"
    translation = "translation"
    urls = "urls"
    websocket = "websocket"


class CheckMessage:
    """One finding.

    Args:
        level: How bad it is.
        msg: What is wrong, in a sentence.
        hint: What to do about it.
        obj: What it is about: a model, a field, or a text.
        id: The finding's name, such as ``"models.E001"``; ``SILENCED_SYSTEM_CHECKS`` lists ids.
    """

    __slots__ = ("hint", "id", "level", "msg", "obj")

    def __init__(
        self,
        level: int,
        msg: str,
        hint: str | None = None,
        obj: Any = None,
        id: str | None = None,
    ) -> None:
        self.level = Level(level)
        self.msg = msg
        self.hint = hint
        self.obj = obj
        self.id = id

    @property
    def where(self) -> str:
        """What the finding is about, as people write it: ``blog.Article``, ``blog.Article.title``; ``""`` if unsaid."""
        if self.obj is None:
            return ""
        meta = getattr(self.obj, "_meta", None)
        label = getattr(meta, "label", None)
        if isinstance(label, str):
            return label
        model = getattr(self.obj, "model", None)
        label = getattr(getattr(model, "_meta", None), "label", None)
        if isinstance(label, str):
            return f"{label}.{getattr(self.obj, 'name', '')}".rstrip(".")
        if isinstance(self.obj, type) or callable(self.obj):
            return f"{self.obj.__module__}.{getattr(self.obj, '__qualname__', type(self.obj).__qualname__)}"
        return str(self.obj)

    def is_serious(self, level: int = Level.ERROR) -> bool:
        """Tell whether the finding is as bad as ``level`` or worse."""
        return self.level >= level

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CheckMessage):
            return NotImplemented
        return (self.level, self.msg, self.hint, self.obj, self.id) == (
            other.level,
            other.msg,
            other.hint,
            other.obj,
            other.id,
        )

    def __hash__(self) -> int:
        return hash((self.level, self.msg, self.hint, self.id))

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        name = f"({self.id}) " if self.id else ""
        hint = f"\n    HINT: {self.hint}" if self.hint else ""
        return f"{where}{name}{self.msg}{hint}"

    def __repr__(self) -> str:
        return f"<{self.level.name.capitalize()} {self}>"


class Debug(CheckMessage):
    """Worth knowing when looking for something."""

    __slots__ = ()

    def __init__(self, msg: str, hint: str | None = None, obj: Any = None, id: str | None = None) -> None:
        super().__init__(Level.DEBUG, msg, hint, obj, id)


class Info(CheckMessage):
    """Worth knowing."""

    __slots__ = ()

    def __init__(self, msg: str, hint: str | None = None, obj: Any = None, id: str | None = None) -> None:
        super().__init__(Level.INFO, msg, hint, obj, id)


class Warning(CheckMessage):
    """Works, and is probably not what you want."""

    __slots__ = ()

    def __init__(self, msg: str, hint: str | None = None, obj: Any = None, id: str | None = None) -> None:
        super().__init__(Level.WARNING, msg, hint, obj, id)


class Error(CheckMessage):
    """Does not work."""

    __slots__ = ()

    def __init__(self, msg: str, hint: str | None = None, obj: Any = None, id: str | None = None) -> None:
        super().__init__(Level.ERROR, msg, hint, obj, id)


class Critical(CheckMessage):
    """Nothing works."""

    __slots__ = ()

    def __init__(self, msg: str, hint: str | None = None, obj: Any = None, id: str | None = None) -> None:
        super().__init__(Level.CRITICAL, msg, hint, obj, id)
