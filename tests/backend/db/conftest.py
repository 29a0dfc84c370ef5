"""One upgraded database for a test, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from umbel_backend.db import migrations
from umbel_backend.db.engine import open_engine


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """An engine on an empty database with today's schema."""
    engine = open_engine(sa.make_url(database_url))
    migrations.upgrade(engine)
    yield engine
    engine.dispose()
