"""What one operator chose in the console and finds again next time: columns, saved views, filters.

Kept in one small JSON file of the user, shared by all consoles of that user; nothing in it is
needed, so a file that is missing, unreadable or damaged is the same as an empty one.
"""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

LONGEST_BYTES = 1_000_000
"""A file larger than this is not ours, or not worth reading at every start."""


class Preferences:
    """Values by section and name, each a JSON value.

    Args:
        path: The file; None keeps everything in memory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._kept: dict[str, dict[str, Any]] | None = None

    def get(self, section: str, name: str, default: Any = None) -> Any:
        """Return what was put there, by this console or an earlier one, else ``default``."""
        if self._kept is None:
            self._kept = self._read()
        return self._kept.get(section, {}).get(name, default)

    def names(self, section: str) -> list[str]:
        """Return the names that hold a value, in the order they were put."""
        if self._kept is None:
            self._kept = self._read()
        return list(self._kept.get(section, {}))

    def put(self, section: str, name: str, value: Any) -> None:
        """Keep ``value``; None forgets what was there.

        Other consoles may have written since: their values stay. A file that cannot be written is
        logged, and the value holds for this run.
        """
        kept = self._read() if self._path is not None else self._kept or {}
        section_kept = kept.setdefault(section, {})
        section_kept.pop(name, None)
        if value is not None:
            section_kept[name] = value
        self._kept = kept
        self._write(kept)

    def _read(self) -> dict[str, dict[str, Any]]:
        if self._path is None:
            return {}
        try:
            with self._path.open("rb") as file:
                kept = json.loads(file.read(LONGEST_BYTES))
        except (OSError, ValueError):
            return {}
        if not isinstance(kept, dict):
            return {}
        return {name: section for name, section in kept.items() if isinstance(section, dict)}

    def _write(self, kept: dict[str, dict[str, Any]]) -> None:
        if self._path is None:
            return
        import secrets

        part = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Filters name customers: nobody else's business.
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(kept, file, indent=1)
            os.replace(part, self._path)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            log.warning("preferences could not be kept in %s: %s", self._path, error)
            self._path = None


def preferences_file() -> Path:
    """Return where an operator's preferences are kept."""
    import platformdirs

    return platformdirs.user_state_path("umbel", appauthor=False) / "console.json"
