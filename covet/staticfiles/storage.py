"""What ``STORAGES["staticfiles"]`` may name: the folder STATIC_ROOT, or any other storage, such as a bucket."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.files.local import FileSystemStorage
from covet.files.registry import storages

if TYPE_CHECKING:
    from covet.files.storage import Storage

__all__ = ["ManifestStaticFilesStorage", "StaticFilesStorage", "remote_storage"]


class StaticFilesStorage(FileSystemStorage):
    """The folder STATIC_ROOT at STATIC_URL, with files under their own names alone.

    Attributes:
        hashed: Whether ``collectstatic`` stores files under names made of their content as well.
    """

    hashed: ClassVar[bool] = False

    def __init__(self, location: str | os.PathLike[str] | None = None, base_url: str | None = None) -> None:
        place = settings.STATIC_ROOT if location is None else location
        if place is None:
            raise ImproperlyConfigured("STATIC_ROOT is not set, and STORAGES['staticfiles'] names no location.")
        super().__init__(Path(place), settings.STATIC_URL if base_url is None else base_url, allow_overwrite=True)


class ManifestStaticFilesStorage(StaticFilesStorage):
    """The folder STATIC_ROOT at STATIC_URL, with names made of content: what holds where nothing is said."""

    hashed: ClassVar[bool] = True

    def url(self, name: str) -> str:
        """Return the address of the name that is made of the file's content."""
        from covet.staticfiles.links import static

        return static(name)


def remote_storage() -> Storage | None:
    """Return the storage that static files are brought to; ``None`` where they stay in STATIC_ROOT."""
    if "staticfiles" not in settings.STORAGES:
        return None
    storage = storages["staticfiles"]
    return None if isinstance(storage, StaticFilesStorage) else storage
