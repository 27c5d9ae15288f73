"""The only door to ``covet_rust``: each function is the native one where it is there, else its plain Python twin.

The choice is made once, at import. ``COVET_ACCEL=0`` in the environment turns the native half off; ``active()`` tells
for each function what runs.
"""

from covet.accel.choice import (
    Gate,
    ModelWriter,
    Prompt,
    Waiter,
    Waiting,
    active,
    decode_integers,
    decode_moment,
    duplicate_key,
    encode_integers,
    encode_moment,
    encode_rows,
    first_step,
    in_utc,
    read_moment,
    read_request,
    reason,
    with_length,
    write_answer,
)
from covet.accel.plans import ModelShape, RowPlan

__all__ = [
    "Gate",
    "ModelShape",
    "ModelWriter",
    "Prompt",
    "RowPlan",
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
