"""Picks Rust or the twin, function by function, when this module is imported."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from covet.accel.twins import heads as python_heads
from covet.accel.twins import integers as python_integers
from covet.accel.twins import keys as python_keys
from covet.accel.twins import models as python_models
from covet.accel.twins import moments as python_moments
from covet.accel.twins import rows as python_rows

__all__ = [
    "ModelWriter",
    "active",
    "decode_integers",
    "decode_moment",
    "duplicate_key",
    "encode_integers",
    "encode_rows",
    "read_moment",
    "read_request",
    "reason",
    "write_answer",
]

_OFF = frozenset({"0", "false", "off", "no"})


def _load() -> tuple[ModuleType | None, str]:
    """Return the native module, or None and why it is not used."""
    if os.environ.get("COVET_ACCEL", "").strip().lower() in _OFF:
        return None, "turned off by COVET_ACCEL"
    try:
        import covet_rust
    except ModuleNotFoundError:
        return None, "covet-rust is not installed"
    except ImportError as error:  # built for another platform or Python: say so, and go on with the twins
        return None, f"covet-rust cannot be loaded: {error}"
    if getattr(covet_rust, "__file__", None) is None:
        # The folder of its sources, in a checkout on the path: a namespace to Python, and nothing that was built.
        return None, "covet-rust is not installed"
    return covet_rust, f"covet-rust {covet_rust.__version__}"


_native, _reason = _load()

encode_rows: Callable[[Iterable[Sequence[Any]], python_rows.RowPlan], bytes] = getattr(
    _native, "encode_rows", python_rows.encode_rows
)
decode_moment: Callable[[bytes], datetime] = getattr(_native, "decode_moment", python_moments.decode_moment)
read_moment: Callable[[object], datetime] = getattr(_native, "read_moment", python_moments.read_moment)
decode_integers: Callable[[bytes, int], list[int | None] | None] = getattr(
    _native, "decode_integers", python_integers.decode_integers
)
encode_integers: Callable[[object, int], bytes | None] = getattr(
    _native, "encode_integers", python_integers.encode_integers
)
read_request: Callable[[bytes, bool], python_heads.PlainRequest | None] = getattr(
    _native, "read_request", python_heads.read_request
)
write_answer: Callable[[bytes, bytes, list[tuple[bytes, bytes]], bytes, bool, bool, bool], tuple[bytes, bool]] = (
    getattr(_native, "write_answer", python_heads.write_answer)
)
duplicate_key: Callable[[bytes], str | None] = getattr(_native, "duplicate_key", python_keys.duplicate_key)
if TYPE_CHECKING:
    from covet.accel.twins.models import ModelWriter
else:
    ModelWriter = getattr(_native, "ModelWriter", python_models.ModelWriter)


def active() -> dict[str, Literal["rust", "python"]]:
    """Return for each accelerated function which half runs: ``{"encode_rows": "rust", …}``."""
    return {
        "ModelWriter": "python" if ModelWriter is python_models.ModelWriter else "rust",
        "decode_integers": "python" if decode_integers is python_integers.decode_integers else "rust",
        "decode_moment": "python" if decode_moment is python_moments.decode_moment else "rust",
        "duplicate_key": "python" if duplicate_key is python_keys.duplicate_key else "rust",
        "encode_integers": "python" if encode_integers is python_integers.encode_integers else "rust",
        "encode_rows": "python" if encode_rows is python_rows.encode_rows else "rust",
        "read_moment": "python" if read_moment is python_moments.read_moment else "rust",
        "read_request": "python" if read_request is python_heads.read_request else "rust",
        "write_answer": "python" if write_answer is python_heads.write_answer else "rust",
    }


def reason() -> str:
    """Return why: the native half's version, or why it is not used."""
    return _reason
