"""The tables, as statements see them; `umbel_backend.db.migrations` makes them in a database.

Each table has one writer. Instants are Unix seconds as double precision, UTC. The full-text index
of SQLite (``task_search``) and the generated column ``task.search`` of PostgreSQL are not here:
neither exists on the other database. Nor are indexes, which no statement names, nor that every text
column of PostgreSQL has the collation ``C``: bytes decide order and case, as in SQLite.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite only numbers rows by itself for a column declared INTEGER.
_Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

READY_HAS_END = (
    "(state IN ('SUCCESS', 'FAILURE', 'REVOKED', 'REJECTED', 'LOST')) = (finished_at IS NOT NULL)"
)

task = sa.Table(
    "task",
    metadata,
    sa.Column("n", _Serial, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("state_at", sa.Double, nullable=False),
    sa.Column("queue", sa.Text),
    sa.Column("priority", sa.Integer),
    sa.Column("worker", sa.Text),
    sa.Column("args", sa.Text),
    sa.Column("kwargs", sa.Text),
    sa.Column("args_exact", sa.Boolean, nullable=False),
    sa.Column("args_complete", sa.Boolean, nullable=False),
    sa.Column("result", sa.Text),
    sa.Column("result_exact", sa.Boolean, nullable=False),
    sa.Column("exception", sa.Text),
    sa.Column("traceback", sa.Text),
    sa.Column("sent_at", sa.Double),
    sa.Column("received_at", sa.Double),
    sa.Column("started_at", sa.Double),
    sa.Column("finished_at", sa.Double),
    sa.Column("runtime_s", sa.Double),
    sa.Column("retries", sa.Integer, nullable=False),
    sa.Column("root_id", sa.Text),
    sa.Column("parent_id", sa.Text),
    sa.Column("group_id", sa.Text),
    sa.Column("retry_of", sa.Text),
    sa.Column("eta", sa.Double),
    sa.Column("expires", sa.Double),
    sa.Column("pid", sa.Integer),
    sa.Column("progress", sa.Text),
    sa.Column("paused_how", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("tags", sa.Text),
    sa.Column("acks_late", sa.Boolean),
    sa.CheckConstraint(READY_HAS_END, name="ready_has_end"),
)
"""One row a task. ``attempts`` counts its rows in `attempt`; ``progress`` and ``tags`` are JSON text.

``tags`` repeats `task_tag` so that a page is read without a join.
"""

attempt = sa.Table(
    "attempt",
    metadata,
    sa.Column("task_n", sa.ForeignKey(task.c.n, ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("started_at", sa.Double),
    sa.Column("ended_at", sa.Double),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("exception", sa.Text),
    sa.Column("worker", sa.Text),
    sa.Column("policy", sa.Text),
    sa.Column("delay_s", sa.Double),
)
"""Runs of a task before its current or last one, which is the task's own row.

``policy`` is the pattern of the retry policy that had the next run made, ``delay_s`` after it.
"""

task_tag = sa.Table(
    "task_tag",
    metadata,
    sa.Column("task_n", sa.ForeignKey(task.c.n, ondelete="CASCADE"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

task_log = sa.Table(
    "task_log",
    metadata,
    sa.Column("n", _Serial, primary_key=True, autoincrement=True),
    sa.Column("task", sa.Text, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("level", sa.Integer, nullable=False),
    sa.Column("logger", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("stream_id", sa.Text, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("retries", sa.Integer),
    sa.Column("pid", sa.BigInteger),
    sa.UniqueConstraint("stream_id", "position"),
)
"""One row a line that a task logged. ``task`` is the task's id, for a line may be there before its task.

``stream_id`` and ``position`` tell which line of which entry of the agents' stream it is, so that an
entry read twice adds nothing.
"""

task_message = sa.Table(
    "task_message",
    metadata,
    sa.Column("task", sa.Text, primary_key=True),
    sa.Column("kept_at", sa.Double, nullable=False),
    sa.Column("body", sa.LargeBinary),
    sa.Column("headers", sa.Text, nullable=False),
    sa.Column("properties", sa.Text, nullable=False),
    sa.Column("content_type", sa.Text),
    sa.Column("content_encoding", sa.Text),
    sa.Column("size_bytes", sa.BigInteger),
    sa.Column("withheld", sa.Text),
    sa.Column("sealed", sa.Boolean, nullable=False),
)
"""The exact message of a task, the last one where it has several; ``body`` is compressed (zlib).

``headers`` and ``properties`` are JSON text of an object.
"""

installation = sa.Table(
    "installation",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("made_at", sa.Double, nullable=False),
)
"""One row: the identity of this database, by which it is told from others that read the same broker."""

gap = sa.Table(
    "gap",
    metadata,
    sa.Column("n", _Serial, primary_key=True, autoincrement=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("ended_at", sa.Double),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("events_lost", sa.BigInteger),
    sa.UniqueConstraint("source", "started_at"),
)

worker = sa.Table(
    "worker",
    metadata,
    sa.Column("hostname", sa.Text, primary_key=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("pid", sa.BigInteger),
    sa.Column("started_at", sa.Double),
    sa.Column("stopped_at", sa.Double),
    sa.Column("heartbeat_at", sa.Double),
    sa.Column("record", sa.Text, nullable=False),
)
"""The latest state of each node name; ``pid`` and ``started_at`` tell one run of it from the next.

