"""A read-only look at what Celery's result backend keeps, without the user's app and without pickle.

Redis and Valkey are read with plain commands, databases with a SELECT of our own, both bounded; of
other backends nothing can be read here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from umbel_backend.broker.answers import WorkerAnswer
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.reasons import why
from umbel_backend.broker.result_meta import TaskResult, read_ends, read_meta
from umbel_backend.broker.urls import mask_url, secrets_in
from umbel_backend.errors import UmbelError

if TYPE_CHECKING:
    import redis

__all__ = [
    "Backend",
    "Results",
    "ResultsUnavailable",
    "TaskResult",
    "find_backend",
    "open_results",
    "why_no_results",
]

_BATCH = 200
_WHOLE_BYTES = 65_536
_HEAD_BYTES, _TAIL_BYTES = 256, 4_096
_REDIS_SCHEMES = ("redis", "rediss", "sentinel", "redis+socket", "valkey", "valkeys")


class ResultsUnavailable(UmbelError):
    """The result backend cannot be reached or read."""

    exit_code = 3


class Results(Protocol):
    """Reads results of one backend. Blocking, bounded, safe between threads.

    ``url`` is where, fit to be shown.
    """

    url: str

    def read(self, ids: Collection[str]) -> dict[str, TaskResult]:
        """Return what is stored of the tasks in ``ids``, by id; what is not stored is left out.

        Raises:
            ResultsUnavailable: The backend is not there.
        """

    def close(self) -> None:
        """Close what is open; reading again opens it anew."""


@dataclass(frozen=True, slots=True)
class Backend:
    """Where the workers of a cluster store their results, as far as it is known."""

    url: str | None
    """May hold a password; None if not known."""
    key_prefix: str | None = ""
    """``global_keyprefix`` of ``result_backend_transport_options``; None if Celery hides it."""
    why_not: str = ""
    """Why results cannot be read, one sentence; empty if they can."""
    guessed: bool = False
    """Nobody told: the broker's own database is looked at, and what is found there is true, but
    what is not found may be elsewhere.
    """


def find_backend(cluster: Cluster, answers: Iterable[WorkerAnswer] = ()) -> Backend:
    """Tell where results are: by the context if it says so, else by the workers' own ``conf``.

    Celery hides the password in its answer. If the backend is the very server of the broker, the
    broker's password is taken; else the backend has to be given. Where nobody tells, a Redis broker
    is taken for its own backend.
    """
    confs = [answer.conf for answer in answers if answer.conf is not None]
    prefixes = Counter(_prefix_in(conf) for conf in confs)
    prefix = prefixes.most_common(1)[0][0] if prefixes else ""
    if cluster.context.result_backend:
        return _readable(Backend(cluster.context.result_backend, prefix))
    told = Counter(
        place for conf in confs if isinstance(place := conf.get("result_backend"), str) and place
    )
    if not told:
        # Given on the command line or in the environment, it is not in what Celery answers.
        if cluster.is_redis and prefix is not None:
            return Backend(cluster.context.broker, prefix, guessed=True)
        why_not = "no worker told where it stores them (give it with --result-backend)"
        return Backend(None, "", f"Results cannot be read: {why_not}.")
    url: str | None = told.most_common(1)[0][0]
    if url is not None and _is_hidden(url):
        url = _with_password(url, cluster.context.broker)
        if url is None:
            return Backend(
                None,
                prefix,
                "Results cannot be read: the workers hide the password of their result backend"
                " (give it with --result-backend).",
            )
    return _readable(Backend(url, prefix))


def why_no_results(url: str) -> str | None:
    """Return why results at ``url`` cannot be read, as one sentence; None if they can."""
    scheme = url.partition("://")[0].lower()
    if scheme in _REDIS_SCHEMES or scheme.startswith("db+"):
        return None
    shown = mask_url(url)
    if scheme.startswith("rpc"):
        return f"Results cannot be read: {shown} sends each to its caller and keeps none."
    return f"Results cannot be read: Umbel reads those in Redis and in databases, not in {shown}."


def open_results(
    cluster: Cluster, backend_url: str | None = None, *, key_prefix: str | None = None
) -> Results | None:
    """Return the reader for a result backend; nothing is connected yet.

    Args:
        cluster: Gives the timeouts.
        backend_url: As Celery takes it; None takes the context's own.
        key_prefix: ``global_keyprefix`` of ``result_backend_transport_options``.

    Returns:
        None if there is no URL or none that can be read; `why_no_results` says why.
    """
    url = backend_url or cluster.context.result_backend
    if not url or why_no_results(url) is not None:
        return None
    if url.lower().startswith("db+"):
        from umbel_backend.broker.database_results import DatabaseResults

        return DatabaseResults(url)
    return RedisResults(cluster, url, key_prefix or "")


class RedisResults:
    """Reads results kept in Redis or Valkey."""

    def __init__(self, cluster: Cluster, url: str, key_prefix: str) -> None:
        self.url = mask_url(url)
        self._url = url.replace("valkey", "redis", 1) if url.startswith("valkey") else url
        self._cluster = cluster
        self._secrets = secrets_in(url)
        if key_prefix and key_prefix[-1] not in ":_-.":
            key_prefix += "_"  # as Celery does
        self._key_prefix = f"{key_prefix}celery-task-meta-"
        self._client: redis.Redis | None = None

    def read(self, ids: Collection[str]) -> dict[str, TaskResult]:
        """Read in batches; see `Results.read`."""
        import redis

        wanted = list(ids)
        found: dict[str, TaskResult] = {}
        try:
            client = self._open()
            for start in range(0, len(wanted), _BATCH):
                self._read_batch(client, wanted[start : start + _BATCH], found)
        except (redis.RedisError, OSError, ValueError, TypeError, ImportError) as error:
            reason = why(error, self._secrets)
            raise ResultsUnavailable(
                f"The result backend {self.url} cannot be read: {reason}."
            ) from None
        return found

    def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            client.connection_pool.disconnect()

    def _read_batch(
        self, client: redis.Redis, ids: Sequence[str], found: dict[str, TaskResult]
    ) -> None:
        with client.pipeline(transaction=False) as pipe:
            for task_id in ids:
                pipe.strlen(self._key(task_id))
            sizes = pipe.execute(raise_on_error=False)
        with client.pipeline(transaction=False) as pipe:
            asked = [
                (task_id, size)
                for task_id, size in zip(ids, sizes, strict=True)
                if isinstance(size, int) and size > 0
            ]
            for task_id, size in asked:
                whole = size <= _WHOLE_BYTES
                pipe.getrange(self._key(task_id), 0, -1 if whole else _HEAD_BYTES)
                pipe.getrange(self._key(task_id), -1 if whole else -_TAIL_BYTES, -1)
            answers = pipe.execute()
        for (task_id, size), head, tail in zip(asked, answers[::2], answers[1::2], strict=True):
            if head:
                whole = size <= _WHOLE_BYTES
                found[task_id] = (
                    read_meta(task_id, head) if whole else read_ends(task_id, head, tail)
                )

    def _key(self, task_id: str) -> str:
        return self._key_prefix + task_id

    def _open(self) -> redis.Redis:
        """Return a client with the parameters that Celery's own backend would use."""
        if self._client is None:
            from celery.app.backends import by_url

            app = self._cluster.app
            ssl = self._ssl()
            if ssl is not None:
                app.conf.redis_backend_use_ssl = ssl
            master = self._cluster.context.transport_options.get("master_name")
            if master is not None:
                app.conf.result_backend_transport_options = {"master_name": master}
            app.conf.update(
                redis_socket_connect_timeout=self._cluster.connect_timeout_s,
                redis_socket_timeout=self._cluster.read_timeout_s,
                redis_retry_on_timeout=False,
            )
            backend_class, url = by_url(self._url, app.loader)
            self._client = backend_class(app=app, url=url).client
        assert self._client is not None
        return self._client

    def _ssl(self) -> Any:
        if not self._url.startswith("rediss://") or "ssl_cert_reqs" in self._url:
            return None
        broker = self._cluster.context.broker_use_ssl
        if isinstance(broker, dict) and "ssl_cert_reqs" in broker:
            return broker
        import ssl

        return {"ssl_cert_reqs": ssl.CERT_NONE}


