"""The parent of ``runserver``: it watches before a child reads anything, so that no change is missed."""

import os
import signal
import socket
import threading

from covet.commands import _reload


class Child:
    """A process that ends, with code 7, unless something changes before it has been asked often."""

    returncode = 7

    def __init__(self):
        self.asked = 0

    def poll(self):
        self.asked += 1
        return 7 if self.asked > 400 else None

    def terminate(self):
        self.asked = 400

    def wait(self, timeout=None):
        return 7


def test_a_change_at_the_very_start_is_seen(tmp_path, monkeypatch, capsys):
    started = []

    def start(listening, address, *, first):
        started.append(first)
        if first:
            # What somebody saves while the first child still starts.
            (tmp_path / "views.py").write_text("changed")
        else:
            os.kill(os.getpid(), signal.SIGTERM)
        return Child()

    monkeypatch.setattr(_reload, "_start", start)
    with socket.socket() as listening:
        code = _reload.serve_and_watch(listening, "127.0.0.1:1", [tmp_path])

    assert code == 0
    assert started == [True, False]
    assert "views.py changed, starting again" in capsys.readouterr().err


def test_what_is_written_all_the_time_does_not_keep_the_first_child_from_starting(tmp_path, monkeypatch):
    written = threading.Event()
    over = threading.Event()

    def write():
        while not over.wait(0.01):
            (tmp_path / "project.log").write_text("line")
            written.set()

    def start(listening, address, *, first):
        over.set()
        os.kill(os.getpid(), signal.SIGTERM)
        return Child()

    monkeypatch.setattr(_reload, "_start", start)
    writer = threading.Thread(target=write)
    writer.start()
    written.wait()
    try:
        with socket.socket() as listening:
            assert _reload.serve_and_watch(listening, "127.0.0.1:1", [tmp_path]) == 0
    finally:
        over.set()
        writer.join()
    assert over.is_set()
