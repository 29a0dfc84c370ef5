from __future__ import annotations

import random

import pytest

from fake_console.world import NOW, business, task
from umbel_backend.events.model import Event
from umbel_backend.records import TaskRecord
from umbel_console.stores.selection import InSection, Selection, calm_order
from umbel_console.stores.tasks import Section, TaskStore, section_of


def event(kind: str, task_id: str, at: float = NOW, **fields: object) -> Event:
    made = Event(type=kind, id=task_id, at=at, arrived_at=at, hostname="w1@app-1")
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def life_of(task_id: str, at: float = NOW, end: str = "task-succeeded") -> list[Event]:
    return [
        event("task-received", task_id, at, name="a.b", args="()", kwargs="{}"),
        event("task-started", task_id, at + 1),
        event(end, task_id, at + 2, result="1", runtime=1.0),
    ]


def test_events_become_records_and_counts() -> None:
    store = TaskStore()
    store.apply(life_of("a"))
    store.apply(life_of("b")[:2])
    store.apply([event("task-sent", "c", name="x", hostname="producer")])
    assert store.counts == {
        Section.ACTIVE: 1,
        Section.PAUSED: 0,
        Section.WAITING: 1,
        Section.COMPLETED: 1,
    }
    assert store.revision > 0


def test_worker_events_are_passed_over() -> None:
    store = TaskStore()
    store.apply([Event(type="worker-heartbeat", hostname="w1@app-1", at=NOW)])
    assert len(store) == 0


def test_what_live_events_told_is_not_undone_by_the_database() -> None:
    store = TaskStore()
    store.apply(life_of("a"))
    stale = TaskRecord(id="a", state="STARTED", state_at=NOW + 1, started_at=NOW + 1)
    store.seed([stale, task(1, "SUCCESS")])
    known = store.get("a")
    assert known is not None
    assert known.state == "SUCCESS"
    assert len(store) == 2


def test_an_end_seen_before_the_database_was_read_keeps_what_the_database_knows() -> None:
    store = TaskStore()
    end = event("task-succeeded", "a", NOW + 2, result="1", runtime=1.0)
    store.apply([end])
    begun = TaskRecord(id="a", state="STARTED", state_at=NOW + 1, started_at=NOW + 1, name="a.b")
    store.seed([begun], [end])
    known = store.get("a")
    assert known is not None
    assert (known.state, known.name, known.result) == ("SUCCESS", "a.b", "1")


def test_an_end_that_was_written_late_is_taken_from_a_second_reading() -> None:
    store = TaskStore()
    store.seed([task(1, "STARTED")])
    ended = task(1, "SUCCESS")
    store.seed([ended])
    assert store.get(ended.id) is ended
    store.seed([task(1, "STARTED")])
    assert store.get(ended.id) is ended


def test_of_what_the_database_gave_the_oldest_is_forgotten_first() -> None:
    store = TaskStore(most_records=2)
    store.seed(task(n, "SUCCESS", age_s=10.0 * n) for n in (1, 2, 3))
    assert store.get(task(3).id) is None
    assert store.get(task(1).id) is not None


def test_finished_before_unfinished_and_successes_before_failures_are_forgotten() -> None:
    store = TaskStore(most_records=4)
    store.seed([task(1, "STARTED"), task(2, "FAILURE"), task(3, "SUCCESS"), task(4, "SUCCESS")])
    store.seed([task(5, "FAILURE")])
    assert store.get(task(3).id) is None
    store.seed([task(6, "FAILURE"), task(7, "FAILURE")])
    assert store.get(task(4).id) is None
    assert store.get(task(2).id) is None
    assert store.get(task(1).id) is not None
    assert store.forgotten == 3
    assert sum(store.counts.values()) == len(store) == 4


def test_large_texts_count_against_the_bound_in_bytes() -> None:
    store = TaskStore(most_bytes=100_000)
    store.seed([task(n, "SUCCESS", result="x" * 9_000) for n in range(50)])
    assert store.bytes <= 100_000
    assert 5 < len(store) < 12


