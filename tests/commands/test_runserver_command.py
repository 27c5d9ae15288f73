"""``manage.py runserver``: the banner, the reload, and what keeps it from starting."""

import re
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from covet.commands._reload import is_watched
from covet.commands.runserver import Address, _written_folders, parse_address
from covet.exceptions import CommandError
from covet.management import call_command
from tests.commands.running import Running


class Server(Running):
    """A server for development, at the address that its banner says."""

    @property
    def url(self):
        return re.search(r"http://127\.0\.0\.1:\d+/", self.output)[0]

    def get(self, path=""):
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(self.url + path, timeout=60) as response:
                    return response.read().decode()
            except urllib.error.HTTPError as error:
                return f"{error.code}"
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)  # the server that is starting anew wants the core, too


@pytest.fixture
def serve(running):
    """``serve("--noreload")`` starts a server on a free port; ``.until(text)`` waits for its output."""
    return lambda *args, **more: running("runserver", "0", *args, kind=Server, **more)


def test_what_nobody_awaited_is_told_with_its_line(serve, project):
    urls = project / "site_/urls.py"
    urls.write_text(
        "from covet.http import Response\nfrom covet.urls import path\n\n"
        "async def save():\n    pass\n\n"
        "async def home(request):\n    save()\n    return Response('saved')\n\n"
        "urlpatterns = [path('', home)]\n"
    )
    server = serve("--noreload")
    server.until("Ctrl-C stops.")

    assert server.get() == "saved"
    told = server.until("\n    save()\n")
    assert "RuntimeWarning: coroutine 'save' was never awaited" in told
    assert f'{urls}", line 8, in home' in told


def test_the_banner_says_what_runs_and_where(serve):
    server = serve("--noreload")
    banner = server.until("Ctrl-C stops.")

    assert re.fullmatch(
        r"Covet 0\.1 · settings site_\.settings · no database · uvicorn\n"
        r"  http://127\.0\.0\.1:\d+/     your site\n"
        r"Ctrl-C stops\.\n",
        banner,
    ), banner
    assert server.get() == "hello from here"
    assert server.stop() == 0


def test_the_banner_names_pages_that_are_mounted(serve, project):
    with (project / "site_/settings.py").open("a") as settings:
        settings.write('\nINSTALLED_APPS = ["covet.websocket", "covet.rest", "covet.graphql"]\n')
    (project / "site_/urls.py").write_text(
        "from covet.urls import include, path\n\nurlpatterns = [path('api/', include('covet.rest.urls'))]\n"
    )
    server = serve("--noreload")
    banner = server.until("Ctrl-C stops.")

    assert re.search(r"http://127\.0\.0\.1:\d+/api/docs +REST API", banner), banner
    assert "graphql" not in banner


def test_the_banner_names_the_first_routes_where_the_root_has_none(serve, project):
    (project / "site_/urls.py").write_text(
        "from covet.http import Response\nfrom covet.urls import path\n\n"
        "async def shelf(request, **values):\n    return Response('books')\n\n"
        "urlpatterns = [path('books/<int:pk>/', shelf), path('new/', shelf, methods=['POST']), path('shelf/', shelf, name='shelf')]\n"
        "urlpatterns += [path(f'more/{number}', shelf) for number in range(9)]\n"
    )
    server = serve("--noreload")
    banner = server.until("Ctrl-C stops.")

    assert re.search(
        r"uvicorn\n"
        r"  http://127\.0\.0\.1:\d+/shelf/ +shelf\n"
        r"  http://127\.0\.0\.1:\d+/more/0 +site_\.urls\.shelf\n"
        r"  http://127\.0\.0\.1:\d+/more/1 +site_\.urls\.shelf\nCtrl",
        banner,
    ), banner
    assert "your site" not in banner
    assert server.get("shelf/") == "books"


def test_the_banner_says_that_nothing_can_be_opened(serve, project):
    with (project / "site_/settings.py").open("a") as settings:
        settings.write('\nDEBUG = False\nALLOWED_HOSTS = ["127.0.0.1"]\n')
    (project / "site_/urls.py").write_text(
        "from covet.http import Response\nfrom covet.urls import path\n\n"
        "async def shelf(request, pk):\n    return Response('books')\n\nurlpatterns = [path('books/<int:pk>/', shelf)]\n"
    )
    server = serve("--noreload")
    banner = server.until("Ctrl-C stops.")

    assert re.search(r"http://127\.0\.0\.1:\d+/ +nothing at /; manage\.py routes tells what there is\n", banner), banner


def test_each_request_is_a_line(serve):
    server = serve("--noreload")
    server.until("Ctrl-C stops.")
    server.get("nowhere?a=1")

    assert re.search(r'127\.0\.0\.1:\d+ - "GET /nowhere\?a=1 HTTP/1\.1" 404', server.until(" 404"))


def test_lines_of_requests_follow_the_projects_logging(serve, project):
    with (project / "site_/settings.py").open("a") as settings:
        settings.write('\nLOGGING = {"loggers": {"uvicorn.access": {"level": "ERROR"}}}\n')
    server = serve("--noreload")
    server.until("Ctrl-C stops.")
    server.get("nowhere")
    server.stop()

    assert "GET /nowhere" not in server.rest()


def test_a_change_starts_the_server_again_on_the_same_port(serve, project):
    server = serve()
    server.until("Watching for changes. Ctrl-C stops.")
    assert server.get() == "hello from here"
    urls = project / "site_" / "urls.py"

    urls.write_text(urls.read_text().replace("from here", "again"))
    server.until("Reloaded.")

    assert server.get() == "hello again"
    assert "urls.py changed, starting again…" in server.output
    assert server.stop(signal.SIGTERM) == 0


