"""What workers answer to ``inspect``, made into typed values; the answers themselves are untrusted."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from umbel_agent.redact import REDACTED_NAMES, Redactor
from umbel_backend.broker.routing import Binding, queue_of
from umbel_backend.events.text import clean

Held = Literal["active", "reserved", "scheduled"]

Silence = Literal["connected", "gone", "unknown"]
"""What the broker says of a worker that does not answer: it holds its connection, as a busy or stopped
one does, it has none, as a killed one, or the broker does not tell."""

CONF_NAMES = [
    "accept_content",
    "broker_url",
    "broker_transport_options",
    "broker_use_ssl",
    "control_exchange",
    "enable_utc",
    "event_exchange",
    "event_queue_prefix",
    "result_backend",
    "result_backend_transport_options",
    "result_expires",
    "result_extended",
    "result_serializer",
    "task_acks_late",
    "task_default_exchange",
    "task_default_queue",
    "task_ignore_result",
    "task_reject_on_worker_lost",
    "task_send_sent_event",
    "task_serializer",
    "task_soft_time_limit",
    "task_time_limit",
    "task_track_started",
    "timezone",
    "worker_concurrency",
    "worker_prefetch_multiplier",
    "worker_send_task_events",
]
"""The settings kept of a worker's ``conf``; a worker tells only those that differ from the default."""

TEXT_LIMIT = 500
_LIST_LIMIT = 100_000
_EARLIEST = 1e9
"""Before September 2001: a monotonic clock, which old Celery sent as ``time_start``."""

_VERSION = re.compile(r"celery:(\d[\w.+-]*)")
_redact = Redactor(REDACTED_NAMES).redact


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldTask:
    """A task that a worker says it has."""

    held: Held
    id: str
    name: str
    worker: str
    args: str | None
    """JSON text if ``args_exact``, else the sender's repr."""
    kwargs: str | None
    args_exact: bool
    queue: str | None
    priority: int | None
    started_at: float | None
    """By the worker's clock; only of active ones, None from Celery older than 5."""
    eta: str | None
    """ISO text; only of scheduled ones."""
    pid: int | None
    """The pool process that runs it."""
    acknowledged: bool | None
    redelivered: bool | None


@dataclass(slots=True, kw_only=True)
class WorkerAnswer:
    """Everything one worker answered; a field is None where it did not or was not asked."""

    hostname: str
    missing: tuple[str, ...] = ()
    """What it was asked and did not answer in time, or answered with an error."""
    asked_at: float | None = None
    """When the question was sent that a silent one left unanswered."""
    silence: Silence | None = None
    """Set when not one answer came; then nothing else is known but what the broker says of it."""
    pid: int | None = None
    pool: str | None = None
    """``prefork``, ``threads``, ``solo``, ``gevent``, ``eventlet`` or the class's name."""
    pool_pids: tuple[int, ...] = ()
    concurrency: int | None = None
    prefetch_count: int | None = None
    processed: dict[str, int] | None = None
    """Tasks accepted since its start, by task name."""
    uptime_s: float | None = None
    memory_bytes: int | None = None
    """Largest resident size the parent process ever had; children not included."""
    queues: tuple[Binding, ...] | None = None
    """What it consumes from."""
    active: tuple[HeldTask, ...] | None = None
    reserved: tuple[HeldTask, ...] | None = None
    scheduled: tuple[HeldTask, ...] | None = None
    registered: tuple[str, ...] | None = None
    conf: dict[str, Any] | None = field(default=None, repr=False)
    """`CONF_NAMES` as far as set; secret values hidden, by Celery and again by us."""
    celery_version: str | None = None
    """Only from ``report``; heartbeats tell it too."""
    clock_skew_s: None = None
    """Answers carry no time, so that it cannot be derived from them; events tell it."""

    @property
    def queue_names(self) -> tuple[str, ...] | None:
        """Names of ``queues``."""
        return None if self.queues is None else tuple(queue.queue for queue in self.queues)

    @property
    def held(self) -> list[HeldTask]:
        """All tasks it says it has."""
        return [*(self.active or ()), *(self.reserved or ()), *(self.scheduled or ())]

    @property
    def processed_total(self) -> int | None:
        """Tasks accepted since its start."""
        return None if self.processed is None else sum(self.processed.values())


def read_answer(hostname: str, replies: Mapping[str, Any], asked: Iterable[str]) -> WorkerAnswer:
    """Make one worker's replies, keyed by method, into a `WorkerAnswer`; never raises."""
    replies = {method: reply for method, reply in replies.items() if not _is_error(reply)}
    answer = WorkerAnswer(
        hostname=hostname, missing=tuple(method for method in asked if method not in replies)
    )
    if "stats" in replies:
        _read_stats(answer, _mapping(replies["stats"]))
    if "active_queues" in replies:
        answer.queues = tuple(_binding(entry) for entry in _mappings(replies["active_queues"]))
    if "conf" in replies:
        conf = _mapping(replies["conf"])
        answer.conf = {name: _shown(name, conf[name]) for name in CONF_NAMES if name in conf}
    if "registered" in replies:
        answer.registered = tuple(_texts(replies["registered"]))
    if "report" in replies:
        report = _mapping(replies["report"]).get("ok")
        found = _VERSION.search(report[:TEXT_LIMIT]) if isinstance(report, str) else None
        answer.celery_version = found[1] if found else None
    json_only = _takes_only_json(answer.conf or {})
    for held in ("active", "reserved", "scheduled"):
        if held in replies:
            entries = _mappings(replies[held])
            tasks = [_read_task(held, entry, answer, json_only) for entry in entries]
            setattr(answer, held, tuple(task for task in tasks if task is not None))
    return answer


