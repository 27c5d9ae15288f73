"""Reusable checks of values."""

from decimal import Decimal
from types import SimpleNamespace

import pytest

from covet import validators as v
from covet.exceptions import ValidationError

pytestmark = pytest.mark.row("validators.all")

VALID = [
    (
        v.validate_email,
        ["a@example.com", "a+b@sub.example.co.uk", '"quoted"@example.com', "a@[127.0.0.1]", "a@localhost"],
    ),
    (
        v.validate_url,
        ["https://example.com", "http://localhost:8000/x?y=1#z", "ftp://u:p@example.com", "http://[::1]/"],
    ),
    (v.validate_slug, ["a-b_c1"]),
    (v.validate_unicode_slug, ["straße-1"]),
    (v.validate_integer, ["-12", "0"]),
    (v.validate_ipv4_address, ["127.0.0.1"]),
    (v.validate_ipv6_address, ["::1"]),
    (v.validate_ipv46_address, ["::1", "10.0.0.1"]),
    (v.validate_comma_separated_integer_list, ["1,2,3"]),
    (v.validate_domain_name, ["example.com", "müller.de"]),
    (v.MinValueValidator(3), [3, 4]),
    (v.MaxValueValidator(lambda: 3), [3]),
    (v.MinLengthValidator(2), ["ab"]),
    (v.MaxLengthValidator(2), ["ab"]),
    (v.StepValueValidator(0.1), [0.3]),
    (v.StepValueValidator(3, offset=1), [4, 7]),
    (v.DecimalValidator(4, 2), [Decimal("12.34"), Decimal("0.00"), Decimal("1E+1"), Decimal("0")]),
    (v.ProhibitNullCharactersValidator(), ["abc"]),
    (v.FileExtensionValidator(["PNG"]), [SimpleNamespace(name="a.png")]),
]
INVALID = [
    (v.validate_email, ["a@example.com.", "a@sub.example.com."]),
    (v.validate_url, ["http://[::1]rubbish", "http://[::1]rubbish/", "http://x[::1]/", "http://[1.2.3.4]/", "http://[fe80::1%25eth0]/"]),
    (v.validate_email, ["", "a", "a@", "@example.com", "a b@example.com", "a@example", "a@-x.com", None, "a" * 330 + "@x.de"]),
    (v.validate_url, ["example.com", "javascript:alert(1)", "http://", "http:// x.com", "http://a.com:99999", "http://256.1.1.1",
                      "http://exa\nmple.com", "http://a:b@c@example.com", "http://.com", 3]),
    (v.validate_slug, ["a b", "ä", ""]),
    (v.validate_integer, ["1.5", "1\n"]),
    (v.validate_ipv4_address, ["256.0.0.1", "::1"]),
    (v.validate_ipv6_address, ["127.0.0.1"]),
    (v.validate_ipv46_address, ["x"]),
    (v.validate_comma_separated_integer_list, ["1,,2", "1,"]),
    (v.validate_domain_name, ["nodot", "-a.com"]),
    (v.DomainNameValidator(accept_idna=False), ["müller.de"]),
    (v.MinValueValidator(3), [2]),
    (v.MaxValueValidator(lambda: 3), [4]),
    (v.MinLengthValidator(2), ["a"]),
    (v.MaxLengthValidator(2), ["abc"]),
    (v.StepValueValidator(0.1), [0.35]),
    (v.DecimalValidator(4, 2), [Decimal("123.45"), Decimal("1.234"), Decimal("123"), Decimal("NaN")]),
    (v.ProhibitNullCharactersValidator(), ["a\x00"]),
    (v.FileExtensionValidator(["png"]), [SimpleNamespace(name="a.exe"), SimpleNamespace(name="png")]),
    (v.RegexValidator("x", inverse_match=True), ["axb"]),
]  # fmt: skip


@pytest.mark.parametrize(("validator", "value"), [(check, value) for check, values in VALID for value in values])
def test_a_right_value_passes(validator, value):
    validator(value)


@pytest.mark.parametrize(("validator", "value"), [(check, value) for check, values in INVALID for value in values])
def test_a_wrong_value_is_refused_with_a_code(validator, value):
    with pytest.raises(ValidationError) as caught:
        validator(value)
    assert caught.value.code
    assert caught.value.messages[0]


def test_a_message_has_its_values_filled_in():
    with pytest.raises(ValidationError, match="at most 2 characters"):
        v.MaxLengthValidator(2)("abc")


@pytest.mark.parametrize(
    "validator",
    [
        v.RegexValidator("^a", "No.", "x"),
        v.MinValueValidator(3),
        v.DecimalValidator(5, 2),
        v.EmailValidator(),
        v.URLValidator(),
    ],
)
def test_a_validator_can_be_made_again_from_what_it_was_made_with(validator):
    path, args, kwargs = validator.deconstruct()
    name = path.removeprefix("covet.validators.")

    assert getattr(v, name)(*args, **kwargs) == validator
    assert hash(getattr(v, name)(*args, **kwargs)) == hash(validator)


def test_validators_with_other_limits_differ():
    assert v.MinValueValidator(3) != v.MinValueValidator(4)
    assert v.RegexValidator("a") != v.RegexValidator("b")
    assert v.MinValueValidator(3) != v.MaxValueValidator(3)


def test_flags_need_a_pattern_that_is_text():
    import re

    with pytest.raises(TypeError, match="Flags"):
        v.RegexValidator(re.compile("a"), flags=re.IGNORECASE)


def test_a_step_that_does_not_begin_at_zero_says_where_it_begins():
    # Three is a multiple of three: without the start the text would be wrong.
    with pytest.raises(ValidationError) as caught:
        v.StepValueValidator(3, offset=1)(3)
    assert caught.value.messages == ["Ensure this value is a multiple of step size 3, starting from 1."]
    with pytest.raises(ValidationError) as caught:
        v.StepValueValidator(Decimal("0.5"), "Wrong from %(offset)s by %(limit_value)s.", offset=Decimal("0.2"))(1)
    assert caught.value.messages == ["Wrong from 0.2 by 0.5."]
    with pytest.raises(ValidationError) as caught:
        v.StepValueValidator(lambda: 2)(3)
    assert caught.value.messages == ["Ensure this value is a multiple of step size 2."]
    assert v.StepValueValidator(3, offset=1) != v.StepValueValidator(3)
    assert v.StepValueValidator(3, offset=1) == v.StepValueValidator(3, offset=1)
    assert v.StepValueValidator(3) != v.MaxValueValidator(3)
    assert hash(v.StepValueValidator(3, offset=1)) == hash(v.StepValueValidator(3, offset=1))
