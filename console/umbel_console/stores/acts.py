"""The acts that this console began, how far each is, and what was seen of every target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from umbel_console.render.words import counted

if TYPE_CHECKING:
    from umbel_backend.acts.outcome import Outcome
    from umbel_console.acting import ActJob, Verb

MOST_KEPT = 20
"""Acts whose outcomes can be looked at again."""
OUTCOMES = ("done", "partly", "refused", "unknown")
"""In the order in which they are told."""
DOING: Mapping[Verb, str] = {
    "cancel": "Cancelling",
    "kill": "Killing",
    "pause": "Pausing",
    "resume": "Resuming",
    "retry": "Retrying",
    "run": "Running",
    "policy set": "Setting",
    "policy delete": "Deleting",
    "queue pause": "Pausing",
    "queue resume": "Resuming",
    "queue purge": "Purging",
}
NAMES: Mapping[Verb, str] = {verb: verb.rpartition(" ")[2].capitalize() for verb in DOING}


def what(verb: Verb, count: int) -> str:
    """Return how many targets an act has, as one says it: ``37 tasks``."""
    return counted(count, verb.partition(" ")[0] if " " in verb else "task")


class ActRun:
    """One act on some targets.

    Args:
        verb: What is done.
        targets: To what, each once.
        names: Of the targets, as far as they are known.
        job: Does it.
        now: Unix seconds.
    """

    def __init__(
        self, verb: Verb, targets: Sequence[str], names: Mapping[str, str], job: ActJob, now: float
    ) -> None:
        self.verb = verb
        self.targets = targets
        self.names = names
        self.began_at = now
        self.ended_at: float | None = None
        """When the end was seen; None while it is under way."""
        self.outcomes: dict[str, Outcome] = {}
        """In the order in which they became known."""
        self.counts: Counter[str] = Counter()
        self.is_stopping = False
        self.was_seen = False
        """Its end was looked at."""
        self.is_shown = False
        """Somebody looks at it now."""
        self._job = job

    @property
    def is_over(self) -> bool:
        """Whether nothing of it goes on, and all of it was taken over."""
        return self.ended_at is not None

    @property
    def problem(self) -> str | None:
        """Why it ended early, or did not begin, in one sentence."""
        return self._job.problem

    @property
    def batch(self) -> str | None:
        """Its id in the audit."""
        return self._job.batch

    @property
    def not_begun(self) -> int:
        """How many targets nothing is known of."""
        return len(self.targets) - len(self.outcomes)

    @property
    def is_well(self) -> bool:
        """Whether all of it was done."""
        return self.counts["done"] == len(self.targets)

    def look(self, now: float) -> None:
        """Take over what became known."""
        is_over = self._job.is_over
        for target, outcome in self._job.take():
            self.outcomes[target] = outcome
            self.counts[outcome.outcome] += 1
        if is_over and self.ended_at is None:
            self.ended_at = now

    def made(self, target: str) -> bool:
        """Whether ``target`` is of this act, where its id in the audit is not known."""
        if self.batch is not None:
            return False
        return target in self.targets or any(o.new_id == target for o in self.outcomes.values())

    def stop(self) -> None:
        """Begin no further target."""
        self.is_stopping = True
        self._job.stop()

    def rate(self, now: float) -> float | None:
        """Return how many targets a minute it does; None before that can be told."""
        took_s = (self.ended_at or now) - self.began_at
        return len(self.outcomes) / took_s * 60 if took_s >= 2 and len(self.outcomes) > 1 else None

    def told(self) -> str:
        """Return the outcomes counted: ``20 done, 1 refused``; empty while there are none."""
        return ", ".join(f"{self.counts[word]:,} {word}" for word in OUTCOMES if self.counts[word])

    def sentence(self) -> str:
        """Return how it stands, in one sentence."""
        if not self.is_over:
            verb = "Stopping" if self.is_stopping else DOING[self.verb]
            return f"{verb}: {len(self.outcomes):,} of {len(self.targets):,}"
        targets = what(self.verb, len(self.targets))
        told = self.told() or "nothing done"
        left = f", {self.not_begun:,} not begun" if self.not_begun else ""
        return f"{NAMES[self.verb]} {targets}: {told}{left}"


class ActRuns:
    """The acts of one console, the newest last."""

    def __init__(self) -> None:
        self._runs: list[ActRun] = []

    def begin(self, run: ActRun) -> None:
        """Add an act that was begun."""
        over = [each for each in self._runs if each.is_over]
        for old in over[: max(0, len(self._runs) + 1 - MOST_KEPT)]:
            self._runs.remove(old)
        self._runs.append(run)

    def all(self) -> list[ActRun]:
        """Return the acts, the newest last."""
        return list(self._runs)

    @property
    def latest(self) -> ActRun | None:
        """The act to look at: what is under way, else the newest."""
        return next((run for run in reversed(self._runs) if not run.is_over), None) or (
            self._runs[-1] if self._runs else None
        )

    @property
    def under_way(self) -> list[ActRun]:
        """The acts that go on."""
        return [run for run in self._runs if not run.is_over]

    def look(self, now: float) -> None:
        """Take over what became known of all of them."""
        for run in self._runs:
            if not run.is_over:
                run.look(now)

    def did(self, batch: str, target: str) -> bool:
        """Whether an entry of the audit is of an act of this console."""
        return any(run.batch == batch or run.made(target) for run in self._runs)

    def to_tell(self) -> ActRun | None:
        """Return the act that the status line tells of: one that goes on, or whose end was not seen."""
        run = self.latest
        if run is None or run.is_shown or (run.is_over and run.was_seen):
            return None
        return run
