"""``FileField`` and ``ImageField`` on the three databases: what is assigned is stored when the row is saved."""

from __future__ import annotations

import asyncio
import contextlib
import io
import struct
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import time_machine
from PIL import Image

from covet.apps import apps
from covet.conf import override
from covet.db import models
from covet.db.database import Database
from covet.db.migrations.model_state import ModelState
from covet.db.models.table import table_of
from covet.exceptions import NotLoaded, ValidationError
from covet.files import ContentFile, File, FileSystemStorage, InMemoryStorage, SuspiciousFileOperation, storages
from covet.http.files import UploadedFile

other = InMemoryStorage("/other/")


def give_other() -> InMemoryStorage:
    return other


async def by_owner(instance: models.Model, filename: str) -> str:
    return f"{instance.title}/{filename}"


with apps.isolate():

    class Document(models.Model):
        title = models.CharField(max_length=20)
        file = models.FileField(upload_to="docs/%Y", blank=True)
        draft = models.FileField(upload_to=by_owner, storage=give_other, null=True, blank=True, max_length=40)

        class Meta:
            app_label = "archive"

    class Picture(models.Model):
        image = models.ImageField(width_field="width", height_field="height")
        width = models.IntegerField(null=True)
        height = models.IntegerField(null=True)

        class Meta:
            app_label = "archive"


def png(width: int = 3, height: int = 2) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height)).save(data, "png")
    return data.getvalue()


@pytest.fixture
def memory() -> Iterator[InMemoryStorage]:
    with override(STORAGES={"default": "covet.files.InMemoryStorage"}):
        from covet.files import storages

        other.files.clear()
        found = storages["default"]
        assert isinstance(found, InMemoryStorage)
        found.files.clear()
        yield found


@pytest.fixture
async def archive(database: Database, memory: InMemoryStorage) -> AsyncIterator[InMemoryStorage]:
    async with database.schema_editor() as editor:
        for model in (Document, Picture):
            await editor.create_table(table_of(model))
    yield memory


@pytest.mark.row("fields.files")
async def test_an_assigned_file_is_stored_with_the_row(archive):
    document = Document(title="a", file=ContentFile(b"hello", name="some/where/a b.txt"))
    assert document.file
    assert document.file.name == "a b.txt"
    assert archive.files == {}

    # The clock stands still: the year may end between the save and what the test reads of it.
    with time_machine.travel("2031-12-31T23:59:59Z", tick=False):
        await document.save()

    name = "docs/2031/a_b.txt"
    assert archive.files == {name: b"hello"}
    found = await Document.objects.get()
    assert (found.file.name, str(found.file), found.file.url) == (name, name, f"/media/{name}")
    assert await found.file.read() == b"hello"
    assert await found.file.size() == 5
    assert found.file == document.file
    await document.save()
    assert len(archive.files) == 1
    assert await Document.objects.filter(file=name).values_list("file", flat=True) == [name]


@pytest.mark.row("fields.files")
async def test_a_row_without_a_file_has_a_false_one(archive):
    document = await Document.objects.create(title="a")

    assert not document.file
    assert not document.draft
    assert (await Document.objects.get()).draft.name == ""
    with pytest.raises(ValueError, match="has no file"):
        document.file.url
    with pytest.raises(ValueError, match="has no file"):
        await document.file.read()
    await document.file.delete()


@pytest.mark.row("fields.files")
async def test_a_field_file_saves_and_deletes(archive):
    document = await Document.objects.create(title="a")

    await document.file.save("x.txt", b"1")
    first = document.file.name
    assert (await Document.objects.get()).file.name == first
    await document.file.save("x.txt", b"2", save=False)
    assert (await Document.objects.get()).file.name == first
    assert await document.file.read() == b"2"
    await document.file.delete()

    assert not (await Document.objects.get()).file
    assert list(archive.files) == [first]


@pytest.mark.row("fields.files")
async def test_a_function_chooses_name_and_storage(archive):
    document = await Document.objects.create(title="own", draft=ContentFile("x", name="d.txt"))

    assert document.draft.name == "own/d.txt"
    assert other.files == {"own/d.txt": b"x"}
    long = await Document.objects.create(title="own", draft=ContentFile("x", name=f"{'y' * 90}.txt"))
    assert len(long.draft.name) == 40
    with pytest.raises(SuspiciousFileOperation):
        await Document.objects.create(title="../..", draft=ContentFile("x", name="d.txt"))
    assert await Document.objects.count() == 2


