"""Export of a whole history against the standard library; see `bench.database`."""

from __future__ import annotations

import csv
import json
import resource
import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from bench.figures import Row, ratios, spread

from umbel_backend.db.export_blocks import TaskBlocks
from umbel_backend.db.statements import tasks
from umbel_backend.db.tables import task
from umbel_backend.export import framed


@dataclass(frozen=True, slots=True)
class Took:
    """What one run took."""

    wall_s: float
    cpu_s: float


@contextmanager
def clock(into: list[Took], per: float) -> Iterator[None]:
    """Measure the block, scaled by ``per``, and add it to ``into``."""
    wall, cpu = time.monotonic(), cpu_s()
    yield
    into.append(Took((time.monotonic() - wall) * per, (cpu_s() - cpu) * per))


def cpu_s() -> float:
    """Return the CPU seconds of this process and of the helpers that ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def export_ours(engine: sa.Engine, target: Path, format: str) -> None:
    with target.open("wb") as file:
        found = TaskBlocks(engine, tasks.EVERY, format)
        for part in framed((block for block, _ in found.blocks()), format):
            file.write(part)


def export_stdlib(path: Path, target: Path, format: str) -> None:
    names = [column.name for column in task.columns]
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    found = connection.execute(f"SELECT {', '.join(names)} FROM task ORDER BY n")
    with target.open("w", encoding="utf-8", newline="") as file:
        if format == "csv":
            writer = csv.writer(file)
            writer.writerow(names)
            writer.writerows(found)
        else:
            for row in found:
                file.write(json.dumps(dict(zip(names, row, strict=True))) + "\n")
    connection.close()


def compare_export(engine: sa.Engine, path: Path, count: int, rounds: int) -> list[Row]:
    rows = []
    for format, limit_s in (("jsonl", 8.0), ("csv", 15.0)):
        target = path.with_suffix(f".{format}")
        ours: list[Took] = []
        theirs: list[Took] = []
        for _ in range(rounds):
            with clock(ours, 1e6 / count):
                export_ours(engine, target, format)
            with clock(theirs, 1e6 / count):
                export_stdlib(path, target, format)
        target.unlink()
        rows.append(
            Row(
                what=f"{format}, wall time per million",
                ours=spread([took.wall_s for took in ours], " s"),
                peer=spread([took.wall_s for took in theirs], " s"),
                ratio=ratios([took.wall_s for took in ours], [took.wall_s for took in theirs]),
                bar=f"< {limit_s:.0f} s",
                met=statistics.median(took.wall_s for took in ours) < limit_s,
            )
        )
        rows.append(
            Row(
                what=f"{format}, CPU per million",
                ours=spread([took.cpu_s for took in ours], " s"),
                peer=spread([took.cpu_s for took in theirs], " s"),
                ratio=ratios([took.cpu_s for took in ours], [took.cpu_s for took in theirs]),
            )
        )
    return rows
