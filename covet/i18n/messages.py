"""Texts out of the sources into ``.po`` files for translators, and these into the ``.mo`` files that are read: by Babel."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from covet.exceptions import CommandError, MissingDependency

try:
    from babel.messages.catalog import Catalog
    from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_file
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import PoFileError, read_po, write_po
except ImportError:  # pragma: no cover - the package is there in the test environment
    raise MissingDependency("Babel", extra="i18n", feature="makemessages and compilemessages") from None

if TYPE_CHECKING:
    from babel.core import Locale

__all__ = ["Source", "Updated", "compile_folder", "extract", "folder_of", "update"]

DOMAIN = "covet"
_METHODS = {
    ".py": "python",
    ".js": "javascript",
    ".html": "jinja2",
    ".txt": "jinja2",
    ".jinja": "jinja2",
    ".xml": "jinja2",
}
_KEYWORDS: dict[str, Any] = {
    **DEFAULT_KEYWORDS,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
}
_OPTIONS = {"jinja2": {"trimmed": "true", "silent": "false"}}
_SKIPPED = ("node_modules", "__pycache__", "locale", "migrations", "static_root")
_PLACES = re.compile(rb"^#: .*\n", re.MULTILINE)
_STAMP = re.compile(rb'^"(?:POT-Creation-Date|PO-Revision-Date): .*\n', re.MULTILINE)


class Source(Struct, frozen=True):
    """A folder with texts, and the ``locale`` folder that they go to.

    Attributes:
        name: The app's label, or the project's name.
        root: Where the files are.
        locale: Where the catalogues are.
        without: Folders below ``root`` that are sources of their own.
    """

    name: str
    root: Path
    locale: Path
    without: tuple[Path, ...] = ()


class Updated(Struct):
    """What one catalogue says now.

    Attributes:
        path: The ``.po`` file.
        messages: How many texts it has.
        untranslated: How many of them lack a translation.
        fuzzy: How many translations were guessed from a text that was like it.
        changed: Whether the file was written; where it is not to be, whether its texts are others.
    """

    path: Path
    messages: int
    untranslated: int
    fuzzy: int
    changed: bool


def folder_of(language: str) -> str:
    """Return the folder's name of a language: ``pt-br`` is kept in ``pt_BR``, ``zh-hans`` in ``zh_Hans``."""
    main, _, region = language.replace("_", "-").partition("-")
    if not region:
        return main.lower()
    return f"{main.lower()}_{region.title() if len(region) > 2 else region.upper()}"


def extract(source: Source, *, ignore: Iterable[str] = ()) -> Catalog:
    """Return the texts of a folder's Python, template and JavaScript files.

    Raises:
        CommandError: A file cannot be read as what it is.
    """
    template = Catalog(domain=DOMAIN, charset="utf-8")
    for path in _files(source, tuple(ignore)):
        shown = path.relative_to(source.root).as_posix()
        method = _METHODS[path.suffix]
        try:
            found = list(extract_from_file(method, str(path), _KEYWORDS, ("Translators:",), _OPTIONS.get(method, {})))
        except Exception as error:
            raise CommandError(f"{path}: its texts cannot be read ({error}).") from error
        for line, message, comments, context in found:
            template.add(message, None, [(shown, line)], auto_comments=comments, context=context)
    return template


def _files(source: Source, ignore: tuple[str, ...]) -> Iterator[Path]:
    for folder, folders, files in os.walk(source.root):
        here = Path(folder)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name not in _SKIPPED
            and here / name not in source.without
            and not (here / name / "pyvenv.cfg").exists()
        )
        for name in sorted(files):
            shown = (here / name).relative_to(source.root).as_posix()
            if Path(name).suffix in _METHODS and not any(fnmatch(shown, one) or fnmatch(name, one) for one in ignore):
                yield here / name


def update(
    template: Catalog,
    source: Source,
    language: str,
    *,
    obsolete: bool = True,
    locations: bool = True,
    now: dt.datetime,
    write: bool = True,
) -> Updated:
    """Bring one language's ``.po`` file up to date: new texts come in, translations stay, texts that are gone are kept aside.

    Args:
        template: The texts.
        source: Whose they are.
        language: Such as ``de`` or ``pt-br``.
        obsolete: Keep translations of texts that are gone, as comments.
        locations: Write where each text stands.
        now: The date to write where something has changed.
        write: Write the file; else only tell whether it would change.
    """
    from babel.core import Locale, UnknownLocaleError

    try:
        locale: Locale = Locale.parse(folder_of(language), sep="_")
    except (UnknownLocaleError, ValueError) as error:
        raise CommandError(f"There is no language {language!r}.") from error
    path = source.locale / folder_of(language) / "LC_MESSAGES" / f"{DOMAIN}.po"
    before = path.read_bytes() if path.is_file() else b""
    catalog = _read(path, locale) if before else Catalog(locale=locale, domain=DOMAIN, charset="utf-8", fuzzy=False)
    catalog.project, catalog.version = source.name, ""
    catalog.update(template, no_fuzzy_matching=False)
    catalog.creation_date = now
    written = BytesIO()
    write_po(written, catalog, width=100, ignore_obsolete=not obsolete, no_location=not locations, sort_output=True)
    after = written.getvalue()
    changed = _STAMP.sub(b"", after) != _STAMP.sub(b"", before)
    if changed and not write:
        # Each line that is added somewhere in the code moves places, and nobody has to translate anything for that.
        changed = _PLACES.sub(b"", _STAMP.sub(b"", after)) != _PLACES.sub(b"", _STAMP.sub(b"", before))
    elif changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(after)
    entries = [message for message in catalog if message.id]
    open_ones = [message for message in entries if not _is_translated(message)]
    return Updated(path, len(entries), len(open_ones), sum(message.fuzzy for message in entries), changed)


def _is_translated(message: Any) -> bool:
    return all(message.string) if isinstance(message.string, (tuple, list)) else bool(message.string)


def _read(path: Path, locale: Locale | None = None) -> Catalog:
    try:
        with path.open("rb") as file:
            return read_po(file, locale=locale, domain=DOMAIN, abort_invalid=True)
    except (PoFileError, ValueError) as error:
        raise CommandError(f"{path}: {error}.") from error


class Compiled(Struct):
    """What was compiled in a ``locale`` folder, and what is wrong in it.

    Attributes:
        files: The ``.mo`` files that were written.
        errors: ``path:line: what``.
    """

    files: list[Path] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def compile_folder(locale: Path, languages: Iterable[str] = (), *, fuzzy: bool = False) -> Compiled:
    """Write the ``.mo`` file of every ``.po`` file below a ``locale`` folder; none for one with errors.

    Args:
        locale: The folder.
        languages: Only these.
        fuzzy: Use guessed translations as well.
    """
    wished = {folder_of(language) for language in languages}
    done = Compiled()
    for path in sorted(locale.glob("*/LC_MESSAGES/*.po")):
        if wished and path.parent.parent.name not in wished:
            continue
        try:
            catalog = _read(path)
        except CommandError as error:
            done.errors.append(str(error))
            continue
        wrong = [f"{path}:{message.lineno}: {error}" for message, errors in catalog.check() for error in errors]
        if wrong:
            done.errors += wrong
            continue
        target = path.with_suffix(".mo")
        half = target.with_name(f".{target.name}.part")
        with half.open("wb") as file:
            write_mo(file, catalog, use_fuzzy=fuzzy)
        half.replace(target)
        done.files.append(target)
    return done
