"""Puts a message aside that waits in this worker, for its slot or its ETA; and keeps paused queues closed.

The message goes into the hash of held messages in the same transaction in which the broker forgets that
this worker has it: there is never a moment in which it is in both, or in neither.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from celery.worker import state as worker_state
from kombu.utils.json import dumps

from umbel_agent import protocol
from umbel_agent.safety import log

Report = Callable[[str, str, Mapping[str, Any]], None]


class CannotHold(Exception):
    """It was not put aside; says why, in a clause."""


def can_hold(channel: Any) -> bool:
    """Tell whether messages of kombu's ``channel`` can be put aside: a Redis that emulates acks."""
    return hasattr(channel, "unacked_key") and bool(getattr(channel, "ack_emulation", False))


def hold(consumer: Any, task_id: str, report: Report, turn: str | None = None) -> dict[str, Any]:
    """Put the message of ``task_id`` aside; for the main thread.

    Args:
        consumer: The worker's.
        task_id: Taken by this worker.
        report: Told of it.
        turn: When, where it is put aside for its type (`protocol.held_turn`).

    Returns:
        The queue it came from, and the list it belongs to.

    Raises:
        CannotHold: It is not here, or too late.
    """
    request = worker_state.requests.get(task_id)
    if request is None:
        raise CannotHold("it is not with this worker")
    if request in worker_state.active_requests:
        raise CannotHold("it runs")
    if request._apply_result is not None:
        raise CannotHold("it was given to the pool, from which Celery cannot take it back")
    channel = request.message.channel
    if not can_hold(channel):
        raise CannotHold("its broker is no Redis")
    queue, place = place_of(channel, request.message)
    put_aside(channel, request.message, request.id, place, turn)
    _forget(consumer, request)
    fields = {"how": "held", "name": request.name, "queue": queue}
    report(protocol.PAUSED, task_id, fields)
    return {"queue": queue, "place": place}


def close_paused_queues(consumer: Any) -> list[str]:
    """Stop ``consumer``, which is about to take messages, from taking those of paused queues.

    All of its queues are, where the worker itself is paused.

    Returns:
        The queues that it would have consumed and does not.
    """
    channel = consumer.task_consumer.channel
    if not can_hold(channel):
        return []
    with channel.conn_or_acquire() as client:
        paused = {_text(name) for name in client.smembers(protocol.PAUSED_QUEUES_KEY)}
        own = protocol.PAUSED_HOST_QUEUES_KEY.format(hostname=consumer.hostname)
        hosts = {_text(name) for name in client.smembers(protocol.PAUSED_HOSTS_KEY)}
        is_host = consumer.hostname in hosts
        consumed = {queue.name for queue in consumer.task_consumer.queues}
        closed = sorted(consumed if is_host else paused & consumed)
        for name in closed:
            # Before it stops: whoever resumes it has to know whom to tell, and of what.
            if name in paused:
                client.sadd(protocol.PAUSED_WORKERS_KEY.format(queue=name), consumer.hostname)
            if is_host:
                client.sadd(own, name)
            consumer.cancel_task_queue(name)
            what = "this worker" if is_host else "it"
            log.warning("Umbel's agent: queue %s is not consumed, for %s is paused", name, what)
    return closed


def place_of(channel: Any, message: Any, consumed: Collection[str] = ()) -> tuple[str, str]:
    """Return the queue of ``message``, and the key of its list without the broker's prefix.

    Args:
        channel: It came by this.
        message: kombu's.
        consumed: Queues of which it came from one; empty where that is not known.

    Raises:
        CannotHold: More than one queue can be meant.
    """
    info = message.delivery_info or {}
    queues = {*channel._lookup(info.get("exchange"), info.get("routing_key"))}
    if len(queues) > 1 and consumed:
        queues &= {*consumed}
    if len(queues) != 1:
        raise CannotHold("its exchange and routing key fit more than one queue, or none")
    queue = str(next(iter(queues)))
    priority = channel._get_message_priority(message._raw, reverse=False)
    return queue, str(channel._q_for_pri(queue, priority))


def put_aside(channel: Any, message: Any, task_id: str, place: str, turn: str | None) -> None:
    """Put ``message`` among those held, and have the broker forget that this worker has it.

    Args:
        channel: It came by this.
        message: kombu's.
        task_id: Of its task.
        place: The list it belongs to.
        turn: When, where it is put aside for its type; None of a single task.
    """
    tag = message.delivery_tag
    with channel.conn_or_acquire() as client, client.pipeline() as pipe:
        if turn is not None:
            pipe.hset(protocol.HELD_TURNS_KEY, task_id, turn)
        pipe.hset(protocol.HELD_PLACES_KEY, task_id, place)
        pipe.hset(protocol.HELD_MESSAGES_KEY, task_id, dumps(message._raw))
        pipe.zrem(channel.unacked_index_key, tag)
        pipe.hdel(channel.unacked_key, tag)
        pipe.execute()


def _forget(consumer: Any, request: Any) -> None:
    """Have Celery pass over ``request`` when its turn comes; its message is acknowledged already."""
    request._already_revoked = True
    entry = request._eta_timer_entry
    if entry is not None and any(
        each.entry is entry for each in list(consumer.timer.schedule.queue)
    ):
        entry.cancel()
        # It was counted on top of the prefetch limit while it waited.
        consumer.qos.decrement_eventually()
    worker_state.task_ready(request)
    request.acknowledge()


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
