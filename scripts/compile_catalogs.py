"""Compile the message catalogues of Covet itself: ``covet.po`` to ``covet.mo`` beside it. The build hook runs this."""

from __future__ import annotations

from pathlib import Path

__all__ = ["compile_catalogs"]


def compile_catalogs(root: Path) -> list[Path]:
    """Write the ``.mo`` file of each catalogue, and return them.

    Args:
        root: The checkout.

    Raises:
        ImportError: Babel is missing.
        ValueError: A catalogue has an error.
    """
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    written = []
    for path in sorted((root / "covet" / "i18n" / "locale").glob("*/LC_MESSAGES/covet.po")):
        with path.open("rb") as file:
            catalog = read_po(file, locale=path.parent.parent.name, abort_invalid=True)
        wrong = [f"{path}:{message.lineno}: {error}" for message, errors in catalog.check() for error in errors]
        if wrong:
            raise ValueError("\n".join(wrong))
        target = path.with_suffix(".mo")
        half = target.with_name(".covet.mo.part")
        with half.open("wb") as file:
            write_mo(file, catalog)
        half.replace(target)
        written.append(target)
    return written


if __name__ == "__main__":
    for made in compile_catalogs(Path(__file__).resolve().parents[1]):
        print(made)
