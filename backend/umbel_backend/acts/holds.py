"""What pausing and resuming share: where holds are written, and which tasks are put aside."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence

from umbel_backend.acts.agents import Agents, described
from umbel_backend.acts.operator import Door
from umbel_backend.acts.revoked_results import opened
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.redis_holds import Held, RedisHolds
from umbel_backend.broker.redis_surgery import Waiting
from umbel_backend.db.query import run
from umbel_backend.db.statements import holds
from umbel_backend.db.statements.holds import HoldRow
from umbel_backend.db.transaction import writing

NO_SURGERY = "Umbel can put messages aside on Redis only"


class Holds:
    """The tasks of one cluster that are put aside: on the broker, and who did it in the database.

    The database is written before the broker is touched, so that after a crash what is aside is known;
    what the broker says is aside decides.

    Args:
        door: Who acts, and the database.
        cluster: A Redis.
        agents: Tell history and consoles.
    """

    def __init__(self, door: Door, cluster: Cluster, agents: Agents) -> None:
        self._engine = door.engine
        self._operator = door.identity.name
        self._agents = agents
        self.broker = RedisHolds(cluster)

    def intend(self, messages: Sequence[Waiting], taken: Sequence[str], reason: str) -> None:
        """Write that ``messages`` and those of ``taken``, which workers have, are about to be put aside."""
        now = time.time()
        rows = [self._row(task_id, now, rank, reason) for rank, task_id in enumerate(taken)]
        for rank, message in enumerate(in_serving_order(messages), len(taken)):
            rows.append(self._row(message.id, now, rank, reason, message))
        if rows:
            with writing(self._engine) as connection:
                for start in range(0, len(rows), 100):
                    some = rows[start : start + 100]
                    connection.execute(holds.write(self._engine.dialect.name, some))

    def keep(self, messages: Collection[Held]) -> None:
        """Write the messages that workers put aside."""
        if not messages:
            return
        with writing(self._engine) as connection:
            for message in messages:
                connection.execute(
                    holds.keep_message(message.id, message.raw, message.queue, message.place)
                )

    def forget(self, ids: Sequence[str]) -> None:
        """Write that ``ids`` are not put aside, or not any more."""
        if ids:
            with writing(self._engine) as connection:
                connection.execute(holds.remove(ids))

    def tell(self, type: str, messages: Iterable[Waiting | Held]) -> None:
        """Let history and consoles know that these were put aside (``umbel-paused``) or are back."""
        told = {}
        for message in messages:
            headers, _ = opened(message.raw)
            told[message.id] = {"how": "held", **described(headers, message.queue)}
        self._agents.note(type, told)

    def serving_order(self, messages: Iterable[Held]) -> list[Held]:
        """Sort ``messages`` as they would have been served: what was put aside first comes first."""
        listed = list(messages)
        rows = run(self._engine, holds.by_ids([message.id for message in listed]))

        def place(message: Held) -> tuple[float, int]:
            row = rows.get(message.id)
            return (row.held_at, row.rank) if row is not None else (0.0, 0)

        return sorted(listed, key=place)

    def _row(
        self, task_id: str, at: float, rank: int, reason: str, message: Waiting | None = None
    ) -> HoldRow:
        return HoldRow(
            task=task_id,
            queue=message.queue if message is not None else "",
            place=message.key if message is not None else "",
            held_at=at,
            rank=rank,
            operator=self._operator,
            reason=reason,
            message=message.raw if message is not None else None,
        )


def in_serving_order(messages: Iterable[Waiting]) -> list[Waiting]:
    """Sort messages of any queues as each queue serves them: by step, and from its list's right."""
    return sorted(messages, key=lambda message: (message.step, -message.index))
