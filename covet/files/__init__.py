"""Files that a project keeps: what they are (``File``), where they are (``Storage``), and names that cannot escape."""

from covet.files.file import ContentFile, File
from covet.files.local import FileSystemStorage
from covet.files.memory import InMemoryStorage
from covet.files.names import SuspiciousFileOperation
from covet.files.registry import default_storage, storages
from covet.files.storage import Storage

__all__ = [
    "ContentFile",
    "File",
    "FileSystemStorage",
    "InMemoryStorage",
    "Storage",
    "SuspiciousFileOperation",
    "default_storage",
    "storages",
]
