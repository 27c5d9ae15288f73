"""Packages made for one test, importable and forgotten afterwards."""

import sys
import textwrap
import uuid

import pytest


@pytest.fixture
def package(tmp_path, monkeypatch):
    """``package("blog", {"models.py": "…"})`` writes an app; names get a suffix of the test's own."""
    monkeypatch.syspath_prepend(tmp_path)
    suffix = uuid.uuid4().hex[:8]
    before = set(sys.modules)

    def write(name, files=None):
        full = f"{name}_{suffix}"
        folder = tmp_path / full
        folder.mkdir(exist_ok=True)
        for path, text in {"__init__.py": "", **(files or {})}.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text).replace("SUFFIX", suffix))
        return full

    write.suffix = suffix
    yield write
    for name in set(sys.modules) - before:
        if suffix in name:
            del sys.modules[name]