@pytest.mark.row("fields.files")
def test_a_function_that_gives_the_storage_is_asked_once():
    """Each storage has its own connections, or files: what a function makes anew must be made once."""
    with apps.isolate():

        class Kept(models.Model):
            one = models.FileField(storage=InMemoryStorage)
            chosen = models.FileField(storage=lambda: storages["default"])
            nothing = models.FileField(storage=lambda: None)

            class Meta:
                app_label = "archive"

    row = Kept(one="a.txt")
    assert row.one.storage is Kept(one="b.txt").one.storage is Kept.one.storage
    # Settings that are others, as in tests, may choose another.
    with override(STORAGES={"default": "covet.files.InMemoryStorage"}):
        inside = row.chosen.storage
        assert isinstance(inside, InMemoryStorage)
        assert row.chosen.storage is inside
    assert isinstance(row.chosen.storage, FileSystemStorage)
    with pytest.raises(TypeError, match=r"storage of archive\.Kept\.nothing gave None, which is no storage"):
        row.nothing.storage
    assert ModelState.from_model(Kept).fields["one"].deconstruct()[3]["storage"] is InMemoryStorage


@pytest.mark.row("fields.files")
async def test_bulk_writes_store_files_too(archive):
    rows = await Document.objects.bulk_create(
        [Document(title=str(number), file=ContentFile(str(number), name="n.txt")) for number in range(3)]
    )
    assert len(archive.files) == 3
    rows = list(await Document.objects.order_by("title"))
    rows[0].file = ContentFile("new", name="new.txt")
    await Document.objects.bulk_update(rows, ["file"])

    assert await (await Document.objects.get(title="0")).file.read() == b"new"


@pytest.mark.row("fields.files")
async def test_two_rows_at_once_get_two_names(archive):
    await asyncio.gather(
        *[
            Document.objects.create(title=str(number), file=ContentFile(str(number), name="n.txt"))
            for number in range(5)
        ]
    )

    for row in await Document.objects.all():
        assert await row.file.read() == row.title.encode()


@pytest.mark.row("fields.files")
async def test_a_file_goes_to_another_row(archive):
    one = Document(title="a", file=ContentFile("x", name="a.txt"))
    two = Document(title="b", file=one.file)
    await one.save()
    await two.save()
    three = await Document.objects.create(title="c", file=one.file)

    assert one.file != two.file
    assert three.file == one.file


@pytest.mark.row("fields.files")
async def test_wrong_values_are_named(archive):
    for value, message in ((b"x", "ContentFile"), (ContentFile(b"x"), "with a name"), (object(), "a file or the name")):
        with pytest.raises(TypeError, match=message):
            Document(file=value)
    document = Document(title="a", file="../secret")
    with pytest.raises(SuspiciousFileOperation):
        await document.full_clean()
    with pytest.raises(SuspiciousFileOperation):
        document.file.url
    part = await Document.objects.only("title").get(pk=(await Document.objects.create(title="b")).pk)
    with pytest.raises(NotLoaded):
        part.file


@pytest.mark.row("fields.files")
async def test_statements_that_store_no_file_refuse_one(archive):
    document = await Document.objects.create(title="a", file=ContentFile("x", name="a.txt"))
    stored = document.file.name

    waiting = Document(file=ContentFile("y", name="b.txt")).file
    for value in (ContentFile("y", name="b.txt"), waiting, b"y"):
        with pytest.raises(TypeError, match=r"Document\.file holds the name of a stored file.*save\(\)"):
            await Document.objects.update(file=value)
        with pytest.raises(TypeError, match="holds the name"):
            await Document.objects.filter(file=value).exists()
    second = await Document.objects.create(title="b", file=ContentFile("z", name="c.txt"))
    assert await Document.objects.filter(pk=document.pk).update(draft=second.file) == 1

    found = await Document.objects.get(file=document.file)
    assert (found.file.name, found.draft.name) == (stored, second.file.name)


@pytest.mark.row("fields.files")
async def test_a_file_is_stored_by_the_save_that_writes_its_name(archive):
    document = await Document.objects.create(title="a")
    document.file = ContentFile("x", name="a.txt")
    document.title = "b"

    await document.save(update_fields=iter(["title"]))

    assert (archive.files, document.file.name) == ({}, "a.txt")
    await document.save(update_fields=iter(["file"]))
    assert list(archive.files) == [document.file.name]
    found = await Document.objects.get()
    assert (found.title, found.file.name) == ("b", document.file.name)


