"""What a half-typed filter could go on with, and how often each value occurs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Final

from umbel_backend.filters.complete import MOST, Values, complete
from umbel_console.stores.facets import FIELDS, count_facets

if TYPE_CHECKING:
    from umbel_console.services import History
    from umbel_console.session import Session

COUNTED: Final = 10_000
"""Where the database ends to count one value."""
LIVE_FOR_S: Final = 2.0
"""How long values counted among the live tasks are good for."""
STORED_FOR_S: Final = 30.0
_MOST_REMEMBERED: Final = 200


def suggest(text: str, cursor: int, values: Values) -> list[tuple[str, str]]:
    """Return what could stand at ``cursor``: the whole text then, and what to show of it."""
    found = complete(text, cursor, values)
    return [
        (
            f"{text[: found.start]}{option.text}{text[found.end :]}",
            f"{option.text} {option.meaning}" if option.is_value else option.text,
        )
        for option in found.options
    ]


class KnownValues:
    """Values that occur among the live tasks and in the database, with their numbers.

    Args:
        session: Where both are.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._live: dict[str, tuple[float, dict[str, str]]] = {}
        self._stored: dict[tuple[str, str], tuple[float, dict[str, str]]] = {}

    def live(self, field: str, typed: str) -> Mapping[str, str]:
        """Return values of ``field`` among the live tasks, workers and queues, the most frequent first."""
        if field in ("id", "root", "parent", "group"):
            return dict.fromkeys(self._ids(typed), "")
        now = self._session.clock()
        kept = self._live.get(field)
        if kept is None or not 0 <= now - kept[0] < LIVE_FOR_S:
            self._live[field] = kept = now, self._counted(field)
        return kept[1]

    def stored(self, field: str, typed: str) -> Mapping[str, str] | None:
        """Return values that begin so in all of history; None if they are to be looked up first."""
        kept = self._stored.get((field, typed.lower()))
        if kept is None or self._session.clock() - kept[0] > STORED_FOR_S:
            return None
        return kept[1]

    def both(self, wanted: Callable[[str, str], None]) -> Values:
        """Return a source of values of the database, with the live ones behind them.

        Args:
            wanted: Called with field and what is typed when these must be looked up first.
        """

        def values(field: str, typed: str) -> Mapping[str, str]:
            live = self.live(field, typed)
            if not is_stored(field):
                return live
            stored = self.stored(field, typed)
            if stored is None:
                wanted(field, typed)
                stored = {}
            return {**stored, **{each: "" for each in live if each not in stored}}

        return values

    async def look_up(self, history: History, field: str, typed: str) -> None:
        """Read values that begin with ``typed`` from the database.

        Raises:
            DatabaseUnavailable: It failed.
        """
        found = await history.known(field, typed, COUNTED)
        if len(self._stored) >= _MOST_REMEMBERED:
            self._stored.clear()
        notes = {
            value: f"{COUNTED:,}+" if number > COUNTED else f"{number:,}" for value, number in found
        }
        self._stored[field, typed.lower()] = self._session.clock(), notes

    def _ids(self, typed: str) -> Iterable[str]:
        if not typed:
            return ()
        lower = typed.lower()
        records = self._session.tasks.records()
        return islice((r.id for r in records if r.id.lower().startswith(lower)), MOST)

    def _counted(self, field: str) -> dict[str, str]:
        session = self._session
        records = list(session.tasks.records())
        if field == "tag":
            seen = {key: "" for record in records for key in record.tags}
            return {**dict.fromkeys(session.settings.tags, ""), **seen}
        if field not in FIELDS and not field.startswith("tag."):
            return {}
        counted = count_facets(records, None, [field], now=session.clock()).by_field[field]
        found = {value: f"{number:,}" for value, number in counted if value}
        others: Iterable[str] = ()
        if field == "worker":
            others = (worker.hostname for worker in session.workers.records())
        elif field == "queue":
            others = (queue.name for queue in session.queues.records())
        return {**found, **{name: "0" for name in others if name not in found}}


def is_stored(field: str) -> bool:
    """Whether the database can list values of ``field`` quickly."""
    return field in ("name", "queue", "worker", "exc") or field.startswith("tag.")
