"""``FilePathField``: one of the files or folders below a folder of the server."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Literal, TypeAlias, overload

from typing_extensions import TypeVar, Unpack

from covet import checks
from covet.db.models.fields.base import FieldOptions, Text
from covet.db.models.fields.text import CharField

__all__ = ["FilePathField"]

T = TypeVar("T", default=Any)
Folder: TypeAlias = str | os.PathLike[str] | Callable[[], "str | os.PathLike[str]"]


class FilePathField(CharField[T]):
    """The path of a file or folder that is there already; validation refuses every other path.

    Args:
        path: The folder to choose from, or a function that returns it (asked when needed, never at import).
        match: A regular expression that is searched in the last part of the path.
        recursive: Choose from the folders below as well.
        allow_files: Files may be chosen.
        allow_folders: Folders may be chosen.
        max_length: The length of the column.
    """

    default_max_length = 100
    default_error_messages = {"invalid_choice": "“%(value)s” is not one of the available paths."}
    description = "Path of a file"

    @overload
    def __init__(
        self: FilePathField[str],
        verbose_name: Text = None,
        *,
        path: Folder = "",
        match: str | None = None,
        recursive: bool = False,
        allow_files: bool = True,
        allow_folders: bool = False,
        max_length: int | None = None,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: FilePathField[str | None],
        verbose_name: Text = None,
        *,
        path: Folder = "",
        match: str | None = None,
        recursive: bool = False,
        allow_files: bool = True,
        allow_folders: bool = False,
        max_length: int | None = None,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(
        self,
        verbose_name: Text = None,
        *,
        path: Folder = "",
        match: str | None = None,
        recursive: bool = False,
        allow_files: bool = True,
        allow_folders: bool = False,
        max_length: int | None = None,
        null: bool = False,
        **options: Unpack[FieldOptions],
    ) -> None:
        # The choice of overload is the caller's; here ``null`` is either.
        base: Any = super()
        base.__init__(verbose_name, max_length=max_length, null=null, **options)
        self.path = path
        self.match = match
        self.recursive = recursive
        self.allow_files = allow_files
        self.allow_folders = allow_folders

    @property
    def folder(self) -> str:
        """The folder to choose from."""
        return os.fspath(self.path() if callable(self.path) else self.path)

    @cached_property
    def validators(self) -> list[Callable[[Any], Any]]:
        """Add: the path is one of those that can be chosen."""
        return [*CharField.validators.func(self), self._check_path]  # type: ignore[attr-defined]

    def get_choices(self, include_blank: bool = True, blank_choice: Any = (("", "---------"),)) -> list[Any]:
        """Return the paths for an input, sorted, with what follows the folder as label. Reads the disk.

        Call it in a thread (``covet.concurrency.to_thread``) where a request waits for it.
        """
        folder = self.folder
        pairs = [(path, path.removeprefix(folder).lstrip(os.sep)) for path in sorted(self._found(folder))]
        return [*blank_choice, *pairs] if include_blank else pairs

    def _found(self, folder: str) -> Iterator[str]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if self._fits(entry.path):
                    yield entry.path
                # Links are not followed: they may lead out of the folder, or in circles.
                if self.recursive and entry.is_dir(follow_symlinks=False) and entry.name != "__pycache__":
                    yield from self._found(entry.path)

    def _fits(self, path: str) -> bool:
        name = os.path.basename(path)
        if name == "__pycache__" or (self.match is not None and not re.search(self.match, name)):
            return False
        return (self.allow_files and os.path.isfile(path)) or (self.allow_folders and os.path.isdir(path))

    def _check_path(self, value: str) -> None:
        folder = os.path.realpath(self.folder)
        # "\0" is in no path, and the system's functions would raise for it.
        real = "" if "\0" in value else os.path.realpath(value)
        parent = os.path.dirname(real)
        is_below = real != folder and os.path.commonpath([folder, real or os.sep]) == folder
        if not is_below or not (self.recursive or parent == folder) or not self._fits(real):
            raise self.error("invalid_choice", value=value)

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Add folder and rules."""
        name, path, args, kwargs = super().deconstruct()
        given = {
            "path": (self.path, ""),
            "match": (self.match, None),
            "recursive": (self.recursive, False),
            "allow_files": (self.allow_files, True),
            "allow_folders": (self.allow_folders, False),
        }
        for option, (value, default) in given.items():
            if value != default:
                kwargs[option] = value
        return name, path, args, kwargs

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Add: there is something to choose."""
        found = super().check(**kwargs)
        if not self.allow_files and not self.allow_folders:
            found.append(
                self._error(
                    "E140",
                    "FilePathField allows neither files nor folders.",
                    "Write allow_files=True or allow_folders=True.",
                )
            )
        return found
