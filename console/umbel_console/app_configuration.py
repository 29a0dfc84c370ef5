"""What a user's Celery app says about its cluster, found out without importing it here.

A user's app may print, open connections, start threads or own modules named like anybody's; so
``python -m umbel_console.app_configuration NAME`` imports it in a process of its own, which prints
one JSON object and ends. At the top this module imports the standard library only.
"""

from __future__ import annotations

import enum
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

IMPORT_LIMIT_S = 30.0
"""Longest time the import of an app may take."""

_COPIED = ("event_exchange", "event_queue_prefix", "control_exchange")


def layer_from_app(app: Any) -> dict[str, Any]:
    """Return the `Context` fields that a Celery app's configuration decides, as JSON values.

    Args:
        app: A loaded ``celery.Celery``; reading its configuration may load more of it.
    """
    conf = app.conf
    layer: dict[str, Any] = {name: str(conf[name]) for name in _COPIED if conf.get(name)}
    broker = conf.broker_read_url or conf.broker_url
    if isinstance(broker, list | tuple):
        broker = ";".join(str(url) for url in broker)
    layer["broker"] = str(broker) if broker else str(app.connection_for_read().as_uri(True))
    if isinstance(conf.result_backend, str):
        layer["result_backend"] = conf.result_backend
    layer["transport_options"] = dict(conf.broker_transport_options or {})
    if conf.broker_use_ssl:
        layer["broker_use_ssl"] = conf.broker_use_ssl
    layer["queues"] = _queue_names(app)
    return {name: plain(value) for name, value in layer.items()}


def _queue_names(app: Any) -> list[str]:
    return sorted({str(name) for name in app.amqp.queues} | {str(app.conf.task_default_queue)})


def plain(value: Any) -> Any:
    """Return ``value`` made of JSON types only; what has no JSON form is left out."""
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        pairs = {str(k): plain(v) for k, v in value.items()}
        return {k: v for k, v in pairs.items() if v is not None or value.get(k, 0) is None}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    return None


def typed(layer: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``layer``, read back from JSON, with the types `Context` declares."""
    return {**layer, "queues": tuple(layer.get("queues", ()))}


def read_app(name: str, *, limit_s: float = IMPORT_LIMIT_S) -> dict[str, Any]:
    """Return `layer_from_app` for the app that ``celery -A name`` would use from this folder.

    Raises:
        InvalidValue: The app cannot be imported, is none, or takes longer than ``limit_s``.
    """
    from umbel_backend.errors import InvalidValue

    try:
        # -P keeps this package's own folder and the user's folder from shadowing what is imported
        # before the app; the child then puts the folder in front as Celery does.
        done = subprocess.run(
            [sys.executable, "-P", "-m", __name__, name],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InvalidValue(
            f"The Celery app {name!r} could not be read: importing it took longer than"
            f" {limit_s:.0f} s."
        ) from None
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = {"error": f"its process ended with code {done.returncode} and said nothing"}
    if "error" in answer:
        raise InvalidValue(f"The Celery app {name!r} could not be read: {answer['error']}.")
    return typed(answer)


def _checked_app(found: Any) -> Any:
    from celery import Celery

    if not isinstance(found, Celery):
        raise TypeError(f"it is {_with_article(type(found).__name__)}, not a Celery app")
    return found


def _with_article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def main(name: str) -> None:
    """Print the configuration of the app ``name`` as JSON on the real stdout, then end at once."""
    # Whatever the app prints while it is imported goes to stderr instead.
    answer = os.dup(1)
    os.dup2(2, 1)
    try:
        from celery.app.utils import find_app

        sys.path.insert(0, os.getcwd())
        text = json.dumps(layer_from_app(_checked_app(find_app(name))))
    except BaseException as error:
        # An app may raise anything, SystemExit included.
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        os.write(answer, json.dumps({"error": reason}).encode())
        os._exit(1)
    with os.fdopen(answer, "w") as out:
        out.write(text)
    # Threads and exit hooks of the app must not keep this process alive.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
