"""The names the agent and its readers share: keys in Redis, types of records, words for capabilities.

Importable without Celery. What the records hold is in ``docs/agent-stream.md``.
"""

from __future__ import annotations

from typing import Final

PROTOCOL: Final = 1
"""Version of the stream's contents, in the announcement of every worker."""

STREAM_KEY: Final = "umbel:stream"
"""The stream, without the broker's ``global_keyprefix``."""
AGENT_KEY: Final = "umbel:agent:{hostname}"
"""The announcement of one worker, without the broker's ``global_keyprefix``."""
FIELD: Final = "r"
"""The one field of a stream entry: a record as JSON text."""

ANNOUNCE_EVERY_S: Final = 10.0
ANNOUNCEMENT_EXPIRES_S: Final = 30
SAMPLE_EVERY_S: Final = 10.0
STREAM_MAXLEN: Final = 200_000

MESSAGE: Final = "umbel-message"
PROGRESS: Final = "umbel-progress"
LOG: Final = "umbel-log"
SAMPLE: Final = "umbel-sample"
DROPPED: Final = "umbel-dropped"
OWN_TYPES: Final = frozenset({MESSAGE, PROGRESS, LOG, SAMPLE, DROPPED})

LIFECYCLE_TYPES: Final = frozenset(
    {
        "task-sent",
        "task-received",
        "task-started",
        "task-succeeded",
        "task-failed",
        "task-retried",
        "task-revoked",
        "task-rejected",
        "task-cancelled",
        "worker-online",
        "worker-offline",
    }
)
"""Celery's events that go into the stream too: all but heartbeats and events of the user's own."""

ENDED_BADLY: Final = frozenset(
    {"task-failed", "task-retried", "task-revoked", "task-rejected", "task-cancelled"}
)
"""After which of Celery's events ``messages="failed"`` lets the exact message go into the stream."""
ENDED: Final = ENDED_BADLY | {"task-succeeded"}

CAPABILITIES: Final = ("stream", "messages", "progress", "logs", "samples", "leases")

WITHHELD_SECRET: Final = "it holds a redacted value"
WITHHELD_SIZE: Final = "it is larger than {limit} bytes"
WITHHELD_OFF: Final = "messages are not kept"
WITHHELD_FAILED: Final = "it is kept only when the task fails"
WITHHELD_HEADERS: Final = "its headers are too long"
WITHHELD_UNREADABLE: Final = "it could not be read"


def agent_key(hostname: str, prefix: str = "") -> str:
    """Return the key of the announcement of the worker ``hostname``."""
    return prefix + AGENT_KEY.format(hostname=hostname)
