"""Pauses and resumes types of tasks: none of that name begins, wherever it waits and whenever it is sent.

A paused type is written down: in the database, and on the Redis broker for the agents of workers, which put
aside what they receive of it. A worker without the agent takes no notice, and that is said.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator

from umbel_agent.policies import fits
from umbel_agent.protocol import PAUSE_TYPES, PAUSED, RESUMED
from umbel_backend.acts.agents import Agents
from umbel_backend.acts.holds import NO_SURGERY, Holds, in_serving_order
from umbel_backend.acts.operator import Door
from umbel_backend.acts.outcome import Outcome, done, partly, refused
from umbel_backend.acts.type_holds import name_of, pausing, put_back_free
from umbel_backend.acts.type_words import (
    FOLLOWED_WITHIN_S,
    Told,
    back_words,
    counts_in,
    exceptions,
    held_words,
    listed,
)
from umbel_backend.acts.whereabouts import Tracker
from umbel_backend.acts.workforce import Foreman, Workforce
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.redis_surgery import RedisSurgery, Search, Waiting
from umbel_backend.broker.redis_types import Published, RedisTypes
from umbel_backend.db.query import run
from umbel_backend.db.statements import holds, messages, type_pauses
from umbel_backend.db.statements.type_pauses import PausedType
from umbel_backend.db.transaction import writing
from umbel_backend.errors import InvalidValue, Refused

KIND = "task name"
"""What the audit calls the target."""
MOST_WAITING = 20_000
"""Of more that wait none is put aside by the act itself: workers do it, each when its turn comes."""
_SEARCH_S = 20.0
_AT_ONCE = 100
_NAME = re.compile(rb'"task": ?("(?:[^"\\]|\\.){1,1000}")')
"""The name of a task in a message as kombu wrote it; also what a sender's own header calls so."""


