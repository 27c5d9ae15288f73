"""Django's filters in Jinja2 templates, and what a Django tag is answered with."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import uuid
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet import timezone
from covet.apps.registry import Apps
from covet.concurrency import verdict
from covet.i18n import gettext_lazy
from covet.i18n import override as language
from covet.i18n.catalog import I18nPart
from covet.templates.dates import _LETTER, _OF_BOTH, _OF_DATES, _OF_TIMES, format_moment
from covet.templates.environment import Engine
from covet.templates.filters import FILTERS, json_script, timesince, timeuntil

ENGINE = Engine([])
MOMENT = dt.datetime(2026, 11, 5, 14, 3, 9, 123, tzinfo=dt.UTC)


async def shown(source: str, **context: Any) -> str:
    return await ENGINE.render_source(source, context)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ 1|pluralize }}", ""),
        ("{{ 2|pluralize }}", "s"),
        ("{{ 0|pluralize }}", "s"),
        ("{{ '1'|pluralize }}", ""),
        ("{{ [1]|pluralize('es') }}", ""),
        ("{{ [1, 2]|pluralize('y,ies') }}", "ies"),
        ("{{ 1|pluralize('y,ies') }}", "y"),
        ("{{ none|pluralize }}{{ 'x'|pluralize }}", ""),
        ("{{ true|yesno }}", "yes"),
        ("{{ none|yesno }}", "maybe"),
        ("{{ none|yesno('on,off') }}", "off"),
        ("{{ true|yesno('on') }}", "True"),
        ("{{ none|default_if_none('-') }}{{ ''|default_if_none('-') }}", "-"),
        ("{{ 'a<b\\nc\\n\\nd'|linebreaks }}", "<p>a&lt;b<br>c</p>\n\n<p>d</p>"),
        ("{{ 'a<b\\r\\nc'|linebreaksbr }}", "a&lt;b<br>c"),
        ("{{ 'abcdef'|truncatechars(4) }}", "abc…"),
        ("{{ 'abcd'|truncatechars(4) }}", "abcd"),
        ("{{ 'a b  c'|truncatewords(2) }}", "a b …"),
        ("{{ 'a b'|truncatewords(2) }}", "a b"),
        ("{{ 34.23234|floatformat }}", "34.2"),
        ("{{ 34.0|floatformat }}", "34"),
        ("{{ 34.26|floatformat(3) }}", "34.260"),
        ("{{ 34.5|floatformat(0) }}", "35"),
        ("{{ 34.0|floatformat(-3) }}", "34"),
        ("{{ -0.2|floatformat(0) }}", "0"),
        ("{{ 'x'|floatformat }}", ""),
        ("{{ 1e400|floatformat }}", "inf"),
        ("{{ '12345678901234567890123456789.555'|floatformat(2) }}", "12345678901234567890123456789.56"),
        ("{{ '12345678901234567890123456789012'|floatformat }}", "12345678901234567890123456789012"),
        ("{{ '1e9999999'|floatformat }}{{ '-1e-9999999'|floatformat(2) }}", "1e9999999-1e-9999999"),
        ("{{ 1234567.5|intcomma }}", "1,234,567.5"),
        ("{{ 'x'|intcomma }}", "x"),
        ("{{ 21|divisibleby(7) }}", "True"),
        ("{{ 'Hello World!'|slugify }}", "hello-world"),
        ("{{ none|date }}{{ ''|date('Y') }}{{ none|time }}{{ none|timesince }}{{ none|timeuntil }}", ""),
    ],
)
async def test_a_filter_gives_what_django_gives(source: str, text: str) -> None:
    assert await shown(source) == text


@pytest.mark.parametrize(
    ("letters", "text"),
    [
        ("Y-m-d H:i:s.u", "2026-11-05 14:03:09.000123"),
        ("D, l j. F M N b E", "Thu, Thursday 5. November Nov Nov. nov November"),
        ("y n d jS t z w W o L", "26 11 05 5th 30 309 4 45 2026 False"),
        ("g:i a G A h f P", "2:03 p.m. 14 PM 02 2:03 2:03 p.m."),
        ("c", "2026-11-05T14:03:09.000123+00:00"),
        ("e T O Z I U", "UTC UTC +0000 0 0 1793887389"),
        ("r", "Thu, 05 Nov 2026 14:03:09 +0000"),
        (r"\Y\e\a\r Y q", "Year 2026 q"),
    ],
)
def test_the_letters_of_a_format(letters: str, text: str) -> None:
    assert format_moment(MOMENT, letters) == text


def test_every_letter_is_known() -> None:
    for letter in {**_OF_DATES, **_OF_TIMES, **_OF_BOTH}:
        assert _LETTER.fullmatch(letter)
        assert isinstance(format_moment(MOMENT, letter), str)


@pytest.mark.parametrize(
    ("hour", "minute", "text"), [(0, 0, "midnight"), (12, 0, "noon"), (1, 0, "1 a.m."), (12, 30, "12:30 p.m.")]
)
def test_spoken_times(hour: int, minute: int, text: str) -> None:
    assert format_moment(dt.time(hour, minute), "P") == text


@pytest.mark.parametrize(
    ("day", "suffix"), [(1, "st"), (2, "nd"), (3, "rd"), (4, "th"), (11, "th"), (12, "th"), (13, "th"), (22, "nd")]
)
def test_ordinals(day: int, suffix: str) -> None:
    assert format_moment(dt.date(2026, 1, day), "S") == suffix


@given(st.dates())
def test_the_length_of_any_month(day: dt.date) -> None:
    last = int(format_moment(day, "t"))

    day.replace(day=last)
    with pytest.raises(ValueError, match="day"):
        day.replace(day=last + 1)


def test_a_format_asks_for_what_is_there() -> None:
    assert format_moment(dt.date(2026, 11, 5), "c r") == "2026-11-05 Thu, 05 Nov 2026 00:00:00 -0000"
    with pytest.raises(ValueError, match="asks for 'H', which a date has not"):
        format_moment(dt.date(2026, 11, 5), "H")
    with pytest.raises(ValueError, match="asks for 'Y', which a time has not"):
        format_moment(dt.time(1), "Y")
    with pytest.raises(ValueError, match="asks for 'e', which a date has not"):
        format_moment(dt.date(2026, 11, 5), "e")


async def test_moments_are_shown_in_the_current_zone_and_language() -> None:
    apps = Apps()
    apps.setup([], [I18nPart])
    with apps.use():
        await _in_other_languages()


async def _in_other_languages() -> None:
    with timezone.override(ZoneInfo("Europe/Berlin")), language("de"):
        assert await shown("{{ at|date('l, j. F Y H:i T') }}", at=MOMENT) == "Donnerstag, 5. November 2026 15:03 CET"
        assert await shown("{{ at|date }} {{ at|time }}", at=MOMENT) == "5 November 2026, 15:03 15:03"
        assert await shown("{{ (at|localtime).hour }}", at=MOMENT) == "15"
        assert await shown("{{ at|date }}", at=MOMENT.date()) == "5 November 2026"
        assert timesince(MOMENT - dt.timedelta(days=8, hours=2), MOMENT) == "1 Woche, 1 Tag"
    with language("fr"):
        assert format_moment(dt.date(2026, 8, 1), "l j F M") == "samedi 1 août août"
    with language("es"):
        assert format_moment(dt.date(2026, 8, 1), "l j F M") == "sábado 1 agosto ago"


@pytest.mark.parametrize(
    ("earlier", "text"),
    [
        (dt.timedelta(0), "0 minutes"),
        (dt.timedelta(seconds=59), "0 minutes"),
        (dt.timedelta(seconds=-5), "0 minutes"),
        (dt.timedelta(minutes=1), "1 minute"),
        (dt.timedelta(hours=3, minutes=2), "3 hours, 2 minutes"),
        (dt.timedelta(days=14, minutes=5), "2 weeks"),
        (dt.timedelta(days=365), "1 year"),
        (dt.timedelta(days=365 + 31), "1 year, 1 month"),
        (dt.timedelta(days=35), "1 month"),
    ],
)
def test_how_long_ago(earlier: dt.timedelta, text: str) -> None:
    assert timesince(MOMENT - earlier, MOMENT) == text
    assert timeuntil(MOMENT, MOMENT - earlier) == text


def test_the_hour_that_a_clock_shows_twice_passes_like_any_other():
    zone = ZoneInfo("Europe/Berlin")
    before = dt.datetime(2026, 10, 25, 2, 30, tzinfo=zone)
    after = dt.datetime(2026, 10, 25, 2, 15, fold=1, tzinfo=zone)

    assert timesince(before, after) == timesince(before.astimezone(dt.UTC), after) == "45 minutes"
    assert timesince(before, after.astimezone(dt.UTC)) == "45 minutes"
    assert timesince(after, before) == "0 minutes"


def test_never_is_a_long_way_off_in_each_zone():
    """Its moment in UTC, or in another zone, may be one that there is not."""
    for zone in (ZoneInfo("America/New_York"), ZoneInfo("Asia/Tokyo")):
        never, now = dt.datetime.max.replace(tzinfo=zone), dt.datetime(2024, 1, 1, 12, tzinfo=zone)
        assert timeuntil(never, now) == timeuntil(never, now.astimezone(dt.UTC)) == "7975 years, 11 months"
        assert timeuntil(dt.datetime.max.replace(tzinfo=dt.UTC), now) == "7975 years, 11 months"
        assert timesince(never, now) == "0 minutes"
        assert timesince(dt.datetime.min.replace(tzinfo=zone), now) == "2023 years"


def test_how_long_ago_takes_dates_and_naive_times() -> None:
    assert timesince(dt.date(2026, 11, 4), dt.date(2026, 11, 5)) == "1 day"
    assert timeuntil(dt.datetime(2026, 11, 5, 2), dt.date(2026, 11, 5)) == "2 hours"
    assert timesince(timezone.now() - dt.timedelta(hours=2, seconds=5)) == "2 hours"
    assert timeuntil(timezone.now() + dt.timedelta(hours=2, seconds=50)) == "2 hours"
    assert timesince(dt.date(2024, 2, 29), dt.date(2025, 2, 28)) == "11 months, 4 weeks"


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), st.lists))
def test_json_in_a_script_cannot_end_it(value: Any) -> None:
    html = str(json_script(value, 'a"b'))

    inside = html.removeprefix('<script id="a&#34;b" type="application/json">').removesuffix("</script>")
    assert not set("<>&") & set(inside)
    assert json.loads(inside) == value


def test_json_needs_no_id() -> None:
    assert json_script({"a": "</script>"}) == (
        '<script type="application/json">{"a": "\\u003C/script\\u003E"}</script>'
    )


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{% url 'polls:detail' question.id %}", "{{ url('name', argument, key=value) }}"),
        ("<form>\n{% csrf_token %}", "{{ csrf_input }}"),
        ("{% get_static_prefix %}", "write {{ STATIC_URL }}"),
        ("{% get_media_prefix as media %}", "write {{ MEDIA_URL }}"),
        ("{% get_current_language as code %}", "write {{ LANGUAGE_CODE }}"),
        ("{% load static %}", "take the line out"),
        ("{% for a in b %}{% empty %}{% endfor %}", "a for loop without a row has {% else %}"),
        ("{% comment %}x{% endcomment %}", "{# … #}"),
    ],
)
async def test_a_tag_of_django_is_answered_with_jinjas(source: str, says: str) -> None:
    with pytest.raises(jinja2.TemplateSyntaxError) as caught:
        await shown(source, b=[])

    assert says in str(caught.value)
    assert caught.value.lineno == source.count("\n") + 1


async def test_tojson_writes_what_an_answer_may_hold() -> None:
    values = {"at": dt.date(2026, 1, 2), "price": decimal.Decimal("1.50"), "key": uuid.UUID(int=1), "tag": "</script>"}

    assert await shown("{{ values|tojson }}", values=values) == (
        '{"at": "2026-01-02", "key": "00000000-0000-0000-0000-000000000001", "price": "1.50", '
        '"tag": "\\u003c/script\\u003e"}'
    )
    assert await shown("{{ [text]|tojson }}", text=gettext_lazy("Hi")) == '["Hi"]'


async def test_a_method_without_its_brackets_is_told() -> None:
    with pytest.raises(TypeError, match=r"Methods are called with brackets in a template: article\.tags\.all\(\)"):
        await shown("{% for a in b.items %}{% endfor %}", b={})
    with pytest.raises(jinja2.UndefinedError, match=r"Here it is 'loop': loop\.index"):
        await shown("{% for a in b %}{{ forloop.counter }}{% endfor %}", b=[1])
    with pytest.raises(jinja2.UndefinedError, match=r"'perms' is undefined. Ask the user: \{% if user\.has_perm\("):
        await shown("{% if perms.shop.add_order %}{% endif %}")
    with pytest.raises(jinja2.UndefinedError, match=r"'url_for' is undefined. Write url\('name', key=value\)"):
        await shown("{{ url_for('read', id=1) }}")
    with pytest.raises(TypeError, match=r"^'int' object is not iterable$"):
        await shown("{% for a in b %}{% endfor %}", b=1)


async def test_options_add_extensions_which_may_take_a_tag() -> None:
    class CacheTag(jinja2.ext.Extension):
        tags = {"cache"}

        def parse(self, parser: Any) -> Any:
            parser.stream.skip()
            return parser.parse_statements(("name:endcache",), drop_needle=True)

    engine = Engine([], options={"extensions": [CacheTag, "jinja2.ext.do"]})

    assert await engine.render_source("{% cache %}x{% endcache %}{% trans %}y{% endtrans %}{% do 1 %}") == "xy"


def test_no_filter_of_jinja_is_replaced() -> None:
    assert not set(FILTERS) & set(jinja2.Environment().filters)


async def test_a_colon_behind_a_filter_is_answered_with_brackets() -> None:
    with pytest.raises(jinja2.TemplateSyntaxError, match=r"brackets: {{ moment\|date\('Y'\) }}"):
        await shown("{{ at|date:'Y' }}", at=1)


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        ("{{ x|uper }}", "No filter named 'uper'. Did you mean 'upper'?"),
        ("{{ x|floatformt(2) }}", "No filter named 'floatformt'. Did you mean 'floatformat'?"),
        ("{{ x is evn }}", "No test named 'evn'. Did you mean 'even'?"),
        ("{% if x %}{{ x|uper }}{% endif %}", "No filter named 'uper' found. Did you mean 'upper'?"),
        ("{% if x %}{{ x is evn }}{% endif %}", "No test named 'evn' found. Did you mean 'even'?"),
        ("{{ x|zzzzzz }}", "No filter named 'zzzzzz'."),
    ],
)
@pytest.mark.parametrize("is_waiting", [False, True], ids=["plain", "waiting"])
async def test_a_misspelt_filter_or_test_is_told_with_the_likely_one(
    source: str, detail: str, is_waiting: bool
) -> None:
    async def late() -> str:
        return ""

    # What must be awaited in the template takes the other of the two environments.
    before = "{{ late() }}" if is_waiting and "%" in source else ""

    with pytest.raises(jinja2.TemplateError) as raised:
        await shown(before + source, x=1, late=late)

    assert raised.value.message == detail


@verdict
async def may(what: str) -> bool:
    return what == "read"


async def test_a_question_that_must_be_awaited_is_answered_in_a_template() -> None:
    source = "{% if may('read') %}reads{% endif %} {% if may('write') %}writes{% else %}writes not{% endif %}"
    assert await shown(source, may=may) == "reads writes not"
    assert await shown("{% if not may('write') %}no{% endif %}", may=may) == "no"
