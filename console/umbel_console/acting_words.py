"""What an act would come to, in sentences: many targets grouped by where they are. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from umbel_backend import states
from umbel_console.acting import AT_ONCE, Line, Verb
from umbel_console.render.time import ago
from umbel_console.render.words import counted

if TYPE_CHECKING:
    from umbel_backend.acts.outcome import Outcome
    from umbel_backend.acts.retry import Plan
    from umbel_backend.acts.whereabouts import Place
    from umbel_backend.db.statements.holds import PausedQueue
    from umbel_backend.policies.preview import Preview
    from umbel_backend.policies.retry import RetryPolicy
    from umbel_backend.records import TaskRecord

_MOST_NAMED = 4
_MOST_GROUPS = 5
_CLAUSE = re.compile(r"[;,.](?:\s|$)")

_DOES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "cancel": {
        "waiting": ("waiting: removed from {queues}", "foreground"),
        "running": ("running: {how} ({by_worker})", "foreground"),
        "held": ("taken by {workers}: discarded when their turn comes", "foreground"),
        "paused": ("held aside: their messages are thrown away", "foreground"),
        "unacked": (
            "with a worker that does not answer: discarded when they come back",
            "warn",
        ),
        "nowhere": ("found nowhere: written down, and discarded if they come", "warn"),
        "ended": ("ended already ({states}): left alone", "muted"),
    },
    "pause": {
        "waiting": ("waiting: held aside from {queues}, durably", "foreground"),
        "held": ("taken by {workers}: given back and held aside by its agent", "foreground"),
        "running": (
            "running ({by_worker}): their worker's agent has them pause at a checkpoint, else freezes"
            " them",
            "foreground",
        ),
        "paused": ("paused already: left alone", "muted"),
        "unacked": ("with a worker that does not answer: not paused", "bad"),
        "nowhere": ("found in no queue and with no worker: not paused", "bad"),
        "ended": ("ended already ({states}): left alone", "muted"),
    },
    "resume": {
        "paused": ("held aside: put back at the head of their queue", "foreground"),
        "running": (
            "with a worker ({by_worker}): go on, if frozen or asked to pause",
            "foreground",
        ),
        "saved": (
            "ended, and had saved a state: sent again, to go on from there",
            "foreground",
        ),
        "": ("left alone: {why}", "muted"),
    },
}
"""By verb and by where a task is: what is done to it, and how grave that is."""
_NOT_DONE: Mapping[str, Collection[str]] = {
    "cancel": {"ended"},
    "pause": {"paused", "unacked", "nowhere", "ended"},
}
"""By verb, where a task must not be for something to be done to it."""


def of_places(places: Mapping[str, Place], verb: Verb, grace_s: float = 0.0) -> list[Line]:
    """Say what an act would do to tasks that are at these places."""
    does = _DOES["cancel" if verb == "kill" else verb]
    groups: dict[str, list[Place]] = defaultdict(list)
    for place in places.values():
        groups[place.kind if place.kind in does else ""].append(place)
    lines = []
    for kind, (words, role) in does.items():
        some = groups[kind]
        if some:
            words = words.format(
                queues=named(p.message.queue for p in some if p.message is not None),
                workers=named(_workers(some)),
                by_worker=_by_worker(some),
                states=named(p.state or "ended" for p in some),
                why=named(first_clause(p.words) for p in some),
                how=f"SIGTERM, killed after {grace_s:g} s" if grace_s > 0 else "SIGKILL at once",
            )
            lines.append(Line(words, len(some), role))
    return lines


def would_act(places: Mapping[str, Place], verb: Verb) -> list[bool]:
    """Tell for each place whether something would be done to the task that is there."""
    if verb == "resume":
        return [place.kind in ("paused", "running", "saved") for place in places.values()]
    none = _NOT_DONE["cancel" if verb == "kill" else verb]
    return [place.kind not in none for place in places.values()]


def of_plans(
    plans: Mapping[str, Plan | Outcome], records: Mapping[str, TaskRecord], *, twice: bool
) -> list[Line]:
    """Say what a retry would send, what it would not, and what may be done twice."""
    from umbel_backend.acts.outcome import Outcome
    from umbel_backend.acts.retry import MAY_RUN_TWICE

    sent: Counter[str] = Counter()
    warned: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    again: Counter[str] = Counter()
    for task_id, plan in plans.items():
        if isinstance(plan, Outcome):
            refused[first_clause(plan.detail)] += 1
            continue
        sent[plan.words] += 1
        if plan.warning:
            warned[plan.warning.rstrip(".")] += 1
        record = records.get(task_id)
        if twice and record is not None and record.state in MAY_RUN_TWICE:
            what = "what ran to its end" if record.state == states.SUCCESS else "what was begun"
            again[f"ended as {record.state}: {what} may be done twice"] += 1
    return [
        *_grouped(sent, "foreground"),
        *_grouped(again, "warn"),
        *_grouped(warned, "warn"),
        *_grouped(refused, "bad", before="not sent: "),
    ]


def may_run_twice(plans: Mapping[str, Plan | Outcome], records: Mapping[str, TaskRecord]) -> int:
    """Return how many would not be sent only because they may do the same for the second time."""
    from umbel_backend.acts.outcome import Outcome
    from umbel_backend.acts.retry import MAY_RUN_TWICE

    return sum(
        isinstance(plan, Outcome)
        and (record := records.get(task_id)) is not None
        and (record.state in MAY_RUN_TWICE or bool(record.retried_as))
        for task_id, plan in plans.items()
    )


def looked_at(total: int) -> list[Line]:
    """Say that not all targets were looked at before, where they are many."""
    if total <= AT_ONCE:
        return []
    return [
        Line(f"Looked at the first {AT_ONCE:,} only; all {total:,} are acted on.", role="muted")
    ]


def takes(targets: int, per_minute: int, minutes: float) -> list[Line]:
    """Say how long an act takes at its rate, where that is to be noticed."""
    if not per_minute or minutes < 1:
        return []
    words = f"At {per_minute:,} a minute {counted(targets, 'task')} take about {minutes:,.0f} min."
    return [Line(words, role="muted")]


def of_queue(verb: Verb, paused: PausedQueue | None, now: float) -> list[Line]:
    """Say what an act does to a queue, and whether it is paused."""
    lines = []
    if paused is not None:
        why = f": {paused.reason}" if paused.reason else ""
        words = f"Paused {ago(paused.at, now)} by {paused.operator}{why}."
        lines.append(Line(words, role="warn"))
    if verb == "queue purge":
        lines.append(
            Line("Every message that waits in it is deleted, and cannot be had back.", role="bad")
        )
        lines.append(Line("What workers have taken from it is not touched.", role="muted"))
    elif verb == "queue resume":
        lines.append(Line("Workers that took from it before take from it again."))
    else:
        lines.append(
            Line(
                "Workers stop taking from it, those that come online later too, until it is resumed."
            )
        )
        lines.append(Line("What they have taken goes on; what is sent waits there.", role="muted"))
    return lines


def of_preview(verb: Verb, policy: RetryPolicy, preview: Preview) -> list[Line]:
    """Say what a policy does, and what it would have done in the last week."""
    from umbel_backend.policies.retry import in_words

    lines = [Line(in_words(policy))]
    names = f"of {counted(len(preview.names), 'task name')}" if preview.names else "of no task name"
    failed = f"{preview.failed:,}{'+' if preview.capped else ''} failures"
    if not preview.failed:
        return [*lines, Line(f"In the last 7 days nothing failed {names} it fits.", role="muted")]
    ends = "are no longer retried" if verb == "policy delete" else "would have been retried"
    words = f"In the last 7 days: of {failed} {names} {preview.matching:,} {ends}"
    words += f", {preview.unsure:,} more may have been." if preview.unsure else "."
    lines.append(Line(words, role="muted"))
    top = [f"{each.name} {each.matching:,} of {each.failed:,}" for each in preview.names[:3]]
    return [*lines, Line(", ".join(top), role="muted")]


def named(names: Iterable[str]) -> str:
    """Return the names there are, each once, the most frequent first."""
    counts = [name for name, _ in Counter(names).most_common()]
    more = len(counts) - _MOST_NAMED
    shown = ", ".join(counts[:_MOST_NAMED]) or "nothing"
    return f"{shown} and {more} more" if more > 0 else shown


def first_clause(sentence: str) -> str:
    """Return what a sentence begins with: what many have in common that differ in their details."""
    found = _CLAUSE.search(sentence)
    return sentence if found is None else sentence[: found.start()]


def _grouped(counts: Counter[str], role: str, before: str = "") -> list[Line]:
    lines = [
        Line(f"{before}{words}", count, role) for words, count in counts.most_common(_MOST_GROUPS)
    ]
    rest = sum(counts.values()) - sum(line.count or 0 for line in lines)
    return [*lines, Line(f"{before}for other reasons", rest, role)] if rest else lines


def _by_worker(places: Sequence[Place]) -> str:
    counts = Counter(_workers(places))
    shown = [f"{worker} {count}" for worker, count in counts.most_common(_MOST_NAMED)]
    more = len(counts) - _MOST_NAMED
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _workers(places: Iterable[Place]) -> list[str]:
    return [place.holding.worker for place in places if place.holding is not None]