@pytest.mark.row("fields.files")
async def test_a_refreshed_row_forgets_the_file_that_was_assigned(archive):
    document = await Document.objects.create(title="a", file=ContentFile("x", name="a.txt"))
    stored = document.file.name
    document.file = ContentFile("y", name="b.txt")

    await document.refresh_from_db(fields=["title"])
    assert document.file.name == "b.txt"
    await document.refresh_from_db()
    await document.save()

    assert (document.file.name, list(archive.files)) == (stored, [stored])
    assert (await Document.objects.get()).file.name == stored


class ReadOnce:
    """What a program streams from elsewhere: it cannot be read twice."""

    name = "once.txt"

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, size: int = -1) -> bytes:
        end = size if size >= 0 else len(self.data)
        part, self.data = self.data[:end], self.data[end:]
        return part


class AsyncContent(ReadOnce):
    """A file of somebody's else, whose methods are coroutines and which tells no length."""

    name = "async.txt"

    async def read(self, size: int = -1) -> bytes:
        return super().read(size)

    async def seek(self, position: int) -> None:
        assert position == 0
        self.data = b"hello"


@pytest.mark.row("fields.files")
async def test_what_waits_to_be_stored_can_be_looked_at(archive):
    archive.files["a.txt"] = b"of somebody else"
    upload = UploadedFile("a.txt", "text/plain", io.BytesIO(), in_memory_limit=100)
    await upload.write(b"hello")
    plain = io.BytesIO(b"hello")
    plain.name = "a.txt"
    for content in (ContentFile("hello", name="a.txt"), upload, plain, AsyncContent(b"hello")):
        document = Document(title="a", file=content)

        assert await document.file.size() == 5
        assert await document.file.read() == b"hello"
        async with await document.file.open() as file:
            assert await file.size() == 5
            assert [chunk async for chunk in file.chunks(4)] == [b"hell", b"o"]
            with pytest.raises(ValueError, match="only be read"):
                await file.write(b"x")
        with pytest.raises(ValueError, match=r"mode 'rb' alone, not 'wb': save\(\) first"):
            await document.file.open("wb")
        await document.save()

        assert archive.files[document.file.name] == b"hello"
    once = Document(title="a", file=ReadOnce(b"hello"))
    for look in (once.file.size, once.file.read):
        with pytest.raises(ValueError, match=r"read once alone: save\(\) first"):
            await look()
    await once.save()
    assert await once.file.read() == b"hello"


@pytest.mark.row("fields.files")
async def test_deleting_what_waits_to_be_stored_leaves_the_file_of_that_name(archive):
    archive.files["a.txt"] = b"of somebody else"
    document = Document(title="a", file=ContentFile("x", name="a.txt"))

    await document.file.delete()

    assert archive.files == {"a.txt": b"of somebody else"}
    assert not (await Document.objects.get()).file
    await document.save()
    assert len(archive.files) == 1


@pytest.mark.row("fields.files")
async def test_deleting_a_row_leaves_its_file(archive):
    document = await Document.objects.create(title="a", file=ContentFile("x", name="a.txt"))

    await document.delete()

    assert len(archive.files) == 1


@pytest.mark.row("fields.files")
async def test_an_image_tells_its_size(archive):
    picture = await Picture.objects.create(image=ContentFile(png(3, 2), name="p.png"))

    found = await Picture.objects.get()
    assert (picture.width, picture.height, found.width, found.height) == (3, 2, 3, 2)
    assert await found.image.dimensions() == (3, 2)
    await found.image.save("q.png", png(5, 4))
    assert ((await Picture.objects.get()).width, found.height) == (5, 4)


@pytest.mark.row("fields.files")
async def test_a_row_that_loses_its_image_loses_its_size(archive):
    picture = await Picture.objects.create(image=ContentFile(png(3, 2), name="p.png"))

    await picture.image.delete()

    found = await Picture.objects.get()
    assert (found.image.name, found.width, found.height) == ("", None, None)
    await picture.image.save("p.png", png(4, 5))
    picture.image = None
    assert (picture.width, picture.height) == (None, None)