def _readable(backend: Backend) -> Backend:
    if backend.url is None:
        return backend
    if backend.key_prefix is None:
        why_not = (
            "Results cannot be read: Celery hides the global_keyprefix of the result backend's"
            " transport options."
        )
    else:
        why_not = why_no_results(backend.url) or ""
    return Backend(backend.url, backend.key_prefix, why_not)


def _prefix_in(conf: dict[str, Any]) -> str | None:
    options = conf.get("result_backend_transport_options")
    prefix = options.get("global_keyprefix") if isinstance(options, dict) else None
    if not isinstance(prefix, str):
        return ""
    return None if prefix and not prefix.strip("*") else prefix


def _is_hidden(url: str) -> bool:
    userinfo = url.partition("://")[2].rpartition("@")[0]
    password = userinfo.partition(":")[2]
    return bool(password) and not password.strip("*")


def _with_password(url: str, broker: str) -> str | None:
    """Return ``url`` with the broker's user and password, if it names the broker's server."""
    scheme, _, rest = url.partition("://")
    broker_scheme, _, broker_rest = broker.partition("://")
    userinfo, _, place = rest.rpartition("@")
    broker_userinfo, _, broker_place = broker_rest.rpartition("@")
    with suppress(IndexError):
        same = place.split("/")[0] == broker_place.split("/")[0]
        if same and scheme == broker_scheme and ";" not in broker:
            own_user, broker_user = userinfo.partition(":")[0], broker_userinfo.partition(":")[0]
            if own_user == broker_user:
                return f"{scheme}://{broker_userinfo}@{place}"
    return None
