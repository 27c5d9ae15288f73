"""ManagementPart: which commands the apps bring."""

from covet.apps.config import AppConfig
from covet.checks import Level
from covet.management.find import app_commands, app_package, builtin_commands, normalize
from covet.management.part import ManagementPart


def app(folder, name, commands, monkeypatch):
    for command, text in commands.items():
        file = folder / name / "management" / "commands" / f"{command}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (folder / name / "__init__.py").touch()
    monkeypatch.syspath_prepend(folder)
    return AppConfig(name, __import__(name))


COMMAND = "from covet.management import command\n@command(parts=None)\ndef {name}(): ...\n"


def test_the_first_app_that_has_a_name_wins_and_the_check_says_so(tmp_path, monkeypatch):
    one = app(tmp_path, "cmd_one_of_a_test", {"sweep": COMMAND.format(name="sweep")}, monkeypatch)
    two = app(tmp_path, "cmd_two_of_a_test", {"sweep": "", "empty": "", "check": ""}, monkeypatch)
    part = ManagementPart()
    part.collect(one, None)
    part.collect(two, None)

    assert part.find("sweep").name == "sweep"
    assert part.find("nothing") is None
    assert part.all()["check"].app == "cmd_two_of_a_test"
    found = [(message.id, message.level) for message in part.check(None)]
    assert ("commands.W001", Level.WARNING) in found
    assert found.count(("commands.E001", Level.ERROR)) == 2


def test_commands_are_found_by_entries_without_importing(tmp_path, monkeypatch):
    app(tmp_path, "cmd_three_of_a_test", {"broken": "raise SystemError"}, monkeypatch)

    found = app_commands(["cmd_three_of_a_test.apps.ThreeConfig", "nowhere_of_a_test"])

    assert found["broken"].module == "cmd_three_of_a_test.management.commands.broken"
    assert app_package("a.b.apps.C") == "a.b"
    assert app_package("a.b") == "a.b"


def test_builtin_commands_have_a_summary_and_a_matching_function():
    from covet.management.load import load_command

    commands = builtin_commands()

    assert {"startproject", "startapp", "check", "settings", "shell", "runserver"} <= set(commands)
    for found in commands.values():
        assert found.summary.endswith("."), found.name
        command = load_command(found)
        assert command.name == found.name == normalize(found.name)
        assert command.help
