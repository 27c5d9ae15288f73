"""Commands from code, inside a running loop."""

import asyncio
import io
import threading

import click
import pytest

from covet.exceptions import CommandError
from covet.management import call_command, command, json_option, note, out
from covet.management.output import confirm, is_interactive, redirected


@command(parts=None)
@click.argument("names", nargs=-1)
@click.option("--times", type=int, default=1)
@click.option("--loud/--quiet", default=False)
@json_option
async def greet(names, times, loud, as_json):
    """Greet people."""
    await asyncio.sleep(0)
    out.line(f"hello {' '.join(names)}")
    note("greeted")
    return (names, times, loud, as_json, asyncio.get_running_loop())


@command(parts=None)
def in_thread():
    """Say which thread runs this."""
    return threading.current_thread() is threading.main_thread()


async def test_a_command_runs_in_the_callers_loop_and_returns_its_result():
    stdout, stderr = io.StringIO(), io.StringIO()

    result = await call_command(greet, "Ann", "Bob", times=3, loud=True, stdout=stdout, stderr=stderr)

    assert result == (("Ann", "Bob"), 3, True, False, asyncio.get_running_loop())
    assert (stdout.getvalue(), stderr.getvalue()) == ("hello Ann Bob\n", "greeted\n")


async def test_options_may_be_given_as_on_the_command_line():
    result = await call_command(greet, "Ann", "--times", 2, "--json", stdout=io.StringIO())

    assert result[:4] == (("Ann",), 2, False, True)


async def test_a_sync_command_runs_in_a_thread():
    assert await call_command(in_thread) is False


@pytest.mark.parametrize(
    ("args", "options", "words"),
    [
        ([], {"tims": 1}, "Did you mean 'times'?"),
        ([], {"times": "many"}, "'many' is not a valid integer"),
        (["--nope"], {}, "--nope"),
    ],
)
async def test_wrong_parameters_are_command_errors(args, options, words):
    with pytest.raises(CommandError) as caught:
        await call_command(greet, *args, **options)
    assert words in str(caught.value)
    assert caught.value.exit_code == 2


async def test_an_unknown_command_suggests_a_near_one():
    with pytest.raises(CommandError, match="Did you mean 'startproject'"):
        await call_command("start-projct")


async def test_help_prints_and_runs_nothing(capsys):
    assert await call_command(greet, "--help") is None
    assert "Greet people." in capsys.readouterr().out


def test_a_question_without_a_terminal_is_exit_code_3():
    assert not is_interactive()
    with pytest.raises(CommandError, match="Delete everything") as caught:
        confirm("Delete everything?")
    assert caught.value.exit_code == 3


def test_tables_json_and_pairs():
    stream = io.StringIO()
    with redirected(stream):
        out.table([("a", None), ("bbb", 2)], headers=("name", "count"))
        out.table([])
        out.json({"a": [1]})
        out.pairs({"x": 1})
        with out.progress(10, "Loading") as bar:
            bar.advance(4)
    assert stream.getvalue() == 'name  count\na\nbbb   2\n{"a":[1]}\nx  1\n'
    assert bar.done == 4


async def test_output_of_tasks_side_by_side_does_not_mix():
    streams = [io.StringIO() for _ in range(5)]

    await asyncio.gather(*(call_command(greet, str(n), stdout=stream) for n, stream in enumerate(streams)))

    assert [stream.getvalue() for stream in streams] == [f"hello {n}\n" for n in range(5)]
