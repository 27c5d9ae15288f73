"""Savepoints by hand: set, released and rolled back to by name, inside a block that goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from covet.db.backends.places import place_of_caller
from covet.db.backends.session import ASKED
from covet.db.backends.uncancelled import SETTLE_S
from covet.db.errors import TransactionManagementError

if TYPE_CHECKING:
    from covet.db.backends.session import Frame

__all__ = ["release_point", "roll_back_to_point", "set_point"]


async def set_point(frame: Frame) -> str:
    """Set a savepoint in a block and return its name."""
    transaction = frame.transaction
    await transaction.take_turn(frame, "SAVEPOINT")
    with _turn(frame, "SAVEPOINT"):
        transaction.savepoints += 1
        name = f"covet_{transaction.savepoints}"
        await transaction.connection.savepoint(name)
        frame.points = [*(frame.points or ()), (name, len(frame.hooks))]
        return name


async def release_point(frame: Frame, name: str) -> None:
    """Forget a savepoint of a block, and those set after it."""
    transaction = frame.transaction
    index = _index(frame, name, "savepoint_commit")
    await transaction.take_turn(frame, "RELEASE SAVEPOINT")
    with _turn(frame, "RELEASE SAVEPOINT"):
        await transaction.whole(transaction.connection.release(name))
        del (frame.points or [])[index:]


async def roll_back_to_point(frame: Frame, name: str) -> None:
    """Undo what a block did since a savepoint, which stays; a broken block is whole again."""
    transaction = frame.transaction
    index = _index(frame, name, "savepoint_rollback")
    if transaction.top is not frame:
        transaction.check(frame, "ROLLBACK TO SAVEPOINT")
        await transaction.take_turn(frame, "ROLLBACK TO SAVEPOINT")
    else:
        await transaction.wait_until_idle()
    with _turn(frame, "ROLLBACK TO SAVEPOINT"):
        if frame.broken:
            await transaction.whole(transaction.connection.settle(), SETTLE_S)
        await transaction.whole(transaction.connection.execute(f"ROLLBACK TO SAVEPOINT {name}", ()))
        points = frame.points or []
        del frame.hooks[points[index][1] :]
        del points[index + 1 :]
        if frame.broken != ASKED:
            frame.broken = ""


@contextmanager
def _turn(frame: Frame, sql: str) -> Iterator[None]:
    """Raise what a failure means for the block, and pass the turn on at the end."""
    transaction = frame.transaction
    try:
        yield
    except BaseException as error:
        found = transaction.failed(frame, error, sql)
        if found is error:
            raise
        raise found from error
    finally:
        transaction.end_turn()


def _index(frame: Frame, name: str, what: str) -> int:
    """Return which of the block's savepoints has a name."""
    for index, (known, _) in enumerate(frame.points or ()):
        if known == name:
            return index
    raise TransactionManagementError(
        f"{what}({name!r}) at {place_of_caller(2)}: the block opened at {frame.place} has no such savepoint. It takes what "
        "savepoint() returned in the same block, until that was released or undone.",
        alias=frame.transaction.alias,
    )
