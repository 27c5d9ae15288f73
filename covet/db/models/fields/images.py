"""``ImageField``: a ``FileField`` that looks at what it stores, and keeps its size."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from typing import IO, Any

from covet import checks, validators
from covet.concurrency import maybe_await, to_thread
from covet.db.models.fields.base import Text
from covet.db.models.fields.files import FieldFile, FileField
from covet.db.models.state import Pending
from covet.exceptions import ImproperlyConfigured, ValidationError
from covet.files import File
from covet.files.file import chunks_of

__all__ = ["ImageField", "ImageFieldFile"]

log = logging.getLogger("covet.files")

# A longer copy of an image that is looked at goes to the disk.
_MOST_IN_MEMORY = 1_048_576


class ImageFieldFile(FieldFile):
    """The stored image of a row."""

    __slots__ = ()

    async def dimensions(self) -> tuple[int, int]:
        """Return width and height in pixels, read from the file.

        Raises:
            ValidationError: It is no image, or a damaged one.
        """
        async with await self.open() as file, _at_hand(file) as source:
            return await to_thread(_dimensions, source)


class ImageField(FileField):
    """The name of an image in a storage. Saving needs Pillow (``pip install covet[images]``), which looks at the content.

    Args:
        verbose_name: The name for people.
        width_field: The field that gets the width in pixels when an image is stored, or when the row that gets a stored
            one is saved; and ``None`` with the image.
        height_field: The same for the height.
        options: As for ``FileField``.
    """

    description = "Image"
    attr_class: type[ImageFieldFile] = ImageFieldFile
    default_validators = (validators.validate_image_file_extension,)

    def __init__(
        self,
        verbose_name: Text = None,
        *,
        width_field: str | None = None,
        height_field: str | None = None,
        **options: Any,
    ) -> None:
        self.width_field = width_field
        self.height_field = height_field
        super().__init__(verbose_name, **options)

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Return what migrations write."""
        name, path, args, kwargs = super().deconstruct()
        if self.width_field:
            kwargs["width_field"] = self.width_field
        if self.height_field:
            kwargs["height_field"] = self.height_field
        return name, path, args, kwargs

    async def validate_content(self, instance: Any) -> None:
        """Check that what waits to be stored is an image; what cannot be read twice is looked at when it is stored.

        Raises:
            ValidationError: It is none.
        """
        content = self.waiting(instance)
        if content is None or not hasattr(content, "seek"):
            return
        try:
            async with _at_hand(content) as source:
                await to_thread(_dimensions, source)
        finally:
            await maybe_await(await to_thread(content.seek, 0))

    async def store(self, instance: Any, name: str, content: Any) -> None:
        """Store an image, and put name and size on the instance.

        Raises:
            ValidationError: The content is no image. What was stored is removed again, as after any other error; where
                that fails, ``covet.files`` logs it.
        """
        before = instance.__dict__.get(self.attname)
        await super().store(instance, name, content)
        stored = self.attr_class(instance, self, instance.__dict__[self.attname])
        try:
            width, height = await stored.dimensions()
        except BaseException:
            # Also where nobody could look at it: no row will name this file.
            instance.__dict__[self.attname] = before
            try:
                await asyncio.shield(self.storage.delete(stored.name))
            except Exception:  # whatever a storage raises: why the image was refused is what the caller has to know
                log.exception("The refused image %r could not be removed from its storage", stored.name)
            raise
        self._set_size(instance, width, height)

    def assign(self, instance: Any, value: Any) -> None:
        """Take over a file or a name. Without an image there is no size; that of another stored one is read when it is saved."""
        own = instance.__dict__
        is_new = self.attname not in own
        before = own.get(self.attname)
        super().assign(instance, value)
        if is_new or not (self.width_field or self.height_field) or self.waiting(instance) is not None:
            # What an instance is made of may have its size with it; and a file is measured when it is stored.
            return
        name = own[self.attname]
        if not name:
            self._set_size(instance, None, None)
        elif isinstance(name, str) and name != before:
            own[self.cache_name] = Pending(None)

    def prepare_save(self, instance: Any) -> Awaitable[None] | None:
        """Store a file that was assigned, or measure a stored one."""
        storing = super().prepare_save(instance)
        if storing is not None or getattr(instance, self.cache_name).__class__ is not Pending:
            return storing
        # ``del picture.image`` leaves the field out: nothing of it is written then, and there is nothing to measure.
        return self._measure(instance) if self.attname in instance.__dict__ else None

    async def _measure(self, instance: Any) -> None:
        own = instance.__dict__
        width, height = await self.attr_class(instance, self, own[self.attname]).dimensions()
        own.pop(self.cache_name, None)
        self._set_size(instance, width, height)

    def _set_size(self, instance: Any, width: int | None, height: int | None) -> None:
        for field, value in ((self.width_field, width), (self.height_field, height)):
            if field:
                setattr(instance, field, value)

    def _check_options(self) -> Iterator[checks.CheckMessage]:
        yield from super()._check_options()
        if importlib.util.find_spec("PIL") is None:
            yield self._error("E210", "ImageField needs Pillow, which is not installed.", "pip install covet[images]")


@asynccontextmanager
async def _at_hand(content: Any) -> AsyncIterator[IO[bytes]]:
    """Give content as a file that Pillow can read in a thread: the one behind it, or else a copy, on the disk if it is long.

    A file that reads by itself, such as one of a bucket or of a form, may have nothing behind it that is its content.
    """
    if isinstance(content, File) and type(content).read is File.read:
        yield content.file
        return
    with tempfile.SpooledTemporaryFile(_MOST_IN_MEMORY) as copy:
        # A bucket's file has a way of its own to be read as a whole, by one request.
        async for chunk in content.chunks() if isinstance(content, File) else chunks_of(content):
            await to_thread(copy.write, chunk)
        yield copy


def _dimensions(file: Any) -> tuple[int, int]:
    """Return the size of an image, reading no more than its head, and check that it is one."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImproperlyConfigured("ImageField needs Pillow: pip install covet[images].") from error
    try:
        with Image.open(file) as image:
            size: tuple[int, int] = image.size
            image.verify()
    except MemoryError:
        raise  # which says nothing about the image
    except Exception as error:  # each of Pillow's readers has errors of its own for bytes that it cannot read
        raise ValidationError(
            "Upload a valid image. The file is no image, or a damaged one.", code="invalid_image"
        ) from error
    return size
