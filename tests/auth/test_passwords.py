"""Hashes and the rules for new passwords."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

import pytest

from covet.auth.hashers import (
    PBKDF2PasswordHasher,
    check_password,
    identify_hasher,
    is_password_usable,
    make_password,
)
from covet.auth.passwords import (
    CommonPasswordValidator,
    MinimumLengthValidator,
    NumericPasswordValidator,
    UserAttributeSimilarityValidator,
    password_validators_help_texts,
    validate_password,
)
from covet.conf import override
from covet.exceptions import ImproperlyConfigured, ValidationError

HASHERS = [
    "covet.auth.hashers.Argon2PasswordHasher",
    "covet.auth.hashers.PBKDF2PasswordHasher",
    "covet.auth.hashers.ScryptPasswordHasher",
]


@pytest.mark.parametrize("hasher", HASHERS)
async def test_a_hash_matches_its_password_only(hasher: str) -> None:
    """And never twice the same text."""
    with override(PASSWORD_HASHERS=[hasher]):
        one, two = await make_password("lètmein"), await make_password("lètmein")

        assert one != two
        assert await check_password("lètmein", one)
        assert not await check_password("letmein", one)
        assert not await check_password(None, one)
        assert not await check_password("", one)
        assert identify_hasher(one) is not None


async def test_the_default_is_argon2id() -> None:
    """With OWASP's parameters."""
    assert (await make_password("x")).startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


async def test_a_hash_that_django_made_is_read_and_renewed() -> None:
    """PBKDF2 as Django writes it; the right password gets it a new hash, a wrong one does not."""
    # hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", 1000) in Django's text format
    import base64
    import hashlib

    digest = base64.b64encode(hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", 1000)).decode()
    old = f"pbkdf2_sha256$1000$salt${digest}"
    renewed: list[str] = []

    async def setter(password: str) -> None:
        renewed.append(password)

    assert not await check_password("wrong", old, setter)
    assert renewed == []
    assert await check_password("secret", old, setter)
    assert renewed == ["secret"]
    new = await make_password("secret")
    assert await check_password("secret", new, setter)
    assert renewed == ["secret"]


async def test_no_password_matches_an_unusable_hash() -> None:
    """Nor a text that no hasher knows."""
    unusable = await make_password(None)

    assert not is_password_usable(unusable)
    assert not await check_password(unusable, unusable)
    assert not await check_password("x", "md5$salt$abc")
    assert not await check_password("x", "argon2$broken")
    assert not await check_password("x", "pbkdf2_sha256$broken")
    with pytest.raises(TypeError):
        await make_password(7)  # type: ignore[arg-type]


class Waits(PBKDF2PasswordHasher):
    """Is done once the event loop has turned."""

    begun, go_on = threading.Event(), threading.Event()

    def encode(self, password: str) -> str:
        """Wait for the loop, in vain where this holds it up."""
        self.begun.set()
        return str(self.go_on.wait(30))


async def test_hashing_leaves_the_event_loop_free() -> None:
    """A hash takes tens of milliseconds, in a thread."""
    with override(PASSWORD_HASHERS=[f"{__name__}.Waits"]):
        hashing = asyncio.ensure_future(make_password("x"))
        while not Waits.begun.is_set():
            await asyncio.sleep(0)
        Waits.go_on.set()

        assert await hashing == "True"


@pytest.mark.parametrize(
    ("validator", "good", "bad", "code"),
    [
        (MinimumLengthValidator(), "12345678", "1234567", "password_too_short"),
        (NumericPasswordValidator(), "1234567a", "12345678", "password_entirely_numeric"),
        (CommonPasswordValidator(), "tulip-envelope", "Password123", "password_too_common"),
        (UserAttributeSimilarityValidator(), "tulip-envelope", "annabelle1", "password_too_similar"),
    ],
)
def test_a_validator_refuses_what_its_rule_says(validator: object, good: str, bad: str, code: str) -> None:
    """And only that."""
    user = SimpleNamespace(username="annabelle", first_name="", last_name="", email="annabelle@example.com")

    validator.validate(good, user)  # type: ignore[attr-defined]
    with pytest.raises(ValidationError) as raised:
        validator.validate(bad, user)  # type: ignore[attr-defined]

    assert raised.value.code == code


def test_all_broken_rules_are_told_at_once() -> None:
    """From the setting, whose entries are paths or mappings."""
    rules = [
        {"NAME": "covet.auth.passwords.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
        "covet.auth.passwords.NumericPasswordValidator",
    ]
    with override(AUTH_PASSWORD_VALIDATORS=rules):
        with pytest.raises(ValidationError) as raised:
            validate_password("12345678")
        assert [error.code for error in raised.value.error_list] == ["password_too_short", "password_entirely_numeric"]
        assert "at least 12 characters" in raised.value.messages[0]
        assert len(password_validators_help_texts()) == 2
    with override(AUTH_PASSWORD_VALIDATORS=[7]), pytest.raises(ImproperlyConfigured, match="NAME"):
        validate_password("x")
