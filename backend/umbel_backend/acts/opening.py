"""Opens what an act stands on, from the settings: the door to acts, and the cluster they change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from umbel_backend.acts.operator import Door
from umbel_backend.broker.cluster import Cluster
from umbel_backend.db import migrations
from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.settings import Settings


@contextmanager
def open_door(settings: Settings) -> Iterator[Door]:
    """Open the door to acts, over the database of this context, which is made if there is none.

    Raises:
        DatabaseUnavailable: It cannot be written, or has another schema.
    """
    context = settings.context
    url = database_url(context.db, context.broker)
    engine = open_engine(url)
    try:
        status = migrations.schema_status(engine)
        if status.current == 0:
            migrations.upgrade(engine)
        else:
            migrations.require_current(status, url)
        yield Door(engine, settings)
    finally:
        engine.dispose()


@contextmanager
def at_work(settings: Settings) -> Iterator[tuple[Door, Cluster]]:
    """Open the cluster and the door to acts in it.

    Raises:
        BrokerUnavailable: The cluster cannot be reached.
        DatabaseUnavailable: See `open_door`.
    """
    cluster = Cluster(settings.context)
    try:
        cluster.check()
        with open_door(settings) as door:
            yield door, cluster
    finally:
        cluster.close()
