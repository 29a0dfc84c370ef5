"""One cluster as named by a context: connections made as Celery would make them, with timeouts.

Celery, kombu and redis-py are loaded at the first connection, not when this module is imported.
Everything read here is read with JSON only; nothing of the user's project is imported.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from umbel_backend.broker import libraries
from umbel_backend.broker.reasons import scrubbed, why
from umbel_backend.broker.separator import DEFAULT_SEP, separator_in
from umbel_backend.broker.urls import (
    AMQP_TRANSPORTS,
    REDIS_TRANSPORTS,
    InvalidBroker,
    celery_urls,
    mask_url,
    secrets_in,
    transport_of,
)
from umbel_backend.errors import BrokerUnavailable, UmbelError
from umbel_backend.settings import Context

if TYPE_CHECKING:
    from celery import Celery
    from kombu import Connection
    from redis import Redis

T = TypeVar("T")

DEFAULT_STEPS = (0, 3, 6, 9)
DEFAULT_VISIBILITY_TIMEOUT_S = 3600.0
_POOL_SIZE = 20
_SEPARATED = 100
"""Bindings looked at for the separator in them."""


class Cluster:
    """The way to one broker. Cheap to make: nothing is opened or imported until it is needed.

    Safe to share between threads. A URL that cannot be used is told by `check`, not here.

    Args:
        context: What to connect to and how.
        connect_timeout_s: Longest wait for one connection to open.
        read_timeout_s: Longest wait for one answer of the broker.
    """

    def __init__(
        self, context: Context, *, connect_timeout_s: float = 3.0, read_timeout_s: float = 5.0
    ) -> None:
        self.context = context
        self.connect_timeout_s = connect_timeout_s
        self.read_timeout_s = read_timeout_s
        self._lock = threading.RLock()
        self._sep: str | None = context.transport_options.get("sep") or None
        self._app: Celery | None = None
        self._redis: Redis | None = None

    @cached_property
    def url(self) -> str:
        """The broker URL fit to be shown."""
        return mask_url(self.context.broker)

    @cached_property
    def transport(self) -> str:
        """The transport's name, ``redis``; raises InvalidBroker as `transport_of` does."""
        return transport_of(self.context.broker)

    @property
    def is_redis(self) -> bool:
        """Whether the broker is Redis or Valkey, in whatever way it is reached."""
        return self.transport in REDIS_TRANSPORTS

    @property
    def is_amqp(self) -> bool:
        """Whether the broker speaks AMQP, as RabbitMQ does."""
        return self.transport in AMQP_TRANSPORTS

    @property
    def key_prefix(self) -> str:
        """Transport option ``global_keyprefix``; it stands before every key of kombu's."""
        return str(self.context.transport_options.get("global_keyprefix") or "")

    @property
    def priority_steps(self) -> tuple[int, ...]:
        """Transport option ``priority_steps``, in the order in which workers serve them."""
        steps = self.context.transport_options.get("priority_steps")
        return tuple(int(step) for step in steps) if steps else DEFAULT_STEPS

    @property
    def sep(self) -> str:
        """Transport option ``sep``, which stands between a queue's name and its step.

        Where the context names none, the one that the workers use, from the first connection on.
        """
        return self._sep or DEFAULT_SEP

    @property
    def knows_sep(self) -> bool:
        """Whether `sep` is told or learnt; before any worker was there it is only the usual one."""
        return self._sep is not None or not self.is_redis

    @property
    def visibility_timeout_s(self) -> float:
        """After how long Redis redelivers what was not acknowledged, by this context's options."""
        return float(
            self.context.transport_options.get("visibility_timeout") or DEFAULT_VISIBILITY_TIMEOUT_S
        )

    @property
    def app(self) -> Celery:
        """The one Celery app of this context; never the current app, knows no tasks.

        Celery lets ``CELERY_BROKER_URL`` in the environment override an app's own URL, so take
        connections from `connection` only and pass them on explicitly.
        """
        with self._lock:
            if self._app is None:
                self._app = self._make_app()
            return self._app

    def connection(self) -> Connection:
        """Open a new connection, trying the URLs of a failover list in turn; the caller closes it.

        Raises:
            BrokerUnavailable: None could be opened.
        """
        return self._guarded(self._connect)

    def redis(self) -> Redis:
        """Return the shared client of a Redis broker, with the parameters kombu itself would use.

        It adds no prefix to keys and decodes nothing. Timeouts are those of this cluster.

        Raises:
            BrokerUnavailable: The broker is another one, or cannot be reached.
        """
        with self._lock:
            if self._redis is not None:
                return self._redis
        # Not under the lock: connecting may take its whole timeout, and others must not wait for it.
        client = self._guarded(self._make_redis)
        with self._lock:
            if self._redis is None:
                self._redis = client
            return self._redis

    def check(self, timeout_s: float = 3.0) -> None:
        """Connect once and let go again.

        Raises:
            InvalidBroker: The URL is not usable, whatever runs there.
            BrokerUnavailable: It cannot be reached within ``timeout_s``, name lookup included.
        """
        _ = self.transport
        with suppress(ImportError):
            # Told by the attempt. On a busy host loading takes seconds, which say nothing of the broker.
            libraries.load()
        # Name lookup knows no timeout, so that the wait for it has to be bounded from outside.
        outcome: list[BaseException | None] = []

        def attempt() -> None:
            try:
                self.connection().release()
                outcome.append(None)
            except Exception as error:  # raised again below, in the thread that asked
                outcome.append(error)

        thread = threading.Thread(target=attempt, name="umbel-check", daemon=True)
        thread.start()
        thread.join(timeout_s)
        if not outcome:
            raise BrokerUnavailable(
                f"The broker {self.url} cannot be reached: it did not answer within"
                f" {timeout_s:.1f} s."
            )
        if outcome[0] is not None:
            raise outcome[0]

    def close(self) -> None:
        """Close what is open; using the cluster again opens it anew."""
        with self._lock:
            client, self._redis = self._redis, None
            app, self._app = self._app, None
        if client is not None:
            client.connection_pool.disconnect()
        if app is not None:
            app.close()

    def unavailable(self, error: BaseException) -> BrokerUnavailable:
        """Translate ``error``, raised by an outside call, into the sentence an operator reads."""
        if isinstance(error, BrokerUnavailable):
            return error
        reason = why(error, self._secrets)
        return BrokerUnavailable(f"The broker {self.url} cannot be reached: {reason}.")

    def scrubbed(self, text: str) -> str:
        """Return ``text`` from outside without any secret of the broker URL."""
        return scrubbed(text, self._secrets)

    @cached_property
    def _secrets(self) -> set[str]:
        return secrets_in(self.context.broker) | secrets_in(self.context.result_backend or "")

    def _guarded(self, call: Callable[[], T]) -> T:
        try:
            libraries.load()
            return call()
        except UmbelError:
            raise
        except ImportError as error:
            raise self.unavailable(error) from error
        except Exception as error:
            # kombu's transports raise whatever their driver raises; there is no common base class.
            if self._is_from_outside(error):
                raise self.unavailable(error) from None
            raise

    def _is_from_outside(self, error: Exception) -> bool:
        """Whether ``error`` is the driver's word about the broker rather than a mistake of ours."""
        if not (self.is_redis or self.is_amqp):
            return True
        import redis
        from amqp.exceptions import AMQPError
        from kombu.exceptions import KombuError

        # Wrong connection options surface as ValueError, TypeError or KeyError.
        settings = (ValueError, TypeError, KeyError)
        return isinstance(error, (OSError, *settings, KombuError, AMQPError, redis.RedisError))

    def _connect(self) -> Connection:
        last: Exception | None = None
        for url in celery_urls(self.context.broker):
            try:
                return self._connect_to(url)
            except ImportError:
                raise
            except Exception as error:
                if not self._is_from_outside(error):
                    raise
                last = error
        raise last or InvalidBroker("The broker URL is empty.")

    def _connect_to(self, url: str) -> Connection:
        if not self.knows_sep:
            with self._connect_as_told(url) as connection:
                self._learn_sep(connection)
        return self._connect_as_told(url)

    def _learn_sep(self, connection: Connection) -> None:
        """Take over the separator of the workers, which has to be known before anything is bound."""
        from redis import ResponseError

        table = f"{self.key_prefix}_kombu.binding.{self.context.control_exchange}.pidbox"
        with suppress(ResponseError):  # this user may not read it, or it is no table
            _, members = connection.default_channel.client.sscan(table, 0, count=_SEPARATED)
            self._sep = separator_in(members)

    def _connect_as_told(self, url: str) -> Connection:
        options = {"sep": self.sep} if self.is_redis else {}
        connection = self.app.connection_for_read(
            url, ssl=self._ssl_of(url), transport_options=options
        )
        try:
            connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)
            if self.is_amqp:
                # py-amqp waits for ever for a server that accepted and then fell silent.
                connection.connection.sock.settimeout(self.read_timeout_s)
        except BaseException:
            with suppress(Exception):
                connection.release()
            raise
        return connection

    def _ssl_of(self, url: str) -> Any:
        if self.context.broker_use_ssl is not None:
            return self.context.broker_use_ssl
        if url.startswith("rediss://") and "ssl_" not in url:
            import ssl

            # What kombu does by itself, but with a warning on the screen.
            return {"ssl_cert_reqs": ssl.CERT_NONE}
        return None

    def _make_app(self) -> Celery:
        libraries.load()
        from celery import Celery
        from celery.loaders.app import AppLoader

        context = self.context
        app = Celery(
            "umbel",
            broker=celery_urls(context.broker)[0],
            # An explicit loader and no fix-ups: the environment must not load a project or Django.
            loader=AppLoader,
            fixups=set(),
            set_as_current=False,
        )
        app.conf.update(
            accept_content=["json"],
            result_accept_content=["json"],
            task_serializer="json",
            broker_use_ssl=context.broker_use_ssl or False,
            broker_transport_options=self._transport_options(),
            broker_connection_timeout=self.connect_timeout_s,
            broker_connection_retry=False,
            broker_connection_retry_on_startup=False,
            broker_heartbeat=0,
            event_exchange=context.event_exchange,
            event_queue_prefix=context.event_queue_prefix,
            control_exchange=context.control_exchange,
            enable_utc=True,
        )
        return app

    def _transport_options(self) -> dict[str, Any]:
        options = dict(self.context.transport_options)
        if self.is_redis:
            options.setdefault("socket_connect_timeout", self.connect_timeout_s)
            options.setdefault("socket_timeout", self.read_timeout_s)
        return options

    def _make_redis(self) -> Redis:
        if not self.is_redis:
            raise BrokerUnavailable(f"The broker {self.url} is not a Redis server.")
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        with self._connect() as connection:
            channel = connection.channel()
            # kombu keeps this to itself, but nothing else says what Celery would connect with.
            pool = channel._get_pool()
            if not isinstance(pool, redis.sentinel.SentinelConnectionPool):
                parameters = pool.connection_kwargs | {"max_connections": _POOL_SIZE}
                pool = redis.ConnectionPool(connection_class=pool.connection_class, **parameters)
        client = redis.Redis(connection_pool=pool)
        # One more try, at once: an idle connection may have been closed by the server meanwhile.
        client.set_retry(Retry(NoBackoff(), 1, (redis.ConnectionError,)))
        return client