def test_a_mistake_made_while_it_runs_is_told_and_mended(serve, project):
    server = serve()
    server.until("Watching")
    server.get()
    urls = project / "site_" / "urls.py"
    good = urls.read_text()

    urls.write_text(good + "\nimport nothing_of_that_name\n")
    server.until("nothing_of_that_name")
    assert server.process.poll() is None
    urls.write_text(good.replace("from here", "mended"))
    server.until("Reloaded.")

    assert server.get() == "hello mended"
    assert "Traceback" not in server.output
    assert server.stop() == 0


@pytest.mark.parametrize("args", [(), ("--noreload",)])
def test_what_is_wrong_at_the_start_is_one_line_and_exit_code_1(manage, args):
    for more, words in [
        ({"COVET_DEBUGG": "1"}, "Did you mean 'COVET_DEBUG'?"),
        ({"COVET_INSTALLED_APPS": "shopp"}, "Did you mean 'shop'?"),
        ({"COVET_ROOT_URLCONF": "site_.urlz"}, "site_.urlz"),
        ({"DATABASE_URL": "postgres://nobody:hunter2@127.0.0.1:1/none"}, "The database 'default' (postgresql none@"),
    ]:
        done = manage("runserver", "0", *args, **more)
        assert done.returncode == 1, done.stderr
        assert words in done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert "hunter2" not in done.stderr
        assert done.stdout == ""


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (
            ["runserver", "--port", "8001"],
            "No such option '--port'. Where to listen is an argument: 8001, or 0.0.0.0:8001.",
        ),
        (["serve", "--port", "x"], "No such option '--port'. Where to listen is an argument: 8001, or 0.0.0.0:8001."),
        (["serve", "--host=::1"], "No such option '--host'. Where to listen is an argument"),
        (["serve", "-b", "0.0.0.0:80"], "No such option '-b'. Where to listen is an argument"),
        (["serve", "--reload"], "No such option '--reload'. `runserver` starts again when a file changes"),
        (["runserver", "--reload"], "No such option '--reload'. It starts again by itself"),
        (
            ["runserver", "--workers", "2"],
            "No such option '--workers'. It is one process, for development; `serve` has",
        ),
        (["serve", "--worker", "2"], "No such option '--worker'. Did you mean '--workers'?"),
        (
            ["serve", "--zzz"],
            "No such option '--zzz'. It has: --workers, --server, --access-log, --root-path, --ipv6, --help.",
        ),
    ],
)
def test_the_options_of_other_servers_are_told_what_to_write(manage, args, words):
    done = manage(*args)

    assert done.returncode == 2
    assert f"Error: {words}" in done.stderr


async def test_a_call_is_told_the_same():
    with pytest.raises(CommandError, match=r"'serve' has no option 'port'\. Where to listen is an argument: 8001"):
        await call_command("serve", port=8001)


@pytest.mark.parametrize("command", ["runserver", "serve"])
def test_a_port_in_use_is_one_line_with_another_to_try(manage, command):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        done = manage(command, str(port))

    assert done.returncode == 1
    assert done.stderr == (
        f"Error: Port {port} is in use. Stop what uses it, or choose another one: "
        f"python manage.py {command} {port + 1 if port < 65535 else 8001}\n"
    )


@pytest.mark.parametrize(
    ("text", "host", "port", "url"),
    [
        ("8001", "127.0.0.1", 8001, "http://127.0.0.1:8001/"),
        ("0.0.0.0:80", "0.0.0.0", 80, "http://127.0.0.1:80/"),
        ("[::1]:8001", "::1", 8001, "http://[::1]:8001/"),
        ("localhost", "localhost", 8000, "http://localhost:8000/"),
        (":9000", "127.0.0.1", 9000, "http://127.0.0.1:9000/"),
    ],
)
def test_addresses_are_read_as_people_write_them(text, host, port, url):
    address = parse_address(text)

    assert address == Address(host, port)
    assert address.url == url
    assert parse_address("8001", ipv6=True).host == "::1"


@pytest.mark.parametrize("text", ["127.0.0.1:x", "a:b:c", "99999", "1.2.3.4:70000"])
def test_an_address_that_is_none_is_wrong_usage(text):
    with pytest.raises(CommandError) as caught:
        parse_address(text)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("path", "watched"),
    [
        ("/p/blog/views.py", True),
        ("/p/.env", True),
        ("/p/blog/templates/a.html", True),
        ("/p/db.sqlite3", False),
        ("/p/.venv/lib/x.py", False),
        ("/p/blog/__pycache__/x.py", False),
        ("/p/notes.md", False),
        ("/p/log.txt", False),
        ("/p/blog/templates/mail/welcome.txt", True),
        ("/p/media/page.html", False),
        ("/p/media/deep/models.py", False),
    ],
)
def test_only_files_that_matter_are_watched(path, watched):
    assert is_watched(path, [Path("/p/media")]) is watched


def test_what_the_project_writes_to_is_not_watched(tmp_path, monkeypatch):
    module = tmp_path / f"site_{tmp_path.name}.py"
    module.write_text(f"MEDIA_ROOT = {str(tmp_path / 'media')!r}\nSTATIC_ROOT = None\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COVET_SETTINGS_MODULE", module.stem)
    assert _written_folders() == [tmp_path / "media"]
    monkeypatch.setenv("COVET_SETTINGS_MODULE", "nothing_of_that_name")
    assert _written_folders() == []
    monkeypatch.delenv("COVET_SETTINGS_MODULE")
    assert _written_folders() == []
