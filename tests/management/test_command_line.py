"""manage.py and covet-admin from the outside: output, exit codes, and what is imported."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import covet
from tests._environ import bare

ADMIN = [str(Path(sys.executable).parent / "covet-admin")]


def test_a_command_gets_its_parts_opened_and_its_arguments(manage):
    done = manage("greet", "Ann", "--times", "2")

    assert (done.returncode, done.stdout) == (0, "hello Ann hello Ann True\n"), done.stderr


def test_a_sync_command_runs_in_a_thread_and_reaches_the_loop(manage):
    assert manage("sync-one").stdout == "True False\n"


@pytest.mark.parametrize(
    ("how", "code", "line"),
    [
        ("command", 3, "Error: The cellar is flooded. Pump it dry.\n"),
        ("config", 1, "Error: A tap is missing.\n"),
        ("exit", 4, ""),
    ],
)
def test_a_failure_is_one_line_and_an_exit_code(manage, how, code, line):
    done = manage("fails", how)

    assert (done.returncode, done.stderr, done.stdout) == (code, line, "")


def test_a_bug_is_one_line_with_its_place_and_a_traceback_on_demand(manage):
    short, long = manage("fails", "bug"), manage("fails", "bug", "--traceback")

    assert short.returncode == long.returncode == 1
    assert short.stderr.count("\n") == 1
    assert "KeyError: 'nothing'" in short.stderr
    assert "fails.py, line" in short.stderr
    assert "--traceback" in short.stderr
    assert "Traceback (most recent call last)" in long.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["greet"], "Missing argument 'NAME'"),
        (["greet", "Ann", "--tims", "2"], "--times"),
        (["fails", "click"], "Not like that."),
        (["gret"], "There is no command 'gret'. Did you mean 'greet'?"),
        (["zzzz"], "lists the commands"),
        (["--nope"], "There is no option '--nope'"),
        (["greet", "--settings"], "'--settings' needs a value"),
    ],
)
def test_wrong_usage_is_exit_code_2_with_a_suggestion(manage, args, words):
    done = manage(*args)

    assert done.returncode == 2
    assert words in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_modules_that_hold_no_command_say_so(manage):
    assert "holds no command" in manage("no_command").stderr
    assert "nothing_of_that_name" in manage("broken").stderr


def test_help_lists_the_apps_commands_by_file_name_and_imports_none(manage):
    done = manage("--help")

    assert done.returncode == 0
    assert "Commands of shop:" in done.stdout
    assert "greet" in done.stdout
    assert "Greet somebody." in done.stdout
    assert "broken" in done.stdout
    assert "_private" not in done.stdout
    assert manage().stdout == manage("help").stdout == done.stdout


def test_a_commands_own_help(manage):
    one, other = manage("greet", "--help"), manage("help", "greet")

    assert one.stdout == other.stdout
    assert "Greet NAME." in one.stdout
    assert "--times" in one.stdout


def test_help_works_when_the_settings_do_not(manage):
    done = manage("--help", COVET_SETTINGS_MODULE="site_.setings")

    assert done.returncode == 0
    assert "startproject" in done.stdout
    assert "there is no module 'site_.setings'" in done.stdout


@pytest.mark.parametrize("program", [ADMIN, [sys.executable, "-m", "covet"]])
def test_other_ways_in(manage, program, tmp_path):
    assert manage("--version", program=program, cwd=tmp_path).stdout == covet.__version__ + "\n"
    assert "startproject" in manage("--help", program=program, cwd=tmp_path).stdout
    done = manage("greet", "Ann", program=program, COVET_SETTINGS_MODULE="site_.settings")
    assert done.stdout == "hello Ann True\n", done.stderr
    assert manage("greet", "Ann", "--settings=site_.settings", program=program).stdout == "hello Ann True\n"
    named = manage("--pythonpath", ".", "--settings", "site_.settings", "greet", "Ann", program=program)
    assert named.stdout == "hello Ann True\n"


def test_a_missing_app_or_setting_is_one_line(manage, project, tmp_path):
    for name, text, words in [
        ("typo", "DEBGU = True", "Did you mean 'DEBUG'?"),
        ("missing", "INSTALLED_APPS = ['shop', 'shopp']", "Did you mean 'shop'?"),
        ("twice", "INSTALLED_APPS = ['shop', 'shop']", "twice"),
    ]:
        (project / "site_" / f"{name}.py").write_text(f"from site_.settings import *\n{text}\n")
        done = manage("greet", "Ann", "--settings", f"site_.{name}")
        assert done.returncode == 1
        assert words in done.stderr
        assert done.stderr.count("\n") == 1


def test_an_unknown_command_tells_of_an_app_that_is_missing(manage, project):
    (project / "site_" / "gone.py").write_text("from site_.settings import *\nINSTALLED_APPS = ['shopp']\n")

    done = manage("greet", "Ann", "--settings", "site_.gone")

    assert done.returncode == 2
    assert "INSTALLED_APPS names 'shopp'" in done.stderr


def test_no_colour_without_a_terminal_and_some_when_forced(manage):
    code = "from covet.management import out; from covet.management.output import style; out.line(style('x', 'red'))"
    program = [sys.executable, "-c", code]

    assert manage(program=program).stdout == "x\n"
    assert manage(program=program, FORCE_COLOR="1").stdout == "\x1b[31mx\x1b[0m\n"
    assert manage(program=program, FORCE_COLOR="1", NO_COLOR="1").stdout == "x\n"


def test_a_reader_that_has_gone_is_no_error(manage, project):
    process = subprocess.run(
        f"{sys.executable} manage.py greet Ann --times 100000 | head -c 10",
        shell=True,
        cwd=project,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.stdout == "hello Ann "
    assert process.stderr == ""


def test_ctrl_c_ends_a_command_quietly_behind_its_cleaning_up(project):
    process = subprocess.Popen(
        [sys.executable, "manage.py", "waits"],
        cwd=project,
        env=bare(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        printed, said = process.communicate(timeout=60)

    assert (process.returncode, printed, said) == (130, "closed\n", "")


def loaded(manage, *args, program=None):
    """Return the modules a command line has imported when it ends."""
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('\\n'.join(sorted(sys.modules)), file=sys.stderr))\n"
        f"sys.argv = ['covet-admin', *{args!r}]\n"
        "from covet.management import main\nmain()"
    )
    return set(manage(program=[sys.executable, "-c", code]).stderr.split())


def test_help_and_version_import_nothing_heavy(manage):
    for args in (["--help"], ["--version"], ["--help", "--settings=site_.settings"]):
        modules = loaded(manage, *args)
        assert "covet.management.entry" in modules
        assert not modules & {"click", "pydantic", "asyncio", "uvicorn", "msgspec", "covet.apps", "shop.parts"}


def test_scaffolding_imports_neither_settings_nor_pydantic(manage):
    modules = loaded(manage, "startproject", "--help")

    assert "click" in modules
    assert not modules & {"pydantic", "covet.conf.sources", "covet.apps.registry", "covet.db"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_call_back(manage, shell, tmp_path):
    done = manage("completion", shell, program=ADMIN, cwd=tmp_path)

    assert done.returncode == 0
    assert "_COVET_ADMIN_COMPLETE" in done.stdout
    assert "covet-admin" in done.stdout
    assert (
        "_COVET_ADMIN_COMPLETE" in manage(program=ADMIN, cwd=tmp_path, _COVET_ADMIN_COMPLETE=f"{shell}_source").stdout
    )


def test_completion_offers_commands_and_options(manage):
    def complete(words, index):
        done = manage(
            program=ADMIN,
            _COVET_ADMIN_COMPLETE="bash_complete",
            COMP_WORDS=words,
            COMP_CWORD=str(index),
            COVET_SETTINGS_MODULE="site_.settings",
        )
        assert done.returncode == 0, done.stderr
        return [line.partition(",")[2] for line in done.stdout.splitlines()]

    assert complete("covet-admin gree", 1) == ["greet"]
    assert "startproject" in complete("covet-admin ", 1)
    assert complete("covet-admin greet --ti", 2) == ["--times"]


def test_completion_for_an_unknown_shell_is_wrong_usage(manage, tmp_path):
    assert manage("completion", "tcsh", program=ADMIN, cwd=tmp_path).returncode == 2
    assert manage(program=ADMIN, cwd=tmp_path, _COVET_ADMIN_COMPLETE="tcsh_source").returncode == 1


def test_a_habit_from_django_is_answered_with_what_is_there_for_it(manage):
    done = manage("test")

    assert done.returncode == 2
    assert "pytest" in done.stderr


def test_every_command_takes_what_scripts_for_django_pass(manage):
    """``-v 0`` leaves the words for people out; ``--noinput`` and the like mean nothing to a command that never asks."""
    quiet = manage("greet", "Ann", "--verbosity", "0", "--skip-checks", "--no-input")
    coloured = manage("check", "--force-color")

    assert (quiet.returncode, quiet.stderr, quiet.stdout) == (0, "", "hello Ann True\n")
    assert "\x1b[" in coloured.stdout and "\x1b[" not in manage("check").stdout
    assert manage("greet", "Ann", "-v", "seven").returncode == 2


def test_a_command_that_was_written_for_django_is_told_what_to_write(manage, project):
    folder = next(project.glob("*/management/commands"))
    (folder / "older.py").write_text("from django.core.management.base import BaseCommand\n")
    try:
        done = manage("older")
    finally:
        (folder / "older.py").unlink()

    assert done.returncode == 1
    assert "'older' cannot be loaded" in done.stderr
    assert "Instead of django.core.management.base.BaseCommand there is: a command is a function" in done.stderr


def test_an_import_of_another_framework_is_told_what_to_write(manage):
    """That of an app's module is told of where it is collected; one of the project's urls.py comes to the command itself."""
    done = manage("fails", "import")

    assert done.returncode == 1
    assert "No module named 'rest_framework'" in done.stderr
    assert "Instead of rest_framework.views.APIView there is: covet.rest.ViewSet" in done.stderr
