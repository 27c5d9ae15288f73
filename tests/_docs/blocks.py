"""Reads the fenced blocks of a Markdown page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=indent)```[ ]*$", re.M | re.S)
_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its ``title="…"``, its text, its line in the page, and its other words."""

    language: str
    title: str | None
    text: str
    line: int
    words: frozenset[str] = frozenset()

    @property
    def is_of_a_project(self) -> bool:
        """Marked ``.project``: it runs in a project whose app ``blog`` is there."""
        return "project" in self.words


def blocks_of(page: Path) -> list[Block]:
    """All blocks of a page; those marked ``.notest`` are left out."""
    source = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(source):
        info = match["info"].strip()
        if "notest" in info:
            continue
        title = _TITLE.search(info)
        words = _TITLE.sub("", info).strip("{} ").replace(".", "").split()
        indent = match["indent"]
        lines = [line.removeprefix(indent) for line in match["body"].splitlines()]
        found.append(
            Block(
                words[0] if words else "",
                title[1] if title else None,
                "\n".join(lines) + "\n",
                source[: match.start()].count("\n") + 2,
                frozenset(words[1:]),
            )
        )
    return found
