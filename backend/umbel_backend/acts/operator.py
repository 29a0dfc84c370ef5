"""The one door: nothing outside Umbel is changed but between two entries of the audit.

Permission is checked here, from the operating system's user and the database's list, whoever calls:
console, command line or a script.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from umbel_agent.redact import Redactor
from umbel_backend.acts.audit_log import AuditLog, Opening, Pulse, new_batch
from umbel_backend.acts.identity import Identity, whoami
from umbel_backend.acts.outcome import Outcome, refused, unknown
from umbel_backend.acts.roles import Role, every_operator, role_of, with_article
from umbel_backend.broker.urls import mask_url
from umbel_backend.errors import InvalidValue, NotFound, NotPermitted, Refused, UmbelError
from umbel_backend.events.text import clean
from umbel_backend.settings import Settings

_REASON_LIMIT = 1_000
_DETAIL_LIMIT = 2_000
_VALUE_LIMIT = 2_000
_TARGET_LIMIT = 255
_REFUSED_AT_ONCE = 1_000

_Opener = Callable[[str, Mapping[str, Any]], Opening]


class Door:
    """Lets the acts of this process's user through, or refuses them; both are audited.

    Args:
        engine: A database with today's schema, which may be written.
        settings: Names the context and what is redacted.
    """

    def __init__(self, engine: sa.Engine, settings: Settings) -> None:
        self.engine = engine
        self.settings = settings
        self.log = AuditLog(engine)
        self._redact = Redactor(settings.redact).redact

    @property
    def identity(self) -> Identity:
        """Who acts."""
        return whoami()

    @property
    def role(self) -> Role:
        """The role of who acts, as the database says now."""
        return role_of(self.identity.name, every_operator(self.engine))

    def job(
        self,
        action: str,
        targets: Sequence[str],
        *,
        target_kind: str = "task",
        reason: str = "",
        parameters: Mapping[str, Any] | None = None,
        needs: Role = Role.OPERATOR,
        in_cluster: bool = True,
    ) -> Job:
        """Let an act on ``targets`` begin, or refuse it. Nothing is written before the job is entered.

        Args:
            action: The command's verb.
            targets: All that it is about; rows are opened later, by `Job.open`.
            target_kind: What they are.
            reason: In the operator's words.
            parameters: What else the audit should tell; JSON values.
            needs: The least role that may do this.
            in_cluster: It changes the cluster, which a read-only context forbids.

        Raises:
            NotPermitted: It was refused, and that was written into the audit.
            InvalidValue: The same target is named twice.
        """
        if len(set(targets)) != len(targets):
            raise InvalidValue("A target is named more than once.")
        opening = self._opener(action, target_kind, reason, parameters or {}, in_cluster)
        why_not = self._why_not(action, needs, in_cluster)
        if why_not is not None:
            for start in range(0, len(targets), _REFUSED_AT_ONCE):
                some = targets[start : start + _REFUSED_AT_ONCE]
                self.log.refuse([opening(target, {}) for target in some], why_not)
            raise NotPermitted(why_not)
        return Job(self.log, opening, self._redact)

    def _opener(
        self,
        action: str,
        target_kind: str,
        reason: str,
        parameters: Mapping[str, Any],
        in_cluster: bool,
    ) -> _Opener:
        who = self.identity
        parts = {name: self._shown(value) for name, value in parameters.items()}
        if in_cluster:
            parts["broker"] = mask_url(self.settings.context.broker)

        def opening(target: str, more: Mapping[str, Any]) -> Opening:
            own = {name: self._shown(value) for name, value in more.items()}
            return Opening(
                operator=who.name,
                origin=who.origin,
                action=action,
                target_kind=target_kind,
                target=clean(target, _TARGET_LIMIT),
                reason=self._redact(clean(reason, _REASON_LIMIT)),
                parameters={**parts, **own},
            )

        return opening

    def _why_not(self, action: str, needs: Role, in_cluster: bool) -> str | None:
        who, role = self.identity, self.role
        if not role.reaches(needs):
            return f"{who.name} is {with_article(role)}; {action} needs {with_article(needs)}."
        if in_cluster and self.settings.context.read_only:
            return f"The context {self.settings.context.name!r} is read-only: nothing is changed."
        return None

    def _shown(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        text = value if isinstance(value, str) else repr(value)
        return self._redact(clean(text, _VALUE_LIMIT))


class Job:
    """One command's acts, under one batch id. Use as a context manager.

    What is open when the block ends with an error is closed as ``unknown``, or as ``refused`` where
    the error says that nothing was done; then the error goes on.
    """

    def __init__(
        self,
        log: AuditLog,
        opening: _Opener,
        redact: Callable[[str], str],
    ) -> None:
        self.batch = new_batch()
        self.outcomes: dict[str, Outcome] = {}
        """What came of each target so far, in the order in which it was known."""
        self._log = log
        self._opening = opening
        self._redact = redact
        self._open: dict[str, int] = {}
        self._pulse = Pulse(log, self.batch)

    def open(
        self, targets: Iterable[str], more: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        """Write that ``targets`` are about to be acted on; committed when this returns.

        Args:
            targets: Each at most once in a job.
            more: Parameters of single targets.
        """
        listed = list(targets)
        more = more or {}
        ids = self._log.open(self.batch, [self._opening(t, more.get(t, {})) for t in listed])
        self._open.update(zip(listed, ids, strict=True))

    def close(self, target: str, outcome: Outcome) -> None:
        """Write what was seen to come of ``target``, which is open."""
        detail = self._redact(clean(outcome.detail, _DETAIL_LIMIT))
        outcome = Outcome(outcome.outcome, detail, outcome.new_id)
        self._log.close(self._open[target], outcome)
        del self._open[target]
        self.outcomes[target] = outcome

    @property
    def unfinished(self) -> list[str]:
        """Targets that are open."""
        return list(self._open)

    def __enter__(self) -> Self:
        self._pulse.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            for target in self.unfinished:
                # A database that is gone leaves them open, and then they are told as interrupted.
                with suppress(UmbelError):
                    self.close(target, _outcome_of(error))
        finally:
            with suppress(UmbelError):
                self._pulse.stop()


def _outcome_of(error: BaseException | None) -> Outcome:
    if isinstance(error, Refused | NotFound | InvalidValue):
        return refused(str(error))
    if isinstance(error, KeyboardInterrupt | GeneratorExit):
        return unknown("It was stopped by the operator before its outcome was seen.")
    if isinstance(error, UmbelError):
        return unknown(str(error))
    if error is not None:
        return unknown(f"It ended with an error that Umbel did not foresee: {error!r}.")
    return unknown("Nothing was seen to come of it.")
