"""What live tests of acts share: a broker with Umbel beside it, and the database of that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from harness.acting import Scene
from harness.worker import Workers
from umbel_backend.db import migrations
from umbel_backend.db.engine import database_url, open_engine


@pytest.fixture
def scene(tmp_path: Path, broker_url: str, workers: Workers) -> Iterator[Scene]:
    """A broker of the test's own, workers to start on it, and Umbel's commands for it."""
    with Scene(tmp_path, broker_url, workers) as scene:
        yield scene


@pytest.fixture
def database(scene: Scene) -> Iterator[sa.Engine]:
    """The scene's database, with its schema."""
    engine = open_engine(database_url(str(scene.site.file), scene.url))
    migrations.upgrade(engine)
    yield engine
    engine.dispose()
