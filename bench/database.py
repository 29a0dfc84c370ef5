"""The database against the standard library: writes, pages, text search and export.

    python -m bench.database --rows 100000
    python -m bench.database --rows 1000000

Writes: the `Writer` against ``sqlite3.executemany`` upserts of the same rows, in transactions of the
same size into the same schema, with and without the full-text triggers on both sides. The peer gets
its tuples ready made. Each task is written twice, started and ended. Times are those of a recorder at
work, 1,000 tasks a second; the same over 30 days is told too.
Reads: CPU time of what the history screen asks, from the filter's text to the records, over a file
that the `Writer` made. ``LIKE`` looks at the same five columns.
Export: the rows of the whole file as JSON Lines and as CSV. The peer reads the same columns with
``sqlite3`` and writes them as they are with ``json`` and ``csv``, without the work on times,
arguments, attempts and formulas.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench.database_export import compare_export
from bench.database_reads import PAGE, compare_pages, compare_search
from bench.database_rows import build
from bench.database_writes import compare_writes
from bench.figures import print_rows

from umbel_backend.db.engine import database_url, open_engine

__all__ = ["build", "main"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="size of the history read")
    parser.add_argument(
        "--writes", type=int, default=50_000, help="tasks of the writing comparison"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("writes", "reads", "export"))
    parser.add_argument("--folder", type=Path, help="keeps the file, and takes the one it finds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if options.only in (None, "writes"):
            rows = compare_writes(Path(scratch), options.writes, options.rounds)
            print_rows(f"Writer / sqlite3.executemany, {options.writes:,} tasks twice, CPU", rows)
        if options.only == "writes":
            return
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"history-{options.rows}.db"
        if not path.exists():
            took_s = build(path, options.rows)
            speed = options.rows / took_s
            print(f"\n{options.rows:,} tasks written in {took_s:.1f} s ({speed:,.0f}/s, full text)")
        print(f"file of {options.rows:,} tasks: {path.stat().st_size / 2**20:,.0f} MiB")
        engine = open_engine(database_url(str(path), ""), read_only=True)
        if options.only in (None, "reads"):
            print_rows(f"Pages of {PAGE} at {options.rows:,} rows", compare_pages(engine))
            print_rows(f"Text search / LIKE at {options.rows:,} rows", compare_search(engine, path))
        if options.only in (None, "export"):
            rows = compare_export(engine, path, options.rows, options.rounds)
            print_rows(f"Export of {options.rows:,} rows / sqlite3 with json and csv", rows)
        engine.dispose()


if __name__ == "__main__":
    main()
