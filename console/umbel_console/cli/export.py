"""``umbel export``: all tasks that match, streamed into a file."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import BinaryIO

import click

from umbel_backend.db.export_blocks import TaskBlocks
from umbel_backend.export import FORMATS, framed
from umbel_console.cli.atomic_file import written_at_once
from umbel_console.cli.filter_words import filter_argument, read_filter
from umbel_console.cli.output import print_note
from umbel_console.cli.session import Session

_BY_SUFFIX = {".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl"}
STDOUT = "-"


@click.command()
@click.argument("file", type=click.Path(dir_okay=False))
@filter_argument
@click.option(
    "--format",
    "wanted_format",
    type=click.Choice(FORMATS),
    help="By default what the file's name ends in, else jsonl.",
)
@click.option("--logs", is_flag=True, help="Give each task its log, as the field logs.")
@click.option("--force", "--yes", is_flag=True, help="Replace a file that exists and is not empty.")
@click.pass_obj
def export(
    session: Session,
    /,
    file: str,
    filter_words: tuple[str, ...],
    wanted_format: str | None,
    logs: bool,
    force: bool,
) -> None:
    """Write all tasks that match FILTER to FILE, in the order they were first seen; - is stdout.

    FILE appears under its name only when it is complete. CSV cells that a spreadsheet would run as
    a formula begin with a quote.
    """
    chosen = read_filter(filter_words, session.context)
    name = wanted_format or _BY_SUFFIX.get(Path(file).suffix.lower(), "jsonl")
    found = session.history.blocks(chosen, name, logs=logs)
    with _target(file, replace=force) as target, closing(_counted(found)) as blocks:
        for part in framed(blocks, name, logs=logs):
            target.write(part)
    session.history.explain()


def _target(file: str, *, replace: bool) -> AbstractContextManager[BinaryIO]:
    if file == STDOUT:
        return nullcontext(sys.stdout.buffer)
    return written_at_once(Path(file), replace=replace)


def _counted(found: TaskBlocks | None) -> Generator[bytes, None, None]:
    """Pass blocks on, showing on a terminal's stderr how far it is, and at the end how many."""
    if found is None:
        return
    with closing(found.blocks()) as blocks:
        if not sys.stderr.isatty():
            for block, _ in blocks:
                yield block
            return
        from rich.console import Console
        from rich.progress import Progress

        count = 0
        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("Exporting", total=found.total)
            for block, tasks in blocks:
                yield block
                count += tasks
                progress.update(bar, completed=count)
    print_note(f"{count:,} tasks written.")
