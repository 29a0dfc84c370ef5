"""Broker URLs: which transport one names, and how to show one without its password.

Imports nothing of Celery: the header needs this before anything heavy is loaded.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from umbel_agent.redact import HIDDEN
from umbel_backend.errors import BrokerUnavailable, InvalidValue

REDIS_TRANSPORTS = frozenset({"redis", "rediss", "sentinel"})
AMQP_TRANSPORTS = frozenset({"amqp", "amqps"})

_TRANSPORTS = {
    "redis": "redis",
    "valkey": "redis",
    "redis+socket": "redis",
    "valkey+socket": "redis",
    "rediss": "rediss",
    "valkeys": "rediss",
    "sentinel": "sentinel",
    "amqp": "amqp",
    "pyamqp": "amqp",
    "librabbitmq": "amqp",
    "amqps": "amqps",
    **{
        name: name
        for name in [
            "memory",
            "filesystem",
            "sqs",
            "sqlalchemy",
            "sqla",
            "mongodb",
            "zookeeper",
            "consul",
            "etcd",
            "qpid",
            "pyro",
            "kafka",
            "confluentkafka",
            "azurestoragequeues",
            "azureservicebus",
            "gcpubsub",
            "pgmq",
            "slmq",
        ]
    },
}
_CELERY_SCHEMES = {
    "valkey": "redis",
    "valkeys": "rediss",
    "valkey+socket": "redis+socket",
}
_DEFAULT_PORTS = {"redis": 6379, "rediss": 6379, "sentinel": 26379, "amqp": 5672, "amqps": 5671}
_SECRET_NAME = re.compile(r"pass|pwd|secret|token|key|credential|auth|sig", re.IGNORECASE)
_PLAIN_HOSTS = re.compile(r"(?:(?:\[[0-9a-fA-F:.%]*\]|[^:@\[\]]*)(?::\d{0,5})?(?:,|$))*")


class InvalidBroker(InvalidValue, BrokerUnavailable):
    """The broker URL itself is not usable: nothing was tried."""


def mask_url(url: str) -> str:
    """Return ``url`` with every password in it replaced by ``***``.

    Also for several URLs joined by ``;`` and for passwords in the query. What cannot be taken apart
    with certainty is hidden altogether: ``redis://***``.
    """
    parts = url.split(";")
    if any("@" in part and "://" not in part for part in parts[1:]):
        # A password may hold the separator itself: then no part is what it seems.
        return _hidden(url)
    return ";".join(_mask_one(part) for part in parts)


def describe_url(url: str) -> str:
    """Return the short form for a header, ``redis://cache-1:6379/0``: no user, password or query."""
    masked = mask_url(url).split(";")
    first = masked[0].strip()
    scheme, separator, rest = first.partition("://")
    if not separator or rest == HIDDEN:
        return first
    authority, path = _split_authority(rest.partition("?")[0])
    hosts = authority.rpartition("@")[2]
    transport = _TRANSPORTS.get(scheme.lower())
    port = _DEFAULT_PORTS.get(transport or "")
    if port is not None and not scheme.endswith("+socket"):
        hosts = hosts or "localhost"
        if not re.search(r":\d+$", hosts):
            hosts = f"{hosts.removesuffix(':')}:{port}"
    if transport in ("redis", "rediss") and path in ("", "/") and hosts:
        path = "/0"
    more = f" (+{len(masked) - 1})" if len(masked) > 1 else ""
    return f"{scheme}://{hosts}{path}{more}"


def transport_of(url: str) -> str:
    """Return which transport ``url`` names: ``redis``, ``rediss``, ``sentinel``, ``amqp``, ``memory`` …

    Valkey counts as Redis, py-amqp and librabbitmq as ``amqp``.

    Raises:
        InvalidBroker: No scheme, or one that Celery has no transport for.
    """
    scheme, separator, _ = url.strip().partition("://")
    if not separator:
        raise InvalidBroker(
            f"{mask_url(url)!r} is not a broker URL: it must begin with redis://, rediss://,"
            " redis+socket://, sentinel://, amqp:// or amqps://."
        )
    scheme = scheme.lower()
    transport = _TRANSPORTS.get(scheme) or _TRANSPORTS.get(scheme.partition("+")[0])
    if transport is None:
        raise InvalidBroker(
            f"{scheme[:40]!r} in {mask_url(url)!r} is not a transport that Celery has; use redis://,"
            " rediss://, redis+socket://, sentinel://, amqp:// or amqps://."
        )
    return transport


def celery_urls(url: str) -> list[str]:
    """Return the URLs to try in turn, each as Celery takes it (``valkey`` becomes ``redis``).

    All nodes of a Sentinel URL stay in one, because they are one broker.
    """
    parts = [_celery_url(part.strip()) for part in url.split(";") if part.strip()]
    if transport_of(url) == "sentinel":
        return [";".join(parts)]
    scheme = url.partition("://")[0].strip()
    return [part if "://" in part else _celery_url(f"{scheme}://{part}") for part in parts]


def secrets_in(url: str) -> set[str]:
    """Return every text of ``url`` that must not appear anywhere, as written and decoded."""
    found = set()
    for part in url.split(";"):
        rest = part.partition("://")[2] or part
        userinfo, separator, _ = rest.rpartition("@")
        if separator:
            found.add(userinfo.partition(":")[2] or userinfo)
        for name, value in _query_of(rest):
            if _SECRET_NAME.search(name):
                found.add(value)
    return {text for secret in found for text in (secret, unquote(secret)) if text}


def _celery_url(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{_CELERY_SCHEMES.get(scheme.lower(), scheme)}{separator}{rest}"


def _mask_one(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    before, question, query = rest.partition("?")
    authority, path = _split_authority(before)
    userinfo, at, hosts = authority.rpartition("@")
    query = "&".join(_mask_parameter(parameter) for parameter in query.split("&"))
    # An @ left anywhere else, or a port that is none, means that the password held a delimiter.
    if "@" in path or "@" in query or "@" in hosts or not _PLAIN_HOSTS.fullmatch(hosts):
        return _hidden(url)
    if at:
        user, colon, _ = userinfo.partition(":")
        userinfo = f"{user}:{HIDDEN}" if colon else HIDDEN
    return f"{scheme}{separator}{userinfo}{at}{hosts}{path}{question}{query}"


def _mask_parameter(parameter: str) -> str:
    name, equals, value = parameter.partition("=")
    return f"{name}{equals}{HIDDEN}" if value and _SECRET_NAME.search(name) else parameter


def _hidden(url: str) -> str:
    scheme, separator, _ = url.partition("://")
    return f"{scheme}://{HIDDEN}" if separator and scheme.replace("+", "").isalnum() else HIDDEN


def _split_authority(rest: str) -> tuple[str, str]:
    """Return what stands before and from the first ``/`` or ``#``."""
    end = re.search(r"[/#]", rest)
    return (rest[: end.start()], rest[end.start() :]) if end else (rest, "")


def _query_of(rest: str) -> list[tuple[str, str]]:
    query = rest.partition("?")[2]
    return [(name, value) for name, _, value in (p.partition("=") for p in query.split("&"))]
