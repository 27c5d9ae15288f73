"""``pip install covet``, with each set of extras and nothing else at hand, runs a project."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests._e2e.conftest import make_machine
from tests._ports import free_port

# In the machine's own interpreter, whose urllib is all the client there is.
FETCH = """
import sys, urllib.request
for path in sys.argv[2:]:
    request = urllib.request.Request(sys.argv[1] + path, headers={"accept": "text/html, application/json"})
    print(path, urllib.request.urlopen(request).status)
"""
HANDSHAKE = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as s:
    s.sendall(b"GET /ws/blog/items/ HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n"
              b"Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n")
    print(s.recv(100).split(b"\\r\\n")[0].decode())
"""


@pytest.mark.parametrize("extras", ["", "[standard]", "[all]"])
def test_a_project_runs_with_these_extras_alone(extras: str, wheels: dict[str, Path], tmp_path: Path) -> None:
    machine = make_machine(tmp_path / "venv", f"{wheels['covet']}{extras}")
    machine.run("covet-admin", "startproject", "mysite", cwd=tmp_path)
    project, port = tmp_path / "mysite", free_port()
    pages = ["/blog/", "/docs", "/openapi.json", "/api/blog/items/"]
    if extras:
        pages.append("/graphql")
    else:
        refused = machine.run("python", "manage.py", "check", cwd=project, code=1)
        assert "pip install 'covet[graphql]'" in refused
        settings = project / "mysite/settings.py"
        settings.write_text(settings.read_text().replace('    "covet.graphql",\n', ""))

    machine.run("python", "manage.py", "startapp", "blog", cwd=project)
    machine.run("python", "manage.py", "makemigrations", cwd=project)
    machine.run("python", "manage.py", "migrate", cwd=project)
    checked = machine.run("python", "manage.py", "check", cwd=project)
    with machine.serving(project, port) as log:
        fetched = machine.run("python", "-c", FETCH, f"http://127.0.0.1:{port}", *pages, cwd=project)
        shaken = machine.run("python", "-c", HANDSHAKE, str(port), cwd=project)
        said = log.read_text()

    assert fetched.splitlines() == [f"{page} 200" for page in pages]
    assert ("websocket.W003" in checked) == (not extras)
    assert shaken.startswith("HTTP/1.1 101" if extras else "HTTP/1.1 404")
    assert ("pip install 'covet[standard]'" in said) == (not extras)