@pytest.mark.parametrize("seed", range(25))
def test_a_selection_kept_up_by_changes_equals_one_made_anew(seed: int) -> None:
    chance = random.Random(seed)
    store = TaskStore(most_records=30)
    kept = Selection(store)
    order = chance.choice([calm_order, lambda record, now: record.state])

    def choose(selection: Selection) -> None:
        selection.choose(
            predicate=lambda record, now: "1" in record.id,
            moves=False,
            section=None,
            sort_key=order,
            descending=seed % 2 == 1,
        )

    choose(kept)
    ids = [f"t{n}" for n in range(60)]
    for step in range(200):
        ends = ("task-succeeded", "task-failed", "task-retried")
        whole = life_of(chance.choice(ids), NOW + step, chance.choice(ends))
        store.apply(chance.sample(whole, chance.randrange(1, 4)))
        if chance.random() < 0.4:
            fresh = Selection(store)
            choose(fresh)
            assert kept.rows(NOW) == fresh.rows(NOW)


@pytest.mark.parametrize("descending", [False, True])
def test_rows_worked_out_in_parts_are_those_made_at_once_whatever_changes_meanwhile(
    descending: bool,
) -> None:
    store = TaskStore()
    store.seed(task(number, "STARTED") for number in range(1_000))
    kept, fresh = Selection(store), Selection(store)
    for selection in (kept, fresh):
        selection.choose(
            predicate=lambda record, now: not record.id.startswith("5"),
            moves=False,
            section=Section.ACTIVE,
            descending=descending,
        )
    ids = [record.id for record in store.records()]
    parts = 0
    for number, _ in enumerate(kept.fill(NOW, 0.0)):
        store.apply([event("task-succeeded", ids[number * 90], NOW + number)])
        store.apply(life_of(f"new-{number}")[:2])
        parts += 1
    assert parts == 10
    assert kept.rows(NOW) == fresh.rows(NOW)
    assert kept.rows(NOW) is kept.rows(NOW)


def test_a_section_of_all_is_what_the_section_alone_selects() -> None:
    store = TaskStore()
    store.seed([*business(), *(task(900 + n, "PAUSED") for n in range(3))])
    whole = Selection(store)
    views = {section: InSection(whole, section) for section in (None, *Section)}
    for step in range(20):
        store.apply(life_of(f"new-{step % 7}", NOW + step)[: 1 + step % 3])
        for section, view in views.items():
            alone = Selection(store)
            alone.choose(predicate=None, moves=False, section=section)
            assert view.rows(NOW) == alone.rows(NOW)
            assert view.rows(NOW) is view.rows(NOW)


def test_a_reader_that_slept_too_long_reads_everything() -> None:
    store = TaskStore(most_records=10)
    selection = Selection(store)
    selection.choose(predicate=None, moves=False, section=None)
    selection.rows(NOW)
    for n in range(100):
        store.apply(life_of(f"t{n}"))
    assert {record.id for record in selection.rows(NOW)} == {r.id for r in store.records()}


def test_nothing_changed_gives_the_same_list() -> None:
    store = TaskStore()
    store.seed(business())
    selection = Selection(store)
    selection.choose(predicate=None, moves=False, section=None)
    assert selection.rows(NOW) is selection.rows(NOW + 10)


def test_a_filter_that_moves_with_the_clock_is_asked_again() -> None:
    store = TaskStore()
    store.seed([task(1, age_s=10)])
    selection = Selection(store)
    selection.choose(
        predicate=lambda record, now: now - record.state_at < 60, moves=True, section=None
    )
    assert len(selection.rows(NOW)) == 1
    assert selection.rows(NOW + 120) == []


def test_the_calm_order_puts_the_longest_running_first_and_the_newest_end_first() -> None:
    ordered = sorted(business(), key=lambda record: calm_order(record, NOW))
    sections = [section_of(record) for record in ordered]
    running_first = [Section.ACTIVE, Section.PAUSED, Section.WAITING, Section.COMPLETED]
    assert sections == sorted(sections, key=running_first.index)
    active = [r.started_at for r in ordered if section_of(r) is Section.ACTIVE]
    assert active == sorted(active, key=float)  # type: ignore[arg-type]
    ends = [r.finished_at for r in ordered if r.is_ready]
    assert ends == sorted(ends, key=float, reverse=True)  # type: ignore[arg-type]
