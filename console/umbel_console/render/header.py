"""The first line of every screen: what Umbel is connected to and how far it can be trusted now."""

from __future__ import annotations

from msgspec import Struct
from rich.text import Text

from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part, fit
from umbel_console.render.time import coarse

COLOURS = {
    "red": "bad",
    "orange": "held",
    "yellow": "warn",
    "green": "good",
    "cyan": "running",
    "blue": "waiting",
    "magenta": "stopped",
}
"""What a banner's colour is called in the configuration file, and the role that has it."""

QUIET_S = 10.0
"""A live connection without an event for this long says so."""


class HeaderFacts(Struct, frozen=True, kw_only=True):
    """What the header tells; the app gathers it once a second."""

    context: str
    broker: str
    """Masked: never with a password."""
    colour: str | None = None
    """Colour of the context's banner, one of `COLOURS`."""
    who: str = ""
    """The operator and what they may do: ``alice·admin``."""
    protected: bool = False
    read_only: bool = False
    state: str = "connecting"
    """``connecting``, ``live``, ``reconnecting`` or ``stopped``."""
    since_s: float = 0.0
    lag_s: float | None = None
    """How old events are when they are shown; None before the first."""
    quiet_s: float | None = None
    """Seconds since the last event; None before the first."""
    rate: float = 0.0
    dropped: int = 0
    malformed: int = 0
    gaps: int = 0
    recorder: str = ""
    """``rec here``, ``rec HOST`` or ``no recorder``; empty while that is being found out."""
    recorder_ok: bool = True
    workers_online: int = 0
    workers_known: int = 0


def header_line(facts: HeaderFacts, draw: DrawContext, width: int) -> Text:
    """Draw the header in ``width`` cells; narrow terminals keep the context and the freshness."""
    cell = draw.cell
    parts = [
        Part(cell(" umbel", "accent", bold=True), 6),
        Part(_banner(facts, draw)),
        Part(cell(facts.broker, "muted"), 7),
        Part(_freshness(facts, draw)),
        Part(cell(f"{facts.rate:,.0f} ev/s", "muted"), 4),
        Part(_count(facts.dropped, "dropped", draw, "bad"), 2 if facts.dropped else 9),
        Part(_count(facts.gaps, "gap" if facts.gaps == 1 else "gaps", draw, "warn", hide=True), 3),
        Part(_count(facts.malformed, "malformed", draw, "warn", hide=True), 8),
        Part(cell(facts.recorder, "muted" if facts.recorder_ok else "warn"), 5),
        Part(_workers(facts, draw), 3, right=True),
        Part(cell(f"{facts.who} " if facts.who else "", "muted"), 8, right=True),
    ]
    return fit(parts, width)


def _banner(facts: HeaderFacts, draw: DrawContext) -> Text:
    words = [facts.context.upper()]
    if facts.protected:
        words.append("PROTECTED")
    if facts.read_only:
        words.append("READ ONLY")
    text = draw.cell(f" {' · '.join(words) if draw.unicode else ' / '.join(words)} ")
    role = COLOURS.get(facts.colour or "", "bad" if facts.protected else "accent")
    text.style = draw.palette.banner(role)
    return text


def _freshness(facts: HeaderFacts, draw: DrawContext) -> Text:
    if facts.state == "live":
        if facts.quiet_s is not None and facts.quiet_s >= QUIET_S:
            quiet = f"live, no event for {coarse(facts.quiet_s)}"
            return draw.cell(f"{draw.glyph('●', '*')} {quiet}", "warn")
        lag = "" if facts.lag_s is None else f" {facts.lag_s:.1f} s"
        late = facts.lag_s is not None and facts.lag_s >= 2.0
        return draw.cell(f"{draw.glyph('●', '*')} live{lag}", "warn" if late else "good")
    if facts.state == "connecting":
        return draw.cell(f"{draw.glyph('◌', 'o')} connecting", "warn")
    if facts.state == "reconnecting":
        words = f"not connected for {coarse(facts.since_s)}, trying again"
        return draw.cell(f"{draw.glyph('✗', 'x')} {words}", "bad", bold=True)
    return draw.cell(f"{draw.glyph('■', '#')} stopped", "muted")


def _count(number: int, noun: str, draw: DrawContext, role: str, *, hide: bool = False) -> Text:
    if not number and hide:
        return Text()
    return draw.cell(f"{number:,} {noun}", role if number else "muted")


def _workers(facts: HeaderFacts, draw: DrawContext) -> Text:
    noun = "worker" if facts.workers_known == 1 else "workers"
    if not facts.workers_known:
        return draw.cell("no workers seen ", "warn")
    short = facts.workers_online < facts.workers_known
    words = f"{facts.workers_online}/{facts.workers_known} {noun} "
    return draw.cell(words, "warn" if short else "foreground")
