"""Log records: a request's id, lines for people, JSON for machines."""

import io
import json
import logging
import logging.config
import re
import sys
import uuid
from pathlib import Path

import pytest

import covet
from covet.conf import override
from covet.exceptions import ImproperlyConfigured
from covet.log import configure_logging, current_request_id, default_config, request_id
from covet.log.context import RequestIdFilter
from covet.log.formatters import HumanFormatter, JSONFormatter


def record(message="hello", level=logging.WARNING, error=None, **extra):
    made = logging.LogRecord("covet.test", level, "file.py", 1, message, (), error)
    vars(made).update(extra)
    return made


def failure():
    try:
        raise KeyError("inner")
    except KeyError:
        return sys.exc_info()


def test_the_requests_id_is_on_every_record():
    token = request_id.set("abc")
    try:
        made = record()
        assert RequestIdFilter().filter(made)
        assert made.request_id == "abc"
        assert current_request_id() == "abc"
        kept = record(request_id="own")
        RequestIdFilter().filter(kept)
        assert kept.request_id == "own"
    finally:
        request_id.reset(token)
    assert current_request_id() == ""


def test_a_line_for_people_has_time_level_logger_message_and_extras():
    line = HumanFormatter(colour=False).format(record(request_id="abc", user=3))

    assert line[8:] == " WARNING covet.test: hello  user=3  [abc]"
    assert "\x1b[33mWARNING" in HumanFormatter(colour=True).format(record())
    assert "KeyError: 'inner'" in HumanFormatter(colour=False).format(record(error=failure()))


def test_a_json_line_holds_the_same_and_always_is_json():
    entry = json.loads(JSONFormatter().format(record(request_id="abc", user=3, id=uuid.UUID(int=1))))
    strange = json.loads(JSONFormatter().format(record(thing=object(), error=failure())))

    assert (entry["level"], entry["logger"], entry["message"]) == ("WARNING", "covet.test", "hello")
    assert (entry["request_id"], entry["user"], entry["id"]) == ("abc", 3, str(uuid.UUID(int=1)))
    assert strange["thing"].startswith("<object")
    assert "KeyError" in strange["exception"]


@pytest.fixture
def _logging_as_before():
    root, covet = logging.getLogger(), logging.getLogger("covet")
    before = list(root.handlers), root.level, covet.level
    yield
    root.handlers[:], root.level, covet.level = before
    root.manager._clear_cache()


@pytest.mark.usefixtures("_logging_as_before")
@pytest.mark.parametrize(
    ("settings", "formatter"),
    [({"DEBUG": True}, HumanFormatter), ({"DEBUG": False}, JSONFormatter), ({"LOG_FORMAT": "human"}, HumanFormatter)],
)
def test_the_form_follows_the_settings(settings, formatter):
    with override(**settings):
        configure_logging()

    (handler,) = logging.getLogger().handlers
    assert isinstance(handler.formatter, formatter)


@pytest.mark.usefixtures("_logging_as_before")
def test_the_projects_logging_is_laid_over_the_defaults():
    stream = io.StringIO()
    own = {"handlers": {"console": {"class": "logging.StreamHandler", "stream": stream}}, "incremental": False}
    with override(LOGGING=own):
        configure_logging()
    logging.getLogger("elsewhere").warning("to the stream")

    assert stream.getvalue() == "to the stream\n"
    assert default_config(style="json", debug=False)["handlers"]["console"]["formatter"] == "json"


def test_every_logger_is_in_the_documentation_and_the_other_way_round():
    root = Path(covet.__file__).parent
    used = {
        name
        for path in root.rglob("*.py")
        for name in re.findall(r'getLogger\(\s*"(covet[\w.]*)"\s*\)', path.read_text("utf-8"))
    }
    page = (root.parent / "docs" / "howto" / "logging.md").read_text("utf-8")
    told = set(re.findall(r"^\| `(covet[\w.]*)` \|", page, re.MULTILINE))
    assert used == told


