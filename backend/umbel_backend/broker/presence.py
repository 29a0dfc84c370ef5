"""Whether a worker that does not answer still holds its connection to the broker.

A worker that was killed has none: its kernel closed it. One that is stopped, or too busy to answer,
has. Redis tells how many listen for control commands, and `Footprints` whose connections are there;
RabbitMQ whether a worker's own control queue is there, which lives as long as its connection.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress

from umbel_backend.broker.answers import Silence
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.footprints import Footprints

CONFIRMED_AFTER_S = 10.0
"""How long a count must say that a worker is gone: another one that was killed a moment ago counts as well
until its heartbeats are missed, and meanwhile a connection seems to be missing of one that is only busy."""

_DECLARED: dict[int, Silence] = {404: "gone", 405: "connected"}


class Presence:
    """Judges silent workers. Blocking; for one thread.

    Args:
        cluster: The broker they are connected to.
        clock: Returns seconds that only grow.
        footprints: Whose connection is whose, as far as that was learnt.
    """

    def __init__(
        self,
        cluster: Cluster,
        clock: Callable[[], float] = time.monotonic,
        footprints: Footprints | None = None,
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._footprints = footprints
        self._missing_since: dict[str, float] = {}
        self._judged: dict[str, Silence] = {}
        """The last judgement."""

    def judge(self, silent: Collection[str], spare: int | None) -> dict[str, Silence]:
        """Return of each of ``silent`` what the broker says.

        Args:
            silent: Node names of workers that left a question unanswered.
            spare: To how many more workers the question went (`control.Inspection.reached`) than
                are known to be well; None if that is not known.

        Raises:
            BrokerUnavailable: It cannot be asked.
        """
        if self._cluster.is_amqp:
            told = self._by_queue(silent)
        else:
            before = self._judged.items()
            connected = [name for name, silence in before if silence == "connected"]
            gone = [name for name, silence in before if silence == "gone"]
            there, missing = (
                self._footprints.standing(silent) if self._footprints else (set(), set())
            )
            counted = by_count(silent, spare, connected, gone, there, missing)
            # That one is missing and that its own connection is: no other can be meant.
            told = self._confirmed(counted, sure=missing)
        self._judged = told
        return told

    def _confirmed(self, told: Mapping[str, Silence], sure: Collection[str]) -> dict[str, Silence]:
        """Return what was judged before of those that are not missing for long enough."""
        now, since = self._clock(), self._missing_since
        missing = [name for name, silence in told.items() if silence == "gone"]
        self._missing_since = {name: since.get(name, now) for name in missing}
        early = {
            name
            for name in missing
            if name not in sure and now - self._missing_since[name] < CONFIRMED_AFTER_S
        }
        return {
            name: self._judged.get(name, "unknown") if name in early else silence
            for name, silence in told.items()
        }

    def _by_queue(self, names: Collection[str]) -> dict[str, Silence]:
        from amqp.exceptions import AMQPError, ChannelError
        from kombu.exceptions import KombuError

        told: dict[str, Silence] = {}
        connection = self._cluster.connection()
        try:
            for name in names:
                queue = f"{name}.{self._cluster.context.control_exchange}.pidbox"
                try:
                    connection.channel().queue_declare(queue=queue, passive=True)
                    told[name] = "connected"
                except ChannelError as error:
                    # 405: the queue is there and belongs to the worker's connection alone.
                    told[name] = _DECLARED.get(error.code, "unknown")
        except (OSError, KombuError, AMQPError, AttributeError) as error:
            # py-amqp raises AttributeError when its connection breaks under it.
            raise self._cluster.unavailable(error) from None
        finally:
            with suppress(Exception):
                connection.release()
        return told


def by_count(
    silent: Collection[str],
    spare: int | None,
    connected: Collection[str] = (),
    gone: Collection[str] = (),
    there: Collection[str] = (),
    missing: Collection[str] = (),
) -> dict[str, Silence]:
    """Judge by how many more are connected than are alive.

    Where that fits some of them and nothing tells which, all of these are held to be connected: what
    a worker ran is given up when it is gone, and that is not to be said of one that may go on.

    Args:
        silent: Node names.
        spare: How many connections there are besides those of workers that are well; None if that is
            not known.
        connected: Those held to be connected until now, so that it is another one that went.
        gone: Those held to be gone until now.
        there: Those whose own connection is seen to be there, whatever the count says.
        missing: Those whose own connection is not there any more: the first to be given up.
    """
    told: dict[str, Silence] = dict.fromkeys(
        (name for name in silent if name in there), "connected"
    )
    if spare is None:
        unknown: dict[str, Silence] = dict.fromkeys(silent, "unknown")
        return unknown | told
    spare -= len(told)
    left = [name for name in silent if name not in told and name not in missing]
    kept = [name for name in left if name in connected]
    others = [name for name in left if name not in connected and name not in gone]
    former = [name for name in left if name in gone and name not in connected]
    last = [name for name in silent if name in missing and name not in told]
    for names in (kept, others, former, last):
        told |= dict.fromkeys(names, "connected" if spare > 0 else "gone")
        spare -= len(names)
    return told
