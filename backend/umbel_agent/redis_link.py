"""The agent's own connection to Redis: how it is found, opened, written to and given up."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

import redis
from redis.exceptions import RedisError, ResponseError

from umbel_agent.lookback import LookBack, answers
from umbel_agent.protocol import FIELD, STREAM_KEY

CONNECT_TIMEOUT_S = 2.0
TIMEOUT_S = 5.0

_SCHEMES = {"valkey": "redis", "valkeys": "rediss", "redis+socket": "unix"}

Pool = redis.ConnectionPool
PoolFactory = Callable[[], tuple[Pool, str]]
"""Opens nothing but what is needed to know where Redis is; returns also the prefix of its keys."""


class NoRedis(Exception):
    """There is no Redis to write to: the broker is another one, and no ``redis=`` was given."""


class Refused(Exception):
    """Redis took none of the entries: it is full, read-only, or the key is of another type."""


def pool_of_url(url: str) -> PoolFactory:
    """Return the factory for the Redis at ``url``, whose keys have no prefix."""

    def make() -> tuple[Pool, str]:
        return _tuned(Pool.from_url(plain_url(url))), ""

    return make


def plain_url(url: str) -> str:
    """Return ``url``, of a form that Celery knows, in that of redis-py."""
    scheme, _, rest = url.partition("://")
    url = f"{_SCHEMES.get(scheme, scheme)}://{rest}"
    url = re.sub(r"(?<=[?&])virtual_host=/?", "db=", url) if scheme == "redis+socket" else url
    return re.sub(r"(?<=[?&]ssl_cert_reqs=)CERT_(\w+)", lambda found: found[1].lower(), url)


def pool_of_broker(app: Any) -> PoolFactory:
    """Return the factory for the Redis that is the broker of the Celery ``app``.

    kombu itself works out the connection, so that TLS, passwords, sockets, Sentinel and credential
    providers are as the worker has them.
    """

    def make() -> tuple[Pool, str]:
        with app.connection_for_write() as connection:
            if connection.transport.driver_type != "redis":
                raise NoRedis
            connection.transport_options = {
                **(connection.transport_options or {}),
                "socket_connect_timeout": CONNECT_TIMEOUT_S,
                "socket_timeout": TIMEOUT_S,
            }
            hosts = max(1, len(getattr(connection, "alt", None) or ()))
            connection.ensure_connection(
                max_retries=hosts, interval_start=0, interval_step=0, interval_max=0
            )
            return pool_of_channel(connection.channel())

    return make


def pool_of_channel(channel: Any) -> tuple[Pool, str]:
    """Return a pool of our own to where ``channel`` of kombu is connected, and the keys' prefix."""
    pool = channel._get_pool(asynchronous=False)
    # Closing the channel closes the Sentinel clients it knows of; this one is ours now.
    if hasattr(channel, "_sentinel_manager"):
        channel._sentinel_manager = None
    return _tuned(pool), str(channel.global_keyprefix or "")


def is_redis(app: Any) -> bool:
    """Tell, without connecting, whether the broker of ``app`` is a Redis."""
    with app.connection_for_write() as connection:
        return bool(connection.transport.driver_type == "redis")


def _tuned(pool: Pool) -> Pool:
    for name in ("retry", "retry_on_error", "retry_on_timeout", "health_check_interval"):
        pool.connection_kwargs.pop(name, None)
    pool.connection_kwargs["decode_responses"] = False
    pool.connection_kwargs["socket_timeout"] = TIMEOUT_S
    if not issubclass(pool.connection_class, redis.UnixDomainSocketConnection):
        pool.connection_kwargs["socket_connect_timeout"] = CONNECT_TIMEOUT_S
    pool.max_connections = 2**31
    return pool


