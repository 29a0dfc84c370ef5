"""What the scripts here share: figures with their spread, and the table they are printed in."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison: a figure of ours, its peer's in the same run, and the bar between them."""

    what: str
    ours: str
    peer: str = ""
    ratio: float | None = None
    bar: str = ""
    met: bool | None = None
    """None where no bar was set: the figure is for information."""


def spread(values: Sequence[float], unit: str = "", digits: int = 2) -> str:
    """Write the median of ``values`` and, of several, from where to where they go."""
    middle = statistics.median(values)
    if len(values) == 1:
        return f"{middle:,.{digits}f}{unit}"
    return f"{middle:,.{digits}f}{unit} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the ratios of rounds that ran side by side."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` of ``values`` lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def print_rows(title: str, rows: Sequence[Row]) -> None:
    """Print ``rows`` as one table, and under it on what it was measured."""
    head = ("", "umbel", "peer", "ratio", "bar", "")
    words = {True: "met", False: "MISSED", None: ""}
    lines = [head]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
        lines.append((row.what, row.ours, row.peer, ratio, row.bar, words[row.met]))
    widths = [max(len(line[n]) for line in lines) for n in range(len(head))]
    print(f"\n{title}")
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        print("  ".join(cells).rstrip())
    print(machine(), flush=True)


def machine(*packages: str) -> str:
    """Say on what the figures were measured."""
    load = os.getloadavg()[0]
    parts = [f"{os.cpu_count()} cores", f"load {load:.1f}", f"Python {platform.python_version()}"]
    return ", ".join([*parts, *(f"{name} {version(name)}" for name in packages)])
