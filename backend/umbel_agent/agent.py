"""The agent of one app in one process: its options, read late, and what it does with what it hears."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from umbel_agent import boot, protocol, reporting
from umbel_agent.arrivals import Arrival, Arrivals
from umbel_agent.logs import TaskLogHandler, attach, ends_of_propagation
from umbel_agent.messages import MessageKeeper
from umbel_agent.options import Options, read
from umbel_agent.positions import Positions
from umbel_agent.records import Plain
from umbel_agent.redact import Redactor
from umbel_agent.redis_link import Link, PoolFactory, is_redis, pool_of_broker, pool_of_url
from umbel_agent.safety import guarded, log
from umbel_agent.shipper import Shipper

if TYPE_CHECKING:
    from umbel_agent.checkpoints import Checkpoints
    from umbel_agent.retrying import Retrying

Role = Literal["main", "child"]

_PRODUCER_RECORDS, _PRODUCER_BYTES = 2_000, 2_000_000
"""Bounds of what waits in a process that is no worker and only tells what it sends."""
_TASK_FLUSH_S = 0.05
"""Most that the end of a task waits for its last lines to be delivered."""


class Agent:
    """What is known of an app's agent in this process.

    Args:
        app: The Celery app.
        given: Arguments of ``install`` that were given.
    """

    def __init__(self, app: Any, given: Mapping[str, Any]) -> None:
        self.app = app
        self.given = dict(given)
        self.role: Role | None = None
        """What this process is of a worker; None is no part of one."""
        self.hostname = ""
        """The worker's node name; empty outside of one."""
        self.boot = ""
        self._forgets_states = False
        self.arrivals = Arrivals()

    @cached_property
    def options(self) -> Options:
        """The options in force; asking settles them, so not before the app is configured."""
        options, problems = read(self.given, self.app.conf)
        for problem in problems:
            log.warning("Umbel's agent: %s", problem)
        return options

    def configure(self, given: Mapping[str, Any]) -> None:
        """Take the arguments of another ``install``; those given there count."""
        self.given.update(given)
        for name in ("options", "is_on", "positions"):
            self.__dict__.pop(name, None)

    @cached_property
    def is_on(self) -> bool:
        """Whether there is something to do: switched on, and a Redis to write to."""
        if not self.options.enabled:
            return False
        return self.options.redis is not None or is_redis(self.app)

    @cached_property
    def shipper(self) -> Shipper:
        """What delivers the records of this process."""
        bounds = {}
        if self.role is None:
            bounds = {"most_records": _PRODUCER_RECORDS, "most_bytes": _PRODUCER_BYTES}
        shipper = Shipper(self._link, Redactor(self.options.redact).redact, **bounds)
        shipper.describe = lambda: {"hostname": self.hostname, "boot": self.boot}
        return shipper

    def _link(self) -> Link:
        url = self.options.redis
        pool: PoolFactory = pool_of_broker(self.app) if url is None else pool_of_url(url)
        return Link(pool, self.options.stream_maxlen)

    @cached_property
    def keeper(self) -> MessageKeeper:
        """What keeps exact messages."""
        return MessageKeeper(self.options, self.positions)

    @cached_property
    def positions(self) -> Positions:
        """Which arguments without a name are secrets, as far as their tasks are registered here."""
        # `tasks` would finalize an app that only sends.
        return Positions(lambda: self.app._tasks, self.options.redact)

    @cached_property
    def retrying(self) -> Retrying | None:
        """What retries failures by policies; None where none are to be followed."""
        if self.role is None or not self.is_on or not self.options.policies:
            return None
        from umbel_agent.retrying import Retrying

        return Retrying(self._link)

    @cached_property
    def checkpoints(self) -> Checkpoints | None:
        """Where this process keeps the states of tasks; None where the broker is no Redis."""
        from umbel_agent.checkpoints import Checkpoints, forget_when_done

        if not is_redis(self.app):
            return None
        if not self._forgets_states:
            self._forgets_states = True
            forget_when_done(self)
        return Checkpoints(pool_of_broker(self.app))

    @cached_property
    def handler(self) -> TaskLogHandler:
        """What keeps the log lines of tasks."""
        return TaskLogHandler(self.shipper, self.options, self.describe)

    def describe(self) -> dict[str, Any]:
        """Return the fields that say which process of which run of a worker writes."""
        return {"pid": os.getpid(), "boot": self.boot}

    def begin_main(self, hostname: str) -> None:
        """Be the agent of a worker's main process from now on."""
        if self.role == "main":
            return
        self._begin("main", hostname, boot.of_this_process())

    def begin_child(self, hostname: str) -> None:
        """Be the agent of a process of a worker's pool from now on."""
        self._begin("child", hostname, boot.of_parent())

    def _begin(self, role: Role, hostname: str, boot_name: str) -> None:
        self.role, self.hostname, self.boot = role, hostname, boot_name
        for name in ("shipper", "keeper", "handler", "retrying", "checkpoints"):
            self.__dict__.pop(name, None)
        if not self.is_on:
            return
        if self.options.progress:
            reporting.listen(self.report)
        if self.options.policies:
            from umbel_agent.retrying import follow_policies

            follow_policies()
        self.attach_handler()

    @guarded
    def attach_handler(self, **_: Any) -> None:
        """See the lines of every logger, also of those that were set up since."""
        if self.role is not None and self.is_on and self.options.logs:
            attach(self.handler, ends_of_propagation())

    def hide(self, type: str, fields: dict[str, Any]) -> None:
        """Hide the secrets that an event gives by position, on the wire too: a reader sees no names."""
        if type in protocol.WITH_ARGS and fields.get("args"):
            fields["args"] = self.positions.hide(str(fields.get("name")), str(fields["args"]))

    def tell(self, type: str, fields: dict[str, Any], hostname: str) -> None:
        """Put an event of Celery's into the stream; the dispatcher calls this for every one."""
        record = {"type": type, "hostname": hostname, "pid": os.getpid(), "boot": self.boot}
        record.update(fields)
        self.shipper.put(Plain(record, _size_of(fields)))
        if self.options.messages == "failed" and type in protocol.ENDED:
            self.keeper.ended(fields.get("uuid", ""), type, self.shipper.put)

    @guarded
    def received(self, request: Any) -> None:
        """Put the exact message of a task that the worker received into the stream."""
        self.arrivals.received(request.id)
        if self.is_on and request.task.send_events:
            fields = {"hostname": self.hostname, **self.describe()}
            self.keeper.received(request, fields, self.shipper.put)

    @guarded
    def put_aside(self, arrival: Arrival) -> None:
        """Put what is known of a task into the stream whose message was put aside as it came."""
        # Where only failures' messages are kept, this one would wait here for an end that it does not have.
        if self.is_on and arrival.task.send_events and self.options.messages != "failed":
            fields = {"hostname": self.hostname, **self.describe()}
            self.keeper.received(arrival, fields, self.shipper.put)

    @guarded
    def revoked(self, task: Any, task_id: str) -> None:
        """Tell what came of a task that was turned away; of one that was received all is told."""
        arrival = self.arrivals.turned_away(task, task_id)
        if arrival is None or not self.is_on or not task.send_events:
            return
        fields = {"hostname": self.hostname, **self.describe()}
        self.keeper.received(arrival, fields, self.shipper.put)
        received = arrival.as_received()
        self.hide("task-received", received)
        self.tell("task-received", received, self.hostname)
        self.keeper.ended(task_id, "task-revoked", self.shipper.put)

    def report(self, task_id: str, state: str, meta: object) -> None:
        """Put the progress of a task into the stream."""
        if not task_id or not reporting.is_progress(state):
            return
        current, total, note = reporting.steps(meta)
        fields: dict[str, Any] = {
            "type": protocol.PROGRESS,
            "uuid": str(task_id),
            "hostname": self.hostname,
            "timestamp": time.time(),
            **self.describe(),
            "state": state,
            "current": current,
            "total": total,
            "note": note,
        }
        key = (protocol.PROGRESS, fields["uuid"])
        self.shipper.put_together(key, reporting.Step, fields["uuid"], fields)

    def succeeded(self, task: Any) -> None:
        """See to the chord of a task that an operator retried, which has just succeeded."""
        headers = task.request.headers
        if headers and protocol.CHORD_HEADER in headers and self.is_on:
            from umbel_agent.chords import member_succeeded

            member_succeeded(task, self._link())

    @guarded
    def task_ended(self) -> None:
        """In a pool process: give what the task left a moment to be delivered before its end is."""
        if self.role == "child" and "shipper" in self.__dict__ and self.shipper.waiting:
            self.shipper.flush(_TASK_FLUSH_S)

    @guarded
    def end(self) -> None:
        """Deliver what waits, within half a second; this process of the worker ends."""
        if "shipper" in self.__dict__:
            self.shipper.stop()


def _size_of(fields: Mapping[str, Any]) -> int:
    size = 500
    for value in fields.values():
        if type(value) is str:
            size += len(value)
    return size
