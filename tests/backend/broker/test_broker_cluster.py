from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from harness.redis_messages import cluster_at
from harness.waiting import free_port, wait_until
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.control import Control
from umbel_backend.broker.urls import InvalidBroker
from umbel_backend.demo.processes import GuardedProcess
from umbel_backend.demo.server import EmbeddedServer, find_server
from umbel_backend.errors import BrokerUnavailable
from umbel_backend.settings import Context

PASSWORD = "p@ss/w0rd?#;é"
QUOTED = "p%40ss%2Fw0rd%3F%23%3B%C3%A9"


@pytest.fixture(scope="module")
def locked_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server that wants a password full of delimiters."""
    with EmbeddedServer(tmp_path_factory.mktemp("locked"), append_only=False) as server:
        with redis.Redis(port=server.port) as client:
            client.config_set("requirepass", PASSWORD)
        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key in one file."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("the openssl program is not installed: TLS is not tested")
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    command = [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [*command, "-keyout", str(path), "-out", f"{path}.crt"], check=True, capture_output=True
    )
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@pytest.fixture
def tls_port(locked_server: EmbeddedServer, certificate: Path) -> Iterator[int]:
    """A TLS port in front of the server with the password; the embedded server has no TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(
            target=_serve_tls, args=(listener, context, locked_server.port), daemon=True
        ).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _serve_tls(listener: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with contextlib.suppress(OSError):
        while True:
            plain, _ = listener.accept()
            threading.Thread(target=_serve_one, args=(plain, context, port), daemon=True).start()


def _serve_one(plain: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with contextlib.suppress(OSError):
        secured = context.wrap_socket(plain, server_side=True)
        server = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=_pump, args=(server, secured), daemon=True).start()
        _pump(secured, server)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while received := source.recv(65_536):
            sink.sendall(received)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis://:s3cret@127.0.0.1:1/0", "the connection was refused"),
        ("redis://u:s3cret@no-such-host.invalid/0", "the name is not known"),
        ("redis://:s3cret@127.0.0.1:1/zero", "there is no database of that number"),
        ("redis://:s3cret@127.0.0.1:99999/0", "there is no port of that number"),
        ("redis+socket:///no/such.sock", "there is no such socket"),
        ("amqp://u:s3cret@127.0.0.1:1//", "the connection was refused"),
        ("sentinel://:s3cret@127.0.0.1:1", "the transport option master_name is missing"),
        (
            "redis://:s3cret@127.0.0.1:1/0;redis://:s3cret@127.0.0.1:2/0",
            "the connection was refused",
        ),
        ("mongodb://u:s3cret@127.0.0.1/x", "'pymongo' that this transport needs is missing"),
    ],
)
def test_a_broker_out_of_reach_is_one_sentence_with_the_cause(url: str, reason: str) -> None:
    with pytest.raises(BrokerUnavailable) as caught:
        cluster_at(url).check()
    sentence = str(caught.value)
    assert reason in sentence
    assert "s3cret" not in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("url", ["cache-1:6379", "foo://cache-1", ""])
def test_a_url_that_is_none_is_a_wrong_value(url: str) -> None:
    with pytest.raises(InvalidBroker) as caught:
        cluster_at(url).check()
    assert caught.value.exit_code == 2


