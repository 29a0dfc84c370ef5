"""What the agent does in a worker's main process beside telling events: announcement, samples, leases."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from celery import bootsteps
from celery.utils.sysinfo import load_average
from celery.worker.state import SOFTWARE_INFO, active_requests, all_total_count
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from umbel_agent import protocol
from umbel_agent.agent import Agent
from umbel_agent.arrivals import Arrival
from umbel_agent.boot import started_at
from umbel_agent.control import Controls, pool_kind
from umbel_agent.holding import can_hold, close_paused_queues
from umbel_agent.leases import Leases, visibility_timeout_s
from umbel_agent.paused_types import PausedTypes
from umbel_agent.records import Plain
from umbel_agent.redis_link import Link, pool_of_broker
from umbel_agent.safety import guarded, log, note_fault
from umbel_agent.samples import Sampler

_POOLS = {"thread": "threads"}
_TO_CONFIGURE = (
    "Umbel's agent is installed but the broker is no Redis: name one with"
    " umbel_agent.install(app, redis=…), the setting umbel_redis or UMBEL_REDIS."
    " Until then it does nothing."
)


class MainProcess:
    """The agent's duties in one main process, from the moment it consumes until it ends."""

    def __init__(self, agent: Agent, version: str) -> None:
        self._agent = agent
        self._version = version
        self._started_at = started_at(os.getpid()) or time.time()
        self._consumer: Any = None
        self._is_announced = False
        self._tells_itself = False
        """Whether Celery's heartbeat, which tells of start and end, is switched off."""
        self._leases: Leases | None = None
        self._sampler: Sampler | None = None
        self._visibility_timeout_s: float | None = None
        self._controls = Controls(agent, self._note_task)
        self._can_hold = False
        self._types: PausedTypes | None = None

    @guarded
    def start(self, consumer: Any) -> None:
        """Begin, or go on with another connection: ``consumer`` is about to take messages."""
        agent = self._agent
        agent.begin_main(consumer.hostname)
        if not agent.is_on:
            if agent.options.enabled and self._consumer is None:
                log.warning(_TO_CONFIGURE)
            self._consumer = consumer
            return
        self._consumer = consumer
        agent.attach_handler()
        if consumer.event_dispatcher is None:
            # Neither events, heartbeats nor gossip are wanted on the wire; the stream tells them.
            consumer.event_dispatcher = consumer.app.events.Dispatcher(
                hostname=consumer.hostname, enabled=False
            )
            consumer.update_strategies()
        agent.arrivals.watch(consumer)
        self._controls.register(consumer)
        self._can_hold = can_hold(consumer.task_consumer.channel)
        self._close_paused_queues()
        self._follow_paused_types()
        self._start_leases(consumer.task_consumer.channel)
        if not self._is_announced:
            self._is_announced = True
            agent.shipper.every(protocol.ANNOUNCE_EVERY_S, self._announce)
            agent.shipper.every(protocol.ANNOUNCE_EVERY_S, self._look_at_types)
            if agent.options.samples:
                self._sampler = Sampler()
                agent.shipper.every(protocol.SAMPLE_EVERY_S, self._put_sample)

    @guarded
    def _close_paused_queues(self) -> None:
        close_paused_queues(self._consumer)

    def _follow_paused_types(self) -> None:
        """Look which types are paused, before a message is taken."""
        if self._types is None and self._can_hold:
            self._types = PausedTypes(pool_of_broker(self._agent.app), self._note_task)
            self._controls.types = self._types
            self._agent.arrivals.turns_away = self._turns_away
        self._look_at_types()

    @guarded
    def _look_at_types(self, _link: Link | None = None) -> None:
        if self._types is not None:
            with suppress(RedisError, OSError):  # what was known last counts
                self._types.look()

    def _turns_away(self, name: str, message: Any, acknowledge: Any) -> bool:
        try:
            return self._turned_away(name, message, acknowledge)
        except (RedisConnectionError, RedisTimeoutError, OSError):
            # The worker connects anew, as when it notices by itself, and the message comes back.
            raise
        except Exception:
            note_fault("putting aside a task of a paused type")
            return False

    def _turned_away(self, name: str, message: Any, acknowledge: Any) -> bool:
        if self._types is None or not self._types.stops(name):
            return False
        consumer = self._consumer
        is_aside = self._types.turn_away(
            name,
            message,
            lambda: acknowledge(log, consumer.connection_errors),
            [queue.name for queue in consumer.task_consumer.queues],
        )
        if is_aside:
            self._keep_aside(name, message)
        return is_aside

    @guarded
    def _keep_aside(self, name: str, message: Any) -> None:
        """Keep the message for history. Guarded: a task that is aside must not begin if it fails."""
        task = self._consumer.app.tasks[name]
        self._agent.put_aside(Arrival(message.headers["id"], message, task, time.time()))

    def _note_task(self, type: str, task_id: str, fields: Mapping[str, Any]) -> None:
        """Put a record about a task into the stream."""
        agent = self._agent
        record = {"type": type, "uuid": task_id, "hostname": agent.hostname}
        agent.shipper.put(
            Plain({**record, "timestamp": time.time(), **agent.describe(), **fields}, 400)
        )

    @guarded
    def ready(self) -> None:
        """Tell of the worker's start, if Celery's heartbeat does not: it consumes now."""
        if self._is_announced and getattr(self._consumer, "heart", None) is None:
            self._tells_itself = True
            self._tell_worker("worker-online")

    @guarded
    def shutting_down(self) -> None:
        """Let go of what is frozen: the worker was told to end."""
        self._controls.worker_ends()

    def _start_leases(self, channel: Any) -> None:
        self.stop_leases()
        self._visibility_timeout_s = visibility_timeout_s(channel)
        if self._agent.options.leases and self._visibility_timeout_s is not None:
            self._leases = Leases(channel)
            self._leases.start()

    @guarded
    def stop_leases(self) -> None:
        """Renew no more: there is another connection, or the worker has ended.

        Not when the consumer stops: a warm shutdown waits for running tasks, which are held still.
        """
        if self._leases is not None:
            self._leases.stop()
            self._leases = None

    @guarded
    def end(self) -> None:
        """Say goodbye and deliver what waits, within about half a second."""
        self.stop_leases()
        if not self._is_announced:
            return
        self._is_announced = False
        if self._tells_itself:
            self._tell_worker("worker-offline")
        self._agent.shipper.stop(self._withdraw)

    def _tell_worker(self, type: str) -> None:
        fields = {
            "timestamp": time.time(),
            "active": len(active_requests),
            "processed": all_total_count[0],
            "loadavg": load_average(),
            **SOFTWARE_INFO,
        }
        self._agent.tell(type, fields, self._agent.hostname)

    def _announce(self, link: Link) -> None:
        text = json.dumps(self.announcement())
        link.connect()
        key = protocol.agent_key(self._agent.hostname, link.prefix)
        link.command("SET", key, text, "EX", protocol.ANNOUNCEMENT_EXPIRES_S)

    def _withdraw(self, link: Link) -> None:
        key = protocol.agent_key(self._agent.hostname, link.prefix)
        said = link.command("GET", key)
        if said and self._agent.boot.encode() in (
            said if isinstance(said, bytes) else said.encode()
        ):
            link.command("DEL", key)

    def announcement(self) -> dict[str, Any]:
        """Return what this worker says of itself."""
        agent, options, pool = self._agent, self._agent.options, self._consumer.pool
        kind = type(pool).__module__.rpartition(".")[2]
        shipper = agent.shipper
        return {
            "version": self._version,
            "protocol": protocol.PROTOCOL,
            "boot": agent.boot,
            "hostname": agent.hostname,
            "pid": agent.describe()["pid"],
            "started_at": self._started_at,
            "pool": _POOLS.get(kind, kind),
            "concurrency": getattr(pool, "num_processes", None) or getattr(pool, "limit", None),
            "capabilities": self._capabilities(),
            "leases": self._leases is not None,
            "visibility_timeout_s": self._visibility_timeout_s,
            "messages": options.messages,
            "shipped": shipper.shipped,
            "dropped": shipper.dropped,
            "waiting": shipper.waiting,
        }

    def _capabilities(self) -> list[str]:
        options = self._agent.options
        has = {
            "stream": True,
            "messages": options.messages != "off",
            "progress": options.progress,
            "logs": options.logs,
            "samples": options.samples,
            "leases": self._leases is not None,
            "policies": options.policies,
            "kill": pool_kind(self._consumer) == "prefork",
            "hold": self._can_hold,
            "checkpoint": self._can_hold,
            "freeze": pool_kind(self._consumer) == "prefork",
            "signatures": True,
            "types": self._can_hold,
        }
        return [word for word in protocol.CAPABILITIES if has[word]]

    def _put_sample(self, link: Link) -> None:
        if self._sampler is None:
            return
        fields = {
            "type": protocol.SAMPLE,
            "hostname": self._agent.hostname,
            "timestamp": time.time(),
            **self._agent.describe(),
            **self._sampler.sample(),
        }
        self._agent.shipper.put(Plain(fields, 300))


def consumer_step(main: MainProcess) -> type[Any]:
    """Return the step that starts ``main`` with every connection of the worker's consumer."""

    class AgentStep(bootsteps.StartStopStep):  # type: ignore[misc]
        """Runs after the consumer has its queues, and before it takes a message."""

        name = "UmbelAgent"
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: Any) -> None:
            """Begin, or go on after the connection was lost."""
            main.start(consumer)

    return AgentStep
