"""A throw-away RabbitMQ node on loopback, with an Erlang port mapper of its own."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.waiting import wait_until
from umbel_backend.demo.processes import GuardedProcess, free_port

_PASSWORD = "guest"
_VIRTUAL_HOSTS = 24
"""Declared at the start, because creating one later takes a second of ``rabbitmqctl``."""


def find_rabbitmq() -> Path | None:
    """Return the server's own script; the distribution's wrapper changes user and folder."""
    for folder in ("/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin"):
        if (Path(folder) / "rabbitmq-server").exists():
            return Path(folder) / "rabbitmq-server"
    found = shutil.which("rabbitmq-server")
    return Path(found) if found else None


class RabbitNode:
    """One node with a name, folders, ports and port mapper of its own, removed at the end."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._folder = Path(tempfile.mkdtemp(prefix="umbel-rabbitmq-"))
        self.port = free_port()
        self._unused = [f"test{number}" for number in range(_VIRTUAL_HOSTS)]
        self._processes: list[GuardedProcess] = []

    def fresh_url(self) -> str:
        """Return the URL of a virtual host nobody has used."""
        assert self._unused, f"More than {_VIRTUAL_HOSTS} tests asked for a RabbitMQ virtual host"
        return f"amqp://guest:{_PASSWORD}@127.0.0.1:{self.port}/{self._unused.pop(0)}"

    def __enter__(self) -> Self:
        mapper_port = free_port()
        env = self._environment(mapper_port)
        (self._folder / "definitions.json").write_text(json.dumps(self._definitions()))
        (self._folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            f"load_definitions = {self._folder}/definitions.json\n"
            "vm_memory_high_watermark.absolute = 1GB\n"
            "disk_free_limit.absolute = 10MB\n"
            "log.console = true\nlog.file = false\n"
        )
        mapper = shutil.which("epmd")
        if mapper is not None:
            # Without one of our own, Erlang would start a daemon that outlives the tests.
            self._run("epmd", [mapper, "-port", str(mapper_port), "-address", "127.0.0.1"], env)
        node = self._run("rabbitmq", [str(self._program)], env)

        def answers() -> bool:
            assert node.is_running, f"RabbitMQ ended:\n{node.log_text()}"
            return "Server startup complete" in node.log_text() and self._accepts()

        wait_until(answers, 90, lambda: f"RabbitMQ to start:\n{node.log_tail(40)}", every_s=0.1)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in reversed(self._processes):
            process.end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, name: str, command: list[str], env: dict[str, str]) -> GuardedProcess:
        process = GuardedProcess(
            command,
            pid_file=self._folder / f"{name}.pid",
            log=self._folder / f"{name}.log",
            env=env,
            cwd=self._folder,
            grace_s=0.0,  # a proper shutdown takes 8 s, and nothing of it is kept
        )
        self._processes.append(process)
        return process

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _environment(self, mapper_port: int) -> dict[str, str]:
        folder = str(self._folder)
        return {
            **os.environ,
            "HOME": folder,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(mapper_port),
            "RABBITMQ_NODENAME": f"umbel{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/none",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def _definitions(self) -> dict[str, object]:
        salt = b"salt"
        digest = hashlib.sha256(salt + _PASSWORD.encode()).digest()
        names = ["/", *self._unused]
        return {
            "users": [
                {
                    "name": "guest",
                    "password_hash": base64.b64encode(salt + digest).decode(),
                    "hashing_algorithm": "rabbit_password_hashing_sha256",
                    "tags": "administrator",
                }
            ],
            "vhosts": [{"name": name} for name in names],
            "permissions": [
                {"user": "guest", "vhost": name, "configure": ".*", "write": ".*", "read": ".*"}
                for name in names
            ],
        }