def test_a_port_that_speaks_another_protocol_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(BrokerUnavailable, match="does not speak its protocol"):
            cluster_at(f"redis://127.0.0.1:{listener.getsockname()[1]}/0").check()
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_server_that_accepts_and_stays_silent_costs_the_timeout_and_no_more(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(BrokerUnavailable, match=r"did not answer (within 0.5 s|in time)"):
            cluster_at(f"{scheme}://127.0.0.1:{port}/0").check(0.5)
        assert time.monotonic() - started < 4


def test_a_database_beyond_those_of_the_server_is_told(embedded_server: EmbeddedServer) -> None:
    with pytest.raises(BrokerUnavailable, match="there is no database of that number"):
        cluster_at(embedded_server.url(100_000)).check()


@pytest.mark.parametrize(
    ("userinfo", "reason"),
    [
        ("", "the server wants a password"),
        (":wr0ng@", "the password or user was refused"),
        ("nobody:wr0ng@", "the password or user was refused"),
    ],
)
def test_a_refused_login_is_told_without_the_password(
    locked_server: EmbeddedServer, userinfo: str, reason: str
) -> None:
    with pytest.raises(BrokerUnavailable, match=reason) as caught:
        cluster_at(f"redis://{userinfo}127.0.0.1:{locked_server.port}/0").check()
    assert "wr0ng" not in str(caught.value)
    assert "wr0ng" not in repr(caught.value.__cause__)


def test_a_password_of_delimiters_opens_the_server(locked_server: EmbeddedServer) -> None:
    cluster = cluster_at(f"valkey://:{QUOTED}@127.0.0.1:{locked_server.port}/2")
    cluster.check()
    client = cluster.redis()
    assert client.ping()
    assert client.connection_pool.connection_kwargs["db"] == 2
    assert QUOTED not in cluster.url
    cluster.close()


def test_tls_with_a_password_works_for_every_kind_of_connection(
    tls_port: int, certificate: Path
) -> None:
    cluster = cluster_at(
        f"valkeys://:{QUOTED}@127.0.0.1:{tls_port}/0?ssl_cert_reqs=required&ssl_ca_certs={certificate}.crt"
    )
    cluster.check()
    assert cluster.redis().ping()
    control = Control(cluster)
    assert control.ping(timeout_s=0.2).answered == ()
    control.close()
    cluster.close()


def test_tls_options_may_come_from_the_context(tls_port: int, certificate: Path) -> None:
    options = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_ca_certs": f"{certificate}.crt"}
    cluster = cluster_at(f"rediss://:{QUOTED}@127.0.0.1:{tls_port}/0", broker_use_ssl=options)
    assert cluster.redis().ping()
    cluster.close()


def test_an_unknown_certificate_is_refused_if_it_is_to_be_verified(tls_port: int) -> None:
    url = f"rediss://:{QUOTED}@127.0.0.1:{tls_port}/0?ssl_cert_reqs=required"
    with pytest.raises(BrokerUnavailable, match="its TLS certificate is not trusted"):
        cluster_at(url).check()


def test_tls_to_a_server_without_it_is_told(locked_server: EmbeddedServer) -> None:
    url = f"rediss://:{QUOTED}@127.0.0.1:{locked_server.port}/0"
    with pytest.raises(BrokerUnavailable, match=r"TLS handshake failed|hung up|did not answer"):
        cluster_at(url).check()


def test_rediss_without_options_connects_as_kombu_would_and_logs_nothing(
    tls_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        cluster = cluster_at(f"rediss://:{QUOTED}@127.0.0.1:{tls_port}/0")
        cluster.check()
        cluster.close()
    assert caplog.records == []


def test_a_unix_socket_works_like_any_other_way(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path, append_only=False) as server:
        path = tmp_path / "s.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()

            def relay() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        near, _ = listener.accept()
                        far = socket.create_connection(("127.0.0.1", server.port))
                        for source, sink in ((near, far), (far, near)):
                            threading.Thread(target=_pump, args=(source, sink), daemon=True).start()

            threading.Thread(target=relay, daemon=True).start()
            cluster = cluster_at(f"redis+socket://{path}?virtual_host=3")
            cluster.check()
            cluster.redis().set("x", 1)
            cluster.close()
        with redis.Redis(port=server.port, db=3) as client:
            assert client.get("x") == b"1"


def test_a_sentinel_leads_to_the_master(tmp_path: Path) -> None:
    port, settings = free_port(), tmp_path / "sentinel.conf"
    with EmbeddedServer(tmp_path / "server", append_only=False) as server:
        settings.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\n"
            f"sentinel monitor shop 127.0.0.1 {server.port} 1\n"
        )
        command = [str(find_server()), str(settings), "--sentinel"]
        with GuardedProcess(command, pid_file=tmp_path / "pid", log=tmp_path / "log", grace_s=0):
            url = f"sentinel://127.0.0.1:{port}/4"
            cluster = cluster_at(url, transport_options={"master_name": "shop"})
            wait_until(lambda: _reaches(cluster), describe="the sentinel to be up")
            cluster.redis().set("x", 1)
            cluster.close()
            wrong = cluster_at(url, transport_options={"master_name": "nobody"})
            with pytest.raises(BrokerUnavailable, match="no Redis master was found"):
                wrong.check()
        with redis.Redis(port=server.port, db=4) as client:
            assert client.get("x") == b"1"


def test_the_second_url_of_a_failover_list_is_tried(broker_url: str) -> None:
    cluster = cluster_at(f"redis://127.0.0.1:1/0;{broker_url}")
    cluster.check()
    assert cluster.redis().ping()
    cluster.close()


def test_the_environment_does_not_redirect_a_context(
    broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("CELERY_BROKER_READ_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "no.such.project")
    cluster = cluster_at(broker_url)
    cluster.check()
    assert cluster.redis().ping()
    cluster.close()


def test_a_client_outlives_a_restart_of_the_server(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path, append_only=False, port=free_port()) as server:
        cluster = cluster_at(server.url())
        client = cluster.redis()
        client.ping()
        server.kill()
        server.start()
        assert client.ping()
        cluster.close()


def test_a_stopped_server_costs_its_timeout(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path, append_only=False) as server:
        cluster = Cluster(Context(broker=server.url()), read_timeout_s=0.3)
        client = cluster.redis()
        with redis.Redis(port=server.port) as other:
            other.ping()
        try:
            os.kill(server.pid, signal.SIGSTOP)
            started = time.monotonic()
            with pytest.raises(redis.RedisError):
                client.ping()
            assert time.monotonic() - started < 4
        finally:
            os.kill(server.pid, signal.SIGCONT)
        cluster.close()


def test_importing_the_module_loads_nothing_heavy() -> None:
    code = (
        "import sys, umbel_backend.broker.cluster, umbel_backend.broker.control,"
        " umbel_backend.broker.queues, umbel_backend.broker.urls;"
        "print([m for m in ('celery', 'kombu', 'redis', 'amqp', 'sqlalchemy') if m in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert printed.strip() == "[]"


def _reaches(cluster: Cluster) -> bool:
    try:
        cluster.check()
    except BrokerUnavailable:
        return False
    return True
