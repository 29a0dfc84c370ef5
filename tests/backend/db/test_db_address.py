"""Which database a ``--db`` value or a broker means, and how it is named to people."""

from __future__ import annotations

from pathlib import Path

import pytest

from umbel_backend.db.engine import database_url, shown
from umbel_backend.errors import InvalidValue


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))


def name_for(broker: str) -> str:
    return Path(str(database_url(None, broker).database)).name


def test_each_broker_has_a_file_of_its_own_named_after_host_port_and_database() -> None:
    assert name_for("redis://cache-1:6380/3") == "cache-1-6380-3.db"
    assert name_for("redis://cache-1") == name_for("redis://cache-1:6379/0")
    brokers = [
        "redis://a/1",
        "redis://a/2",
        "redis://b/1",
        "amqp://a//",
        "amqp://a/x%2Fy",
        "amqp://a/x_y",
    ]
    assert len({name_for(broker) for broker in brokers}) == len(brokers)


def test_a_password_never_names_a_file() -> None:
    assert name_for("redis://user:secret@a/1") == name_for("redis://a/1")
    assert "secret" not in name_for("amqp://user:secret@a/%2F")
    assert name_for("sentinel://:secret@a:26379;sentinel://:secret@b:26379") == "a-26379.db"


def test_a_path_and_urls_without_a_driver_are_understood(tmp_path: Path) -> None:
    assert database_url("~/x.db", "").database == str(tmp_path / "x.db")
    assert database_url(f"sqlite:///{tmp_path}/x.db", "").database == f"{tmp_path}/x.db"
    for written in ("postgresql://u@h/d", "postgres://u@h/d", "postgresql+asyncpg://u@h/d"):
        assert str(database_url(written, "")) == "postgresql+psycopg://u@h/d"


@pytest.mark.parametrize(
    "wrong", ["mysql://h/d", "sqlite://", "sqlite:///:memory:", "postgresql://h:port/d"]
)
def test_other_databases_and_broken_urls_are_refused_in_a_sentence(wrong: str) -> None:
    with pytest.raises(InvalidValue, match=r"^[A-Z].*[.\w]$") as refused:
        database_url(wrong, "")
    assert refused.value.exit_code == 2


def test_a_database_is_shown_without_its_password() -> None:
    url = database_url("postgresql://ada:secret@db:5433/umbel?password=secret", "")
    assert shown(url) == "postgresql://ada@db:5433/umbel"