class TypeActs:
    """Acts on types of tasks in one cluster. Blocking; for one thread. Close it after use.

    Every act raises InvalidValue for what is no name, NotPermitted, BrokerUnavailable and
    DatabaseUnavailable.
    """

    def __init__(self, door: Door, cluster: Cluster) -> None:
        self._door = door
        self._cluster = cluster
        self._foreman = Foreman(cluster)
        self._agents = Agents(cluster)
        self._tracker = Tracker(cluster, door.settings, door.engine, self._foreman)
        self._types = RedisTypes(cluster) if cluster.is_redis else None

    def paused(self) -> dict[str, PausedType]:
        """Return the types that are paused, by pattern: of this database, and what others published."""
        found = run(self._door.engine, type_pauses.paused())
        published = self._types.published() if self._types is not None else {}
        for pattern, told in published.items():
            row = PausedType(
                pattern=pattern, at=told.at, operator=told.operator, reason=told.reason
            )
            found.setdefault(pattern, row)
        return found

    def pause(self, pattern: str, reason: str = "") -> Outcome:
        """Have no task begin whose name fits ``pattern``, until it is resumed; what runs goes on."""
        checked(pattern)
        with self._door.job("pause", [pattern], target_kind=KIND, reason=reason) as job:
            job.open([pattern])
            job.close(pattern, self._pause(pattern, reason))
            return job.outcomes[pattern]

    def resume(self, pattern: str, reason: str = "") -> Outcome:
        """Put what was put aside for ``pattern`` back at the heads of its queues, and begin it again."""
        checked(pattern)
        with self._door.job("resume", [pattern], target_kind=KIND, reason=reason) as job:
            job.open([pattern])
            job.close(pattern, self._resume(pattern))
            return job.outcomes[pattern]

    def look(self, pattern: str) -> str:
        """Tell how ``pattern`` stands and change nothing; what a dry run shows."""
        checked(pattern)
        if self._types is None:
            return f"{NO_SURGERY}."
        row = self.paused().get(pattern)
        words = "Not paused." if row is None else f"Paused by {row.operator}."
        workforce = self._foreman.survey()
        able = self._agents.able(workforce.names, "types")
        waiting = self._waiting(pattern, workforce)
        wait = f"More than {MOST_WAITING:,} wait" if waiting is None else f"{len(waiting):,} wait"
        told = Told(without=sorted(set(workforce.names) - able))
        return " ".join([words, f"{wait}.", *exceptions(told)])

    def close(self) -> None:
        """Close what is open."""
        self._foreman.close()
        self._agents.close()
        self._tracker.close()

    def _pause(self, pattern: str, reason: str) -> Outcome:
        if self._types is None:
            return refused(f"{NO_SURGERY}.")
        engine, operator, now = self._door.engine, self._door.identity.name, time.time()
        row = PausedType(pattern=pattern, at=now, operator=operator, reason=reason)
        with writing(engine) as connection:
            connection.execute(type_pauses.pause(engine.dialect.name, row))
        own = run(engine, messages.installation_id())
        self._types.publish(pattern, Published(own, now, operator, reason))
        began = self._types.moment()
        workforce = self._foreman.survey()
        told = self._tell(workforce)
        waiting = self._waiting(pattern, workforce)
        doubts = exceptions(told)
        try:
            self._put_aside(self._types, waiting or [])
        except Refused as why:
            doubts.append(str(why))
        # By this act, by workers that had them, and by workers that took them meanwhile.
        held = sum(turn >= began for turn in self._types.turns().values())
        words = [held_words(held)]
        if waiting is None:
            words.append(
                f"More than {MOST_WAITING:,} wait, or could not be looked through in"
                f" {_SEARCH_S:.0f} s: they stay in their queues until a worker takes them, which puts"
                " them aside."
            )
        if told.counts["run"]:
            words.append(f"Running, and going on: {told.counts['run']:,}.")
        words += self._if_unknown(pattern)
        return (partly if doubts else done)(" ".join([*words, *doubts]))

    def _resume(self, pattern: str) -> Outcome:
        if self._types is None:
            return refused(f"{NO_SURGERY}.")
        engine = self._door.engine
        with writing(engine) as connection:
            was_stored = bool(connection.execute(type_pauses.unpause(pattern)).rowcount)
        if not self._types.withdraw(pattern) and not was_stored:
            others = ", ".join(self.paused()) or "none"
            return refused(f"No type is paused as {pattern!r}; paused are: {others}.")
        told = self._tell(self._foreman.survey())
        queues: Counter[str] = Counter()
        tell = Holds(self._door, self._cluster, self._agents).tell
        for back in put_back_free(self._cluster):
            tell(RESUMED, back)
            queues.update(held.queue for held in back)
        words = [back_words(queues), *self._if_still(pattern, queues)]
        # What has no agent has put nothing aside, and what is silent begins them once it looks.
        if told.mute:
            words.append(
                f"{listed(told.mute)} did not answer, and may put some aside for"
                f" {FOLLOWED_WITHIN_S} s more; the recorder puts them back."
            )
            return partly(" ".join(words))
        return done(" ".join(words))

    def _tell(self, workforce: Workforce) -> Told:
        """Have the agents look which types are paused."""
        able = sorted(self._agents.able(workforce.names, "types"))
        replies = self._foreman.inquire(PAUSE_TYPES, {}, able) if able else {}
        told = Told(silent=workforce.silent)
        told.without = sorted(set(workforce.names) - set(able))
        for worker in able:
            counts = counts_in(replies.get(worker))
            if counts is None:
                told.mute.append(worker)
            else:
                told.counts.update(counts)
        return told

    def _waiting(self, pattern: str, workforce: Workforce) -> list[Waiting] | None:
        """Return what waits of a type; None if that is too much, or takes too long to find."""
        surgery = self._tracker.surgery
        assert surgery is not None
        search, found, deadline = Search(), list[Waiting](), time.monotonic() + _SEARCH_S
        for queue in self._tracker.queue_names(workforce):
            left_s = max(0.0, deadline - time.monotonic())
            for waiting in _of_type(surgery, queue, search, left_s, pattern):
                found.append(waiting)
                if len(found) > MOST_WAITING:
                    return None
        return found if search.complete else None

    def _put_aside(self, types: RedisTypes, waiting: list[Waiting]) -> None:
        """Put aside what waits, the next to run first."""
        tell = Holds(self._door, self._cluster, self._agents)
        by_list: dict[str, list[Waiting]] = defaultdict(list)
        for message in in_serving_order(waiting):
            by_list[message.key].append(message)
        for of_list in by_list.values():
            for start in range(0, len(of_list), _AT_ONCE):
                some = of_list[start : start + _AT_ONCE]
                types.take_turns([message.id for message in some])
                held = tell.broker.hold(some)
                tell.tell(PAUSED, [message for message in some if message.id in held])

    def _if_unknown(self, pattern: str) -> list[str]:
        workers, names = self._foreman.registered()
        if not workers or any(fits(pattern, name) for name in names):
            return []
        return ["No worker that answered knows a task of that name."]

    def _if_still(self, pattern: str, queues: Collection[str]) -> list[str]:
        assert self._types is not None
        other = pausing(self._types.published(), pattern)
        words = [] if other is None else [f"They are paused still, as {other!r}."]
        paused = sorted(run(self._door.engine, holds.paused()).keys() & set(queues))
        return [*words, *([f"Paused as queues: {listed(paused)}."] if paused else [])]


def checked(pattern: str) -> None:
    """Refuse what is no name of tasks.

    Raises:
        InvalidValue: It is not.
    """
    if not 0 < len(pattern) <= 255 or not pattern.isprintable() or pattern != pattern.strip():
        raise InvalidValue(
            f"{pattern!r} is no name of a task; it has 1 to 255 characters, and * stands for anything."
        )


def _of_type(
    surgery: RedisSurgery, queue: str, search: Search, left_s: float, pattern: str
) -> Iterator[Waiting]:
    for waiting in surgery.every(queue, search, left_s):
        # Reading all of each message would take ten times as long.
        if _may_fit(pattern, waiting.raw) and fits(pattern, name_of(waiting.raw)):
            yield waiting


def _may_fit(pattern: str, raw: bytes) -> bool:
    try:
        return any(fits(pattern, json.loads(name)) for name in _NAME.findall(raw))
    except ValueError:
        return True
