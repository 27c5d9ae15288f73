"""What the native extension offers; ``covet.accel`` is the only module that imports it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

__all__ = ["__version__", "decode_moment", "duplicate_key", "encode_rows"]

__version__: str

class _Plan(Protocol):
    @property
    def fragments(self) -> tuple[bytes, ...]: ...
    @property
    def converters(self) -> tuple[Any, ...]: ...

def decode_moment(data: bytes, /) -> datetime: ...
def duplicate_key(data: bytes) -> str | None: ...
def encode_rows(rows: Iterable[Sequence[Any]], plan: _Plan) -> bytes: ...
