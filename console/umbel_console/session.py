"""What all screens of one run share: settings, live state, the clock, the look. No Textual."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from functools import cached_property
from typing import TYPE_CHECKING

from umbel_backend.settings import Settings
from umbel_console.preferences import Preferences
from umbel_console.render.context import AMQP_LEVELS, REDIS_LEVELS, DrawContext
from umbel_console.render.header import HeaderFacts
from umbel_console.render.palette import DARK, Palette
from umbel_console.services import History, Inquiry, RecorderNow, Waiting
from umbel_console.stores.acts import ActRuns
from umbel_console.stores.agents import AgentStore
from umbel_console.stores.audit_seen import AuditSeen
from umbel_console.stores.freshness import Freshness
from umbel_console.stores.logs import RecentLogs
from umbel_console.stores.outage import Outage
from umbel_console.stores.queues import QueueStore
from umbel_console.stores.trace import TracedTasks
from umbel_console.stores.workers import WorkerStore

if TYPE_CHECKING:
    # Loaded with the first filter: the first frame has none.
    from umbel_backend.filters import Filter
    from umbel_console.acting import Acts, Standing
    from umbel_console.auditing import AuditTrail
    from umbel_console.stores.suggestions import KnownValues


class Session:
    """The live state of one console, owned by the event loop.

    Args:
        settings: Of this run.
        clock: Returns Unix seconds.
        broker: The broker's URL as it may be shown.
        zone: Where exact times are told; None is the machine's own zone.
        preferences: What the operator chose before; None remembers for this run only.
        user: Who sits in front of it; empty is not told.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float],
        *,
        broker: str = "",
        zone: tzinfo | None = None,
        preferences: Preferences | None = None,
        user: str = "",
    ) -> None:
        self.settings = settings
        self.user = user
        self.preferences = Preferences() if preferences is None else preferences
        self.clock = clock
        self.broker = broker
        self.zone = zone
        self.palette: Palette = DARK
        self.unicode = settings.unicode
        self.tasks = TracedTasks()
        self.workers = WorkerStore()
        self.queues = QueueStore()
        self.agents = AgentStore()
        """What workers use, as their agents tell."""
        self.logs = RecentLogs()
        """What tasks logged since the console listens to their agents."""
        self.freshness = Freshness()
        self.workers.hears = lambda: self.freshness.state == "live"
        self.history: History | None = None
        """None until the database was opened, and while it cannot be."""
        self.history_outage = Outage()
        """Of the database, as the bridge opens it and as screens read it."""
        self.opening: str | None = None
        """Which part of this console is being started, as a sentence; None once all are."""
        self.cluster_problem: str | None = None
        self.waiting: Waiting | None = None
        """Tells why a task does not run; None where nobody can be asked."""
        self.inquiry: Inquiry | None = None
        """Asks one worker or queue; None where nobody can be asked."""
        self.recorder: RecorderNow | None = None
        """None until it is known who records."""
        self.acts: Acts | None = None
        """Changes the cluster; None until the console has started, and where nothing can be changed."""
        self.runs = ActRuns()
        """The acts begun here."""
        self.trail: AuditTrail | None = None
        """Reads the audit; None until the console has started."""
        self.audit_seen = AuditSeen()
        """What happened in the audit while this console runs."""
        self.standing: Standing | None = None
        """Who acts here; None until the database told."""
        self.filters: dict[str, str] = {}
        """By tab, the filter it stands under; tabs without one are left out."""
        self._lag_s: float | None = None
        is_amqp = settings.context.broker.startswith(("amqp", "pyamqp", "librabbitmq"))
        self._levels = AMQP_LEVELS if is_amqp else REDIS_LEVELS

    @property
    def history_problem(self) -> str | None:
        """Why the database cannot be opened or read, as a sentence."""
        return self.history_outage.problem

    @history_problem.setter
    def history_problem(self, problem: str | None) -> None:
        self.history_outage.note(problem, self.clock())

    @cached_property
    def known_values(self) -> KnownValues:
        """Values to complete a filter with."""
        from umbel_console.stores.suggestions import KnownValues

        return KnownValues(self)

    def draw(self) -> DrawContext:
        """Return the context to draw with now."""
        return DrawContext(
            now=self.clock(),
            palette=self.palette,
            unicode=self.unicode,
            zone=self.zone,
            levels=self._levels,
            paces=self.tasks.paces,
        )

    def read_filter(self, text: str) -> Filter:
        """Parse a filter over tasks, with this broker's priority levels.

        Raises:
            InvalidFilter: With the position of the mistake.
        """
        from umbel_backend.filters import parse

        return parse(text, levels={word: number for number, word in self._levels.items()})

    def suggest_filter(self, text: str, cursor: int) -> list[tuple[str, str]]:
        """Return what could stand at the cursor: the whole text then, and what to show of it."""
        from umbel_console.stores.suggestions import suggest

        return suggest(text, cursor, self.known_values.live)

    def header(self) -> HeaderFacts:
        """Gather what the header tells; to be called about once a second."""
        now, fresh, context = self.clock(), self.freshness, self.settings.context
        lag_s = fresh.take_lag()
        if lag_s is not None:
            self._lag_s = lag_s
        last = fresh.last_event_at
        return HeaderFacts(
            context=context.name,
            broker=self.broker,
            colour=context.colour,
            who=self._who(),
            protected=context.protected,
            read_only=context.read_only,
            state=fresh.state,
            since_s=0.0 if fresh.since is None else now - fresh.since,
            lag_s=self._lag_s,
            quiet_s=None if last is None else now - last,
            rate=fresh.rate,
            dropped=fresh.dropped,
            malformed=fresh.malformed,
            gaps=fresh.gaps_seen,
            recorder="" if self.recorder is None else self.recorder.words,
            recorder_ok=self.recorder is None or self.recorder.is_well,
            workers_online=self.workers.online(),
            workers_known=len(self.workers),
        )

    def _who(self) -> str:
        if self.standing is None:
            return self.user
        dot = "·" if self.unicode else "/"
        return f"{self.standing.name}{dot}{self.standing.role}"

    @property
    def may_not_act(self) -> bool:
        """Whether the door is known to refuse whatever is tried here."""
        is_viewer = self.standing is not None and self.standing.role == "viewer"
        return is_viewer or self.settings.context.read_only

    def problems(self) -> list[str]:
        """Return what is wrong now, one plain sentence each, the worst first."""
        # Who writes the database knows best what is wrong with it; who reads may only find it missing.
        recorder_problem = None if self.recorder is None else self.recorder.problem
        found = (
            self.freshness.problem,
            recorder_problem,
            self.history_problem,
            self.cluster_problem,
        )
        return list(dict.fromkeys(problem for problem in found if problem))