@pytest.mark.row("fields.files")
async def test_a_stored_image_that_is_assigned_is_measured_by_the_save(archive):
    small = await Picture.objects.create(image=ContentFile(png(3, 2), name="small.png"))
    large = await Picture.objects.create(image=ContentFile(png(30, 20), name="large.png"))
    names = [small.image.name, large.image.name]

    small.image = large.image
    await small.full_clean()
    await small.save()
    assert (small.width, small.height) == (30, 20)
    large.image = names[0]
    await large.save()
    await large.save()
    assert (large.width, large.height) == (3, 2)

    # What a row is made of, or was read with, is believed; and so is the name that it has already.
    made = await Picture.objects.create(image=names[0], width=1, height=1)
    made.image = names[0]
    await made.save()
    assert (made.width, made.height) == (1, 1)
    made.image = names[1]
    await made.refresh_from_db()
    await made.save()
    assert (made.image.name, made.width) == (names[0], 1)
    assert sorted(archive.files) == sorted(names)


@pytest.mark.row("fields.files")
async def test_a_stored_image_that_is_assigned_and_left_out_again_is_not_measured(archive):
    small = await Picture.objects.create(image=ContentFile(png(3, 2), name="small.png"))
    large = await Picture.objects.create(image=ContentFile(png(30, 20), name="large.png"))

    small.image = large.image
    del small.image
    await small.save()

    found = await Picture.objects.get(pk=small.pk)
    assert (found.image.name == large.image.name, found.width, found.height) == (False, 3, 2)


@pytest.mark.row("fields.files")
async def test_a_stored_image_that_is_not_there_stays_named(archive):
    picture = await Picture.objects.create(image=ContentFile(png(3, 2), name="p.png"))
    archive.files["notes.txt"] = b"text"

    picture.image = "elsewhere.png"
    with pytest.raises(FileNotFoundError, match=r"elsewhere\.png"):
        await picture.save()
    picture.image = "notes.txt"
    with pytest.raises(ValidationError, match="valid image"):
        await picture.save()

    assert (await Picture.objects.get()).image.name == "p.png"
    assert archive.files["notes.txt"] == b"text"


@pytest.mark.row("fields.files")
async def test_what_is_no_image_is_refused_and_not_kept(archive):
    with pytest.raises(ValidationError, match="valid image"):
        await Picture.objects.create(image=ContentFile(b"GIF89a no image", name="p.png"))
    with pytest.raises(ValidationError):
        await Picture(image=ContentFile(png(), name="p.exe")).full_clean()

    assert archive.files == {}
    assert await Picture.objects.count() == 0


@pytest.mark.row("fields.files")
async def test_an_image_that_pillow_stumbles_over_is_none(archive):
    head = b"IHDR" + struct.pack(">II", 3, 2)
    cut = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 8) + head + struct.pack(">I", zlib.crc32(head))

    with pytest.raises(ValidationError, match="valid image"):
        await Picture.objects.create(image=ContentFile(cut, name="p.png"))

    assert archive.files == {}


SIZE = ["width", "height"]  # which are known once the image is stored


class Sync(io.BytesIO):
    """A file of Python's own, with a name."""

    name = "p.png"


class Pieces:
    """A file whose methods are awaited, as those of a form's are."""

    name = "p.bmp"

    def __init__(self, path: Path) -> None:
        self.file = path.open("rb", buffering=0)

    async def read(self, size: int = -1) -> bytes:
        assert size >= 0
        return self.file.read(size)

    async def seek(self, position: int) -> None:
        self.file.seek(position)


@pytest.mark.parametrize("make", [lambda path: File(path.open("rb"), "p.bmp"), Pieces], ids=["file", "pieces"])
async def test_a_long_image_is_never_in_memory_as_a_whole(archive, tmp_path, make):
    Image.new("RGB", (2000, 2000), "red").save(tmp_path / "p.bmp")
    picture = Picture(image=(content := make(tmp_path / "p.bmp")))
    await Picture(image=ContentFile(png(), name="p.png")).full_clean(exclude=SIZE)  # what is imported late

    tracemalloc.start()
    try:
        await picture.full_clean(exclude=SIZE)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < 3_000_000 < 12_000_000 < (tmp_path / "p.bmp").stat().st_size
    assert content.file.tell() == 0
    content.file.close()


@pytest.mark.parametrize("data", [b"GIF89a no image", None])
async def test_an_image_that_was_looked_at_is_at_its_start_again(archive, data):
    content = File(io.BytesIO(png() if data is None else data), "p.png")

    with contextlib.suppress(ValidationError):
        await Picture(image=content).full_clean(exclude=SIZE)

    assert content.file.tell() == 0


class Unseekable:
    """A file that can be read once."""

    name = "p.png"

    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, size: int = -1, /) -> bytes:
        content, self.content = self.content, b""
        return content


