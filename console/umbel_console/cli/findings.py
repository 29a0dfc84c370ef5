"""What a check found, and how findings are listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from umbel_console.cli.output import plain, print_line, styled

Level = Literal["ok", "advice", "warning", "critical", "unknown"]
"""``advice`` is a choice worth knowing about; ``unknown`` is what could not be looked at."""

_STYLES: dict[Level, dict[str, Any]] = {
    "ok": {"fg": "green"},
    "advice": {"fg": "blue"},
    "warning": {"fg": "yellow"},
    "critical": {"fg": "red", "bold": True},
    "unknown": {"dim": True},
}
_ORDER: tuple[Level, ...] = ("critical", "warning", "advice", "unknown", "ok")


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    check: str
    """Name of the check, stable for scripts."""
    level: Level
    detail: str
    """One plain sentence."""
    fix: str | None = None
    """What to do about it, as one plain sentence; None where nothing needs to be done."""


def public(finding: Finding) -> dict[str, Any]:
    """Return ``finding`` as JSON values."""
    return asdict(finding)


def worst(findings: Sequence[Finding]) -> Level:
    """Return the gravest level among ``findings``; what is unknown counts as ``ok``."""
    levels = {finding.level for finding in findings}
    return next((level for level in ("critical", "warning", "advice") if level in levels), "ok")


def print_findings(findings: Sequence[Finding]) -> None:
    """Print ``findings``, the gravest first, each fix under what it is for."""
    for finding in sorted(findings, key=lambda each: _ORDER.index(each.level)):
        level = styled(f"{finding.level:<8}", **_STYLES[finding.level])
        print_line(f"{level}  {finding.check}: {plain(finding.detail)}")
        if finding.fix:
            print_line(f"          fix: {plain(finding.fix)}")
