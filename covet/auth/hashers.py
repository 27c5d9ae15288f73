"""Password hashes: argon2id by default, older kinds still read and renewed at the next log-in.

Hashing is slow on purpose, so it runs in threads of its own: few of them, since each argon2 hash takes some megabytes of
memory, and a flood of log-ins must queue instead of filling it. The text format is Django's, so that its users'
passwords go on working.
"""

from __future__ import annotations

import asyncio
import base64
import contextvars
import hashlib
import hmac
import os
import secrets
import string
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from argon2 import PasswordHasher as Argon2
from argon2 import Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import hash_secret

from covet.concurrency import verdict
from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.loading import import_string

__all__ = [
    "Argon2PasswordHasher",
    "PBKDF2PasswordHasher",
    "PasswordHasher",
    "ScryptPasswordHasher",
    "check_password",
    "identify_hasher",
    "is_password_usable",
    "make_password",
]

T = TypeVar("T")

UNUSABLE = "!"
_SALT_CHARS = string.ascii_letters + string.digits


class PasswordHasher(Protocol):
    """One way to hash; ``PASSWORD_HASHERS`` lists them, the first makes new hashes, all are read."""

    algorithm: str

    def encode(self, password: str) -> str:
        """Return ``algorithm$…``; takes long, and runs in a thread."""

    def verify(self, password: str, encoded: str) -> bool:
        """Tell, in constant time, whether the password made this hash."""

    def must_update(self, encoded: str) -> bool:
        """Tell whether the hash was made with other parameters than today's."""


class Argon2PasswordHasher:
    """argon2id (RFC 9106): 19 MiB, two passes, one lane, OWASP's first recommendation."""

    algorithm = "argon2"
    time_cost = 2
    memory_cost = 19_456  # KiB
    parallelism = 1

    def _argon2(self) -> Argon2:
        return Argon2(
            time_cost=self.time_cost, memory_cost=self.memory_cost, parallelism=self.parallelism, type=Type.ID
        )

    def encode(self, password: str) -> str:
        """Return ``argon2$argon2id$v=19$m=…``."""
        argon2 = self._argon2()
        raw = hash_secret(
            password.encode(),
            secrets.token_bytes(16),
            time_cost=argon2.time_cost,
            memory_cost=argon2.memory_cost,
            parallelism=argon2.parallelism,
            hash_len=argon2.hash_len,
            type=Type.ID,
        )
        return self.algorithm + raw.decode("ascii")

    def verify(self, password: str, encoded: str) -> bool:
        """Tell whether the password made this hash."""
        try:
            return self._argon2().verify(encoded.removeprefix(self.algorithm), password)
        except (VerificationError, InvalidHashError):
            return False

    def must_update(self, encoded: str) -> bool:
        """Tell whether today's parameters are others."""
        try:
            found = extract_parameters(encoded.removeprefix(self.algorithm))
        except InvalidHashError:
            return True
        wanted = (Type.ID, self.time_cost, self.memory_cost, self.parallelism)
        return (found.type, found.time_cost, found.memory_cost, found.parallelism) != wanted


class PBKDF2PasswordHasher:
    """PBKDF2 with HMAC-SHA-256 (RFC 8018): what Django makes by default, read so that its users can come along."""

    algorithm = "pbkdf2_sha256"
    iterations = 1_500_000

    def encode(self, password: str) -> str:
        """Return ``pbkdf2_sha256$iterations$salt$hash``."""
        return self._encode(password, _salt(), self.iterations)

    def _encode(self, password: str, salt: str, iterations: int) -> str:
        digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), iterations)
        return f"{self.algorithm}${iterations}${salt}${base64.b64encode(digest).decode('ascii')}"

    def verify(self, password: str, encoded: str) -> bool:
        """Tell whether the password made this hash."""
        try:
            _, iterations, salt, _ = encoded.split("$", 3)
            return hmac.compare_digest(self._encode(password, salt, int(iterations)).encode(), encoded.encode())
        except ValueError:
            return False

    def must_update(self, encoded: str) -> bool:
        """Tell whether it was made with fewer iterations."""
        parts = encoded.split("$", 3)
        return len(parts) != 4 or not parts[1].isdigit() or int(parts[1]) < self.iterations


