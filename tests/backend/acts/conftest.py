"""A database with today's schema, and the door to acts over it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from umbel_backend.acts.operator import Door
from umbel_backend.db import migrations
from umbel_backend.db.engine import open_engine
from umbel_backend.settings import Settings


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = open_engine(sa.make_url(database_url))
    migrations.upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def door(engine: sa.Engine) -> Door:
    return Door(engine, Settings())