@pytest.mark.parametrize("make", [lambda content: ContentFile(content, name="p.png"), Sync])
async def test_full_clean_says_of_what_is_no_image_which_field_has_it(archive, make):
    wrong, right = Picture(image=make(b"GIF89a no image")), Picture(image=make(png()))

    with pytest.raises(ValidationError) as refused:
        await wrong.full_clean(exclude=SIZE)
    await right.full_clean(exclude=SIZE)
    await right.save()

    assert refused.value.message_dict == {"image": ["Upload a valid image. The file is no image, or a damaged one."]}
    assert await right.image.read() == png()
    assert list(archive.files) == [right.image.name]


async def test_full_clean_leaves_a_file_that_can_be_read_once_alone(archive):
    picture = Picture(image=Unseekable(png()))

    await picture.full_clean(exclude=SIZE)
    await picture.save()
    await picture.full_clean(exclude=SIZE)  # stored: nothing waits

    assert await picture.image.read() == png()


class Stubborn(InMemoryStorage):
    """Keeps what it has."""

    async def delete(self, name: str) -> None:
        raise OSError("read-only")


async def test_why_an_image_was_refused_is_told_where_it_cannot_be_removed(caplog: pytest.LogCaptureFixture):
    picture = Picture()
    with (
        override(STORAGES={"default": f"{__name__}.Stubborn"}),
        pytest.raises(ValidationError, match="valid image") as refused,
    ):
        await picture.image.save("p.png", b"GIF89a no image", save=False)

    assert refused.value.code == "invalid_image"
    assert not picture.image
    (line,) = caplog.records
    assert (line.name, line.getMessage()) == (
        "covet.files",
        "The refused image 'p.png' could not be removed from its storage",
    )
    assert line.exc_info is not None
    assert str(line.exc_info[1]) == "read-only"


class Greedy(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise MemoryError


class Crowded(InMemoryStorage):
    async def open(self, name: str, mode: str = "rb") -> File:
        return File(Greedy())


async def test_an_image_for_which_there_is_no_memory_is_not_refused_as_none():
    picture = Picture()
    with override(STORAGES={"default": f"{__name__}.Crowded"}), pytest.raises(MemoryError):
        await picture.image.save("p.png", png(), save=False)


class Remote(File):
    """A file that lies elsewhere, and is fetched when it is read."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO())
        self.content = io.BytesIO(content)

    async def read(self, size: int = -1) -> bytes:
        return self.content.read(size)

    async def seek(self, position: int) -> None:
        self.content.seek(position)


class Elsewhere(InMemoryStorage):
    async def open(self, name: str, mode: str = "rb") -> File:
        return Remote(self.files[name])


async def test_an_image_of_a_storage_elsewhere_tells_its_size():
    picture = Picture()
    with override(STORAGES={"default": f"{__name__}.Elsewhere"}):
        await picture.image.save("p.png", png(3, 2), save=False)

        assert (picture.width, picture.height) == (3, 2)
        assert await picture.image.dimensions() == (3, 2)


async def test_files_lie_on_the_disk_by_default(tmp_path):
    with override(MEDIA_ROOT=tmp_path):
        document = Document(title="a", file=ContentFile("x", name="a.txt"))
        await Document._meta.get_field("file").prepare_save(document)

        assert (tmp_path / document.file.name).read_text() == "x"
        assert document.file.path == str(tmp_path / document.file.name)


def test_fields_are_deconstructed_with_their_functions():
    field = Document._meta.get_field("draft").clone()
    assert field.deconstruct()[3] == {
        "upload_to": by_owner,
        "storage": give_other,
        "null": True,
        "blank": True,
        "max_length": 40,
    }
    assert ModelState.from_model(Picture).fields["image"].deconstruct()[3] == {
        "upload_to": "",
        "width_field": "width",
        "height_field": "height",
    }
    storage = FileSystemStorage("/srv", allow_overwrite=True)
    path, args, kwargs = storage.deconstruct()
    assert path == "covet.files.FileSystemStorage"
    assert FileSystemStorage(*args, **kwargs) == storage


def test_checks_refuse_what_means_nothing():
    with apps.isolate():

        class Bad(models.Model):
            file = models.FileField(primary_key=True, upload_to="/abs")

            class Meta:
                app_label = "archive"

        assert [error.id for error in Bad.check()] == ["fields.E201", "fields.E202"]
    assert Picture.check() == Document.check() == []
