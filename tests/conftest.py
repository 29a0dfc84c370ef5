"""Fixtures every test may use: brokers, databases and real workers, started only if asked for."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import redis

from harness.cluster import Cluster
from harness.postgres import PostgresCluster, find_postgres
from harness.rabbitmq import RabbitNode, find_rabbitmq
from harness.tasks import client
from harness.worker import Workers
from umbel_backend.demo.server import EmbeddedServer

DATABASES = 512


def pytest_configure() -> None:
    """Let ctrl-c reach what is started here: a shell's background job, and its children, ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class _Numbers:
    """Hands out database numbers of one server, emptied before use."""

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server
        self._numbers = itertools.cycle(range(DATABASES))

    def fresh_url(self) -> str:
        number = next(self._numbers)
        with redis.Redis(port=self._server.port, db=number) as connection:
            connection.flushdb()
        return self._server.url(number)


@pytest.fixture(scope="session")
def embedded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """The session's shared server; do not stop it, start one of your own for that."""
    server = EmbeddedServer(
        tmp_path_factory.mktemp("server"), append_only=False, databases=DATABASES
    )
    with server:
        yield server


@pytest.fixture(scope="session")
def broker_numbers(embedded_server: EmbeddedServer) -> _Numbers:
    """The source of `broker_url`; ``fresh_url()`` gives a further broker within one test."""
    return _Numbers(embedded_server)


@pytest.fixture
def broker_url(broker_numbers: _Numbers) -> str:
    """An empty Redis database of the test's own."""
    return broker_numbers.fresh_url()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    """Start real workers with ``workers.start(broker_url, …)``; they end with the test."""
    factory = Workers(tmp_path)
    yield factory
    factory.stop()


@pytest.fixture(scope="module")
def cluster(
    broker_numbers: _Numbers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """One worker (prefork x 2, ``-E``, two queues) for the whole module; do not kill it."""
    url = broker_numbers.fresh_url()
    factory = Workers(tmp_path_factory.mktemp("cluster"))
    try:
        worker = factory.start(url, name="shared", result_backend=url)
        app = client(url, url)
        yield Cluster(broker_url=url, backend_url=url, worker=worker, app=app)
        app.close()
    finally:
        factory.stop()


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[PostgresCluster]:
    """A PostgreSQL cluster of the session's own; skips by name where its programs are missing."""
    programs = find_postgres()
    if programs is None:
        pytest.skip("PostgreSQL's server programs (initdb, postgres) are not installed")
    with PostgresCluster(programs) as cluster:
        yield cluster


@pytest.fixture
def postgres_url(postgres_cluster: PostgresCluster) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database of the test's own; mark the test ``postgres``."""
    url, name = postgres_cluster.create_database()
    yield url
    postgres_cluster.drop_database(name)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of the test's own: the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'umbel.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(scope="session")
def rabbitmq_node() -> Iterator[RabbitNode]:
    """A RabbitMQ node of the session's own; skips by name where it is not installed."""
    program = find_rabbitmq()
    if program is None:
        pytest.skip("rabbitmq-server is not installed")
    with RabbitNode(program) as node:
        yield node


@pytest.fixture
def rabbitmq_url(rabbitmq_node: RabbitNode) -> str:
    """The URL of an empty virtual host of the test's own; mark the test ``rabbitmq``."""
    return rabbitmq_node.fresh_url()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tell pytest-xdist what belongs together: a module shares its worker, RabbitMQ is one node."""
    for item in items if config.pluginmanager.hasplugin("xdist") else []:
        slow_start = item.get_closest_marker("rabbitmq")
        item.add_marker(pytest.mark.xdist_group("rabbitmq" if slow_start else item.path.stem))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the workers' logs into the report of a test that failed."""
    report = yield
    if report.when == "call" and report.failed:
        for used in item.funcargs.values():
            if isinstance(used, Workers | Cluster):
                report.sections.append(("Logs of workers", used.logs()))
    return report
