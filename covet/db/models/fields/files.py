"""``FileField``: the name of a stored file in a column, the file in a storage."""

from __future__ import annotations

import posixpath
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Self, overload

from covet import checks, timezone
from covet.concurrency import maybe_await
from covet.conf import settings
from covet.db.models.fields.base import Field
from covet.db.models.fields.markers import DATABASE_DEFAULT
from covet.db.models.state import Pending
from covet.db.sql.nodes import ColumnType
from covet.files import File, default_storage
from covet.files.file import Unstored
from covet.files.names import check_name

if TYPE_CHECKING:
    from covet.db.models.base import Model
    from covet.db.models.fields.base import Text
    from covet.files import Storage

__all__ = ["FieldFile", "FileField"]


class FieldFile:
    """What ``document.file`` is: the stored file of a row, or none, which is false.

    Attributes:
        name: The name in the storage; of a file that was assigned and not stored yet its own name.
    """

    __slots__ = ("field", "instance", "name")

    def __init__(self, instance: Any, field: FileField, name: str | None) -> None:
        self.instance = instance
        self.field = field
        self.name = name or ""

    @property
    def storage(self) -> Storage:
        """Where the file is."""
        return self.field.storage

    @property
    def url(self) -> str:
        """The address at which a browser finds the file."""
        return self.storage.url(self._required())

    @property
    def path(self) -> str:
        """The path on the disk, of a storage that has one."""
        found = getattr(self.storage, "path", None)
        if found is None:
            raise NotImplementedError(
                f"{type(self.storage).__name__} keeps files elsewhere than on this disk: open() them."
            )
        return str(found(self._required()))

    def _required(self) -> str:
        if not self.name:
            raise ValueError(
                f"{self.field} of this {self.instance._meta.object_name} has no file. Ask 'if "
                f"{self.instance._meta.model_name}.{self.field.name}:' first."
            )
        return self.name

    def _unstored(self) -> Any:
        """Return the content that waits to be stored under this name, or ``None``."""
        instance = self.instance
        if instance is None or instance.__dict__.get(self.field.attname) != self.name:
            return None
        return self.field.waiting(instance)

    async def size(self) -> int:
        """Return the length in bytes, also of a file that was assigned and not stored yet."""
        content = self._unstored()
        if content is not None:
            return await Unstored(content, self.name).size()
        return await self.storage.size(self._required())

    async def open(self, mode: str = "rb") -> File:
        """Return the file, open: ``async with await document.file.open() as file``.

        One that was assigned and not stored yet can be read, for example in ``clean()``; closing it leaves it to be stored.
        """
        content = self._unstored()
        if content is not None:
            return await Unstored(content, self.name).opened(mode)
        return await self.storage.open(self._required(), mode)

    async def read(self) -> Any:
        """Return the whole content."""
        async with await self.open() as file:
            return await file.read()

    async def save(self, name: str, content: Any, save: bool = True) -> None:
        """Store content as the file of this row, under a name made by ``upload_to``; then save the row.

        Args:
            name: The file's name; its folders do not count.
            content: Bytes, a ``File``, an uploaded file, or anything with ``read``.
            save: Save the row too.
        """
        await self.field.store(self.instance, name, content)
        self.name = self.instance.__dict__[self.field.attname]
        if save:
            await maybe_await(self.instance.save())

    async def delete(self, save: bool = True) -> None:
        """Remove the file from the storage and its name from the row; nothing happens when there is none.

        One that was assigned and not stored yet is forgotten: what the storage has under its name is another file.
        """
        if not self.name:
            return
        if self._unstored() is None:
            await self.storage.delete(self.name)
        self.name = ""
        setattr(self.instance, self.field.name, None if self.field.null else "")
        if save:
            await maybe_await(self.instance.save())

    def __bool__(self) -> bool:
        return bool(self.name)

    def __eq__(self, other: object) -> bool:
        return self.name == (other.name if isinstance(other, FieldFile) else other or "")

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.name or 'no file'}>"


