"""Keeps the agents' stream short, and tells how it stands.

What every group that is alive has acknowledged is cut off; a group that nobody used for a week is removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from umbel_agent.protocol import STREAM_KEY
from umbel_backend.broker.cluster import Cluster
from umbel_backend.errors import UmbelError
from umbel_backend.events.agent_stream_reader import GROUP, instant_of
from umbel_backend.settings import Context

if TYPE_CHECKING:
    from redis import Redis

KEPT_S = 60.0
"""Entries younger than this stay, for consoles that read without a group."""
ALIVE_S = 86_400.0
"""A group that nobody read for longer is not waited for."""
ABANDONED_S = 7 * 86_400.0
_SENTINEL_OPTIONS = ("master_name", "sentinel_kwargs", "min_other_sentinels")
"""Transport options that a Redis beside the broker shares with it; a key prefix it does not."""


@dataclass(frozen=True, slots=True)
class GroupStanding:
    """How far one reader's group is."""

    name: str
    behind: int | None
    """Entries it has not read; None if the server cannot tell."""
    pending: int
    """Entries it read and has not acknowledged."""
    idle_s: float | None
    """Since one of its consumers last asked; None if it has none."""
    done_until: str
    """Id up to which everything is acknowledged, itself included or not."""


@dataclass(frozen=True, slots=True)
class StreamStanding:
    """How the agents' stream stands at one moment."""

    length: int
    first_at: float | None
    """When its first entry was taken; None if it is empty."""
    last_at: float | None
    groups: tuple[GroupStanding, ...]


def stream_context(context: Context) -> Context | None:
    """Return where the agents' stream of ``context`` is; None if no Redis is known for it."""
    if context.stream:
        options = context.transport_options
        kept = {name: options[name] for name in _SENTINEL_OPTIONS if name in options}
        url = _as_celery_writes_it(context.stream)
        return Context(name=context.name, broker=url, transport_options=kept)
    try:
        return context if Cluster(context).is_redis else None
    except UmbelError:
        return None


def _as_celery_writes_it(url: str) -> str:
    """Return the URL of a Unix socket, which agents take as redis-py writes it, as Celery writes it."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    query = dict(parse_qsl(parts.query))
    database, password = query.get("db", "0"), query.get("password")
    user = (
        parts.netloc if password is None else f"{parts.username or ''}:{quote(password, safe='')}@"
    )
    return f"redis+socket://{user}{parts.path}?virtual_host={database}"


def survey(client: Redis, prefix: str) -> StreamStanding | None:
    """Return how the stream stands; None if there is none.

    Raises:
        RedisError: The server cannot be asked.
    """
    from redis import ResponseError

    key = prefix + STREAM_KEY
    try:
        stream: Any = client.xinfo_stream(key)
        groups: Any = client.xinfo_groups(key)
    except ResponseError as error:
        if "no such key" in str(error).lower():
            return None
        raise
    first, last = stream.get("first-entry"), stream.get("last-entry")
    return StreamStanding(
        length=stream["length"],
        first_at=instant_of(_text(first[0])) if first else None,
        last_at=instant_of(_text(last[0])) if last else None,
        groups=tuple(_standing(client, key, group) for group in groups),
    )


def tidy(client: Redis, prefix: str, now: float) -> int:
    """Cut off what nobody needs and remove abandoned groups; returns how many entries were cut off.

    Args:
        client: The server.
        prefix: What stands before every key.
        now: By the server's clock.

    Raises:
        RedisError: The server cannot be asked.
    """
    standing = survey(client, prefix)
    if standing is None:
        return 0
    key = prefix + STREAM_KEY
    needed = []
    for group in standing.groups:
        idle_s = group.idle_s
        if idle_s is not None and idle_s > ABANDONED_S and group.name.startswith(GROUP):
            client.xgroup_destroy(key, group.name)
        elif idle_s is None or idle_s <= ALIVE_S:
            needed.append(group.done_until)
    if not needed:
        return 0
    oldest = min(needed, key=_place)
    until = min(oldest, f"{int((now - KEPT_S) * 1000)}-0", key=_place)
    cut: int = client.xtrim(key, minid=until, approximate=True)
    return cut


def _standing(client: Redis, key: str, group: Mapping[str, Any]) -> GroupStanding:
    name = _text(group["name"])
    consumers: Any = client.xinfo_consumers(key, name)
    done_until = _text(group["last-delivered-id"])
    if group["pending"]:
        summary: Any = client.xpending(key, name)
        done_until = _text(summary["min"]) or done_until
    idle = [each["idle"] for each in consumers]
    return GroupStanding(
        name=name,
        behind=group.get("lag"),
        pending=group["pending"],
        idle_s=min(idle) / 1000 if idle else None,
        done_until=done_until,
    )


def _place(stream_id: str) -> tuple[int, int]:
    milliseconds, _, number = stream_id.partition("-")
    return (int(milliseconds or 0), int(number or 0))


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
