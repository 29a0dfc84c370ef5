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
POLICIES_KEY: Final = "umbel:policies"
"""The policies that workers follow, without the broker's ``global_keyprefix``; JSON text."""
HELD_MESSAGES_KEY: Final = "umbel:held:messages"
"""Messages put aside, exactly as they were, by task id; a hash without the broker's prefix."""
HELD_PLACES_KEY: Final = "umbel:held:places"
"""The list each of them belongs to, by task id; neither key nor values have the broker's prefix."""
PAUSED_QUEUES_KEY: Final = "umbel:paused:queues"
"""The queues that no worker is to consume; a set without the broker's prefix."""
PAUSED_TYPES_KEY: Final = "umbel:paused:types"
"""The names of tasks that no worker is to begin, ``*`` for anything, and who paused them; a hash of name to
JSON text, without the broker's prefix."""
HELD_TURNS_KEY: Final = "umbel:held:turns"
"""Of messages that were put aside because their type is paused, in which order, by task id; a hash."""
RETRY_OF_HEADER: Final = "umbel_retry_of"
"""The header that names the task which an operator's retry repeats."""
PAUSED_WORKERS_KEY: Final = "umbel:paused:workers:{queue}"
"""The workers that would consume a paused queue and whose agents keep them from it; a set."""
PAUSED_HOSTS_KEY: Final = "umbel:paused:hosts"
"""The workers that are to consume nothing, by node name; a set without the broker's prefix."""
PAUSED_HOST_QUEUES_KEY: Final = "umbel:paused:host:{hostname}"
"""The queues that a paused worker would consume and from which its agent keeps it; a set."""
STATE_KEY: Final = "umbel:state:{task}"
"""What a task saved at its last checkpoint; JSON text, without the broker's prefix."""
WANTED_KEY: Final = "umbel:wanted:{task}"
"""That a task is to pause at its next checkpoint: its list and its message, as JSON text of an object."""
CHORD_HEADER: Final = "umbel_chord"
"""The header by which the retried member of a chord names all of its header, in order."""
CHORD_KEY: Final = "umbel:chord:{body}"
"""Who sends the body of a chord again, without the broker's ``global_keyprefix``; expires in a minute."""
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
PAUSED: Final = "umbel-paused"
RESUMED: Final = "umbel-resumed"
REVOKED: Final = "umbel-revoked"
"""These three are written by Umbel's acts too, of what waits in a queue."""
OWN_TYPES: Final = frozenset({MESSAGE, PROGRESS, LOG, SAMPLE, DROPPED, PAUSED, RESUMED, REVOKED})

KILL: Final = "umbel_kill"
KILLED: Final = "umbel_killed"
HOLD: Final = "umbel_hold"
FREEZE: Final = "umbel_freeze"
THAW: Final = "umbel_thaw"
CHECKPOINT: Final = "umbel_checkpoint"
SIGNATURES: Final = "umbel_signatures"
PAUSE_TYPES: Final = "umbel_pause_types"
"""Remote control commands of the agent's own."""

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

WITH_ARGS: Final = frozenset({"task-sent", "task-received"})
"""Celery's events that carry arguments."""

ENDED_BADLY: Final = frozenset(
    {"task-failed", "task-retried", "task-revoked", "task-rejected", "task-cancelled"}
)
"""After which of Celery's events ``messages="failed"`` lets the exact message go into the stream."""
ENDED: Final = ENDED_BADLY | {"task-succeeded"}

CAPABILITIES: Final = (
    "stream",
    "messages",
    "progress",
    "logs",
    "samples",
    "leases",
    "policies",
    "kill",
    "hold",
    "freeze",
    "checkpoint",
    "signatures",
    "types",
)

WITHHELD_SECRET: Final = "it holds a redacted value"
WITHHELD_SIZE: Final = "it is larger than {limit} bytes"
WITHHELD_OFF: Final = "messages are not kept"
WITHHELD_FAILED: Final = "it is kept only when the task fails"
WITHHELD_HEADERS: Final = "its headers are too long"
WITHHELD_UNREADABLE: Final = "it could not be read"


def held_turn(seconds: int, micros: int, rank: int = 0) -> str:
    """Return what stands under `HELD_TURNS_KEY`: when it was put aside, by the server; sorts as text.

    Args:
        seconds, micros: The server's ``TIME``.
        rank: Its place among those put aside at that moment.
    """
    return f"{seconds:012d}.{micros:06d}.{rank:06d}"


def agent_key(hostname: str, prefix: str = "") -> str:
    """Return the key of the announcement of the worker ``hostname``."""
    return prefix + AGENT_KEY.format(hostname=hostname)
