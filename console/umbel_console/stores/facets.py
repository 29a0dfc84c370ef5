"""How often each value of a field occurs among the tasks at hand, under the present filter."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from umbel_backend.records import TaskRecord
from umbel_console.stores.tasks import Section, section_of

if TYPE_CHECKING:
    from umbel_backend.filters import Filter

FIELDS: Final = ("state", "name", "queue", "worker", "exc")
"""Fields of every task whose values are counted; tags come by their keys, as ``tag.KEY``."""
TIMES: Final = frozenset({"since", "until"})
"""Fields that stand behind the counts of stretches of time."""

Span = tuple[float, float]
"""From, included, and to, not included, in Unix seconds."""
Values = Sequence[tuple[str | None, int]]
"""Values with the number of their tasks, the most frequent first; None stands for "not known"."""


class Facets(Struct, frozen=True, kw_only=True):
    """What was counted, each field without regard to what the filter asks of that field itself."""

    counted: int
    """Tasks that were looked at under the whole filter."""
    by_field: Mapping[str, Values]
    capped: frozenset[str] = frozenset()
    """Fields of which only the newest tasks were looked at, ``""`` for the whole filter."""
    spans: Sequence[tuple[int, bool]] = ()
    """For each stretch of time its number of tasks, and whether there may be more."""


def count_facets(
    records: Iterable[TaskRecord],
    chosen: Filter | None,
    fields: Sequence[str],
    *,
    spans: Sequence[Span] = (),
    section: Section | None = None,
    now: float,
) -> Facets:
    """Count the values of ``fields`` in all of ``records`` that ``chosen`` matches.

    Args:
        records: Live tasks; 20,000 take about 20 ms.
        chosen: The present filter; None matches all.
        fields: Of `FIELDS`, or ``tag.KEY``.
        spans: Stretches of time in which the last change of state is counted.
        section: The only section that is looked at; None looks at all.
        now: What ``chosen`` counts its times from.
    """
    if section is not None:
        records = [record for record in records if section_of(record) is section]
    if chosen is None or chosen.root is None:
        every = list(records)
        return Facets(
            counted=len(every),
            by_field={name: _values(every, name) for name in fields},
            spans=_inside(every, spans),
        )
    return _under_filter(records, chosen, fields, spans, now)


def _under_filter(
    records: Iterable[TaskRecord],
    chosen: Filter,
    fields: Sequence[str],
    spans: Sequence[Span],
    now: float,
) -> Facets:
    from umbel_backend.filters import compile_predicate
    from umbel_backend.filters.edit import asked, without

    named = asked(chosen) & {*fields, *TIMES}
    own = [{name} for name in named - TIMES] + ([set(TIMES)] if named & TIMES else [])
    rest = compile_predicate(without(chosen, named))
    some = [record for record in records if rest(record, now)]

    def matches(left_out: set[str]) -> list[TaskRecord]:
        # Tested anew only for the facets that are asked for: the rest is known to hold.
        if not left_out and not named:
            return some
        matched = compile_predicate(without(chosen, left_out))
        return [record for record in some if matched(record, now)]

    whole = matches(set())
    by_field: dict[str, Values] = {
        name: _values(whole, name) for name in fields if name not in named
    }
    inside = [] if named & TIMES else _inside(whole, spans)
    for left_out in own:
        found = matches(left_out)
        if left_out == TIMES:
            inside = _inside(found, spans)
        else:
            name = next(iter(left_out))
            by_field[name] = _values(found, name)
    return Facets(counted=len(whole), by_field=by_field, spans=inside)


def _values(records: Sequence[TaskRecord], name: str) -> Values:
    counted: Counter[str | None] = Counter()
    if name.startswith("tag."):
        key = name[4:]
        counted.update(record.tags.get(key) for record in records)
    elif name == "exc":
        errors = Counter(filter(None, map(attrgetter("exception"), records)))
        for text, number in errors.items():
            counted[text.partition(":")[0]] += number
        counted.pop("", None)
    else:
        counted.update(map(attrgetter(name), records))
    if "" in counted:
        counted[None] += counted.pop("")
    return sorted(counted.items(), key=_most_first)


def _most_first(pair: tuple[str | None, int]) -> tuple[Any, ...]:
    value, number = pair
    return -number, value is None, value or ""


def _inside(records: Sequence[TaskRecord], spans: Sequence[Span]) -> list[tuple[int, bool]]:
    if not spans:
        return []
    instants = sorted(map(attrgetter("state_at"), records))
    return [
        (bisect_left(instants, high) - bisect_left(instants, low), False) for low, high in spans
    ]