@pytest.mark.usefixtures("_logging_as_before")
def test_a_project_may_route_one_logger_elsewhere_by_its_name(tmp_path):
    file = tmp_path / "requests.log"
    own = {
        "handlers": {
            "file": {
                "class": "logging.FileHandler",
                "filename": str(file),
                "formatter": "json",
                "filters": ["request_id"],
            }
        },
        "loggers": {"covet.request": {"handlers": ["file"], "propagate": False, "level": "ERROR"}},
    }
    token = request_id.set("abc")
    try:
        with override(LOGGING=own, DEBUG=False):
            configure_logging()
        logging.getLogger("covet.request").error("failed", extra={"status": 500})
        logging.getLogger("covet.request").warning("too quiet")
        logging.getLogger("covet.server").warning("elsewhere")
    finally:
        request_id.reset(token)
        logger = logging.getLogger("covet.request")
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
            handler.close()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)
    (line,) = file.read_text().splitlines()
    entry = json.loads(line)
    assert (entry["logger"], entry["message"], entry["status"]) == ("covet.request", "failed", 500)
    assert entry["request_id"] == "abc"


@pytest.fixture
def _loggers_as_before(_logging_as_before):
    yield
    for name in ("shop", "shop.orders", "depot", "depot.orders"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)


@pytest.mark.usefixtures("_loggers_as_before")
def test_a_line_of_a_logger_that_has_the_console_too_is_written_once():
    """LOGGING of Django's documentation gives ``console`` to a logger, since Django's root logger writes nothing."""
    stream = io.StringIO()
    handlers = {"console": {"class": "logging.StreamHandler", "stream": stream}}
    loggers = {
        "shop": {"handlers": ["console"], "level": "INFO"},
        "shop.orders": {"level": "DEBUG"},
        "depot": {"propagate": False},
        "depot.orders": {"handlers": ["console"]},
    }
    with override(LOGGING={"handlers": handlers, "loggers": loggers}):
        configure_logging()
    for name in ("shop", "shop.orders", "depot.orders", "elsewhere"):
        logging.getLogger(name).warning(name)
    logging.getLogger("shop").info("quiet")

    assert stream.getvalue().split() == ["shop", "shop.orders", "depot.orders", "elsewhere", "quiet"]


@pytest.mark.usefixtures("_loggers_as_before")
def test_a_project_that_says_what_the_root_logger_has_is_taken_at_its_word():
    stream = io.StringIO()
    own = {
        "handlers": {"console": {"class": "logging.StreamHandler", "stream": stream}},
        "loggers": {"shop": {"handlers": ["console"]}},
        "root": {"handlers": ["console"]},
    }
    with override(LOGGING=own):
        configure_logging()
    logging.getLogger("shop").warning("twice")

    assert stream.getvalue() == "twice\ntwice\n"


@pytest.mark.usefixtures("_logging_as_before")
@pytest.mark.parametrize(
    ("own", "says"),
    [
        (
            {"filters": {"only_debug": {"()": "django.utils.log.RequireDebugTrue"}}},
            "Unable to configure filter 'only_debug': No module named 'django'. What Django has as "
            "django.utils.log.RequireDebugTrue is here: from covet.log import RequireDebugTrue",
        ),
        (
            {"handlers": {"mail_admins": {"class": "django.utils.log.AdminEmailHandler"}}},
            "handler 'mail_admins': No module named 'django'. Instead of django.utils.log.AdminEmailHandler there is: nothing yet",
        ),
        (
            {"handlers": {"file": {"class": "logging.FileHandler", "filename": "/no/such/folder/x.log"}}},
            "Unable to configure handler 'file': [Errno 2] No such file or directory: '/no/such/folder/x.log'.",
        ),
        ({"loggers": {"shop": {"handlers": ["fiel"]}}}, "Unable to configure logger 'shop': "),
        ({"version": 2}, "LOGGING cannot be used: Unsupported version: 2."),
    ],
)
def test_a_mistake_in_logging_is_told_with_its_place_and_reason(own, says):
    with override(LOGGING=own), pytest.raises(ImproperlyConfigured) as caught:
        configure_logging()

    assert says in str(caught.value)
