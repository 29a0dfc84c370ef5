"""What the workers online hold of the tasks that are to be acted on, asked by Celery's remote control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from umbel_backend.broker.answers import WorkerAnswer, read_answer, whole
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.mailbox import Command, Mailbox, Replies
from umbel_backend.events.text import clean

Held = Literal["active", "reserved", "scheduled"]

ANSWER_S = 2.0
"""Longest wait for the answers of workers."""
_HELD: dict[str, Held] = {"active": "active", "reserved": "reserved", "scheduled": "scheduled"}
_SAID_LIMIT = 100_000
_DESCRIBED = ("stats", "active", "active_queues", "conf")


@dataclass(frozen=True, slots=True)
class Holding:
    """That one worker has a task."""

    worker: str
    held: Held
    """``active`` runs, ``reserved`` waits for a slot, ``scheduled`` for its ETA or its rate limit."""
    pid: int | None = None
    """The pool process that runs it."""


@dataclass(slots=True)
class Workforce:
    """The workers that answered just now."""

    answers: dict[str, WorkerAnswer] = field(default_factory=dict)
    """By node name: pool and its processes, queues and settings, as far as told."""
    holdings: dict[str, Holding] = field(default_factory=dict)
    """By task id, of the tasks asked for."""
    acknowledged: list[str] = field(default_factory=list)
    """Who replied to the revoke that went with the question."""
    blind: list[str] = field(default_factory=list)
    """Who is there, and left open what it holds."""
    reached: int | None = None
    """How many workers hold a connection; None where the broker does not tell."""

    @property
    def names(self) -> list[str]:
        """Who answered anything."""
        return sorted({*self.answers, *self.acknowledged})

    @property
    def silent(self) -> int:
        """How many hold a connection and did not answer."""
        return max(0, (self.reached or 0) - len(self.names))

    def pool(self, worker: str) -> str:
        """Return the kind of a worker's pool, ``prefork``; empty if it did not tell."""
        answer = self.answers.get(worker)
        return (answer.pool or "") if answer is not None else ""


