"""Loads Celery, kombu and redis-py for one thread at a time.

Their modules import each other in rings. Python lets a second thread that imports one of a ring at the
same moment see half of it, which ends in an `ImportError` for a name that is there.
"""

from __future__ import annotations

import threading
from importlib import import_module

_LOADING = threading.Lock()
_NAMES = (
    "redis",
    "amqp",
    "kombu.messaging",
    "kombu.common",
    "celery.app.base",
    "celery.loaders.app",
)


def load() -> None:
    """Load them, or wait for the thread that does; costs next to nothing once they are there.

    Raises:
        ImportError: One of them is not installed whole.
    """
    with _LOADING:
        for name in _NAMES:
            import_module(name)
