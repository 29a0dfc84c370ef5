"""What the console can do to the world, as its screens need it; how it is done is in `acting_live`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from umbel_backend.acts.outcome import Outcome
    from umbel_backend.acts.signature import Signature
    from umbel_backend.filters import Filter
    from umbel_backend.policies.retry import RetryPolicy

Verb = Literal[
    "cancel",
    "kill",
    "pause",
    "resume",
    "retry",
    "run",
    "policy set",
    "policy delete",
    "queue pause",
    "queue resume",
    "queue purge",
]

AT_ONCE = 200
"""Targets that are looked at before an act; of more it is told how many were looked at."""
RATES = (200, 1_000, 0)
"""Tasks a minute that acts may create; 0 is unlimited and needs an admin."""


class Standing(Struct, frozen=True):
    """Who acts in this console, as the backend sees them."""

    name: str
    """The operating system's user."""
    role: str
    """``viewer``, ``operator`` or ``admin``."""


class TaskOrder(Struct, frozen=True, kw_only=True):
    """A task to be run, as it was asked for."""

    name: str
    args: list[Any]
    kwargs: dict[str, Any]
    queue: str | None = None
    """None leaves it to where the task was seen last, else to the workers' default."""
    priority: int | None = None
    eta: float | None = None
    """Not before this instant, Unix seconds."""
    expires: float | None = None
    """Not after it."""
    tags: Mapping[str, str] = {}


class Wanted(Struct, frozen=True, kw_only=True):
    """What an act is to be about: the tasks named, or all that match a filter."""

    verb: Verb
    ids: Sequence[str] = ()
    chosen: Filter | None = None
    """Instead of ids."""
    twice: bool = False
    """Retry also what may do the same for the second time."""
    args: list[Any] | None = None
    """Retry with these instead of the message's own; None leaves them as they were."""
    kwargs: dict[str, Any] | None = None
    order: TaskOrder | None = None
    """What is to be run; its name is the only id."""
    policy: RetryPolicy | None = None
    """The policy that is to be set, or deleted."""
    rate: int = RATES[0]
    """Tasks a minute, for acts that create some."""


class Line(Struct, frozen=True):
    """A sentence of an outlook."""

    words: str
    count: int | None = None
    """How many targets it is about; None if it is about all."""
    role: str = "foreground"


class Outlook(Struct, frozen=True, kw_only=True):
    """What would come of an act if it were done now; nothing was changed to find out."""

    ids: Sequence[str] = ()
    """Everything it is about, each once."""
    lines: Sequence[Line] = ()
    names: Mapping[str, str] = {}
    """Task names by id, as far as they were met."""
    doable: int | None = None
    """For how many something would be done; None if not all were looked at."""
    left_out: int = 0
    """How many are left out, or refused, only because they may run twice."""


class Known(Struct, frozen=True, kw_only=True):
    """What is known of the arguments of a task."""

    args: str
    """JSON of an array where all of them are known as values; else as they were seen, maybe cut."""
    kwargs: str
    """JSON of an object, or as it was seen."""
    why_not: str | None = None
    """Why they are not known as values, one sentence; None where they are."""


class ActJob(Protocol):
    """An act under way in a thread of its own."""

    @property
    def batch(self) -> str | None:
        """Its id in the audit; None until it has begun."""

    @property
    def is_over(self) -> bool:
        """Whether it ended, well or not."""

    @property
    def problem(self) -> str | None:
        """Why it ended early, or did not begin, in one sentence."""

    def take(self) -> Sequence[tuple[str, Outcome]]:
        """Take what became known since the last call: target and outcome, in that order."""

    def stop(self) -> None:
        """Begin no further target; what is under way is seen to its end."""


class Acts(Protocol):
    """The console's only way to change anything; every act goes through the backend's one door."""

    async def refusal(self, verb: Verb, targets: Sequence[str], kind: str) -> str | None:
        """Return why this may not be done, which is in the audit then; None if it may.

        Raises:
            DatabaseUnavailable: Nobody can tell.
        """

    async def outlook(self, wanted: Wanted) -> Outlook:
        """Find out what would come of an act.

        Raises:
            UmbelError: It may not be done, or cluster or database cannot be asked.
        """

    async def known(self, task_id: str) -> Known:
        """Return what is known of a task's arguments.

        Raises:
            UmbelError: History does not know the task, or cannot be read.
        """

    async def registered(self) -> Sequence[str]:
        """Return the names of all tasks that workers know. Raises `BrokerUnavailable`."""

    async def signatures(self, name: str) -> Sequence[Signature]:
        """Return what the task ``name`` takes, as the agents of its workers tell it.

        What most of them told comes first; empty where none tells it. Raises `BrokerUnavailable`.
        """

    async def policies(self) -> Sequence[RetryPolicy]:
        """Return the retry policies in the order in which workers ask them.

        Raises:
            DatabaseUnavailable: They cannot be read.
        """

    def begin(self, wanted: Wanted, ids: Sequence[str], reason: str) -> ActJob:
        """Begin to do it to ``ids``, in a thread of its own."""

    def close(self) -> None:
        """Stop what runs, and wait a moment for it."""