class Foreman:
    """Asks and orders the workers of one cluster. Every method raises BrokerUnavailable."""

    def __init__(self, cluster: Cluster) -> None:
        self._mailbox = Mailbox(cluster)

    def survey(
        self,
        ids: Sequence[str] = (),
        *,
        revoke: bool = False,
        describe: bool = True,
        to: Sequence[str] | None = None,
        timeout_s: float = ANSWER_S,
    ) -> Workforce:
        """Ask who there is and what they have of ``ids``.

        Args:
            ids: Task ids.
            revoke: Tell them first to discard ``ids``; what runs goes on.
            describe: Ask for pools, queues and settings too.
            to: Whom to ask; None asks all there are.
            timeout_s: Longest wait.
        """
        commands = []
        if revoke:
            commands.append(Command("revoke", {"task_id": list(ids)}))
        if ids:
            commands.append(Command("query_task", {"ids": list(ids)}))
        # Of running tasks told apart, for a worker cannot encode every argument into an answer.
        asked = _DESCRIBED if describe else ("active",)
        commands += [Command(name, {"safe": True} if name == "active" else {}) for name in asked]
        heard = self._mailbox.ask(commands, to=to, expected=to or (), timeout_s=timeout_s)
        found = _read(heard.replies, set(ids), asked)
        found.reached = heard.reached
        return found

    def terminate(
        self, worker: str, ids: Sequence[str], signal: str, timeout_s: float = ANSWER_S
    ) -> str | None:
        """Tell ``worker`` to end the runs of ``ids`` by ``signal``.

        Returns:
            What it said, which names the ids that it found running; None if it did not answer.
        """
        arguments = {"task_id": list(ids), "terminate": True, "signal": signal}
        heard = self._mailbox.ask(
            [Command("revoke", arguments)], to=[worker], expected=[worker], timeout_s=timeout_s
        )
        reply = heard.replies["revoke"].get(worker)
        said = reply.get("ok", reply.get("error")) if isinstance(reply, dict) else None
        return clean(str(said), _SAID_LIMIT) if said is not None else None

    def order(
        self,
        worker: str,
        command: str,
        arguments: Mapping[str, Any],
        timeout_s: float = ANSWER_S,
    ) -> Any:
        """Give ``worker`` a command of its agent's; return what it replied, None if nothing."""
        heard = self._mailbox.ask(
            [Command(command, arguments)], to=[worker], expected=[worker], timeout_s=timeout_s
        )
        return heard.replies[command].get(worker)

    def inquire(
        self,
        command: str,
        arguments: Mapping[str, Any],
        to: Sequence[str],
        timeout_s: float = ANSWER_S,
    ) -> Mapping[str, Any]:
        """Put a question of the agents' to the workers ``to``; return what came back, by worker."""
        heard = self._mailbox.ask(
            [Command(command, arguments)], to=to, expected=to, timeout_s=timeout_s
        )
        return heard.replies[command]

    def order_all(
        self,
        command: str,
        arguments: Mapping[str, Any],
        expected: Sequence[str],
        *,
        to: Sequence[str] | None = None,
        timeout_s: float = ANSWER_S,
    ) -> set[str]:
        """Give all workers a command of Celery's, or those in ``to``; return who acknowledged it.

        Args:
            command: Its name.
            arguments: Its arguments.
            expected: Who should answer; the wait ends with the last of them.
            to: Whom to address.
            timeout_s: Longest wait.
        """
        heard = self._mailbox.ask(
            [Command(command, arguments)], to=to, expected=expected, timeout_s=timeout_s
        )
        return {clean(name, 255) for name, reply in heard.replies[command].items() if _is_ok(reply)}

    def registered(self, timeout_s: float = ANSWER_S) -> tuple[list[str], set[str]]:
        """Return who answered, and the names of all tasks that they know."""
        heard = self._mailbox.ask(
            [Command("registered", {})], to=None, expected=(), timeout_s=timeout_s
        ).replies["registered"]
        names = {
            entry.partition(" ")[0]
            for entries in heard.values()
            if isinstance(entries, list)
            for entry in entries
            if isinstance(entry, str)
        }
        return sorted(clean(name, 255) for name in heard), names

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        self._mailbox.close()


def _read(replies: Replies, ids: set[str], asked: Sequence[str]) -> Workforce:
    found = Workforce()
    names = {name for method in replies.values() for name in method}
    for name in sorted(names):
        worker = clean(name, 255)
        own = {method: said[name] for method, said in replies.items() if name in said}
        if _is_ok(own.get("revoke")):
            found.acknowledged.append(worker)
        described = {method: reply for method, reply in own.items() if method in asked}
        if described:
            found.answers[worker] = read_answer(worker, described, asked)
        told = own.get("query_task")
        if ids and not isinstance(told, dict):
            found.blind.append(worker)
        for task_id, (held, pid) in _held(told).items():
            if task_id in ids:
                found.holdings[task_id] = Holding(worker, held, pid)
        answer = found.answers.get(worker)
        for task in (answer.active or ()) if answer is not None else ():
            if task.id in ids:
                found.holdings[task.id] = Holding(worker, "active", task.pid)
    return found


def _held(told: Any) -> dict[str, tuple[Held, int | None]]:
    """Read an answer to ``query_task``: id to ``[state, request]``."""
    found: dict[str, tuple[Held, int | None]] = {}
    for task_id, entry in (told if isinstance(told, dict) else {}).items():
        if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[0], str):
            continue
        held = _HELD.get(entry[0])
        request: Mapping[str, Any] = entry[1] if isinstance(entry[1], dict) else {}
        if held is not None:
            found[str(task_id)] = (held, whole(request.get("worker_pid")))
    return found


def _is_ok(reply: Any) -> bool:
    return isinstance(reply, dict) and "ok" in reply