class ScryptPasswordHasher:
    """scrypt (RFC 7914), in Django's text format."""

    algorithm = "scrypt"
    work_factor = 2**14
    block_size = 8
    parallelism = 5

    def encode(self, password: str) -> str:
        """Return ``scrypt$n$salt$r$p$hash``."""
        return self._encode(password, _salt(), self.work_factor, self.block_size, self.parallelism)

    def _encode(self, password: str, salt: str, n: int, r: int, p: int) -> str:
        digest = hashlib.scrypt(password.encode(), salt=salt.encode(), n=n, r=r, p=p, maxmem=2**26, dklen=64)
        return f"{self.algorithm}${n}${salt}${r}${p}${base64.b64encode(digest).decode('ascii')}"

    def verify(self, password: str, encoded: str) -> bool:
        """Tell whether the password made this hash."""
        try:
            _, n, salt, r, p, _ = encoded.split("$", 5)
            return hmac.compare_digest(self._encode(password, salt, int(n), int(r), int(p)).encode(), encoded.encode())
        except ValueError:
            return False

    def must_update(self, encoded: str) -> bool:
        """Tell whether today's parameters are others."""
        parts = encoded.split("$", 5)
        wanted = [str(self.work_factor), str(self.block_size), str(self.parallelism)]
        return len(parts) != 6 or [parts[1], parts[3], parts[4]] != wanted


async def make_password(password: str | None) -> str:
    """Return the hash to store; ``None`` gives one that no password matches."""
    if password is None:
        return UNUSABLE + "".join(secrets.choice(_SALT_CHARS) for _ in range(40))
    if not isinstance(password, str):
        raise TypeError(f"A password is a str, not {type(password).__name__}.")
    return await _in_thread(_hashers()[0].encode, password)


@verdict
async def check_password(
    password: str | None, encoded: str, setter: Callable[[str], Awaitable[Any]] | None = None
) -> bool:
    """Tell whether the password is the one that made ``encoded``.

    Args:
        password: What somebody typed.
        encoded: The stored hash.
        setter: Awaited with the password when it is right and the hash is of an old kind, to store a new one.
    """
    hasher = identify_hasher(encoded) if is_password_usable(encoded) else None
    if hasher is None or password is None:
        # As slow as a real check, so that the time does not tell which accounts have a password.
        await _in_thread(_hashers()[0].encode, password or "")
        return False
    correct = await _in_thread(hasher.verify, password, encoded)
    preferred = _hashers()[0]
    if correct and setter is not None and (hasher.algorithm != preferred.algorithm or hasher.must_update(encoded)):
        await setter(password)
    return correct


def is_password_usable(encoded: str | None) -> bool:
    """Tell whether a password can match this hash at all."""
    return encoded is not None and not encoded.startswith(UNUSABLE)


def identify_hasher(encoded: str) -> PasswordHasher | None:
    """Return the hasher that made this text; ``None`` when it is none of ``PASSWORD_HASHERS``."""
    algorithm = encoded.split("$", 1)[0]
    for hasher in _hashers():
        if hasher.algorithm == algorithm:
            return hasher
    return None


def _hashers() -> tuple[PasswordHasher, ...]:
    return _load(tuple(settings.PASSWORD_HASHERS))


@lru_cache(maxsize=8)
def _load(paths: tuple[str, ...]) -> tuple[PasswordHasher, ...]:
    if not paths:
        raise ImproperlyConfigured("PASSWORD_HASHERS is empty: list at least one hasher.")
    return tuple(import_string(path)() for path in paths)


def _salt() -> str:
    return "".join(secrets.choice(_SALT_CHARS) for _ in range(22))


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    # argon2 releases the GIL: more threads than cores would only hold more memory at a time.
    return ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1), thread_name_prefix="covet-hash")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)


async def _in_thread(function: Callable[..., T], *args: Any) -> T:
    loop = asyncio.get_running_loop()
    context = contextvars.copy_context()
    return await loop.run_in_executor(_pool(), lambda: context.run(function, *args))
