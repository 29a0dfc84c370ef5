"""Retries tasks that have ended: the exact message again, or a new one with arguments the operator gave."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

from umbel_agent.protocol import CHORD_HEADER
from umbel_agent.redact import Redactor
from umbel_backend import states
from umbel_backend.acts import chords, resend
from umbel_backend.acts.again import (
    interrupted,
    last_repeats,
    one_by_one,
    refuse_repeated,
    refuse_unfinished,
    rivals,
)
from umbel_backend.acts.operator import Door, Job
from umbel_backend.acts.outcome import Outcome, refused
from umbel_backend.acts.pace import Pace
from umbel_backend.acts.resend import Edited
from umbel_backend.acts.sender import Outgoing, Sender
from umbel_backend.broker.cluster import Cluster
from umbel_backend.db.changes import Changes
from umbel_backend.db.query import run
from umbel_backend.db.statements import lineage, messages, tasks, tombstones
from umbel_backend.db.transaction import writing
from umbel_backend.db.writer import Writer
from umbel_backend.errors import Refused
from umbel_backend.records import KeptMessage, TaskRecord

_AT_ONCE = 50
MAY_RUN_TWICE = frozenset({states.SUCCESS, states.REVOKED, states.LOST})
"""Ends after which a retry may do something for the second time."""
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Plan:
    """A retry that can be done."""

    record: TaskRecord
    message: Outgoing
    words: str
    """What a dry run tells."""
    warning: str = ""
    """What the operator should know of it, a sentence."""

    @property
    def is_same_id(self) -> bool:
        """Whether the task runs again under its own id."""
        return self.message.id == self.record.id


class Retrier:
    """Retries tasks of one cluster. Blocking; for one thread. Close it after use.

    Args:
        door: Who acts, and where it is written down.
        cluster: Whose tasks.
        edit: Arguments instead of those of the message.
        twice: Also what may do something for the second time.
    """

    def __init__(
        self, door: Door, cluster: Cluster, *, edit: Edited | None = None, twice: bool = False
    ) -> None:
        self._door = door
        self._sender = Sender(cluster)
        self._writer = Writer(door.engine)
        self._edit = edit or Edited()
        self._twice = twice
        self._redact = Redactor(door.settings.redact).redact
        self.job: Job | None = None
        """The job of the last `retry`; tells what came of each target, also after an error."""

    def plan(self, ids: Sequence[str]) -> dict[str, Plan | Outcome]:
        """Return for each of ``ids`` what would be sent, or why nothing is. Reads only."""
        records = run(self._door.engine, tasks.by_ids(ids))
        again = last_repeats(self._door.engine, records.values())
        cut_off = interrupted(self._door.engine, ids)
        plans: dict[str, Plan | Outcome] = {}
        for task_id in ids:
            try:
                if not self._twice:
                    refuse_unfinished(cut_off.get(task_id, ()), records.get(task_id), "retries")
                plans[task_id] = self._plan(task_id, records.get(task_id), again)
            except Refused as why:
                plans[task_id] = refused(f"{why}.")
        return plans

    def retry(
        self, ids: Sequence[str], reason: str, pace: Pace
    ) -> Generator[tuple[str, Outcome], None, None]:
        """Retry ``ids`` and yield what was seen of each, as soon as it was.

        Raises:
            NotPermitted: Nothing was done, and that was audited.
            BrokerUnavailable: The broker went away; what was under way is ``unknown`` in the audit.
        """
        with self._door.job("retry", ids, reason=reason) as job:
            self.job, at = job, 0
            while at < len(ids):
                some = ids[at : at + pace.take(min(_AT_ONCE, len(ids) - at))]
                planned_at = time.time()
                plans = self.plan(some)
                job.open(some, {each: parameters(plan) for each, plan in plans.items()})
                plans.update(rivals(self._door.engine, job, list(plans), planned_at))
                yield from one_by_one(job, plans, self.send)
                at += len(some)

    def close(self) -> None:
        """Close what is open."""
        self._sender.close()

    def _plan(
        self, task_id: str, record: TaskRecord | None, again: Mapping[str, TaskRecord]
    ) -> Plan:
        if record is None:
            raise Refused("History does not know it, and so neither its message nor its end")
        if not record.is_ready:
            raise Refused(f"It has not ended ({record.state}); only what has ended is retried")
        if not self._twice:
            _refuse_twice(record)
            refuse_repeated(record, again, "retries")
        kept = run(self._door.engine, messages.of_task(task_id))
        new_id = resend.new_id_for(record, kept, str(uuid4()))
        if self._edit.is_empty:
            return self.exact_plan(record, kept, new_id)
        message = resend.edited(record, kept, new_id, self._edit)
        warning = ""
        if resend.loses_what_follows(record, kept):
            warning = "What was to follow it (chain, chord, callbacks) is not known and left out."
        return Plan(record, message, _words(message, record, "with new arguments"), warning)

    def exact_plan(self, record: TaskRecord, kept: KeptMessage | None, new_id: str) -> Plan:
        """Return what it takes to send the exact message of a task again, under ``new_id``. Reads only.

        Raises:
            Refused: The message is not known exactly.
        """
        why_not = resend.why_not_exact(kept)
        if kept is None or why_not is not None:
            needs = "" if kept is not None else needs_agent(record)
            raise Refused(
                f"{why_not}{needs}, and a retry never guesses. --args and --kwargs send a new one;"
                f" known are {_shown(record)}"
            )
        message = resend.exact(record, kept, new_id)
        warning = ""
        if new_id == record.id and (resend.embed_of(kept) or {}).get("chord"):
            group = kept.headers.get("group") or record.group_id
            chord = chords.repair(self._door.engine, record.id, group, time.time())
            warning = chord.words
            if chord.members:
                headers = {**message.headers, CHORD_HEADER: chord.members}
                message = replace(message, headers=headers)
        return Plan(record, message, _words(message, record, "its exact message"), warning)

    def send(self, plan: Plan) -> Outcome:
        """Send what was planned, and tell where it was seen; its lineage is noted.

        Raises:
            BrokerUnavailable: The broker went away, so that it is not known whether it was sent.
        """
        if plan.is_same_id:
            with writing(self._door.engine) as connection:
                connection.execute(tombstones.lift([plan.record.id]))
        sent_at = time.time()
        try:
            outcome = self._sender.send(plan.message)
        except Refused as why:
            return refused(str(why))
        if not plan.is_same_id:
            self._note_lineage(plan, sent_at)
        detail = f"{outcome.detail} {plan.warning}".strip()
        return Outcome(outcome.outcome, detail, outcome.new_id)

    def _note_lineage(self, plan: Plan, sent_at: float) -> None:
        old = plan.record
        args, kwargs = old.args, old.kwargs
        if not self._edit.is_empty:
            sent = json.loads(plan.message.body)
            args, kwargs = (self._redact(json.dumps(value)) for value in sent[:2])
        new = TaskRecord(
            id=plan.message.id,
            name=old.name,
            state=states.PENDING,
            state_at=sent_at,
            sent_at=sent_at,
            queue=old.queue,
            priority=plan.message.priority if plan.message.properties else old.priority,
            args=args,
            kwargs=kwargs,
            args_exact=old.args_exact or not self._edit.is_empty,
            args_complete=old.args_complete or not self._edit.is_empty,
            root_id=str(plan.message.headers.get("root_id") or plan.message.id),
            parent_id=old.parent_id,
            group_id=old.group_id,
            retry_of=old.id,
            tags=old.tags,
        )
        self._writer.write(Changes(tasks=[new]))
        with writing(self._door.engine) as connection:
            # A recorder that was quicker has written more of it, and not this.
            connection.execute(lineage.repeats(new.id, old.id))


def _refuse_twice(record: TaskRecord) -> None:
    if record.state in MAY_RUN_TWICE:
        raise Refused(
            f"It ended as {record.state}, so it may do the same for the second time; --yes retries it"
            " all the same"
        )


def parameters(plan: Plan | Outcome) -> dict[str, object]:
    """Return what the audit tells of a plan."""
    if isinstance(plan, Outcome):
        return {}
    return {"new_id": plan.message.id, "queue": plan.message.queue, "message": plan.words}


def _words(message: Outgoing, record: TaskRecord, what: str) -> str:
    id_ = "under its own id" if message.id == record.id else "under a new id"
    where = message.queue or message.routing_key
    return f"{what}, to queue {where}, {id_}"


def needs_agent(record: TaskRecord) -> str:
    """Return what would have kept the message of a task, in brackets; empty if its worker is not known."""
    return f" (needs umbel_agent in worker {record.worker})" if record.worker else ""


def _shown(record: TaskRecord) -> str:
    if record.args is None and record.kwargs is None:
        return "none"
    whole = "" if record.args_complete else " (cut)"
    args, kwargs = record.args or "()", record.kwargs or "{}"
    return f"args {args[:_SHOWN]} and kwargs {kwargs[:_SHOWN]}{whole}"