class Link:
    """One connection, opened when first needed and again after a failure; for one thread only.

    Args:
        pool: Finds Redis.
        maxlen: About how many entries the stream keeps.
    """

    def __init__(self, pool: PoolFactory, maxlen: int) -> None:
        self._find = pool
        self._maxlen = str(maxlen).encode()
        self._pool: Pool | None = None
        self._connection: Any = None
        self._head = b""
        self._lately = LookBack()
        self._is_new = False
        self.prefix = ""
        """Before every key; known once connected."""

    def connect(self) -> None:
        """Connect, unless it is; the prefix is known then.

        Raises:
            NoRedis: There is none to write to.
            RedisError, OSError: It is away.
        """
        self._connected()

    def append(self, entries: Sequence[bytes]) -> list[bool]:
        """Append ``entries`` to the stream in one go; returns which of them Redis took.

        Raises:
            NoRedis: There is none to write to.
            Refused: It took none of them, and would take none now.
            RedisError, OSError: It is away; which entries it took is unknown.
        """
        connection = self._connected()
        known = self._looked_back(connection)
        again = self._lately.again
        sent = [*again, *(entry for entry in entries if entry not in known)]
        answers = self._sent(connection, sent)
        errors = [answer for answer in answers if isinstance(answer, ResponseError)]
        if errors and len(errors) == len(sent):
            raise Refused(str(errors[0]))
        took = iter(answers[len(again) :])
        return [entry in known or isinstance(next(took), bytes) for entry in entries]

    def _sent(self, connection: Any, entries: Sequence[bytes]) -> list[bytes | ResponseError]:
        """Send ``entries`` and return for each its id, or why it was not taken."""
        head = self._head
        answers: list[bytes | ResponseError] = []
        try:
            connection.send_packed_command(
                [b"".join(b"%b$%d\r\n%b\r\n" % (head, len(entry), entry) for entry in entries)]
            )
            for _ in entries:
                answers.append(_answer_of(connection))
        except BaseException:
            self._lately.doubt(entries)
            self.close()
            raise
        finally:
            self._lately.took(
                (answer, entry)
                for answer, entry in zip(answers, entries, strict=False)
                if isinstance(answer, bytes)
            )
        return answers

    def _looked_back(self, connection: Any) -> Collection[bytes]:
        """After a new connection, find out what is to be sent again; return what need not be."""
        if not self._is_new:
            return ()
        try:
            key = self.prefix + STREAM_KEY
            known = self._lately.look(lambda commands: answers(connection, commands), key)
        except ResponseError as error:
            raise Refused(str(error)) from error
        except BaseException:
            self.close()
            raise
        self._is_new = False
        return known

    def command(self, *words: str | bytes | int | float) -> Any:
        """Run one command on a key of ours; the caller puts the prefix before it.

        Raises:
            ResponseError: Redis refuses it.
            RedisError, OSError: It is away.
        """
        connection = self._connected()
        try:
            connection.send_command(*words)
            return connection.read_response()
        except ResponseError:
            raise
        except BaseException:
            self.close()
            raise

    def _connected(self) -> Any:
        if self._connection is None:
            pool = self._pool
            if pool is None:
                self._pool, self.prefix = pool, _ = self._find()
                self._head = _packed_head(self.prefix, self._maxlen)
            connection: Any = pool.make_connection()
            try:
                connection.connect()
            except BaseException:
                # Where it is may have changed: a failover, another password.
                self._pool = None
                connection.disconnect()
                raise
            self._connection = connection
            self._is_new = True
        return self._connection

    def close(self) -> None:
        """Close the connection; the next use opens another, perhaps somewhere else."""
        connection, self._connection, self._pool = self._connection, None, None
        if connection is not None:
            with suppress(RedisError, OSError):
                connection.disconnect()


def _answer_of(connection: Any) -> bytes | ResponseError:
    try:
        return bytes(connection.read_response())
    except ResponseError as error:
        return error


def _packed_head(prefix: str, maxlen: bytes) -> bytes:
    """Return ``XADD key MAXLEN ~ n * r`` in Redis's protocol, all but the record.

    Packed once and by hand, for redis-py takes 10 µs for it, which is more than all the rest.
    """
    words = (b"XADD", (prefix + STREAM_KEY).encode(), b"MAXLEN", b"~", maxlen, b"*", FIELD.encode())
    packed = b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
    return b"*%d\r\n%b" % (len(words) + 1, packed)
