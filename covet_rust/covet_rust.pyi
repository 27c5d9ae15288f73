"""What the native extension offers; ``covet.accel`` is the only module that imports it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

__all__ = [
    "ModelWriter",
    "__version__",
    "decode_integers",
    "decode_moment",
    "duplicate_key",
    "encode_integers",
    "encode_rows",
    "in_utc",
    "read_moment",
    "read_request",
    "with_length",
    "write_answer",
]

__version__: str

class _Plan(Protocol):
    @property
    def fragments(self) -> tuple[bytes, ...]: ...
    @property
    def converters(self) -> tuple[Any, ...]: ...

def decode_integers(data: bytes, width: int, /) -> list[int | None] | None: ...
def decode_moment(data: bytes, /) -> datetime: ...
def in_utc(value: object, /) -> datetime: ...
def read_moment(value: object, /) -> datetime: ...
def encode_integers(values: object, width: int, /) -> bytes | None: ...
def duplicate_key(data: bytes) -> str | None: ...
def read_request(data: bytes, believes: bool, /) -> tuple[str, str, bytes, list[tuple[bytes, bytes]], bytes] | None: ...
def with_length(headers: list[tuple[bytes, bytes]], size: int, /) -> list[tuple[bytes, bytes]]: ...
def write_answer(
    start: bytes,
    common: bytes,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    has_length: bool,
    has_body: bool,
    closes: bool,
    /,
) -> tuple[bytes, bool]: ...
def encode_rows(rows: Iterable[Sequence[Any]], plan: _Plan) -> bytes: ...

class ModelWriter:
    def __new__(cls, shapes: list[tuple[Any, ...]]) -> ModelWriter: ...
    def one(self, value: object) -> bytes | None: ...
    def many(self, values: list[Any]) -> bytes | None: ...