def _read_stats(answer: WorkerAnswer, stats: Mapping[str, Any]) -> None:
    pool = _mapping(stats.get("pool"))
    answer.pid = whole(stats.get("pid"))
    answer.pool = _pool_name(pool.get("implementation"))
    answer.concurrency = whole(pool.get("max-concurrency"))
    pids = pool.get("processes")
    if isinstance(pids, list):
        answer.pool_pids = tuple(pid for pid in map(whole, pids[:10_000]) if pid is not None)
    answer.prefetch_count = whole(stats.get("prefetch_count"))
    answer.uptime_s = number(stats.get("uptime"))
    answer.processed = {
        text(name): count
        for name, value in list(_mapping(stats.get("total")).items())[:_LIST_LIMIT]
        if (count := whole(value)) is not None
    }
    largest = whole(_mapping(stats.get("rusage")).get("maxrss"))
    answer.memory_bytes = None if largest is None else largest * 1024


def _read_task(
    held: Held, entry: Mapping[str, Any], answer: WorkerAnswer, json_only: bool
) -> HeldTask | None:
    request = _mapping(entry.get("request")) if held == "scheduled" else entry
    task_id = request.get("id")
    if not isinstance(task_id, str) or not 0 < len(task_id) <= 255:
        return None
    delivery = _mapping(request.get("delivery_info"))
    args, args_exact = _argument(request.get("args"), list, json_only)
    kwargs, kwargs_exact = _argument(request.get("kwargs"), dict, json_only)
    started_at = number(request.get("time_start"))
    return HeldTask(
        held=held,
        id=clean(task_id, 255),
        name=text(request.get("name") or request.get("type")),
        worker=answer.hostname,
        args=args,
        kwargs=kwargs,
        args_exact=args_exact and kwargs_exact,
        queue=queue_of(
            text(delivery.get("exchange")), text(delivery.get("routing_key")), answer.queues or ()
        ),
        priority=whole(delivery.get("priority")),
        started_at=started_at if started_at is not None and started_at > _EARLIEST else None,
        eta=text(entry.get("eta")) or None if held == "scheduled" else None,
        pid=whole(request.get("worker_pid")),
        acknowledged=_truth(request.get("acknowledged")),
        redelivered=_truth(delivery.get("redelivered")),
    )


def _argument(value: Any, kind: type, json_only: bool) -> tuple[str | None, bool]:
    """Return the text of arguments and whether it is exact JSON.

    A worker that also takes pickle or yaml may have turned other types into JSON for its answer.
    """
    if isinstance(value, str):
        return value or None, False
    if not isinstance(value, kind):
        return None, False
    if not json_only:
        return repr(value), False
    return msgspec.json.encode(value).decode(), True


def _takes_only_json(conf: Mapping[str, Any]) -> bool:
    accepted = conf.get("accept_content") or ["json"]
    return isinstance(accepted, list) and all(
        name in ("json", "application/json") for name in accepted
    )


def _binding(entry: Mapping[str, Any]) -> Binding:
    exchange = _mapping(entry.get("exchange"))
    return Binding(
        exchange=text(exchange.get("name")),
        routing_key=text(entry.get("routing_key")),
        queue=text(entry.get("name")),
        exchange_type=text(exchange.get("type")) or "direct",
    )


def _pool_name(implementation: Any) -> str | None:
    """Return ``prefork`` for ``celery.concurrency.prefork:TaskPool``."""
    path = text(implementation)
    if not path:
        return None
    module, _, name = path.partition(":")
    if not module.startswith("celery.concurrency."):
        return name or path
    return {"thread": "threads"}.get(module.rpartition(".")[2], module.rpartition(".")[2])


def _shown(name: str, value: Any) -> Any:
    """Return a setting with hidden secrets, bounded, as a JSON-friendly value."""
    try:
        as_text = _redact(f'{{"{name}": {msgspec.json.encode(value).decode()[:10_000]}}}')
        return msgspec.json.decode(as_text)[name]
    except (msgspec.MsgspecError, TypeError, RecursionError, KeyError, ValueError):
        return _redact(text(repr(value)))


def _is_error(reply: Any) -> bool:
    return isinstance(reply, dict) and set(reply) == {"error"}


def text(value: Any) -> str:
    """Return ``value`` cleaned and bounded if it is text, else an empty text."""
    return clean(value, TEXT_LIMIT) if isinstance(value, str) else ""


def number(value: Any) -> float | None:
    """Return ``value`` as a float if it is a finite number that is not negative."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < 2**62 and math.isfinite(value) else None


def whole(value: Any) -> int | None:
    """Return ``value`` if it is a whole number that is not negative and fits 63 bits."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole and 0 <= value < 2**62 else None


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    entries = value[:_LIST_LIMIT] if isinstance(value, list) else []
    return [entry for entry in entries if isinstance(entry, dict)]


def _texts(value: Any) -> list[str]:
    entries = value[:_LIST_LIMIT] if isinstance(value, list) else []
    return [text(entry) for entry in entries if isinstance(entry, str)]
