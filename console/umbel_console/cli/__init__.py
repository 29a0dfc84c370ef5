"""The ``umbel`` command: one module a noun, each imported only when its command runs."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``umbel`` with ``arguments`` (default: this process's) and return its exit code."""
    from umbel_console import collection

    collection.pause()
    try:
        from umbel_console.cli.entry import run

        return run(arguments)
    finally:
        collection.resume()
