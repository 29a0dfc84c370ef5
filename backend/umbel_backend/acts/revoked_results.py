"""Stores REVOKED as the result of a task that was taken out of its queue, as a worker would have.

Whoever waits for the result, its chord included, learns of it then. Celery's own result backend does the
work, in an app of our own that knows no task and imports nothing of the user's.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from umbel_backend.broker.answers import WorkerAnswer
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.messages import Wire, read_wire
from umbel_backend.broker.reasons import why
from umbel_backend.broker.results import find_backend, open_results
from umbel_backend.broker.urls import celery_urls, secrets_in

if TYPE_CHECKING:
    from celery import Celery

    from umbel_backend.broker.results import Results

_TOLD = ("result_expires", "result_extended", "task_default_queue", "task_default_exchange")


class RevokedResults:
    """Writes to the result backend that the workers of one cluster use, where that is known.

    Args:
        cluster: Whose tasks were cancelled.
        answers: What its workers say of their settings.
    """

    def __init__(self, cluster: Cluster, answers: Mapping[str, WorkerAnswer]) -> None:
        self._cluster = cluster
        self._conf: dict[str, Any] = {}
        for answer in answers.values():
            self._conf |= answer.conf or {}
        backend = find_backend(cluster, answers.values())
        self._prefix = backend.key_prefix or ""
        self._url = backend.url or ""
        self._app: Celery | None = None
        self._backend: Any = None
        self.why_not = backend.why_not.removeprefix("Results cannot be read: ").rstrip(".")
        """Why no result can be stored, as a phrase; empty if one can."""
        if backend.guessed:
            self.why_not = "which result backend is used is not known (--result-backend names it)"
        serializer = self._conf.get("result_serializer") or "json"
        if not self.why_not and serializer != "json":
            self.why_not = f"results are stored as {serializer}, which Umbel does not write"

    @property
    def reader(self) -> Results | None:
        """A reader of the same backend; None if there is none that can be read."""
        if self.why_not:
            return None
        return open_results(self._cluster, self._url, key_prefix=self._prefix)

    def store(self, raw: bytes) -> str:
        """Store REVOKED for the task of the message ``raw``; return what was done in words."""
        if self.why_not:
            return f"No result was stored: {self.why_not}."
        headers, embed = opened(raw)
        if headers.get("ignore_result"):
            return "It stores no result."
        from celery.app.task import Context
        from kombu.exceptions import KombuError
        from redis import RedisError
        from sqlalchemy.exc import SQLAlchemyError

        request = Context({**headers, **(embed or {})}, called_directly=False, delivery_info={})
        try:
            backend = self._backend or self._open()
            backend.mark_as_revoked(headers["id"], "revoked", request=request, store_result=True)
        except (OSError, ValueError, KombuError, RedisError, SQLAlchemyError, ImportError) as error:
            return f"No result was stored: {why(error, secrets_in(self._url))}."
        return "Its result is REVOKED."

    def close(self) -> None:
        """Close what is open."""
        app, self._app, self._backend = self._app, None, None
        if app is not None:
            app.close()

    def _open(self) -> Any:
        """Make Celery's own backend for the URL; the environment must not put another in its place."""
        from celery import Celery
        from celery.app.backends import by_url
        from celery.loaders.app import AppLoader

        broker = celery_urls(self._cluster.context.broker)[0]
        app = Celery("umbel", broker=broker, loader=AppLoader, fixups=set(), set_as_current=False)
        app.conf.update(
            # A chord that fails for it sends messages: never to CELERY_BROKER_URL's broker.
            broker_write_url=broker,
            broker_use_ssl=self._cluster.context.broker_use_ssl or False,
            broker_transport_options=dict(self._cluster.context.transport_options),
            broker_connection_timeout=self._cluster.connect_timeout_s,
            accept_content=["json"],
            result_accept_content=["json"],
            result_backend_transport_options=self._transport_options(),
            redis_socket_connect_timeout=self._cluster.connect_timeout_s,
            redis_socket_timeout=self._cluster.read_timeout_s,
            **{name: self._conf[name] for name in _TOLD if name in self._conf},
        )
        if self._url.startswith("rediss://") and "ssl_cert_reqs" not in self._url:
            app.conf.redis_backend_use_ssl = self._ssl()
        backend_class, url = by_url(_celery_scheme(self._url), app.loader)
        self._app, self._backend = app, backend_class(app=app, url=url)
        return self._backend

    def _transport_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if self._prefix:
            options["global_keyprefix"] = self._prefix
        master = self._cluster.context.transport_options.get("master_name")
        if master is not None:
            options["master_name"] = master
        return options

    def _ssl(self) -> Any:
        broker = self._cluster.context.broker_use_ssl
        if isinstance(broker, dict) and "ssl_cert_reqs" in broker:
            return broker
        import ssl

        return {"ssl_cert_reqs": ssl.CERT_NONE}


def opened(raw: bytes) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return a message's headers, and what its body says of callbacks, chain and chord.

    The second is None where the body is not JSON: then nobody but a worker can tell.
    """
    wire = read_wire(raw, len(raw))
    if wire is None:
        return {}, None
    headers: dict[str, Any] = dict(wire.headers)
    if wire.content_type != "application/json" or headers.get("compression"):
        return headers, None
    try:
        body = json.loads(_body_of(wire))
    except (ValueError, RecursionError):
        return headers, None
    embed = body[2] if isinstance(body, list) and len(body) > 2 else {}
    return headers, dict(embed) if isinstance(embed, dict) else {}


def _body_of(wire: Wire) -> bytes:
    body = wire.body if isinstance(wire.body, str) else ""
    is_base64 = wire.properties.get("body_encoding") == "base64"
    return b64decode(body) if is_base64 else body.encode()


def _celery_scheme(url: str) -> str:
    return url.replace("valkey", "redis", 1) if url.startswith("valkey") else url
