"""What all tabs have in common: header, tabs, status line, footer, and how actions are called."""

from __future__ import annotations

import asyncio
import time
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static

from umbel_console import actions
from umbel_console.actions import Situation
from umbel_console.render.header import header_line
from umbel_console.render.line import Part
from umbel_console.render.text import width_of
from umbel_console.screens.frame_lines import TABS, footer_parts, tab_parts
from umbel_console.screens.typed_commands import TypedCommands
from umbel_console.session import Session
from umbel_console.turnstile import Typed
from umbel_console.widgets.filter_bar import FilterBar
from umbel_console.widgets.line import Line
from umbel_console.widgets.record_table import RecordTable
from umbel_console.widgets.span_update import SpanDisplay

HEADER_EVERY_S = 1.0
LATE_S = 0.05
"""When after a screen was shown its unseen parts are mounted; a key that comes before mounts them."""
PROBLEM_ROWS = 3
"""Rows that what is wrong may take where the status line has no room for it."""
SAID_S = 6.0
"""How long the status line keeps a sentence said to the operator."""


class TabScreen(TypedCommands):
    """One tab. A subclass gives ``MODE``, ``SCOPES`` and what stands between tabs and status line.

    Args:
        session: The live state.
    """

    AUTO_FOCUS = "RecordTable"
    MODE: ClassVar[str] = ""
    SCOPES: ClassVar[tuple[actions.Scope, ...]] = ("app", "screen", "table")
    NOT_IN_FOOTER: ClassVar[frozenset[str]] = frozenset()
    """Ids of actions that mean nothing here."""
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("screen")]
    DEFAULT_CSS = """
    TabScreen { layout: vertical; }
    TabScreen #body { height: 1fr; }
    TabScreen #footer { margin: 0; }
    TabScreen #problem { height: auto; padding: 0 1; display: none; }
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._clock: Timer | None = None
        self._header_at = 0.0
        self._said: tuple[str, str, float] | None = None
        self._look: object = None
        self._news: object = None
        self._notes: dict[str, str] | None = None
        self._problem_shown: tuple[str, int] | None = None
        self._completing = asyncio.Lock()
        self._is_complete = False

    class Asked(Message):
        """The app is to do something; ``verb`` is an action of its scope, or ``ask_again``."""

        def __init__(self, verb: str) -> None:
            self.verb = verb
            super().__init__()

    class Commanded(Message):
        """A command was typed that the screen does not know."""

        def __init__(self, word: str, rest: str) -> None:
            self.word = word
            self.rest = rest
            super().__init__()

    # What a subclass fills in

    def compose_body(self) -> ComposeResult:
        """Yield what stands between the tabs and the status line."""
        raise NotImplementedError

    def refresh_body(self) -> None:
        """Bring the body up to date; called on the screen's clock while it is shown."""

    async def ready_for(self, event: Typed) -> None:
        """Wait for what ``event`` is to act on, if it has been asked for and is on its way."""

    def keys_in_detail(self) -> bool:
        """Whether the keys go to the detail of a record now."""
        return False

    def status_parts(self) -> list[Part]:
        """Return what the status line tells when nothing else is to be said."""
        return []

    def situation(self) -> Situation:
        """Return what decides which actions can be done."""
        return Situation(has_record=self.table.record is not None)

    # The frame

    def compose(self) -> ComposeResult:
        """Lay out the frame around the body."""
        yield Line(id="header")
        yield Line(gap=0, id="tabs")
        yield from self.compose_body()
        yield Static(id="problem")
        yield Line(id="status")
        yield Line(gap=2, id="footer")

    async def complete(self) -> None:
        """Mount what the first frame does without; no key or click is looked at before."""
        async with self._completing:
            if not self._is_complete and self.is_mounted and self.is_attached:
                self._is_complete = True
                await self.mount_late()

    async def mount_late(self) -> None:
        """Mount what is not seen before it is asked for. A subclass adds to it."""
        from umbel_console.widgets.command_bar import CommandBar

        bar = CommandBar(self.session.draw, self._command_words)
        await self.mount(bar, before="#footer")

    def on_mount(self) -> None:
        """Draw the first frame and give the table the keys."""
        self.restore_columns()
        self.table.focus()
        if self.is_current:
            self.redraw()

    def on_screen_resume(self) -> None:
        """Start the clock; a screen that is not shown does no work, one mounted unseen neither."""
        if not self.is_current:
            return
        if self._look is not self.session.palette:
            self.redraw()
        self._bring_up_to_date()
        if self._clock is None:
            self._clock = self.set_interval(self._usual_s, self._tick)
        else:
            self._clock.resume()
        self.set_timer(LATE_S, self.complete)

    def on_screen_suspend(self) -> None:
        """Stop the clock."""
        if self._clock is not None:
            self._clock.pause()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Show the keys of what has the keys now."""
        self.query_one("#footer", Line).show(self._footer())

    def on_resize(self, event: events.Resize) -> None:
        """Fit header and footer into the new width."""
        self.call_after_refresh(self._draw_frame)

    def redraw(self) -> None:
        """Draw everything anew, in the present colours."""
        self._look = self.session.palette
        self._problem_shown = None
        self._draw_frame()
        for bar in self.query(FilterBar):
            bar.redraw()
        self.refresh_body()
        self.table.redraw()

    def is_still(self) -> bool:
        """Whether nothing of what is shown can have changed since this was asked last."""
        return False

    def _tick(self) -> None:
        if self.is_still():
            return
        if not isinstance(self.app, SpanDisplay) or self.app.pace.due(self._usual_s):
            self._bring_up_to_date()

    def look(self) -> None:
        """Show what is new now, without waiting for the clock."""
        if self._clock is not None:
            self._bring_up_to_date()

    def _bring_up_to_date(self) -> None:
        session = self.session
        news = (session.freshness.state, session.recorder, len(session.workers))
        if news != self._news or time.monotonic() - self._header_at >= HEADER_EVERY_S:
            self._news = news
            self._draw_frame()
        session.runs.look(session.clock())
        self.refresh_body()
        self._draw_tabs()
        self.draw_status()

    @property
    def _usual_s(self) -> float:
        return 1 / self.session.settings.refresh_hz

    def _draw_frame(self) -> None:
        self._header_at = time.monotonic()
        draw = self.session.draw()
        width = self.size.width
        header = self.query_one("#header", Line)
        header.show([Part(header_line(self.session.header(), draw, width))])
        self._notes = None
        self._draw_tabs()
        self.query_one("#footer", Line).show(self._footer())
        self.draw_status()

    def _draw_tabs(self) -> None:
        """Draw the tabs if a figure in them is another one: it must agree with the screen below."""
        notes = {mode: self.tab_note(mode) for mode, _, _ in TABS}
        if notes != self._notes:
            self._notes = notes
            parts = tab_parts(self.MODE, notes.__getitem__, self.session.draw(), self.size.width)
            self.query_one("#tabs", Line).show(parts)

    def tab_note(self, mode: str) -> str:
        """Return the figure behind a tab's title; one that ends with ``!`` tells of something wrong."""
        session = self.session
        if mode == "tasks":
            counts = session.tasks.counts
            open_now = sum(n for section, n in counts.items() if section != "Completed")
            return f"{open_now:,}" if open_now or session.freshness.was_live else ""
        if mode == "workers":
            return str(len(session.workers) or "")
        if mode == "queues":
            wrong = session.queues.suspicious(session.clock())
            return f"{wrong:,}!" if wrong else ""
        return ""

    def help_scopes(self) -> tuple[actions.Scope, ...]:
        """Return the scopes whose keys the help lists."""
        return self.SCOPES

    def footer_actions(self) -> list[actions.Action]:
        """Return the actions the footer shows now."""
        return actions.footer(self.SCOPES, detail=self.keys_in_detail(), without=self.NOT_IN_FOOTER)

    def _footer(self) -> list[Part]:
        return footer_parts(self.footer_actions(), self.situation(), self.session)

    def draw_status(self) -> None:
        """Show what was said last, what is wrong, or what the table stands at."""
        draw = self.session.draw()
        if self._said is not None and time.monotonic() < self._said[2]:
            parts = [Part(draw.cell(f" {self._said[0]}", self._said[1]), 1)]
        else:
            parts = self.status_parts()
        run = self.session.runs.to_tell()
        if run is not None:
            words = f"{run.sentence()}, o shows "
            role = "running" if not run.is_over else "good" if run.is_well else "warn"
            parts.append(Part(draw.cell(words, role), 1, right=True))
        slow = self.app.pace.words(self._usual_s) if isinstance(self.app, SpanDisplay) else ""
        if slow:
            parts.append(Part(draw.cell(f"{slow} ", "warn"), 1, right=True))
        problem = next(iter(self.problems()), "")
        opening = self.session.opening
        if opening and not problem:
            parts.append(Part(draw.cell(f"{opening} ", "muted"), 3, right=True))
        beside = f" {problem} "
        # What was said is gone in a moment; the problem gets a line of its own where both do not fit.
        fits = sum(width_of(part.text.plain) + 2 for part in parts) + width_of(beside)
        has_room = bool(problem) and fits <= self.size.width
        if has_room:
            parts.append(Part(draw.cell(beside, "bad"), 0, right=True))
        self._show_problem("" if has_room else problem)
        self.query_one("#status", Line).show(parts)

    def _show_problem(self, sentence: str) -> None:
        """Show a sentence that the status line has no room for, above it, wrapped."""
        shown = sentence, self.size.width
        if shown == self._problem_shown:
            return
        self._problem_shown = shown
        line = self.query_one("#problem", Static)
        line.display = bool(sentence)
        if sentence:
            from umbel_console.render.prose import paragraph, wrapped

            draw = self.session.draw()
            words = draw.cell(sentence, "bad")
            line.update(paragraph(wrapped(words, self.size.width - 2, PROBLEM_ROWS, draw)))

    def own_problem(self) -> str | None:
        """Return what is wrong with what this screen itself reads; it is told before all else."""
        return None

    def problems(self) -> list[str]:
        """Return what is wrong now, the worst first."""
        found, own = self.session.problems(), self.own_problem()
        return [own, *(each for each in found if each != own)] if own else found

    def say(self, sentence: str, role: str = "foreground") -> None:
        """Tell the operator one sentence in the status line, for some seconds."""
        self._said = (sentence, role, time.monotonic() + SAID_S)
        self.draw_status()

    # Actions

    def action_act(self, action_id: str) -> None:
        """Do the action with ``action_id``, or say why it cannot be done."""
        action = actions.BY_ID[action_id]
        why = action.why_disabled(self.situation())
        if why is not None:
            self.say(why, "warn")
            return
        self._said = None
        if action.scope == "table":
            getattr(self.table, f"action_{action.verb}")()
        elif action.on_tasks:
            from umbel_console.screens.task_acts import begin

            begin(self, action.verb)
        elif action.scope == "app" and action.verb != "command_bar":
            self.post_message(self.Asked(action.verb))
        else:
            getattr(self, f"do_{action.verb}")()

    def do_filter(self) -> None:
        """Begin to type a filter."""
        for bar in self.query(FilterBar):
            bar.edit()

    def do_back(self) -> None:
        """Undo the last narrowing of the view, one at a time."""
        table = self.table
        if table.marks.anchor is not None:
            table.marks.anchor = None
            table.tick()
        elif table.is_frozen:
            table.action_freeze()
        elif any(bar.text for bar in self.query(FilterBar)):
            for bar in self.query(FilterBar):
                bar.put("")
        self.table.focus()

    def do_refresh(self) -> None:
        """Ask everything again."""
        self.post_message(self.Asked("ask_again"))
        self.say("Asking broker, workers and database again.")

    def on_key(self, event: events.Key) -> None:
        """Say so where a key does nothing; it comes by here before the bindings are looked at."""
        if any(event.key in found.key_to_bindings for _, found in self._binding_chain):
            return
        from umbel_console.screens.stray_keys import of_no_use

        shown = event.character if event.is_printable and event.character else event.key
        session = self.session
        words = of_no_use(event.key, shown, session.settings.key_map, unicode=session.unicode)
        self.say(words, "warn")

    # Messages

    def on_line_clicked(self, event: Line.Clicked) -> None:
        """Do what the clicked key or tab stands for."""
        event.stop()
        self.action_act(event.does)

    def on_filter_bar_left(self, event: FilterBar.Left) -> None:
        """Give the keys back to the table."""
        self.table.focus()

    def on_record_table_changed(self, event: RecordTable.Changed) -> None:
        """Tell marks, freeze and what is new."""
        self.draw_status()

    def give_command(self, word: str, rest: str) -> None:
        """Let the app do a command that no screen has."""
        self.post_message(self.Commanded(word, rest))
