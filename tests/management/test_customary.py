"""Options that every command of Django takes: every command here takes them too."""

import io

import click
import pytest

from covet.exceptions import CommandError
from covet.management import call_command, command, note, out
from covet.management.customary import take_arguments


@command(parts=None)
@click.option("--check", "check_only", is_flag=True)
def plain(check_only):
    """Say what was found, what was done, and a word besides."""
    out.line("found")
    out.done("done")
    note("by the way")
    return check_only


@command(parts=None)
@click.argument("names", nargs=-1)
@click.option("--no-input", "--noinput", "noinput", is_flag=True)
@click.option("--verbose", "-v", is_flag=True)
def asking(names, noinput, verbose):
    """Tell what was asked for."""
    return (names, noinput, verbose)


@command(parts=None)
@click.option("--verbosity", "-v", type=int, default=1)
@click.option("--skip-checks", is_flag=True)
@click.option("--interactive/--silent", default=True)
async def own(verbosity, skip_checks, interactive):
    """Have options of these names itself."""
    return (verbosity, skip_checks, interactive)


@pytest.mark.parametrize(
    ("options", "printed", "noted"),
    [
        ({}, "found\ndone\n", "by the way\n"),
        ({"verbosity": 2, "interactive": False}, "found\ndone\n", "by the way\n"),
        ({"verbosity": 0, "skip_checks": True}, "found\n", ""),
    ],
)
async def test_verbosity_0_leaves_results_alone(options, printed, noted):
    stdout, stderr = io.StringIO(), io.StringIO()

    assert await call_command(plain, stdout=stdout, stderr=stderr, **options) is False

    assert (stdout.getvalue(), stderr.getvalue()) == (printed, noted)


async def test_options_go_by_their_own_names_too():
    assert await call_command(plain, check=True, stdout=io.StringIO()) is True
    assert await call_command(asking, "ann", interactive=False, verbosity=2) == (("ann",), True, True)
    assert await call_command(asking, no_input=True, verbosity=1) == ((), True, False)
    assert await call_command(asking, interactive=True) == ((), False, False)


async def test_what_a_command_declares_itself_is_its_own():
    assert await call_command(own, verbosity=0, skip_checks=True, interactive=False) == (0, True, False)
    assert await call_command(own, "-v", "3") == (3, False, True)
    with pytest.raises(CommandError, match="has no option 'bogus'"):
        await call_command(own, bogus=1)


@pytest.mark.parametrize(
    ("of", "given", "left", "is_quiet"),
    [
        (plain, ["-v", "0", "--check", "--skip-checks", "--no-input"], ["--check"], True),
        (plain, ["--verbosity=2", "--noinput"], [], False),
        (plain, ["-v3", "--", "-v", "0", "--noinput"], ["--", "-v", "0", "--noinput"], False),
        (plain, ["-v", "blog"], ["-v", "blog"], False),
        (plain, ["--verbosity", "9"], ["--verbosity", "9"], False),
        (asking, ["-v", "blog", "--noinput"], ["-v", "blog", "--noinput"], False),
        (asking, ["-v", "2", "blog", "--no-input"], ["--verbose", "blog", "--noinput"], False),
        (own, ["-v", "2", "--skip-checks"], ["-v", "2", "--skip-checks"], False),
        (own, ["-v0"], ["-v0"], False),
        (own, ["--verbosity=0"], ["--verbosity=0"], False),
    ],
)
def test_a_command_line_is_relieved_of_them(of, given, left, is_quiet):
    assert take_arguments(of, given) == (left, is_quiet)
