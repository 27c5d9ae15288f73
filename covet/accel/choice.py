"""Picks Rust or the twin, function by function, when this module is imported."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from covet.accel.plans import RowPlan
    from covet.accel.twins.heads import PlainRequest
    from covet.accel.twins.models import ModelWriter
    from covet.accel.twins.steps import Waiting, first_step
    from covet.accel.twins.waiters import Gate, Prompt, Waiter

__all__ = [
    "Gate",
    "ModelWriter",
    "Prompt",
    "Waiter",
    "Waiting",
    "active",
    "decode_integers",
    "decode_moment",
    "duplicate_key",
    "encode_integers",
    "encode_moment",
    "encode_rows",
    "first_step",
    "in_utc",
    "read_moment",
    "read_request",
    "reason",
    "with_length",
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


def _pick(name: str, twin: str) -> Any:
    """Return what is native under a name, else what its twin's module has, which is imported only then."""
    found = getattr(_native, name, None)
    return getattr(importlib.import_module(f"covet.accel.twins.{twin}"), name) if found is None else found


encode_rows: Callable[[Iterable[Sequence[Any]], RowPlan], bytes] = _pick("encode_rows", "rows")
decode_moment: Callable[[bytes], datetime] = _pick("decode_moment", "moments")
encode_moment: Callable[[object], bytes | None] = _pick("encode_moment", "moments")
in_utc: Callable[[object], datetime] = _pick("in_utc", "moments")
read_moment: Callable[[object], datetime] = _pick("read_moment", "moments")
decode_integers: Callable[[bytes, int], list[int | None] | None] = _pick("decode_integers", "integers")
encode_integers: Callable[[object, int], bytes | None] = _pick("encode_integers", "integers")
read_request: Callable[[bytes, bool], PlainRequest | None] = _pick("read_request", "heads")
with_length: Callable[[list[tuple[bytes, bytes]], int], list[tuple[bytes, bytes]]] = _pick("with_length", "heads")
write_answer: Callable[[bytes, bytes, list[tuple[bytes, bytes]], bytes, bool, bool, bool], tuple[bytes, bool]] = _pick(
    "write_answer", "heads"
)
duplicate_key: Callable[[bytes], str | None] = _pick("duplicate_key", "keys")
if not TYPE_CHECKING:
    ModelWriter = _pick("ModelWriter", "models")
    Gate = _pick("Gate", "waiters")
    Prompt = _pick("Prompt", "waiters")
    Waiter = _pick("Waiter", "waiters")
    Waiting = _pick("Waiting", "steps")
    first_step = _pick("first_step", "steps")

_NAMES = (
    "Gate",
    "ModelWriter",
    "Prompt",
    "Waiter",
    "Waiting",
    "decode_integers",
    "decode_moment",
    "duplicate_key",
    "encode_integers",
    "encode_moment",
    "encode_rows",
    "first_step",
    "in_utc",
    "read_moment",
    "read_request",
    "with_length",
    "write_answer",
)


def active() -> dict[str, Literal["rust", "python"]]:
    """Return for each accelerated function which half runs: ``{"encode_rows": "rust", …}``."""
    return {name: "python" if getattr(_native, name, None) is None else "rust" for name in _NAMES}


def reason() -> str:
    """Return why: the native half's version, or why it is not used."""
    return _reason