``record`` is the whole `WorkerRecord` as JSON text.
"""

worker_sample = sa.Table(
    "worker_sample",
    metadata,
    sa.Column("hostname", sa.Text, primary_key=True),
    sa.Column("at", sa.Double, primary_key=True),
    sa.Column("active", sa.Integer),
    sa.Column("reserved", sa.Integer),
    sa.Column("processed", sa.BigInteger),
    sa.Column("loadavg", sa.Double),
    sa.Column("cpu_percent", sa.Double),
    sa.Column("memory_bytes", sa.BigInteger),
)

queue_sample = sa.Table(
    "queue_sample",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("at", sa.Double, primary_key=True),
    sa.Column("ready", sa.BigInteger, nullable=False),
    sa.Column("by_priority", sa.Text, nullable=False),
    sa.Column("unacked", sa.BigInteger),
    sa.Column("consumers", sa.Integer),
    sa.Column("in_rate", sa.Double),
    sa.Column("out_rate", sa.Double),
    sa.Column("oldest_age_s", sa.Double),
)

RUNTIME_BUCKETS = 20
"""How many columns ``r0`` … of `task_rollup` count runtimes; their bounds are in `db.rollup`."""

task_rollup = sa.Table(
    "task_rollup",
    metadata,
    sa.Column("resolution", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("bucket_at", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("runtime_sum_s", sa.Double, nullable=False),
    sa.Column("runtime_max_s", sa.Double),
    *(sa.Column(f"r{i}", sa.BigInteger, nullable=False) for i in range(RUNTIME_BUCKETS)),
)
"""How many tasks entered a state in a minute (``resolution`` 60) or an hour (3600).

``state`` is the state entered; PENDING counts tasks in the minute or hour in which they were first seen.
"""

lease = sa.Table(
    "lease",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("acquired_at", sa.Double, nullable=False),
    sa.Column("renewed_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
)
"""Who may write. ``epoch`` grows at each change of holder; ``holder`` is empty when released."""

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("operator", sa.Text, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("target_kind", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("parameters", sa.Text, nullable=False),
    sa.Column("batch", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text),
    sa.Column("outcome_at", sa.Double),
    sa.Column("detail", sa.Text),
    sa.Column("outcome_id", sa.BigInteger, unique=True),
    sa.Column("outcome_hash", sa.Text),
)
"""One row for each thing that was acted on. Opening and outcome are two entries of one chain: ``id`` and
``outcome_id`` count them together, and each hash covers its entry and the hash before it.

``parameters`` is JSON text of an object. ``outcome`` is NULL until it is known.
"""

audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("last_id", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
"""One row: the end of the audit's chain. Whoever adds to the chain locks it first."""

act_batch = sa.Table(
    "act_batch",
    metadata,
    sa.Column("batch", sa.Text, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.BigInteger, nullable=False),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
)
"""A batch of acts that is under way, renewed by its process; a row that expired was left by a crash."""

operator = sa.Table(
    "operator",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("added_at", sa.Double, nullable=False),
    sa.Column("added_by", sa.Text, nullable=False),
)
"""Who may do what, by the name of the operating system's user; without any row everyone is admin."""

tombstone = sa.Table(
    "tombstone",
    metadata,
    sa.Column("task", sa.Text, primary_key=True),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("operator", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("settled_at", sa.Double),
)
"""A task that was cancelled, written before anything else is done; told to workers that come online until
it was seen to be gone (``settled_at``) or has become too old."""

hold = sa.Table(
    "hold",
    metadata,
    sa.Column("task", sa.Text, primary_key=True),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("place", sa.Text, nullable=False),
    sa.Column("held_at", sa.Double, nullable=False),
    sa.Column("rank", sa.BigInteger, nullable=False),
    sa.Column("operator", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("message", sa.LargeBinary),
)
"""A task whose message was put aside, written before it left its queue (`statements.holds.HoldRow`)."""

queue_pause = sa.Table(
    "queue_pause",
    metadata,
    sa.Column("queue", sa.Text, primary_key=True),
    sa.Column("paused_at", sa.Double, nullable=False),
    sa.Column("operator", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("workers", sa.Text, nullable=False),
)
"""A queue that no worker is to consume; ``workers`` is a JSON list of those that were told so."""

type_pause = sa.Table(
    "type_pause",
    metadata,
    sa.Column("pattern", sa.Text, primary_key=True),
    sa.Column("paused_at", sa.Double, nullable=False),
    sa.Column("operator", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)
"""Names of tasks that no worker is to begin, ``*`` for anything (`statements.type_pauses.PausedType`)."""

worker_pause = sa.Table(
    "worker_pause",
    metadata,
    sa.Column("hostname", sa.Text, primary_key=True),
    sa.Column("paused_at", sa.Double, nullable=False),
    sa.Column("operator", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("queues", sa.Text, nullable=False),
)
"""A worker that is to consume nothing; ``queues`` is a JSON list of what it consumed."""

cleanup = sa.Table(
    "cleanup",
    metadata,
    sa.Column("at", sa.Double, primary_key=True),
    sa.Column("what", sa.Text, primary_key=True),
    sa.Column("reason", sa.Text, primary_key=True),
    sa.Column("row_count", sa.BigInteger, nullable=False),
    sa.Column("byte_count", sa.BigInteger, nullable=False),
)
"""What one clean-up, begun at ``at``, deleted of ``what`` (``log``, ``message``) for a ``reason`` (``age``,
``size``)."""

policy = sa.Table(
    "policy",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("pattern", sa.Text, primary_key=True),
    sa.Column("definition", sa.Text),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("changed_at", sa.Double, nullable=False),
    sa.Column("changed_by", sa.Text, nullable=False),
)
"""What is to happen by itself to tasks whose names fit ``pattern``; ``definition`` is JSON text of an
object, NULL of one that was deleted. ``version`` counts the changes of its kind."""

schema_version = sa.Table(
    "schema_version",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("applied_at", sa.Double, nullable=False),
    sa.Column("applied_by", sa.Text, nullable=False),
)
