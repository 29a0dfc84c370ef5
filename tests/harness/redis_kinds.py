"""Redis as it is met behind passwords, sockets, TLS and Sentinel: real servers, started for a test."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import redis

from harness.waiting import free_port, wait_until
from umbel_backend.demo.processes import GuardedProcess
from umbel_backend.demo.server import find_server


class RedisProcess:
    """One server process with options of its own, on loopback.

    Args:
        folder: Its working directory.
        options: As on its command line, without the dashes; ``port`` is chosen.
        mode: Words before the options: a file, ``--sentinel``.
    """

    def __init__(self, folder: Path, *mode: str, **options: str) -> None:
        self.port = int(options.pop("port", 0)) or free_port()
        folder.mkdir(parents=True, exist_ok=True)
        words = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(folder), **options}
        if not mode:
            words = {"save": "", **words}
        command = [str(find_server()), *mode]
        command += [word for name, value in words.items() for word in (f"--{name}", value)]
        self._password = options.get("requirepass")
        self._process = GuardedProcess(
            command, pid_file=folder / f"{self.port}.pid", log=folder / f"{self.port}.log"
        )

    def client(self) -> Any:
        """Return a connection to it; the caller closes it."""
        return redis.Redis(port=self.port, password=self._password)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._process.kill()

    def __enter__(self) -> Self:
        def answers() -> bool:
            assert self._process.is_running, self._process.log_text()
            with contextlib.suppress(redis.RedisError), self.client() as client:
                return bool(client.ping())
            return False

        wait_until(answers, 15, self._process.log_text)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.end()


def sentinel(folder: Path, name: str, master: RedisProcess, password: str) -> RedisProcess:
    """Return a sentinel that watches ``master`` as ``name`` and fails over within a second or two."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "sentinel.conf"
    settings.write_text(
        f"sentinel monitor {name} 127.0.0.1 {master.port} 1\n"
        f"sentinel auth-pass {name} {password}\n"
        f"sentinel down-after-milliseconds {name} 500\n"
        f"sentinel failover-timeout {name} 2000\n"
    )
    return RedisProcess(folder, str(settings), "--sentinel")


def certificate(folder: Path) -> Path:
    """Make a self-signed certificate for 127.0.0.1; its key is beside it, as ``.key``."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("the openssl program is not installed: TLS is not tested")
    path = folder / "server.crt"
    command = [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", f"{path}.key", "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


class TlsFront:
    """A TLS port in front of a server: the one from PyPI has no TLS of its own."""

    def __init__(self, port: int, certificate: Path) -> None:
        self._to = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, f"{certificate}.key")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError):
            near = self._context.wrap_socket(plain, server_side=True)
            far = socket.create_connection(("127.0.0.1", self._to))
            threading.Thread(target=_pump, args=(far, near), daemon=True).start()
            _pump(near, far)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while received := source.recv(65_536):
            sink.sendall(received)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
