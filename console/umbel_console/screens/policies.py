"""Policies: what happens by itself when tasks fail, in the order in which workers ask them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.binding import BindingType

from umbel_backend.errors import UmbelError
from umbel_console import actions
from umbel_console.acting import Wanted
from umbel_console.agent_words import needs_agent
from umbel_console.render import policies as cells
from umbel_console.render.words import idle_since
from umbel_console.screens.act_dialog import ActDialog, Choice, Decision
from umbel_console.screens.figures import figure, name_column
from umbel_console.screens.narrowed_list import NarrowedListScreen
from umbel_console.screens.task_acts import decided
from umbel_console.session import Session
from umbel_console.stores.narrowing import Facts
from umbel_console.stores.outage import Outage
from umbel_console.widgets.columns import Column, plain
from umbel_console.widgets.kept_screens import kept
from umbel_console.widgets.record_table import RecordTable

if TYPE_CHECKING:
    from umbel_backend.policies.retry import RetryPolicy

READ_AGAIN_S = 5.0
CAPABILITY = "policies"
"""What an agent announces that follows them."""

COLUMNS: tuple[Column[Any], ...] = (
    name_column("pattern", "TASKS", lambda policy: policy.pattern, width=14, most=40),
    Column(
        key="exceptions",
        label="RETRIED ON",
        render=plain(cells.exceptions_cell),
        width=12,
        flex=2,
        most=50,
    ),
    Column(
        key="never",
        label="NEVER ON",
        render=plain(cells.never_cell),
        width=10,
        flex=1,
        most=40,
        rank=2,
    ),
    figure(
        "max",
        "RETRIES",
        7,
        lambda policy, draw: draw.cell(f"{policy.max_retries:,}"),
        rank=0,
        by=lambda policy: policy.max_retries,
    ),
    Column(key="delays", label="AFTER", render=plain(cells.delays_cell), width=16, flex=3, most=34),
    Column(
        key="changed",
        label="CHANGED",
        render=plain(cells.changed_cell),
        width=16,
        flex=1,
        most=30,
        rank=3,
    ),
)


class PoliciesScreen(NarrowedListScreen):
    """The retry policies there are; each opens a form to change it.

    Args:
        session: The live state and the acts.
    """

    MODE = "policies"
    SCOPES = ("app", "screen", "policies", "table")
    FIELDS = ("name",)
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("policies")]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._policies: Sequence[RetryPolicy] | None = None
        self._outage = Outage()
        self._is_reading = False
        self._seen_entry: int | None = None
        self._due_at = 0.0

    def compose_table(self) -> RecordTable[Any]:
        """Make the table."""
        return RecordTable[Any](
            COLUMNS,
            key=lambda policy: str(policy.pattern),
            draw=self.session.draw,
            moment=lambda policy, now: int(now) // 60,
            empty=self._why_empty,
        )

    def all_records(self) -> Sequence[RetryPolicy]:
        """Return the policies."""
        return self._policies or ()

    def facts(self, record: RetryPolicy) -> Facts:
        """Return what can be searched of a policy."""
        return {
            "name": (record.pattern,),
            "other": (*record.exceptions, *record.never, record.changed_by),
        }

    # Reading

    def refresh_body(self) -> None:
        """Show the policies, and read them again when something was done to them."""
        super().refresh_body()
        is_new = self.session.audit_seen.entry != self._seen_entry
        if not self._is_reading and (is_new or time.monotonic() >= self._due_at):
            self._read_again()

    @work(exclusive=True, group="policies", exit_on_error=False)
    async def _read_again(self) -> None:
        acts = self.session.acts
        if acts is None:
            return
        self._is_reading = True
        self._seen_entry = self.session.audit_seen.entry
        self._due_at = time.monotonic() + READ_AGAIN_S
        try:
            self._policies = await acts.policies()
            self._outage.note(None, self.session.clock())
        except UmbelError as error:
            self._outage.note(str(error), self.session.clock())
        finally:
            self._is_reading = False
        if self.is_mounted:
            super().refresh_body()
            self.draw_status()

    # Changing

    def on_record_table_opened(self, event: RecordTable.Opened) -> None:
        """Show a policy in the form that changes it, and not on a screen of its own."""
        event.stop()
        event.prevent_default()
        self.do_edit()

    def do_add(self) -> None:
        """Put together a new policy."""
        from umbel_backend.policies.retry import RetryPolicy

        self._open(RetryPolicy(pattern=""), is_new=True)

    def do_edit(self) -> None:
        """Change the policy under the cursor."""
        policy = self.table.record
        if policy is not None:
            self._open(policy, is_new=False)

    def _open(self, policy: RetryPolicy, *, is_new: bool) -> None:
        from umbel_console.screens.policy_form import PolicyForm

        if self._may_act("policy set", policy):
            form = PolicyForm(self.session, policy, is_new=is_new)
            self.app.push_screen(form, self._decided)

    def do_delete(self) -> None:
        """Ask whether to delete the policy under the cursor."""
        policy = self.table.record
        if policy is None or not self._may_act("policy delete", policy):
            return
        wanted = Wanted(verb="policy delete", ids=[f"retry {policy.pattern}"], policy=policy)
        words = f"failed tasks {policy.pattern} are then retried only by themselves"
        choice = Choice(words=words, wanted=wanted)
        dialog = kept(self.app, ActDialog, self.session).about([choice], {})
        self.app.push_screen(dialog, self._decided)

    def _may_act(self, verb: Any, policy: RetryPolicy) -> bool:
        if self.session.acts is None:
            self.say("This console is still starting; try again in a moment.", "warn")
            return False
        if self.session.may_not_act:
            from umbel_console.screens.task_acts import refused

            target = f"retry {policy.pattern or '*'}"
            self.run_worker(refused(self, verb, [target], "policy"), exit_on_error=False)
            return False
        return True

    def _decided(self, decision: Decision | None) -> None:
        decided(self, decision)

    # What is told

    def told(self) -> str:
        """Tell how many there are, and which workers do not follow them."""
        if self._policies is None:
            return "reading" if self._outage.since is None else ""
        count = len(self._policies)
        words = f"{count:,} retry {'policy' if count == 1 else 'policies'}"
        workers = self.session.workers.records()
        without = [w.hostname for w in workers if CAPABILITY not in w.capabilities]
        if self._policies and without:
            words += f", {needs_agent(*without)}"
        return words

    def own_problem(self) -> str | None:
        """Return why the policies could not be read."""
        return self._outage.problem

    def _why_empty(self) -> str:
        session = self.session
        hidden = self.why_none_matches("policies", len(self._policies or ()))
        if hidden is not None:
            return hidden
        if self._policies is None:
            return idle_since(self._outage, session.clock(), session.zone) or "Reading."
        return (
            "There is no policy: failed tasks are retried only by themselves. a adds one, which"
            " workers with the agent follow within 5 s."
        )
