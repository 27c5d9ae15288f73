"""Modes of stored files and of the folders that are made for them, and the times that a disk notes."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

from covet import timezone
from covet.conf import override
from covet.files import FileSystemStorage


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_the_settings_say_the_modes_and_a_storage_may_say_otherwise(tmp_path: Path) -> None:
    usual, own = (
        FileSystemStorage(tmp_path / "usual"),
        FileSystemStorage(tmp_path / "own", file_permissions=0o600, directory_permissions=0o711),
    )
    with override(FILE_UPLOAD_PERMISSIONS=0o640, FILE_UPLOAD_DIRECTORY_PERMISSIONS=0o750):
        await usual.save("a/b/c.txt", b"x")
        await own.save("a/b/c.txt", b"x")

    assert [mode(tmp_path / "usual" / name) for name in ("a", "a/b", "a/b/c.txt")] == [0o750, 0o750, 0o640]
    assert [mode(tmp_path / "own" / name) for name in ("a", "a/b", "a/b/c.txt")] == [0o711, 0o711, 0o600]


async def test_none_leaves_the_mode_to_the_system(tmp_path: Path) -> None:
    storage = FileSystemStorage(tmp_path, file_permissions=None, directory_permissions=None)
    (tmp_path / "there").write_text("")
    await storage.save("a/c.txt", b"x")

    assert mode(tmp_path / "a/c.txt") == mode(tmp_path / "there")
    assert storage.deconstruct()[2] == {
        "location": str(tmp_path),
        "file_permissions": None,
        "directory_permissions": None,
    }
    assert FileSystemStorage().deconstruct()[2] == {}


async def test_a_storage_may_have_rules_for_names_of_its_own(tmp_path: Path) -> None:
    class Numbered(FileSystemStorage):
        def get_valid_name(self, name: str) -> str:
            return super().get_valid_name(name).lower()

        def get_available_name(self, name: str, max_length: int | None = None, attempt: int = 0) -> str:
            stem, _, ending = name.rpartition(".")
            return f"{stem}-{attempt}.{ending}" if attempt else name

    storage = Numbered(tmp_path)

    assert [await storage.save("a/My File.TXT", b"x") for _ in range(3)] == [
        "a/my_file.txt",
        "a/my_file-1.txt",
        "a/my_file-2.txt",
    ]


async def test_times_are_aware(tmp_path: Path) -> None:
    storage = FileSystemStorage(tmp_path)
    await storage.save("c.txt", b"x")

    for moment in (
        await storage.get_accessed_time("c.txt"),
        await storage.get_created_time("c.txt"),
        await storage.get_modified_time("c.txt"),
    ):
        assert abs(timezone.now() - moment) < timedelta(minutes=5)