class FileDescriptor:
    """``document.file``; the instance's ``__dict__`` holds the name alone, as the column does."""

    __slots__ = ("field",)

    def __init__(self, field: FileField) -> None:
        self.field = field

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        field = self.field
        if instance is None:
            return field
        try:
            name = instance.__dict__[field.attname]
        except KeyError:
            return instance.__getattr__(field.attname)
        return field.attr_class(instance, field, name)

    def __set__(self, instance: Any, value: Any) -> None:
        self.field.assign(instance, value)

    def __delete__(self, instance: Any) -> None:
        del instance.__dict__[self.field.attname]


class FileField(Field[Any]):
    """The name of a file in a storage.

    Assign a file (bytes have no name: use ``ContentFile``) and save the row: the file is stored first, under a name that is
    free. ``document.file`` is a ``FieldFile``: false without a file, with ``name``, ``url`` and awaited ``open``, ``read``,
    ``save`` and ``delete``. Deleting a row leaves its file.

    Args:
        verbose_name: The name for people.
        upload_to: The folder in the storage, in which ``%Y`` and the like are filled in; or a function of instance and
            file name, sync or async, that returns the whole name.
        storage: The storage, or a function that returns it, which is asked once; the default one without it.
        max_length: The longest name that the column holds.
        options: What every field takes.
    """

    description = "File"
    # In JSON a file is its address, which is not what the column holds; and a text of a client's names no file.
    holds_file = True
    plain_json = False
    attr_class: type[FieldFile] = FieldFile
    descriptor_class = FileDescriptor
    needs_preparing = True

    if TYPE_CHECKING:

        @overload  # type: ignore[override]  # a file, not the column's text
        def __get__(self, instance: None, owner: type[Any]) -> Self: ...
        @overload
        def __get__(self, instance: Model, owner: type[Any]) -> FieldFile: ...
        def __get__(self, instance: Model | None, owner: type[Any]) -> Self | FieldFile: ...

    def __init__(
        self,
        verbose_name: Text = None,
        *,
        upload_to: str | Callable[[Any, str], str | Awaitable[str]] = "",
        storage: Storage | Callable[[], Storage] | None = None,
        max_length: int | None = 100,
        **options: Any,
    ) -> None:
        self.upload_to = upload_to
        self._storage = storage
        #: What a function gave, with the settings at that moment.
        self._made: tuple[object, Storage] | None = None
        super().__init__(verbose_name, max_length=max_length, **options)

    @property
    def storage(self) -> Storage:
        """Where the files are; a function is asked once, and again when the settings are others, as in tests.

        Raises:
            TypeError: The function gave no storage.
        """
        given = self._storage
        if given is None:
            return default_storage
        if not callable(given):
            return given
        state = settings._state()
        if self._made is None or self._made[0] is not state:
            made = given()
            if not hasattr(made, "save"):
                raise TypeError(f"The function for the storage of {self} gave {made!r}, which is no storage.")
            self._made = (state, made)
        return self._made[1]

    def column_type(self) -> ColumnType | None:
        """Return ``varchar(max_length)``."""
        return ColumnType("varchar", length=self.max_length)

    def contribute_to_class(self, cls: type[Model], name: str, private_only: bool = False) -> None:
        """Join the model."""
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, self.cache_name, None)

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Return what migrations write; a function that gives the storage stays one."""
        name, path, args, kwargs = super().deconstruct()
        if kwargs.get("max_length") == 100:
            del kwargs["max_length"]
        kwargs["upload_to"] = self.upload_to
        if self._storage is not None:
            kwargs["storage"] = self._storage
        return name, path, args, kwargs

    # ── values

    def get_prep_value(self, value: Any) -> Any:
        """Return the name.

        Raises:
            TypeError: It is a file that no storage has: only a row stores files, when it is saved.
        """
        is_named = isinstance(value, FieldFile) and value._unstored() is None
        if not is_named and (isinstance(value, (bytes, bytearray, memoryview)) or hasattr(value, "read")):
            raise TypeError(
                f"{self} holds the name of a stored file, and update() and filter() store none. Assign the file to an "
                "instance and save() that, or give the name of a file that is stored."
            )
        return value if value is None else str(value)

    def to_python(self, value: Any) -> Any:
        """Return the name."""
        return value if value is None else str(value)

    def pre_save(self, instance: Any, add: bool) -> Any:
        """Return the name to write."""
        try:
            return instance.__dict__[self.attname]
        except KeyError:
            return instance.__getattr__(self.attname)

    def value_from_object(self, instance: Any) -> Any:
        """Return the file of an instance."""
        return getattr(instance, self.attname)

    def validate(self, value: Any, instance: Any) -> None:
        """Check that a name stays in the storage, as well as what every field checks."""
        super().validate(value, instance)
        if value and self.waiting(instance) is None:
            check_name(value)

    async def validate_content(self, instance: Any) -> None:
        """Check the content of a file that waits to be stored, for ``full_clean()``: any will do."""

    def run_validators(self, value: Any) -> None:
        """Give validators the file, which has a name, and not the name alone."""
        super().run_validators(self.attr_class(None, self, value) if isinstance(value, str) and value else value)

    # ── the file in memory

    def assign(self, instance: Any, value: Any) -> None:
        """Take over a name, another row's file, or a file that is stored when the instance is saved.

        Raises:
            TypeError: It is none of these.
        """
        own = instance.__dict__
        is_expression = value is DATABASE_DEFAULT or (hasattr(value, "resolve") and hasattr(value, "shape"))
        if value is None or isinstance(value, str) or is_expression:
            own[self.attname] = value
            own.pop(self.cache_name, None)
        elif isinstance(value, (bytes, bytearray, memoryview)):
            raise TypeError(f"{self} takes files, and bytes have no name: use ContentFile(data, name='…').")
        elif isinstance(value, FieldFile):
            own[self.attname] = value.name
            content = value._unstored()
            own[self.cache_name] = None if content is None else Pending(content)
        elif hasattr(value, "read"):
            if not value.name:
                raise TypeError(f"{self} takes a file with a name. Write File(file, name='…').")
            own[self.attname] = posixpath.basename(str(value.name).replace("\\", "/"))
            own[self.cache_name] = Pending(value)
        else:
            raise TypeError(f"{self} takes a file or the name of a stored one, not {value!r}.")

    def waiting(self, instance: Any) -> Any:
        """Return the content that was assigned and is not stored yet, or ``None``."""
        waiting = getattr(instance, self.cache_name, None)
        return waiting.value if waiting.__class__ is Pending else None

    def prepare_save(self, instance: Any) -> Awaitable[None] | None:
        """Store a file that was assigned."""
        content = self.waiting(instance)
        return None if content is None else self.store(instance, content.name, content)

    async def store(self, instance: Any, name: str, content: Any) -> None:
        """Store content and put its name on the instance."""
        wanted = await self.generate_filename(instance, name)
        stored = await self.storage.save(wanted, content, self.max_length)
        own = instance.__dict__
        own[self.attname] = stored
        own.pop(self.cache_name, None)

    async def generate_filename(self, instance: Any, filename: str) -> str:
        """Return the name to store a file under, by ``upload_to``; checked by the storage.

        Raises:
            SuspiciousFileOperation: It leads out of the storage.
        """
        last = posixpath.basename(str(filename).replace("\\", "/"))
        if callable(self.upload_to):
            made = str(await maybe_await(self.upload_to(instance, last)))
        else:
            made = posixpath.join(timezone.now().strftime(self.upload_to), last)
        return self.storage.generate_filename(check_name(made))

    # ── checks

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Add: the options go with a file."""
        return [*super().check(**kwargs), *self._check_options()]

    def _check_options(self) -> Iterator[checks.CheckMessage]:
        if self.primary_key:
            yield self._error("E201", f"'primary_key' means nothing for {type(self).__name__}.", "Use another key.")
        if isinstance(self.upload_to, str) and self.upload_to.startswith("/"):
            yield self._error(
                "E202", "'upload_to' must be a path inside the storage, without a leading slash.", "Remove the slash."
            )
