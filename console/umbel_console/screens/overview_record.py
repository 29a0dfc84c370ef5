"""What Overview read of the record: over which range, when again, and why there is nothing to see."""

from __future__ import annotations

import time

from rich.text import Text

from umbel_backend.errors import UmbelError
from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part
from umbel_console.render.time import coarse, moment
from umbel_console.render.words import idle_since
from umbel_console.services import History
from umbel_console.session import Session
from umbel_console.stores.outage import Outage
from umbel_console.stores.overview import RANGES, Range, Reading

READ_EVERY_S = 5.0
"""How often the record is read while Overview is shown."""
COST_BOUND = 50
"""A reading that took long is followed by this many times as much rest."""
_SECTION = "overview"


class OverviewRecord:
    """The last reading, and the range that the operator chose.

    Args:
        session: The live state and the preferences.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        wanted = session.preferences.get(_SECTION, "range", None)
        self.range: Range = next((r for r in RANGES if r.text == wanted), RANGES[1])
        self.reading: Reading | None = None
        """None until the first one has come."""
        self._read_range: Range | None = None
        self._outage = Outage()
        self._is_busy = False
        self._due = 0.0

    @property
    def problem(self) -> str | None:
        """Why the last attempt to read, or to open the database before the first one, failed."""
        return self._outage_now.problem

    @property
    def _outage_now(self) -> Outage:
        return self._session.history_outage if self._outage.problem is None else self._outage

    @property
    def is_due(self) -> bool:
        """Whether it is time to read again."""
        return not self._is_busy and time.monotonic() >= self._due

    @property
    def shown_range(self) -> Range:
        """The range of what can be seen; the chosen one while nothing can."""
        return self._read_range or self.range

    def hurry(self) -> None:
        """Let the next reading be due now."""
        self._due = 0.0

    def choose(self, by: int) -> bool:
        """Choose a longer (1) or shorter (-1) range; false if there is none."""
        index = RANGES.index(self.range) + by
        if not 0 <= index < len(RANGES):
            return False
        self.range = RANGES[index]
        self._session.preferences.put(_SECTION, "range", self.range.text)
        self.hurry()
        return True

    async def read(self, history: History) -> None:
        """Read the chosen range; one that fails leaves what was read before."""
        session, chosen = self._session, self.range
        now = session.clock()
        self._is_busy = True
        began = time.monotonic()
        try:
            reading = await history.overview(chosen, now)
            self._outage.note(None, now)
            session.history_problem = None
            self.reading, self._read_range = reading, chosen
        except UmbelError as error:
            self._outage.note(str(error), session.clock())
        finally:
            self._is_busy = False
            took_s = time.monotonic() - began
            self._due = time.monotonic() + max(READ_EVERY_S, COST_BOUND * took_s)

    def ranges(self, draw: DrawContext) -> Text:
        """Draw the ranges there are, the chosen one in brackets."""
        line = draw.empty().append(" ")
        for number, each in enumerate(RANGES):
            here = each is self.range
            line.append("  " if number else "")
            words = f"[{each.title}]" if here else each.title
            line.append_text(draw.cell(words, "accent" if here else "muted", bold=here))
        return line

    def age(self, draw: DrawContext) -> list[Part]:
        """Tell how old the reading is and how long it took; nothing while nobody can read."""
        past = self.reading
        if self._session.history is None:
            return []
        if past is None or self._read_range is not self.range:
            return [Part(draw.cell("reading", "muted"), 1)]
        old = f"record read {coarse(draw.now - past.at)} ago"
        took = f"{max(1, round(past.took_s * 1000))} ms"
        return [Part(draw.cell(old, "muted"), 1), Part(draw.cell(took, "muted"), 3)]

    def why_nothing(self) -> str | None:
        """Say in a few words why there is nothing to draw; None if there is."""
        session = self._session
        if self.reading is not None and not self.reading.is_empty:
            return None
        outage = self._outage_now
        if outage.since is not None:
            return f"Not read since {moment(outage.since, session.clock(), session.zone)}."
        if session.history is None:
            return "Opening the database."
        if self.reading is None:
            return "Reading the record."
        return "Nothing was recorded yet."

    def _why_nothing_yet(self, why: str) -> str:
        """Say ``why`` there is nothing, and when there will be: once for the whole screen."""
        session, outage = self._session, self._outage_now
        if outage.since is not None:
            return idle_since(outage, session.clock(), session.zone)
        if self.reading is None:
            return why
        if self.reading.recorder is None:
            return "Nothing was recorded yet, and nobody records now."
        return f"{why} Charts and lists fill once queues were read or a task ended."

    def why_no_advice(self, *, has_advice: bool) -> str | None:
        """Say why it is not known whether there are enough slots; None if it is."""
        why = self.why_nothing()
        if why is not None:
            why = self._why_nothing_yet(why)
        elif self._session.freshness.state != "live":
            why = "The event path is not connected, so nobody tells what the workers do now."
        if why is not None:
            return f"Whether there are enough slots is not known. {why}"
        past = self.reading
        assert past is not None
        if not past.loads:
            return (
                "Whether there are enough slots is not known: no queue was read in the last 5 min."
            )
        if has_advice:
            return None
        return "No queue has messages or workers, so there is nothing to recommend."

    def why_empty(self, name: str) -> str:
        """Say why the list ``name`` has no rows."""
        if name == "problems":
            if self._session.freshness.state == "connecting":
                return "Connecting; nothing is known yet."
            return "Nothing is wrong that Umbel can see."
        why = self.why_nothing()
        if why is not None:
            return why
        past = self.reading
        seen = past is not None and not past.unseen and (past.kept_since or 0.0) <= past.start
        return {
            "exceptions": "No task failed in this range."
            if seen
            else "No failure was seen in this range; not all of it was recorded.",
            "busiest": "No task ended in this range.",
            "gaps": "No gap was recorded in this range.",
        }[name]
